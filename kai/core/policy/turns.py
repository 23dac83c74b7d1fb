"""Turn taking: the person's turns, Kai's answers, and what happens when the two meet.

The problem. An answer exists in three places at once, and each place reports on its own, late, early or twice. The brain
*generates* the text faster than anyone can listen, it sends the *sound* at the pace of speech or faster (``audio_out``),
and the person hears the *playout* later: by some tens of milliseconds with the face of this computer, by about a second
with a face of the cloud. "Is Kai speaking?" and "what is there to cancel?" have different answers in each place.

The states. An answer (`Response`) is therefore three strands, and each strand is a `Span`: ahead, on, or past. A strand
only moves forward, so a report that is late or repeated changes nothing. What the rest of Kai asks about an answer follows
from the three: it is *at the brain* while it is generated or sent, *playing* while it is heard, and *due* when the brain
has sent it all and nothing of it was heard yet. It is *live* until none of these holds, and until then it can be
interrupted. When an answer goes on in one strand, older answers have ended in that strand: the brain may make the next
answer while this one is still heard.

Example, in ms: ``ResponseCreated`` 0, ``AudioStarted`` 80, ``PlayoutStarted`` 140, ``ResponseDone`` 600 (the text is
whole), ``AudioStopped`` 2 900, ``PlayoutFinished`` 3 000. Kai *speaks* from 140 to 3 000, because what a person hears
counts. When the person presses Interrupt at 1 500, the brain is told to cancel, the face is silenced, and the chat's line
keeps the words of the first 1 360 ms, which were heard. At 2 950 the brain has nothing left to cancel, so that only the
face is silenced.

An interruption depends on how the person takes the turn:

* By voice (``UserSpeechStarted``) the brain cancels what it still makes and reports it (``AudioCleared``). Only the answers
  that it has sent to their end, and of which the face still has some, are cut here.
* By text or by the push-to-talk key every live answer is cut, at the brain and at the face.
* By the button the same happens, but no turn of the person follows.

The id of an answer that was cut is kept in ``cancelled``. Later reports about it change nothing, except for
``PlayoutInterrupted``, which says how much of it was heard.

Two waits are bounded, so that no talk is stuck. A person who asked something gets an answer within `ANSWER_PATIENCE_S` or
reads that none will come, and an answer that was sent but does not begin to play within `PLAYOUT_PATIENCE_S` counts as
played.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from kai.core.events import (
    ArmTimer,
    BeginTurn,
    CancelResponse,
    EndTurn,
    Event,
    PlayoutFinished,
    PlayoutStarted,
    ResponseDone,
    RunTool,
    SendText,
    SendToolResult,
    SetMuted,
    Step,
    StopSpeaking,
    TextSubmitted,
    ToolFinished,
)
from kai.core.policy.lines import change_response_lines, find_line, finish_lines, put_user_line, wall_s
from kai.core.state import HandOver, Message, Problem, Response, Role, SessionState, Span, Thought, ToolRun
from kai.core.timers import AnswerOverdue, PlayoutOverdue

CANCELLED_KEPT = 16
"""How many cut answers are remembered. Late events arrive within a second; sixteen answers take minutes."""

ANSWERS_KEPT = 8
"""How many answers the state keeps. Two overlap in practice: one is heard to its end while the next is made."""

ANSWER_PATIENCE_S = 30.0
"""After this time without an answer the person reads that none will come, instead of "Thinking" without end."""

PLAYOUT_PATIENCE_S = 5.0
"""Sound that the brain has sent to its end, and of which nothing was played by then, is lost (no face, no player)."""

TOOL_RUNS_KEPT = 16
"""How many calls of tools the state keeps."""

KEY_HELD_S = 0.2
"""A push-to-talk key that was held for less than this was touched by mistake."""

Strand = Literal["generating", "audio_out", "playout"]


def await_answer(state: SessionState) -> Step:
    """Start to wait for an answer, unless the brain is already generating one."""
    if any(answer.generating is Span.ON for answer in state.answers):
        return state, ()
    return replace(state, is_waiting=True), (ArmTimer(AnswerOverdue(), ANSWER_PATIENCE_S),)


def user_began(state: SessionState, item_id: str, at: float) -> Step:
    """Begin the person's turn. The brain cancels the answer that it is sending; the rest of a complete one we cut here."""
    if find_line(state, item_id) is None:
        state = put_user_line(state, item_id, "", at, is_final=False)
    state = replace(state, is_user_speaking=True)
    return cut_each(state, tuple(a for a in state.live_answers if not a.is_at_brain))


