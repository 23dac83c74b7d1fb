"""The policy that decides which face is shown in a talk with a paid cloud face and a local face standing by.

The local face is free and opens within seconds, so every talk opens it and keeps it paused. A session of the cloud face takes
2 to 4 s to open, costs a credit per started minute, and ends at the plan's limit. At most two sessions exist at once: the one
that is *on*, and the *next*, which is being prepared to replace it.

* Faces are exchanged between turns. Only a face that is lost or out of time is replaced in mid-sentence.
* A failure that another try cannot fix is not tried again until a person asks.
* A start is paid whether or not it succeeds. After two failed starts in a row, Kai asks the person before the next one. A
  session that is lost within its first minute, or that never speaks, counts as a failed start; a planned exchange does not.
* Nobody pays for silence: after three minutes of it the local face takes over until somebody speaks.

Example, for a plan with sessions of 120 s: a session is shown at 0 s. At 90 s (`ROTATE`) the next one is prepared; it is
ready at 93 s. Kai speaks until 96 s; then the new session is shown and the old one is stopped. If Kai had continued to speak,
`DEADLINE` at 117 s would have exchanged them in mid-sentence, since at its limit a session falls silent without notice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kai.core import events as ev
from kai.core.policy import face_facts as facts
from kai.core.policy.face_facts import ROTATE_BEFORE_S, FaceReport, OpenLocal, Order, Step, plan_words
from kai.core.state import Face, Faces, LegName, Next, Standby, Why
from kai.core.timers import FaceTimer as Timer

AGAIN_AFTER_S = (5.0, 20.0, 60.0, 180.0)
"""Delays before a lost cloud face is tried again. Meanwhile the local face is shown."""
COVER_AFTER_S = 6.0
"""A cloud face takes 2 to 4 s to open. If it takes longer than this, the local face is shown until it is ready."""
SILENCE_S = 180.0
WARN_BEFORE_S = 30.0
STEADY_S = 60.0
MOST_FAILED_STARTS = 2


def step(state: Faces, event: facts.FacesEvent, at: float) -> Step:
    """Return the state after ``event`` and the orders that follow."""
    state, orders = _react(state, event, at)
    ends = {Timer.LIMIT: state.limit_at_s, Timer.DEADLINE: state.deadline_at_s}
    if isinstance(event, Timer):
        ends[event] = 0.0
    for order in orders:
        if isinstance(order, ev.ArmTimer | ev.CancelTimer) and isinstance(order.timer, Timer):
            ends[order.timer] = at + order.delay_s if isinstance(order, ev.ArmTimer) else 0.0
    limit_at_s, deadline_at_s = ends[Timer.LIMIT], ends[Timer.DEADLINE]
    is_same = (limit_at_s, deadline_at_s) == (state.limit_at_s, state.deadline_at_s)
    return state if is_same else replace(state, limit_at_s=limit_at_s, deadline_at_s=deadline_at_s), orders


def _react(state: Faces, event: facts.FacesEvent, at: float) -> Step:
    match event:
        case facts.Began():
            state = replace(state, is_open=True, local=Standby.OPENING)
            if not state.wants_cloud:
                return state, (OpenLocal(),)
            cover = ev.ArmTimer(Timer.COVER, COVER_AFTER_S)
            limit = ev.ArmTimer(Timer.LIMIT, state.limit_s)
            return _then(_prepare(state), (OpenLocal(), cover, *_armed_silence(), limit))
        case ev.CloudOpened():
            return _next_opened(state, event, at)
        case ev.CloudFailed():
            return _next_failed(state, event)
        case ev.CloudLost():
            return _cloud_lost(state, event, at)
        case ev.LegConnected():
            if state.local is Standby.READY:
                return state, ()
            state = replace(state, local=Standby.READY)
            return _show_local(state) if state.on is None and state.next is Next.NONE else (state, ())
        case ev.LegFailed():
            return _local_lost(state, event)
        case facts.SpeakingChanged(is_speaking):
            return _settle(replace(state, is_speaking=is_speaking), at)
        case facts.Stirred():
            return _stirred(state)
        case facts.CloudWished(is_wished):
            return _wished(state, is_wished)
        case facts.BudgetReached():
            return _time_is_up(state, Why.BUDGET, at)
        case facts.LastCredit():
            return _last_credit(state, at)
        case facts.Slept(slept_s):
            return _slept(state, slept_s, at)
        case facts.ChoiceChanged():
            return _choice_changed(state)
        case Timer():
            return _time_came(state, event, at)
        case _:
            assert_never(event)


def _then(first: Step, orders: tuple[Order, ...]) -> Step:
    return first[0], (*orders, *first[1])


def _cancelled(*timers: Timer) -> tuple[Order, ...]:
    return tuple(ev.CancelTimer(timer) for timer in timers)


def _prepare(state: Faces) -> Step:
    if state.next is not Next.NONE or _asks_person(state):
        return state, ()
    return replace(state, next=Next.OPENING), (ev.PrepareFace(),)


def _asks_person(state: Faces) -> Why | None:
    """Return why no further start is paid until a person asks for one, or ``None``."""
    if state.mutes >= MOST_FAILED_STARTS:
        return Why.MUTE
    return Why.FAILED_STARTS if state.failed_starts >= MOST_FAILED_STARTS else None


def _armed_silence() -> tuple[Order, ...]:
    return ev.ArmTimer(Timer.SILENCE_SOON, SILENCE_S - WARN_BEFORE_S), ev.CancelTimer(Timer.SILENCE)


def _next_opened(state: Faces, event: ev.CloudOpened, at: float) -> Step:
    if state.next is not Next.OPENING:
        return state, ()
    state = replace(state, next=Next.READY, next_longest_s=event.longest_s)
    state = replace(state, is_sandbox=event.is_sandbox, is_billed=event.is_billed)
    return _settle(state, at)


def _settle(state: Faces, at: float) -> Step:
    """Exchange the faces if one is due: between turns, or at once if no face is shown."""
    if state.is_speaking and state.on is not None:
        return state, ()
    if state.next is Next.READY:
        return _show_next(state, at)
    if state.leaves and state.on is Face.CLOUD and state.local is Standby.READY:
        return _leave(state)
    return state, ()


def _show_next(state: Faces, at: float) -> Step:
    orders: list[Order] = [ev.ShowFace(Face.CLOUD), *_cancelled(Timer.COVER, Timer.ROTATE, Timer.DEADLINE)]
    longest_s = state.next_longest_s
    if longest_s is not None:
        lead_s = facts.SANDBOX_LEAVES_BEFORE_S if state.is_sandbox else ROTATE_BEFORE_S
        orders.append(ev.ArmTimer(Timer.ROTATE, max(1.0, longest_s - lead_s)))
        orders.append(ev.ArmTimer(Timer.DEADLINE, max(2.0, longest_s - facts.DEADLINE_BEFORE_S)))
    orders.append(ev.ArmTimer(Timer.STEADY, STEADY_S))
    is_short = longest_s is not None and longest_s <= facts.SHORT_PLAN_S and not state.is_sandbox
    if is_short and not state.is_plan_told:
        state = replace(state, is_plan_told=True)
        orders.append(FaceReport(Face.CLOUD, Why.PLAN, plan_words(longest_s or 0.0)))
    else:
        orders.append(FaceReport(Face.CLOUD))
    return replace(state, on=Face.CLOUD, next=Next.NONE, leaves=None, up_since_s=at), tuple(orders)


def _show_local(state: Faces, code: str = "", message: str = "", detail: str = "") -> Step:
    """Show the local face now, or give up if it is not ready."""
    if state.local is not Standby.READY:
        return replace(state, on=None), (ev.LegFailed(LegName.FACE, code or "face", message),)
    had_cloud = state.wants_cloud or state.on is Face.CLOUD
    off = _cancelled(Timer.ROTATE, Timer.DEADLINE, Timer.STEADY, Timer.COVER) if had_cloud else ()
    orders = (ev.ShowFace(Face.LOCAL), *off, FaceReport(Face.LOCAL, code, message, detail))
    return replace(state, on=Face.LOCAL, leaves=None), orders


def _leave(state: Faces) -> Step:
    """Replace the cloud face for the recorded reason. If that is a rotation, prepare a new session."""
    why = state.leaves
    shown = _show_local(state, why or "")
    if why is Why.ROTATING:
        state, orders = _prepare(shown[0])
        return state, (*shown[1], *orders)
    return shown


def _next_failed(state: Faces, event: ev.CloudFailed) -> Step:
    if state.next is Next.NONE:
        return state, ()
    state = replace(state, next=Next.NONE)
    if event.is_billed:
        state = replace(state, failed_starts=state.failed_starts + 1)
        if why := _asks_person(state):
            event = replace(event, code=why, message="", is_retryable=False)
    if state.on is Face.CLOUD:
        # The account allows only one session at a time, so the local face covers the exchange.
        if event.code == "avatar-concurrency":
            return _settle(replace(state, leaves=Why.ROTATING), 0.0)
        rotate = ev.ArmTimer(Timer.ROTATE, max(AGAIN_AFTER_S[0], event.retry_after_s))
        return state, ((rotate,) if event.is_retryable else ())
    state, again = _try_again(state, is_retryable=event.is_retryable, not_before_s=event.retry_after_s)
    if state.on is None and state.local is not Standby.OPENING:
        return _then(_show_local(state, event.code, event.message, event.detail), again)
    return state, (*again, FaceReport(Face.LOCAL, event.code, event.message, event.detail))


def _try_again(state: Faces, *, is_retryable: bool, not_before_s: float = 0.0) -> Step:
    if not is_retryable or not state.wants_cloud or state.is_paused or state.is_over_limit:
        return state, ()
    delay_s = AGAIN_AFTER_S[min(state.failures, len(AGAIN_AFTER_S) - 1)]
    return replace(state, failures=state.failures + 1), (
        ev.ArmTimer(Timer.AGAIN, max(delay_s, not_before_s)),
    )


def _cloud_lost(state: Faces, event: ev.CloudLost, at: float) -> Step:
    if state.on is not Face.CLOUD:
        return state, ()
    mutes = state.mutes + 1 if event.code == "avatar-never-spoke" else 0
    is_steady = at - state.up_since_s > STEADY_S
    failed_starts = state.failed_starts + (event.is_billed and not is_steady)
    state = replace(state, mutes=mutes, failed_starts=failed_starts)
    if why := _asks_person(state):
        event = replace(event, code=why, message="", is_retryable=False)
    if state.next is Next.READY:
        return _show_next(state, at)
    shown = _show_local(state, event.code, event.message)
    if state.next is Next.OPENING:
        return shown
    again = _try_again(shown[0], is_retryable=event.is_retryable)
    return again[0], (*shown[1], *again[1])


def _local_lost(state: Faces, event: ev.LegFailed) -> Step:
    state = replace(state, local=Standby.OFF)
    if state.on is Face.CLOUD or (state.on is None and state.next is not Next.NONE):
        return state, (ev.ArmTimer(Timer.LOCAL, AGAIN_AFTER_S[0]),)
    # If the computer is busy or a file is missing, a person decides when to try again, even the paid face.
    return replace(state, on=None), (event,)


def _stirred(state: Faces) -> Step:
    if not state.is_paused:
        taken_back = (FaceReport(Face.CLOUD),) if state.is_warned and state.on is Face.CLOUD else ()
        return replace(state, is_warned=False), (*_armed_silence(), *taken_back)
    state = replace(state, is_paused=False)
    return _then(_prepare(state), _armed_silence()) if state.wants_cloud else (state, ())


def _wished(state: Faces, is_wished: bool) -> Step:
    if is_wished:
        state = replace(state, wants_cloud=True, is_paused=False, is_over_limit=False)
        state = replace(state, failures=0, failed_starts=0, mutes=0, leaves=None)
        if state.on is Face.CLOUD:
            return state, ()
        limit = ev.ArmTimer(Timer.LIMIT, state.limit_s)
        return _then(_prepare(state), (*_armed_silence(), limit, ev.CancelTimer(Timer.AGAIN)))
    dropped = (ev.DropFace(),) if state.next is not Next.NONE else ()
    had_cloud = state.on is Face.CLOUD
    state = replace(state, wants_cloud=False, next=Next.NONE, is_paused=False)
    off = (*dropped, *_cancelled(Timer.AGAIN, Timer.SILENCE_SOON, Timer.SILENCE, Timer.LIMIT))
    if had_cloud or (state.on is None and state.local is Standby.READY):
        return _then(_show_local(state), off)
    return state, off


def _choice_changed(state: Faces) -> Step:
    """Prepare a session with the new choice. It takes over between turns, as at a time limit."""
    if not state.wants_cloud or state.is_paused or state.is_over_limit:
        return state, ()
    dropped = (ev.DropFace(),) if state.next is not Next.NONE else ()
    state = replace(state, next=Next.NONE, failures=0, failed_starts=0, mutes=0)
    return _then(_prepare(state), (*dropped, ev.CancelTimer(Timer.AGAIN)))


def _time_is_up(state: Faces, why: Why, at: float) -> Step:
    """Leave the paid face at the next pause, until a person asks for it again."""
    if not state.wants_cloud:
        return state, ()
    dropped = (ev.DropFace(),) if state.next is not Next.NONE else ()
    state = replace(state, is_over_limit=True, next=Next.NONE, wants_cloud=False)
    if state.on is not Face.CLOUD:
        return state, dropped
    return _then(_settle(replace(state, leaves=why), at), dropped)


def _last_credit(state: Faces, at: float) -> Step:
    """Leave the paid face at a pause of the minute that is paid, and at its end in mid-sentence."""
    if state.on is not Face.CLOUD or not state.wants_cloud:
        return state, ()
    is_sooner = 0.0 < state.deadline_at_s - at < facts.LAST_MINUTE_S
    deadline = () if is_sooner else (ev.ArmTimer(Timer.DEADLINE, facts.LAST_MINUTE_S),)
    return _then(_time_is_up(state, Why.CREDITS, at), deadline)


def _slept(state: Faces, slept_s: float, at: float) -> Step:
    """Give up the paid sessions, which nobody saw meanwhile. After a short sleep a fresh one is prepared, after a long one
    only when somebody speaks."""
    dropped = (ev.DropFace(),) if state.next is not Next.NONE else ()
    if slept_s >= SILENCE_S and (state.on is Face.CLOUD or dropped):
        return _rest(state)
    if state.on is Face.CLOUD:
        lost = ev.CloudLost("avatar-asleep", "This computer was asleep.", is_retryable=True, is_billed=False)
        return _then(_cloud_lost(replace(state, next=Next.NONE), lost, at), dropped)
    return _then(_prepare(replace(state, next=Next.NONE)), dropped) if dropped else (state, ())


def _rest(state: Faces) -> Step:
    """Show the local face until somebody speaks."""
    dropped = (ev.DropFace(),) if state.next is not Next.NONE else ()
    state = replace(state, is_paused=True, is_warned=False, next=Next.NONE)
    return _then(_show_local(state, Why.RESTING), dropped)


def _time_came(state: Faces, timer: Timer, at: float) -> Step:
    match timer:
        case Timer.COVER if state.on is None and state.local is Standby.READY:
            return _show_local(state, Why.COMING)
        case Timer.AGAIN if state.on is not Face.CLOUD and state.wants_cloud and not state.is_paused:
            return _prepare(state)
        case Timer.LOCAL if state.local is Standby.OFF:
            return replace(state, local=Standby.OPENING), (OpenLocal(),)
        case Timer.ROTATE if state.on is Face.CLOUD and not state.leaves:
            if state.is_sandbox:
                return _settle(replace(state, leaves=Why.SANDBOX_OVER), at)
            return _prepare(state)
        case Timer.DEADLINE if state.on is Face.CLOUD:
            if state.next is Next.READY:
                return _show_next(state, at)
            why = state.leaves or _asks_person(state) or Why.TIME_UP
            shown = _show_local(state, why)
            if why in (Why.SANDBOX_OVER, Why.LIMIT, Why.BUDGET, Why.CREDITS):
                return shown
            more = _prepare(shown[0])
            return more[0], (*shown[1], *more[1])
        case Timer.STEADY if state.on is Face.CLOUD:
            return replace(state, failures=0, failed_starts=0), ()
        case Timer.SILENCE_SOON if state.on is Face.CLOUD:
            return replace(state, is_warned=True), (
                ev.ArmTimer(Timer.SILENCE, WARN_BEFORE_S),
                FaceReport(Face.CLOUD, Why.SILENCE_SOON),
            )
        case Timer.SILENCE if state.on is Face.CLOUD or state.next is not Next.NONE:
            return _rest(state)
        case Timer.LIMIT:
            return _time_is_up(state, Why.LIMIT, at)
        case _:
            return state, ()
