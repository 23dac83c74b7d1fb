"""The brain's leg: what a fresh one is told, what is left when one is lost, and how one follows another unheard.

Two ways lead from one brain to the next. A *lost* brain leaves a gap: what it was saying ends, what it had said to its end is
heard to its end, and a question that it had not answered waits in ``pending_text`` for the next brain. A *hand-over* leaves
none: five minutes before a brain's time limit (or when a person wants settings that need a new connection) a spare is opened
beside it, waits until nobody speaks and nothing is on its way (``is_between_turns``), and takes over. In both cases the next
brain is told the lines of the chat first, so that it goes on where the talk was.
"""

from __future__ import annotations

from dataclasses import replace

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
from kai.core.policy.turns import await_answer, cut_each
from kai.core.state import BrainFacts, HandOver, Phase, Problem, Role, SessionState
from kai.core.timers import HandOverDue

HAND_OVER_LEAD_S = 300.0
"""So long before a brain's time limit a fresh one is opened: five minutes hold a pause in every talk."""

HAND_OVER_RETRY_S = 30.0


def connected(state: SessionState) -> Step:
    """A fresh brain learns what was said, and gets the lines that wait for an answer. In a new talk it may greet."""
    pending = state.pending_text
    greeting = "" if state.phase is Phase.ACTIVE or state.messages else state.look.brain.greeting.strip()
    commands = _prepare_brain(state)
    state = replace(state, phase=Phase.ACTIVE, pending_text=())
    commands += [SendText(item_id, text) for item_id, text in pending]
    if greeting:
        commands.append(Greet(greeting))
    if not pending and not greeting:
        return state, tuple(commands)
    state, wait = await_answer(state)
    return state, (*commands, *wait)


def _prepare_brain(state: SessionState) -> list[Command]:
    """What a fresh brain is told: whether it may listen, and what was said."""
    unsent = {item_id for item_id, _ in state.pending_text}
    lines = tuple(
        (str(m.role), m.text)
        for m in state.messages
        if m.role is not Role.NOTICE and m.is_final and m.text and m.id not in unsent
    )
    return [SetMuted(state.is_muted), *((SeedHistory(lines),) if lines else ())]


def lost(state: SessionState) -> Step:
    """What the brain was still saying ends; what it has said to its end is heard to its end.

    A question that it has not answered is put again to the next brain: nothing that was said is lost.
    """
    was_busy = state.is_waiting or any(answer.is_at_brain for answer in state.answers)
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
    )
    last = messages[-1] if messages else None
    if was_busy and last is not None and last.role is Role.USER:
        state = replace(state, pending_text=(*state.pending_text, (last.id, last.text)))
    return state, commands


def described(state: SessionState, facts: BrainFacts) -> Step:
    state = replace(state, facts=facts)
    if facts.expires_in_s is None:
        return state, (CancelTimer(HandOverDue()),)
    return state, (ArmTimer(HandOverDue(), max(HAND_OVER_RETRY_S, facts.expires_in_s - HAND_OVER_LEAD_S)),)


def open_spare(state: SessionState) -> Step:
    if not state.brain.is_up or state.hand_over is not HandOver.NONE:
        return state, ()
    return replace(state, hand_over=HandOver.OPENING), (OpenSpareBrain(),)


def spare_failed(state: SessionState, event: SpareBrainFailed) -> Step:
    """The talk goes on with the brain that it has. Only who asked for the change is told that it failed."""
    if state.hand_over is HandOver.NONE:
        return state, ()
    if state.is_change_wished and event.message:
        state = state.with_problem(Problem("change-failed", event.message))
    delay_s = max(HAND_OVER_RETRY_S, event.retry_after_s)
    again = (ArmTimer(HandOverDue(), delay_s),) if event.is_retryable else ()
    return replace(state, hand_over=HandOver.NONE, is_change_wished=False), again


def swap(state: SessionState) -> Step:
    """Nobody speaks: the spare takes over, knowing what was said."""
    state = replace(state, hand_over=HandOver.NONE, is_change_wished=False, tool_runs=())
    return state, (SwapBrain(), *_prepare_brain(state))
