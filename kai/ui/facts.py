"""The facts beside the picture: the voice, face and microphone in use, the time left and the money spent. Pure."""

from __future__ import annotations

from kai.core.capabilities import family_of, needs_restart
from kai.core.characters import name_of
from kai.core.policy import budget
from kai.core.state import BudgetStage, HandOver, Leg, LegName, LegStatus, Microphone, SessionState
from kai.ui import past_texts, problems, texts

Json = dict[str, object]

OWN_FACE = "local"
"""The name that the local face, which replaces a cloud avatar when needed, reports when it is shown."""

BRAIN_ENDS_SOON_S = 240.0
"""A fresh brain is prepared five minutes before the old one ends. If none is ready a minute later, the end is shown."""

_TONES = {
    LegStatus.CONNECTED: "live",
    LegStatus.CONNECTING: "busy",
    LegStatus.RECONNECTING: "warn",
    LegStatus.FAILED: "stopped",
    LegStatus.DISCONNECTED: "quiet",
}


def rows(state: SessionState) -> list[Json]:
    """Return the rows for voice, face, page and microphone: each has a name, its state in a word, a tone and the reason."""
    return [_voice(state), _face(state), _leg(LegName.BROWSER, state.browser), _microphone(state)]


def _row(name: str, label: str, word: str, tone: str, why: str = "", note: str = "") -> Json:
    return {"name": name, "label": label, "word": word, "tone": tone, "why": why, "note": note}


def _leg(name: LegName, leg: Leg) -> Json:
    words = texts.LEG_WORDS[leg.status.value]
    return _row(name.value, texts.LEG_LABELS[name.value], words, _TONES[leg.status], problems.words(leg))


def _voice(state: SessionState) -> Json:
    facts, row = state.facts, _leg(LegName.BRAIN, state.brain)
    if not (state.brain.is_up and facts.model):
        return row
    way = texts.TRANSPORTS.get(facts.transport, facts.transport)
    if family_of(facts.model).name == family_of("kai-").name:
        last = state.thoughts[-1] if state.thoughts else None
        note = "" if last is None else past_texts.mind(last.mind, last.tokens_per_s)
        tone = "warn" if state.ladder.is_standing_in else row["tone"]
        return {
            **row,
            "word": texts.OWN_ENGINE,
            "tone": tone,
            "note": note,
            "why": f"{texts.OWN_ENGINE}, {way}",
        }
    return {**row, "word": facts.model, "note": way, "why": f"{facts.model}, {way}"}


def _face(state: SessionState) -> Json:
    row = _leg(LegName.FACE, state.face)
    if not state.face.is_up:
        return row
    if is_standing_in(state):
        return {**row, "word": texts.FACE_STANDING_IN, "tone": "warn", "why": texts.FACE_STANDING_IN_WHY}
    if state.face_name and state.face_name != OWN_FACE:
        return {**row, "word": texts.FACE_CLOUD, "why": texts.FACE_CLOUD}
    name = name_of(state.look)
    return {**row, "word": name, "why": texts.FACE_OWN.format(name=name)}


def _microphone(state: SessionState) -> Json:
    if not state.is_active:
        return _row("microphone", texts.MICROPHONE_LABEL, texts.LEG_WORDS["disconnected"], "quiet")
    word = "muted" if state.is_muted and state.microphone is Microphone.OPEN else state.microphone.value
    tone = {"open": "live", "unknown": "busy"}.get(word, "warn")
    return _row("microphone", texts.MICROPHONE_LABEL, texts.MICROPHONE_WORDS[word], tone)


def is_standing_in(state: SessionState) -> bool:
    """Return whether the local face is shown although a cloud avatar was wanted."""
    return state.face.is_up and state.face_name == OWN_FACE and state.look.face != OWN_FACE


def left_s(state: SessionState, at_s: float) -> float | None:
    """Return the seconds until the avatar must go, or until the voice ends if that is soon and no other is ready, whichever
    is first; ``None`` if no end is in sight."""
    ends = [state.face_until_s] if state.face_until_s and state.face.is_up else []
    expires_in_s = state.facts.expires_in_s
    if state.brain.is_up and expires_in_s is not None and state.hand_over is not HandOver.READY:
        end_s = state.brain.up_since_s + expires_in_s
        ends += [end_s] if end_s - at_s < BRAIN_ENDS_SOON_S else []
    return max(0.0, min(ends) - at_s) if ends else None


def cost(state: SessionState) -> str:
    """Return the cost of the talk so far, in words, for voice and avatar; empty if all is free."""
    spent, parts = state.spending, list[str]()
    if state.facts.is_billed or spent.cost_usd > 0:
        parts.append(texts.cost_so_far(spent.cost_usd, is_exact=spent.is_exact))
    if state.credits.used:
        parts.append(texts.credits_used(state.credits.used))
    return " · ".join(parts)


def forecast(state: SessionState, at_s: float) -> str:
    """Return in words what an hour costs at the talk's pace, or how long the budget lasts; empty if nothing is paid."""
    left, pace = budget.minutes_left(state, at_s), budget.usd_an_hour(state, at_s)
    if not state.is_active or pace is None or state.budget is BudgetStage.REACHED:
        return ""
    return texts.cost_an_hour(pace) if left is None else texts.budget_lasts(left)


def limits(state: SessionState) -> list[str]:
    """Return the provider's limits that are nearly reached, in words."""
    return [texts.near_limit(limit.name, limit.remaining, limit.limit) for limit in state.near_limits]


def is_change_waiting(state: SessionState) -> bool:
    """Return whether settings were changed that apply only with a new connection of the brain."""
    if not state.brain.is_up or state.brain_look is None:
        return False
    return needs_restart(state.facts.model, state.brain_look, state.look)
