"""Makes everything that the page shows from the state of a talk. Pure: state in, values for JSON out.

The desk (``kai/ui/desk``) draws exactly these values and makes no decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kai.core.characters import name_of
from kai.core.policy.face_facts import FACE_BUSY
from kai.core.policy.rungs import STAND_IN
from kai.core.state import (
    AgentState,
    BudgetStage,
    HandOver,
    LegName,
    LegStatus,
    Message,
    Microphone,
    Phase,
    Problem,
    Role,
    SessionState,
    Span,
    Why,
)
from kai.ui import facts, names, problems, texts

Json = dict[str, object]

NO_NETWORK = "no-network"
"""The code of a browser leg that failed because this computer has no network interface: browsers then start no WebRTC."""

TEXT_LIMIT_CHARS = 2000
"""The longest line that a person can type."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted media component of a tab. A new ``serial`` gives a new component key and thus a fresh connection.

    ``serial`` counts up in a tab; ``start_wall_s`` tells the talk's starts apart; ``attempt`` is the last attempt of the
    browser leg that the component served; ``is_receive_only`` means that there is no microphone to send.
    """

    serial: int
    start_wall_s: float
    attempt: int
    is_receive_only: bool


def next_mount(state: SessionState, mount: Mount | None, next_serial: int) -> Mount | None:
    """Return the component to mount now: the same one, a fresh one, or none (no talk, or the leg has given up).

    A connected leg keeps its component even when its microphone is lost, since the page substitutes another microphone. The
    component reconnects automatically after the page's first loss. A retry of the leg needs a fresh component with
    ``next_serial``, and so does a microphone that was refused before connecting or found after connecting without one.
    """
    if not has_media(state):
        return None
    is_receive_only = has_no_microphone(state)
    is_stale = (
        mount is None
        or mount.start_wall_s != state.started_wall_s
        or (mount.is_receive_only and not is_receive_only)
        or (is_receive_only and not mount.is_receive_only and not state.browser.is_up)
        or (not state.browser.is_up and state.browser.attempt > mount.attempt)
    )
    if mount is None or is_stale:
        return Mount(next_serial, state.started_wall_s, max(1, state.browser.attempt), is_receive_only)
    return replace(mount, attempt=1) if state.browser.is_up else mount


def has_media(state: SessionState) -> bool:
    """Return whether the talk's picture and sound use WebRTC, or try to."""
    return state.is_active and state.browser.status not in (LegStatus.FAILED, LegStatus.DISCONNECTED)


def has_no_microphone(state: SessionState) -> bool:
    """Return whether the browser reported that there is no microphone to use."""
    return state.microphone in (Microphone.REFUSED, Microphone.MISSING)


def is_microphone_known(state: SessionState) -> bool:
    """Return whether the browser has answered the request for the microphone. Connecting waits for that answer."""
    return state.microphone is not Microphone.UNKNOWN


def structure(state: SessionState) -> str:
    """Return a short string that changes exactly when the page must be rebuilt by a Streamlit run."""
    if not state.is_active:
        return state.phase.value
    parts = [
        f"{state.started_wall_s:.3f}",
        "media" if has_media(state) else "text",
        "mic?" if not is_microphone_known(state) else ("down" if has_no_microphone(state) else "both"),
    ]
    if has_media(state) and not state.browser.is_up and state.browser.attempt > 1:
        parts.append(f"try{state.browser.attempt}")
    return ":".join(parts)


def view(state: SessionState, at_s: float) -> Json:
    """Return everything but the chat's lines, as values for JSON. ``at_s`` is the monotonic time."""
    name = name_of(state.look)
    return {
        "structure": structure(state),
        "phase": state.phase.value,
        "isActive": state.is_active,
        "status": _of_character(_status(state), name),
        "steps": [_of_character(step, name) for step in _steps(state)],
        "legs": facts.rows(state),
        "caption": _caption(state),
        "controls": {key: _of_character(told, name) for key, told in _controls(state).items()},
        "banner": _banner(state),
        "isMuted": state.is_muted,
        "isRecording": state.is_recording,
        "hasMedia": has_media(state),
        "isBrowserUp": state.browser.is_up,
        "isAtRest": state.is_at_rest,
        "wantsSoundInPage": wants_sound_in_page(state),
        "microphone": state.microphone.value,
        "elapsedS": round(elapsed_s(state, at_s), 1),
        "leftS": _rounded(facts.left_s(state, at_s)),
        "cost": " · ".join(filter(None, (facts.cost(state), facts.forecast(state, at_s)))),
        "limits": facts.limits(state),
        "recall": _recall(state),
        "card": _card(state),
        "isPushToTalk": state.is_active and state.look.brain.is_push_to_talk,
        "character": state.look.character,
        "name": name,
    }