def submit_text(state: SessionState, event: TextSubmitted, at: float) -> Step:
    text = event.text.strip()
    if not text or find_line(state, event.item_id) is not None:
        return state, ()
    state, commands = interrupt(state)
    state = put_user_line(state, event.item_id, text, at, is_final=True)
    # Whoever takes over because of a limit answers this line, though the person left no pause.
    is_leaving = bool(state.ladder.resting) and state.hand_over is HandOver.READY
    if not state.brain.is_up or is_leaving:
        return replace(state, pending_text=(*state.pending_text, (event.item_id, text))), commands
    state, wait = await_answer(state)
    return state, (*commands, SendText(event.item_id, text), *wait)


def key_pressed(state: SessionState, at: float) -> Step:
    if not state.look.brain.is_push_to_talk or not state.brain.is_up or state.key_down_at_s:
        return state, ()
    state, commands = interrupt(state)
    # A person who holds the key wants to be heard, even if the microphone was muted before.
    unmute = (SetMuted(False),) if state.is_muted else ()
    state = replace(state, is_muted=False, is_user_speaking=True, key_down_at_s=at)
    return state, (*commands, *unmute, BeginTurn())


def key_released(state: SessionState, at: float) -> Step:
    if not state.key_down_at_s:
        return state, ()
    is_kept = at - state.key_down_at_s >= KEY_HELD_S
    state = replace(state, is_user_speaking=False, key_down_at_s=0.0)
    if not is_kept:
        return state, (EndTurn(is_kept=False),)
    state, wait = await_answer(state)
    return state, (EndTurn(is_kept=True), *wait)


def tool_finished(state: SessionState, event: ToolFinished, at: float) -> Step:
    """Give the brain a tool's result, which it uses in an answer. A failure also becomes a line of the chat."""
    run = next((r for r in state.tool_runs if r.call_id == event.call_id), None)
    if run is None or not run.is_running or not state.brain.is_up:
        return state, ()
    runs = tuple(
        replace(r, is_running=False, problem=event.problem) if r is run else r for r in state.tool_runs
    )
    state = replace(state, tool_runs=runs)
    line_id = f"tool:{event.call_id}"
    if event.problem and find_line(state, line_id) is None:
        line = Message(line_id, Role.NOTICE, event.problem, wall_s(state, at), is_final=True)
        state = replace(state, messages=(*state.messages, line))
    state, wait = await_answer(state)
    return state, (SendToolResult(event.call_id, event.output), *wait)


def _answer(state: SessionState, response_id: str) -> Response | None:
    return next((a for a in state.answers if a.id == response_id), None)


def follow(state: SessionState, response_id: str, strand: Strand, span: Span) -> Step:
    """Advance one strand of an answer. When a strand starts, the same strand of every older answer has ended."""
    if response_id in state.cancelled:
        return state, ()
    if _answer(state, response_id) is None:
        answers = (*state.answers, Response(response_id))[-ANSWERS_KEPT:]
        was_played = strand == "playout" and span is Span.PAST
        state = replace(state, answers=answers, is_waiting=state.is_waiting and was_played)
    answers: tuple[Response, ...] = ()
    is_older = True
    for answer in state.answers:
        if answer.id == response_id:
            is_older = False
            answer = _move(answer, strand, span)
        elif is_older and span is Span.ON and _goes_on(answer, strand):
            answer = _move(answer, strand, Span.PAST)
        answers = (*answers, answer)
    return with_answers(state, answers)


def _goes_on(answer: Response, strand: Strand) -> bool:
    match strand:
        case "generating":
            return answer.generating is Span.ON
        case "audio_out":
            return answer.audio_out is Span.ON
        case "playout":
            return answer.is_playing or answer.is_due


