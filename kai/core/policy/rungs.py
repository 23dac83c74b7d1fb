"""Which brain answers: the cloud's, or this computer's engine in its place.

The problem. A talk with a cloud brain ends for reasons that have nothing to do with the talk: a network that goes away, a
key that is refused, credit that is used up, a limit. The engine of this computer can go on with the talk, with another voice
and a smaller mind. It must do so within two seconds, and must not make the voice change to and fro when a network flickers.

The states. The talk *stands* on the cloud's rung or on this computer's (`Ladder.is_standing_in`). On this computer's rung it
may *climb*: a spare cloud brain is opened in the background and takes over at the next pause (`Ladder.is_climbing`).

* A failure that another try cannot mend, and a third failed try, bring the stand-in at once.
* After any other loss the cloud is tried again at once. If it is not back after `LOST_PATIENCE_S`, the stand-in takes over;
  at the start of a talk it may take `START_PATIENCE_S`.
* The rest of an answer that the cloud had written and that nobody heard is spoken by the stand-in.
* Climbing is tried after `CLIMB_AFTER_S`, each time later, and at once when a person asks. Cloud brains that are lost again
  within `STEADY_S` count on, so that a flickering network changes the voice more and more rarely.
* A limit that is known before it is reached (a budget, a rate limit) brings the stand-in at the next pause (`rest`).
* "Stay with OpenAI" (`Look.stays_in_cloud`) forbids the stand-in, except for a budget.

Example. At 0 s the network goes in the middle of an answer. The cloud is called at once, in vain. At 1 s the stand-in is
opened; at 1.5 s it speaks the rest of the sentence. At 16 s a spare cloud brain is opened, is ready at 17 s, and takes over
at 21 s, when the person has got their answer. The network goes again at 60 s; the next climb is tried at 121 s.
"""

from __future__ import annotations

from dataclasses import replace

from kai.core.events import (
    ArmTimer,
    CancelTimer,
    CloseLeg,
    Command,
    OpenLeg,
    OpenSpareBrain,
    PlayoutInterrupted,
    SayWords,
    Step,
)
from kai.core.state import (
    BudgetStage,
    HandOver,
    Ladder,
    Leg,
    LegName,
    LegStatus,
    Problem,
    RateLimit,
    SessionState,
)
from kai.core.timers import ClimbDue, RetryDue, StandInDue
from kai.core.words import first_words, words_of

LOST_PATIENCE_S = 1.0
START_PATIENCE_S = 4.0
"""A cloud brain is up in 1 to 2 s; nobody should look at a silent page for longer than this."""
CLIMB_AFTER_S = (15.0, 60.0, 180.0, 300.0)
STEADY_S = 120.0
LEAST_REST_S = 5.0
"""A rate limit that ends within this time is over before the next question."""
STAND_IN = "brain-stand-in"
BUDGET = "budget-reached"
RATE_LIMIT = "rate-limit"


def may_stand_in(state: SessionState) -> bool:
    """Return whether this computer's engine may take the place of the cloud brain that the talk wants."""
    wants_cloud = state.has_cloud_brain and state.look.runs != "local"
    return wants_cloud and not (state.look.stays_in_cloud or state.ladder.is_standing_in)


def watch(state: SessionState, patience_s: float) -> tuple[Command, ...]:
    """Return the order to bring the stand-in unless the cloud is up within that time."""
    return (ArmTimer(StandInDue(), patience_s),) if may_stand_in(state) else ()


def stand_in(
    state: SessionState, code: str, message: str, at: float, *, is_retryable: bool, not_before_s: float = 0.0
) -> Step:
    """Open this computer's engine in the place of the cloud's brain, which has been closed. The cloud is not asked again
    before ``not_before_s`` are over."""
    ladder = state.ladder
    falls = 1 if at - ladder.up_since_s >= STEADY_S else ladder.falls + 1
    ladder = replace(ladder, is_standing_in=True, is_climbing=False, falls=falls, code=code, message=message)
    state = replace(state, ladder=ladder).with_leg(LegName.BRAIN, Leg(LegStatus.CONNECTING, 1, code, message))
    delay_s = max(not_before_s, _climb_after_s(falls) if is_retryable else CLIMB_AFTER_S[-1])
    state = state.without_problem_of(LegName.BRAIN).with_problem(_told(ladder))
    return state, (
        CancelTimer(StandInDue()),
        CancelTimer(RetryDue(LegName.BRAIN)),
        OpenLeg(LegName.BRAIN, 1),
        ArmTimer(ClimbDue(), delay_s),
    )


def stand_in_due(state: SessionState, at: float) -> Step:
    """The cloud's brain is not back in time."""
    if state.brain.is_up or not may_stand_in(state) or not state.is_active:
        return state, ()
    leg = state.brain
    code = leg.code or "connect-timeout"
    message = leg.message or "OpenAI does not answer."
    state, commands = stand_in(state, code, message, at, is_retryable=True)
    return state, (CloseLeg(LegName.BRAIN), *commands)