def _of_character(shown: Json, name: str) -> Json:
    """Return the values with the character's name in their words."""
    return {
        key: names.of_character(value, name) if isinstance(value, str) else value
        for key, value in shown.items()
    }


def _recall(state: SessionState) -> str:
    """Return the label of the button that brings back what something of this computer stands in for, or an empty text."""
    if state.ladder.is_standing_in:
        return "" if state.budget is BudgetStage.REACHED else texts.BRAIN_RECALL
    return texts.FACE_RECALL if facts.is_standing_in(state) else ""


CLOCKS = ("elapsedS", "leftS")
"""The fields that change with time alone: the page counts them on its own clock and needs an event only for other changes."""


def without_clocks(shown: Json) -> Json:
    """Return a view without the fields that change with time alone."""
    return {name: value for name, value in shown.items() if name not in CLOCKS}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _card(state: SessionState) -> Json | None:
    return None if state.card is None else {"title": state.card.title, "text": state.card.text}


def wants_sound_in_page(state: SessionState) -> bool:
    """Return whether the page must play the answers from its event stream, because it has no WebRTC."""
    return state.is_active and state.browser.status is LegStatus.FAILED


def elapsed_s(state: SessionState, at_s: float) -> float:
    """Return the seconds since the talk started, up to its end when it is over."""
    if state.phase is Phase.IDLE:
        return 0.0
    end_s = state.closed_at_s if state.phase is Phase.CLOSED else at_s
    return max(0.0, end_s - state.started_at_s)


def lines(messages: Sequence[Message]) -> list[Json]:
    """Return the chat's lines, oldest first; lines without words are left out."""
    return [
        {
            "id": m.id,
            "role": m.role.value,
            "who": names.speaker(m.role.value, m.speaker),
            "text": m.text,
            "atWallS": round(m.at_wall_s, 1),
            "isFinal": m.is_final,
            "isInterrupted": m.is_interrupted,
        }
        for m in messages
        if m.text.strip()
    ]


def _status(state: SessionState) -> Json:
    """Return Kai's state as a word, a shape (a name that the desk draws) and a tone."""
    if state.phase is Phase.CLOSED:
        return _shown(texts.ENDED, "ended", "quiet")
    if not state.is_active:
        return _shown(texts.OFF, "ended", "quiet")
    if state.brain.status is LegStatus.FAILED:
        return _shown(texts.OFF, "ended", "stopped")
    if state.phase is Phase.STARTING:
        step = next((s for s in _steps(state) if s["state"] != "done"), None)
        return _shown(str(step["label"]) if step else texts.WAKING, "waking", "busy")
    if not state.brain.is_up:
        return _shown(texts.RECONNECTING, "waking", "warn")
    if state.agent is AgentState.SPEAKING:
        return _shown(texts.SPEAKING, "speaking", "live")
    if state.microphone is Microphone.SILENCED and has_media(state):
        return _shown(texts.SILENCED, "muted", "warn")
    if state.key_down_at_s:
        return _shown(texts.LISTENING, "listening", "live")
    if state.is_muted:
        return _shown(texts.MUTED, "muted", "warn")
    if state.agent is AgentState.THINKING:
        return _shown(texts.THINKING, "thinking", "live")
    if has_no_microphone(state) or not has_media(state):
        # Presenter view has no text field to refer to.
        return {**_shown(texts.TYPING_ONLY, "typing", "live"), **_presented(state)}
    if not state.browser.is_up or not is_microphone_known(state):
        step = next((s for s in _steps(state) if s["state"] != "done"), None)
        return _shown(str(step["label"]) if step else texts.CONNECTING_PICTURE, "waking", "busy")
    if state.look.brain.is_push_to_talk:
        return _shown(texts.HOLD_TO_TALK, "hold", "quiet")
    return _shown(texts.LISTENING, "listening", "live")


