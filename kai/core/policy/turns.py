"""Turns: the person's, Kai's, and what happens where they meet.

An answer is three strands that overlap and end on their own: the brain *generates* it, the brain sends its *sound*
(``audio_out``), and a person hears its *playout*, some time behind (60 ms with a face of this computer, a second with one of
the cloud). Each strand only moves forward (`Span`: ahead, on, past), so an event may come late, early or twice. An answer is
over when no strand goes on and none is due; until then it can be interrupted, and the brain may have begun the next one.

Example, times in ms: ``ResponseCreated`` 0, ``AudioStarted`` 80, ``PlayoutStarted`` 140, ``ResponseDone`` 600 (the text is
whole), ``AudioStopped`` 2 900, ``PlayoutFinished`` 3 000. Kai *speaks* from 140 to 3 000, not from 80 to 2 900: what a person
hears counts. Between 2 900 and 3 000 the brain holds nothing that it could take back, so an interruption is ours alone.

A turn of the person's cuts in three ways:

* By voice (``UserSpeechStarted``): the brain takes back by itself what it still makes; the last words that only the face
  still has are ours to silence.
* By text or by the key: everything that is live is cut, at the brain and at the face.
* By the button: as by text, and no turn follows.

What was cut goes into ``cancelled``; whatever is still said of it changes nothing, but for ``PlayoutInterrupted``, which says
how much was heard. Two waits have an end: a person who asked gets an answer within `ANSWER_PATIENCE_S` or is told, and sound
that was sent and of which nothing plays within `PLAYOUT_PATIENCE_S` is given up, so that no talk is stuck in "speaking".
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
from kai.core.state import Message, Problem, Response, Role, SessionState, Span, Thought, ToolRun
from kai.core.timers import AnswerOverdue, PlayoutOverdue

CANCELLED_KEPT = 16
"""How many cut-off answers are remembered. Late events come within a second; sixteen answers take minutes."""

ANSWERS_KEPT = 8
"""How many answers are kept in view. Two overlap in practice: one is heard to its end while the next is made."""

ANSWER_PATIENCE_S = 30.0
"""An answer that has not begun by then will not come; the person is told instead of being left with "Thinking"."""

PLAYOUT_PATIENCE_S = 5.0
"""Sound that the brain has sent to its end and of which nothing was played by then is lost (no face, no player)."""

TOOL_RUNS_KEPT = 16
"""How many calls of tools are kept in view."""

KEY_HELD_S = 0.2
"""A push-to-talk key that was held shorter was touched by mistake."""

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
    if not state.brain.is_up:
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
