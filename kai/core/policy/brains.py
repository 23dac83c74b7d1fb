"""The brain's leg: connecting a new brain, losing one, and replacing one without an audible gap.

A brain can be replaced in two ways. When it is *lost*, the answer that it was sending ends, answers that it had sent
completely are played to their end, and an unanswered question waits in ``pending_text`` for the next brain. A *hand-over*
leaves no gap: five minutes before the brain's time limit, or when a person wants settings that need a new connection, a spare
brain is opened in the background. It waits until nobody speaks and nothing is pending (``is_between_turns``), and then takes
over. In both cases the new brain first gets the lines of the chat, so that it can continue the talk.
"""

from __future__ import annotations

from dataclasses import replace

from kai.core.characters import name_of
from kai.core.events import (
    ArmTimer,
    CancelTimer,
    Command,
    Greet,
    OpenSpareBrain,
    SeedHistory,
    SendText,
    SetMuted,
    SpareBrainFailed,
    Step,
    SwapBrain,
)
from kai.core.policy import rungs
from kai.core.policy.turns import await_answer, cut_each
from kai.core.state import BrainFacts, HandOver, LegStatus, Phase, Problem, Role, SessionState
from kai.core.timers import ClimbDue, HandOverDue

HAND_OVER_LEAD_S = 300.0
"""How long before a brain's time limit a spare is opened. Every talk has a pause within five minutes."""

HAND_OVER_RETRY_S = 30.0


def connected(state: SessionState) -> Step:
    """Give a new brain the chat so far and the lines that wait for an answer."""
    commands = _prepare_brain(state)
    state, pending = _send_pending(replace(state, phase=Phase.ACTIVE))
    return state, (*commands, *pending)


def _send_pending(state: SessionState) -> Step:
    """Send the lines that wait for an answer to a brain that has the chat so far."""
    pending = state.pending_text
    if not pending:
        return state, ()
    state, wait = await_answer(replace(state, pending_text=()))
    return state, (*(SendText(item_id, text) for item_id, text in pending), *wait)


def greet(state: SessionState) -> Step:
    """Let Kai say its first words, once the person can see and hear them; a person who was first is not greeted."""
    is_first = not (state.messages or state.answers or state.is_user_speaking or state.key_down_at_s)
    if not (state.is_active and is_first):
        return replace(state, is_greeting_due=False), ()
    are_settled = all(leg.is_up or leg.status is LegStatus.FAILED for leg in (state.face, state.browser))
    if not (state.brain.is_up and are_settled):
        return state, ()
    words = state.look.brain.greeting.strip().replace("{name}", name_of(state.look))
    state = replace(state, is_greeting_due=False)
    if not words:
        return state, ()
    state, wait = await_answer(state)
    return state, (Greet(words), *wait)


def _prepare_brain(state: SessionState) -> list[Command]:
    """Return the first commands for a new brain: whether it is muted, and the chat so far."""
    unsent = {item_id for item_id, _ in state.pending_text}
    lines = tuple(
        (str(m.role), m.text)
        for m in state.messages
        if m.role is not Role.NOTICE and m.is_final and m.text and m.id not in unsent
    )
    return [SetMuted(state.is_muted), *((SeedHistory(lines),) if lines else ())]


def lost(state: SessionState) -> Step:
    """Cut the answers that the brain was still sending; answers that it has sent completely are played to their end.

    A question that it has not answered is kept for the next brain, so that nothing the person said is lost.
    """
    has_failed = bool(state.answers) and state.answers[-1].has_failed
    was_busy = state.is_waiting or has_failed or any(answer.is_at_brain for answer in state.answers)
    if cut := [answer.id for answer in state.live_answers if answer.is_at_brain]:
        state = replace(state, ladder=replace(state.ladder, lost_answer=cut[-1], unsaid=""))
    state, commands = cut_each(state, tuple(a for a in state.live_answers if a.is_at_brain))
    messages = tuple(replace(m, is_final=True) for m in state.messages if m.text)
    state = replace(
        state,
        messages=messages,
        is_user_speaking=False,
        is_waiting=False,
        hand_over=HandOver.NONE,
        tool_runs=(),
        key_down_at_s=0.0,
        is_change_wished=False,
        facts=BrainFacts(),
        brain_look=None,
        ladder=replace(state.ladder, resting=""),
    )
    if was_busy:
        state = keep_question(state)
    if state.ladder.is_climbing:
        state = replace(state, ladder=replace(state.ladder, is_climbing=False))
        commands = (*commands, ArmTimer(ClimbDue(), rungs.CLIMB_AFTER_S[0]))
    return state, commands


def keep_question(state: SessionState) -> SessionState:
    """Keep the person's last line for the next brain, unless it waits already or an answer to it stands in the chat."""
    last = state.messages[-1] if state.messages else None
    waiting = {item_id for item_id, _ in state.pending_text}
    if last is None or last.role is not Role.USER or last.id in waiting:
        return state
    return replace(state, pending_text=(*state.pending_text, (last.id, last.text)))


def described(state: SessionState, facts: BrainFacts) -> Step:
    state = replace(state, facts=facts)
    if facts.expires_in_s is None:
        return state, (CancelTimer(HandOverDue()),)
    return state, (ArmTimer(HandOverDue(), max(HAND_OVER_RETRY_S, facts.expires_in_s - HAND_OVER_LEAD_S)),)


def open_spare(state: SessionState) -> Step:
    if not state.brain.is_up or state.hand_over is not HandOver.NONE:
        return state, ()
    is_stand_in = state.ladder.is_standing_in
    return replace(state, hand_over=HandOver.OPENING), (OpenSpareBrain(is_stand_in),)


def spare_failed(state: SessionState, event: SpareBrainFailed) -> Step:
    """Continue the talk with its present brain. The failure is shown only if a person had asked for the change."""
    if state.hand_over is HandOver.NONE:
        return state, ()
    state = replace(state, ladder=replace(state.ladder, resting=""))
    if state.ladder.is_climbing:
        return rungs.climb_failed(state, event.code, event.message)
    if state.is_change_wished and event.message:
        state = state.with_problem(Problem("change-failed", event.message))
    delay_s = max(HAND_OVER_RETRY_S, event.retry_after_s)
    again = (ArmTimer(HandOverDue(), delay_s),) if event.is_retryable else ()
    return replace(state, hand_over=HandOver.NONE, is_change_wished=False), again


def swap(state: SessionState, at: float) -> Step:
    """Replace the brain with the spare, and give it the chat so far. Call this between turns only."""
    state, climb_later = rungs.swapped(state, at)
    state = replace(state, hand_over=HandOver.NONE, is_change_wished=False, tool_runs=())
    commands = (SwapBrain(), *_prepare_brain(state), *climb_later)
    state, pending = _send_pending(state)
    return state, (*commands, *pending)