def _presented(state: SessionState) -> Json:
    """Return the words that presenter view shows in place of "type": why Kai cannot hear the person."""
    words = {Microphone.REFUSED: texts.MICROPHONE_IS_BLOCKED, Microphone.MISSING: texts.MICROPHONE_IS_MISSING}
    return {"presented": words.get(state.microphone, texts.PAGE_IS_DEAF)}


def _shown(word: str, shape: str, tone: str) -> Json:
    return {"word": word, "shape": shape, "tone": tone}


def _steps(state: SessionState) -> list[Json]:
    """Return the named steps of a start, each waiting, now or done; empty once everything is up."""
    if not state.is_active:
        return []
    is_mic_settled = is_microphone_known(state) or not has_media(state)
    is_page_settled = not has_media(state) or state.browser.is_up
    is_face_settled = (
        state.face.is_up or state.face.status is LegStatus.FAILED or state.face.code == FACE_BUSY
    )
    done = [
        (texts.WAKING, state.brain.is_up and is_face_settled),
        (texts.OPENING_MICROPHONE, is_mic_settled),
        (texts.CONNECTING_PICTURE, is_page_settled and is_mic_settled),
    ]
    if all(is_done for _, is_done in done) or state.brain.status is LegStatus.FAILED:
        return []
    steps: list[Json] = [{"label": label, "state": "done" if is_done else "now"} for label, is_done in done]
    steps.append({"label": texts.READY, "state": "waiting"})
    return steps


def _caption(state: SessionState) -> Json:
    """The line that is being said now, or was said last. The desk follows Kai's voice through a long one.

    ``isResting``: Kai listens and nobody speaks. After some seconds of that the desk shows the hint in place of the line.
    """
    said = [m for m in state.messages if m.text.strip() and m.role is not Role.NOTICE]
    last = said[-1] if said else None
    playing = next((answer for answer in state.answers if answer.is_playing), None)
    if playing is not None and not state.is_user_speaking:
        last = next((m for m in reversed(said) if m.response_id == playing.id), last)
    spoken = texts.CAPTION_HINT_HOLD if state.look.brain.is_push_to_talk else texts.CAPTION_HINT
    hint = texts.CAPTION_HINT_TYPE if has_no_microphone(state) else spoken
    hint = names.of_character(hint, name_of(state.look)) if state.phase is Phase.ACTIVE else ""
    if last is None:
        return {
            "id": "",
            "role": "hint",
            "text": hint,
            "hint": hint,
            "pace": "over",
            "speed": 1.0,
            "answer": "",
            "wordsBefore": 0,
            "isResting": False,
        }
    before = [m for m in said if m.response_id == last.response_id and m.response_id]
    pace = _pace(state, last)
    is_over = pace in ("over", "cut") and not state.is_user_speaking
    return {
        "id": last.id,
        "role": last.role.value,
        "text": last.text,
        "hint": hint,
        "pace": pace,
        "speed": state.look.speed,
        "answer": last.response_id,
        "wordsBefore": sum(len(m.text.split()) for m in before[: before.index(last)]) if before else 0,
        "isResting": is_over and state.phase is Phase.ACTIVE and not state.live_answers,
    }


def _pace(state: SessionState, line: Message) -> str:
    """Return where the voice is in a line: the line is still ``ahead``, ``playing``, ``over``, or ``cut`` off."""
    if line.is_interrupted:
        return "cut"
    answer = next((answer for answer in state.answers if answer.id == line.response_id), None)
    if answer is None or answer.playout is Span.PAST:
        return "over"
    if answer.is_playing:
        return "playing"
    return "over" if answer.is_over else "ahead"