def _climb_after_s(falls: int) -> float:
    return CLIMB_AFTER_S[min(falls, len(CLIMB_AFTER_S)) - 1]


def _told(ladder: Ladder) -> Problem:
    return Problem(STAND_IN, "", detail=ladder.message, leg=LegName.BRAIN)


def connected(state: SessionState, at: float) -> Step:
    """The brain of the talk's rung is up. A stand-in goes on with what was not heard of the last answer."""
    if not state.has_cloud_brain:
        return state, ()
    if not state.ladder.is_standing_in:
        return replace(state, ladder=replace(state.ladder, up_since_s=at, unsaid="")), (
            CancelTimer(StandInDue()),
        )
    unsaid = state.ladder.unsaid
    state = replace(state, ladder=replace(state.ladder, unsaid="")).with_problem(_told(state.ladder))
    is_asked = bool(state.pending_text)
    return state, ((SayWords(unsaid),) if unsaid and not is_asked else ())


def keep_unsaid(state: SessionState, cut: PlayoutInterrupted) -> SessionState:
    """Keep what the lost brain had written of its last answer and nobody heard. Call this before the line is cut."""
    if cut.segment_id != state.ladder.lost_answer or cut.heard_text is None:
        return state
    lines = [m.text.strip() for m in state.messages if m.response_id == cut.segment_id]
    whole = " ".join(line for line in lines if line)
    heard = len(words_of(cut.heard_text)) if cut.heard_ms else 0
    unsaid = whole[len(first_words(whole, heard)) :].strip()
    return replace(state, ladder=replace(state.ladder, unsaid=unsaid, lost_answer=""))


def climb(state: SessionState) -> Step:
    """Open a spare cloud brain, which takes over at the next pause, unless the budget is spent."""
    if not state.ladder.is_standing_in or state.ladder.is_climbing:
        return state, ()
    if state.budget is BudgetStage.REACHED:
        return state, ()
    if not state.brain.is_up or state.hand_over is not HandOver.NONE:
        return state, (ArmTimer(ClimbDue(), CLIMB_AFTER_S[0]),)
    state = replace(state, hand_over=HandOver.OPENING, ladder=replace(state.ladder, is_climbing=True))
    return state, (CancelTimer(ClimbDue()), OpenSpareBrain())


def climb_failed(state: SessionState, code: str, message: str) -> Step:
    """Stay on this computer's rung, and try again later."""
    falls = state.ladder.falls + 1
    ladder = replace(
        state.ladder, is_climbing=False, falls=falls, code=code, message=message or state.ladder.message
    )
    state = replace(state, ladder=ladder, hand_over=HandOver.NONE).with_problem(_told(ladder))
    return state, (ArmTimer(ClimbDue(), _climb_after_s(falls)),)


def limits_reported(state: SessionState, limits: tuple[RateLimit, ...]) -> Step:
    """Leave the cloud's brain at the next pause if it would refuse the next question."""
    state = replace(state, rate_limits=limits)
    rest_s = max((limit.reset_s for limit in limits if limit.remaining <= 0), default=0.0)
    is_free = state.brain.is_up and state.hand_over is HandOver.NONE
    if rest_s < LEAST_REST_S or not (is_free and may_stand_in(state)):
        return state, ()
    return rest(state, RATE_LIMIT, "OpenAI's limit for this minute is used up.", rest_s)


def rest(state: SessionState, code: str, message: str = "", rest_s: float = 0.0) -> Step:
    """Open this computer's engine as a spare, which takes over from the cloud's brain at the next pause, because of a limit
    that lasts ``rest_s``, or until the limit is raised."""
    ladder = replace(state.ladder, resting=code, message=message, rest_s=rest_s)
    return replace(state, ladder=ladder, hand_over=HandOver.OPENING), (OpenSpareBrain(is_stand_in=True),)


def swapped(state: SessionState, at: float) -> Step:
    """A spare brain takes over: the cloud's, or this computer's engine because of a limit or by a person's choice."""
    before = state.ladder
    if before.resting:
        ladder = Ladder(is_standing_in=True, code=before.resting, message=before.message, falls=before.falls)
        state = replace(state, ladder=ladder)
        if not before.rest_s:
            return state, ()
        return state.with_problem(_told(ladder)), (ArmTimer(ClimbDue(), before.rest_s),)
    if not (before.is_climbing or (before.is_standing_in and state.look.runs == "local")):
        return state, ()
    ladder = Ladder(falls=before.falls, up_since_s=at)
    return replace(state, ladder=ladder).without_problem_of(LegName.BRAIN), ()