def _move(answer: Response, strand: Strand, span: Span) -> Response:
    def later(now: Span) -> Span:
        return Span.PAST if now is Span.PAST else span

    match strand:
        case "generating":
            return replace(answer, generating=later(answer.generating))
        case "audio_out":
            return replace(answer, audio_out=later(answer.audio_out))
        case "playout":
            return replace(answer, playout=later(answer.playout))


def with_answers(state: SessionState, answers: tuple[Response, ...]) -> Step:
    """Replace the answers, and limit the wait for the playout of each one that the brain has now sent completely."""
    were_due = {answer.id for answer in state.answers if answer.is_due}
    watch = tuple(_watch_playout(a.id) for a in answers if a.is_due and a.id not in were_due)
    return replace(state, answers=answers), watch


def _watch_playout(response_id: str) -> ArmTimer:
    return ArmTimer(PlayoutOverdue(response_id), PLAYOUT_PATIENCE_S)


def playout_overdue(state: SessionState, response_id: str) -> Step:
    answer = _answer(state, response_id)
    if answer is None or not answer.is_due:
        return state, ()
    if any(other.is_playing for other in state.answers):
        return state, (_watch_playout(response_id),)
    return follow(state, response_id, "playout", Span.PAST)


def response_done(state: SessionState, event: ResponseDone) -> Step:
    if event.mind:
        thought = Thought(event.response_id, event.mind, event.tokens_per_s)
        state = replace(state, thoughts=(*state.thoughts, thought)[-ANSWERS_KEPT:])
    if event.response_id in state.cancelled:
        return state, ()
    if event.status == "cancelled":
        return cleared(state, event.response_id)
    state = finish_lines(state, event.response_id)
    if event.status == "failed":
        state = state.with_problem(Problem("response-failed", event.message))
        state, watch = follow(state, event.response_id, "generating", Span.PAST)
        failed = tuple(
            replace(a, has_failed=a.has_failed or a.id == event.response_id) for a in state.answers
        )
        return replace(state, answers=failed), watch
    return follow(state, event.response_id, "generating", Span.PAST)


def cleared(state: SessionState, response_id: str) -> Step:
    """Cut an answer whose rest the brain discarded, unless it was already heard to its end."""
    answer = _answer(state, response_id) or Response(response_id)
    was_heard_out = answer.playout is Span.PAST and not answer.is_at_brain
    if response_id in state.cancelled or was_heard_out:
        return state, ()
    return cut_each(state, (answer,))


def interrupt(state: SessionState) -> Step:
    live = state.live_answers
    state, silence = cut_each(state, live)
    return state, (*(CancelResponse(answer.id) for answer in live if answer.is_at_brain), *silence)


def cut_each(state: SessionState, answers: tuple[Response, ...]) -> Step:
    """Cut these answers: silence the face, mark their lines as interrupted, and ignore their later events."""
    for answer in answers:
        state = change_response_lines(
            state, answer.id, lambda m: replace(m, is_final=True, is_interrupted=True)
        )
        rest = tuple(a for a in state.answers if a.id != answer.id)
        cancelled = (*state.cancelled, answer.id)[-CANCELLED_KEPT:]
        state = replace(state, answers=rest, cancelled=cancelled)
    return state, tuple(StopSpeaking(answer.id) for answer in answers)


def tool_requested(state: SessionState, call_id: str, name: str, arguments: str) -> Step:
    if any(run.call_id == call_id for run in state.tool_runs):
        return state, ()
    runs = (*state.tool_runs, ToolRun(call_id, name))[-TOOL_RUNS_KEPT:]
    return replace(state, tool_runs=runs), (RunTool(call_id, name, arguments),)


def said_now(state: SessionState, event: Event) -> str:
    """Return the id of the answer that a face is speaking after that event, for ``Faces.playing``."""
    match event:
        case PlayoutStarted(segment_id) if segment_id not in state.cancelled:
            return segment_id
        case PlayoutFinished(segment_id) if segment_id == state.faces.playing:
            return ""
        case _:
            return "" if state.faces.playing in state.cancelled else state.faces.playing