def _controls(state: SessionState) -> dict[str, Json]:
    no_mic = state.microphone not in (Microphone.OPEN, Microphone.SILENCED) or not has_media(state)
    mute_reason = _first(
        (not state.is_active, texts.TALK_IS_OVER),
        (state.is_muted, ""),
        (state.microphone is Microphone.UNKNOWN and has_media(state), texts.NOT_READY_YET),
        (no_mic, texts.NO_MICROPHONE_TO_MUTE),
    )
    interrupt_reason = _first(
        (not state.is_active, texts.TALK_IS_OVER),
        (state.phase is Phase.STARTING, texts.NOT_READY_YET),
        (not state.can_interrupt, texts.NOTHING_TO_INTERRUPT),
    )
    hold_reason = _first(
        (not state.is_active, texts.TALK_IS_OVER),
        (bool(state.key_down_at_s), ""),
        (not state.brain.is_up, texts.NOT_READY_YET),
        (state.microphone is Microphone.UNKNOWN and has_media(state), texts.NOT_READY_YET),
        (no_mic, texts.NO_MICROPHONE_TO_MUTE),
    )
    stop_reason = _first((not state.is_active, texts.TALK_IS_OVER))
    is_held = bool(state.key_down_at_s)
    return {
        "hold": _control(texts.LET_GO if is_held else texts.HOLD_TO_TALK, hold_reason, is_on=is_held),
        "mute": _control(texts.UNMUTE if state.is_muted else texts.MUTE, mute_reason, is_on=state.is_muted),
        "interrupt": _control(texts.INTERRUPT, interrupt_reason, is_on=state.can_interrupt),
        "stop": _control(texts.STOP, stop_reason),
        "record": _control(texts.RECORD, stop_reason, is_on=state.is_recording),
        "send": _control(texts.SEND, stop_reason),
        "clear": _control(texts.CLEAR, _first((not state.messages, texts.NOTHING_TO_CLEAR))),
    }


def _first(*cases: tuple[bool, str]) -> str:
    return next((reason for is_so, reason in cases if is_so), "")


def _control(label: str, reason: str, *, is_on: bool = False) -> Json:
    return {"label": label, "isEnabled": not reason, "reason": reason, "isOn": is_on}


def _banner(state: SessionState) -> Json | None:
    """Return the one message that matters most now, with advice and one button. The state's own problem comes first."""
    if not state.is_active:
        return None
    if state.problem is not None:
        return _banner_of_problem(state, state.problem)
    if state.cleared:
        return {**_banner_of("cleared", texts.CLEARED, "quiet", "undo-clear"), "button": texts.UNDO}
    name = name_of(state.look)
    if state.microphone is Microphone.REFUSED:
        return _banner_of("microphone-refused", texts.MICROPHONE_REFUSED, "warn", "ask-microphone")
    if state.microphone is Microphone.MISSING:
        missing = names.of_character(texts.MICROPHONE_MISSING, name)
        return _banner_of("microphone-missing", missing, "warn", "ask-microphone")
    if state.microphone is Microphone.SILENCED:
        silenced = names.of_character(texts.MICROPHONE_SILENCED, name)
        return {**_banner_of("microphone-silenced", silenced, "warn", ""), "button": ""}
    if state.is_change_wished and state.hand_over is not HandOver.NONE:
        return {**_banner_of("changing", texts.CHANGING, "quiet", ""), "button": ""}
    if facts.is_change_waiting(state):
        offer = _banner_of("change-waiting", texts.CHANGE_WAITING, "quiet", "hand-over")
        return {**offer, "button": texts.CHANGE_NOW, "later": texts.CHANGE_LATER}
    return None


def _banner_of_problem(state: SessionState, problem: Problem) -> Json:
    tone, words = "stopped" if problem.is_fatal else "warn", problems.words(problem)
    if problem.leg is not None and state.leg(problem.leg).status is LegStatus.FAILED:
        words = f"{words} {problems.GAVE_UP}" if problem.is_given_up else words
        return _banner_of(problem.code, words, tone, "retry", problem.leg.value, problem.detail)
    if problem.code == Why.PLAN:
        return _banner_of(problem.code, words, "quiet", "dismiss")
    if problem.code == STAND_IN:
        return _banner_of(problem.code, words, tone, "dismiss")
    if problem.leg is LegName.BRAIN:
        # The brain is already reconnecting, so there is nothing to press.
        return {**_banner_of(problem.code, f"{words} {problems.CALLING_AGAIN}", tone, ""), "button": ""}
    return _banner_of(problem.code, words, tone, "dismiss", detail=problem.detail)


def _banner_of(code: str, message: str, tone: str, wish: str, leg: str = "", detail: str = "") -> Json:
    button = texts.DISMISS if wish == "dismiss" else texts.TRY_AGAIN
    banner: Json = {
        "code": code,
        "message": message,
        "tone": tone,
        "wish": wish,
        "leg": leg,
        "button": button,
    }
    return {**banner, "detail": detail, "detailLabel": texts.DETAILS} if detail else banner
