"""What a talk may cost: a warning before the budget is reached, and a gentle end of what is paid for.

A person sets a budget for a talk and one for a day; 0 means none. Whoever set Kai up may cap both (`Caps`). At `NEAR` of
the nearest one the page says so. Once it is reached, nothing is cut off: this computer's engine takes over from the cloud's
brain, and the face of this computer from the avatar, at the next pause. The talk goes on with them until its end. Costs are
counted in US dollars: tokens by their price, and an avatar's begun minutes by the price of a credit.

Example: a budget of $1.00 for the talk and $3.00 for the day, of which $2.50 were spent before. The talk may cost $0.50. At
$0.40 the person is warned; at $0.50 both paid legs are left at the next pause.
"""

from __future__ import annotations

from dataclasses import replace

from kai.core.events import ArmTimer, Command, Step
from kai.core.policy import face_facts, legs, rungs
from kai.core.state import BudgetStage, HandOver, Problem, SessionState
from kai.core.timers import ClimbDue

NEAR = 0.8
CREDIT_USD = 0.10
"""The price of an avatar's credit, which lasts a begun minute."""
FORECAST_AFTER_S = 30.0
"""Before this time a talk's cost says little about the next minutes."""


def cost_usd(state: SessionState) -> float:
    """Return what the talk has cost so far, as far as its price is known."""
    return state.spending.cost_usd + state.credits.used * CREDIT_USD


def limit_usd(state: SessionState) -> float | None:
    """Return what the talk may cost in all, or ``None`` without a budget."""
    look, caps = state.look, state.caps
    of_talk = [usd for usd in (look.budget_talk_usd, caps.talk_usd) if usd > 0]
    of_day = [usd for usd in (look.budget_day_usd, caps.day_usd) if usd > 0]
    return min([*of_talk, *(max(0.0, usd - state.spent_today_usd) for usd in of_day)], default=None)


def usd_an_hour(state: SessionState, at: float) -> float | None:
    """Return the talk's cost at its present pace, or ``None`` if it is too young or free."""
    lasted_s = at - state.started_at_s
    spent = cost_usd(state)
    return spent / lasted_s * 3600 if lasted_s >= FORECAST_AFTER_S and spent > 0 else None


def minutes_left(state: SessionState, at: float) -> float | None:
    """Return for how many minutes the budget lasts at the present pace, or ``None`` if no end is in sight."""
    limit, pace = limit_usd(state), usd_an_hour(state, at)
    if limit is None or pace is None or state.budget is BudgetStage.REACHED:
        return None
    return max(0.0, limit - cost_usd(state)) / pace * 60


def follow(before: SessionState, state: SessionState, at: float) -> Step:
    """Warn, or end what is paid for, if the cost or the budget has changed."""
    if not state.is_active or _counted(before) == _counted(state):
        return _resting(state)
    was, stage = state.budget, _stage(state)
    if stage is was:
        return _resting(state)
    state = replace(state, budget=stage)
    commands: tuple[Command, ...] = ()
    if stage is BudgetStage.REACHED:
        state = state.with_problem(Problem("budget-reached", ""))
        state, commands = legs.tell_faces(state, face_facts.BudgetReached(), at)
    elif stage is BudgetStage.NEAR:
        state = state.with_problem(Problem("budget-near", ""))
    if was is BudgetStage.REACHED and state.ladder.is_standing_in:
        # The budget was raised after it had been spent, so the cloud's brain may come back.
        commands = (ArmTimer(ClimbDue(), 0.0),)
    state, brain = _resting(state)
    return state, (*commands, *brain)


def _counted(state: SessionState) -> tuple[float, float | None, bool]:
    return cost_usd(state), limit_usd(state), state.is_active


def _stage(state: SessionState) -> BudgetStage:
    limit, spent = limit_usd(state), cost_usd(state)
    if limit is None or spent < NEAR * limit:
        return BudgetStage.WITHIN
    return BudgetStage.NEAR if spent < limit else BudgetStage.REACHED


def _resting(state: SessionState) -> Step:
    """Open this computer's engine as a spare, which takes over from a paid brain at the next pause."""
    is_paid = state.facts.is_billed and state.brain.is_up and not state.ladder.is_standing_in
    is_due = state.budget is BudgetStage.REACHED and state.is_active and state.hand_over is HandOver.NONE
    if not (is_paid and is_due and state.has_cloud_brain):
        return state, ()
    return rungs.rest(state, rungs.BUDGET)
