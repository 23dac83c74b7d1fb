"""What a talk may cost: the warning, the gentle end, and the same sum as the services' own ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kai.bench import money
from kai.core import events as ev
from kai.core.policy import budget
from kai.core.state import BrainFacts, BudgetStage, Caps, Face, LegName, Look, SessionState, Tokens
from kai.core.timers import ClimbDue, FaceTimer
from tests.support.talk import WALL_S, Talk


def spend(usd: float) -> ev.UsageReported:
    return ev.UsageReported(Tokens(audio_out=1), usd)


def paid_talk(look: Look, spent_today_usd: float = 0.0, cloud_limit_s: float = 0.0) -> Talk:
    talk = Talk(SessionState(has_cloud_brain=True, cloud_limit_s=cloud_limit_s))
    talk.do(ev.StartRequested(WALL_S, look, spent_today_usd))
    talk.do(ev.LegConnected(LegName.FACE), ev.LegConnected(LegName.BROWSER))
    talk.do(ev.BrainDescribed(money.CLOUD, look), ev.LegConnected(LegName.BRAIN))
    return talk


def code(talk: Talk) -> str:
    return talk.state.problem.code if talk.state.problem is not None else ""


def test_a_person_is_warned_at_four_fifths_and_the_paid_brain_leaves_in_a_pause() -> None:
    talk = paid_talk(Look(budget_talk_usd=1.0))
    assert talk.do(spend(0.79)) == ()
    talk.do(spend(0.02))
    assert (code(talk), talk.state.budget) == ("budget-near", BudgetStage.NEAR)
    talk.do(ev.TextSubmitted("t1", "Tell me."), ev.ResponseCreated("r1"), ev.AudioStarted("r1"))
    assert ev.OpenSpareBrain(is_stand_in=True) in talk.do(spend(0.2))
    assert code(talk) == "budget-reached"
    assert ev.SwapBrain() not in talk.do(ev.SpareBrainReady(), ev.PlayoutStarted("r1"))
    talk.do(ev.ResponseDone("r1", "completed"), ev.AudioStopped("r1"))
    assert ev.SwapBrain() in talk.do(ev.PlayoutFinished("r1"))
    assert talk.state.ladder.is_standing_in
    talk.do(ev.BrainDescribed(BrainFacts("webrtc", "kai-local"), talk.state.look))
    assert talk.do(ev.TimerFired(ClimbDue())) == ()
    assert talk.do(ev.BrainRecalled()) == ()


def test_a_person_who_leaves_no_pause_is_answered_by_this_computer_once_the_budget_is_spent() -> None:
    talk = paid_talk(Look(budget_talk_usd=1.0))
    talk.do(ev.TextSubmitted("t1", "Tell me."), ev.ResponseCreated("r1"))
    talk.do(ev.AssistantTranscriptChanged("r1", "i1", "Once upon a time.", is_final=False))
    talk.do(ev.AudioStarted("r1"), ev.PlayoutStarted("r1"), spend(1.0), ev.SpareBrainReady())
    commands = talk.do(ev.TextSubmitted("t2", "And now?"))
    assert ev.StopSpeaking("r1") in commands
    assert not any(isinstance(c, ev.SwapBrain | ev.SendText) for c in commands)
    # What was heard is known now: the next brain is told that, and gets the question.
    commands = talk.do(ev.PlayoutInterrupted("r1", 400, "Once upon"))
    order = [c for c in commands if isinstance(c, ev.SwapBrain | ev.SeedHistory | ev.SendText)]
    history = (("user", "Tell me."), ("assistant", "Once upon"))
    assert order == [ev.SwapBrain(), ev.SeedHistory(history), ev.SendText("t2", "And now?")]
    assert talk.state.is_waiting
    assert not talk.state.pending_text


def test_a_raised_budget_brings_the_cloud_back() -> None:
    talk = paid_talk(Look(budget_talk_usd=1.0))
    talk.do(spend(1.0), ev.SpareBrainReady())
    assert talk.state.ladder.is_standing_in
    commands = talk.do(ev.LookChanged(replace(talk.state.look, budget_talk_usd=5.0)))
    assert ev.ArmTimer(ClimbDue(), 0.0) in commands
    assert ev.OpenSpareBrain() in talk.do(ev.TimerFired(ClimbDue()))


def test_what_was_spent_today_counts_against_the_budget_of_the_day() -> None:
    talk = paid_talk(Look(budget_day_usd=3.0, budget_talk_usd=1.0), spent_today_usd=2.5)
    assert budget.limit_usd(talk.state) == 0.5
    talk.do(spend(0.45))
    assert code(talk) == "budget-near"


def test_a_cap_of_this_computer_holds_whatever_the_sidebar_says() -> None:
    talk = Talk(SessionState(has_cloud_brain=True, caps=Caps(talk_usd=0.5, day_usd=2.0)))
    talk.do(ev.StartRequested(WALL_S, Look(), spent_today_usd=0.2))
    assert budget.limit_usd(talk.state) == 0.5
    talk.do(ev.LookChanged(Look(budget_talk_usd=3.0)))
    assert budget.limit_usd(talk.state) == 0.5
    talk.do(ev.LookChanged(Look(budget_talk_usd=0.25)))
    assert budget.limit_usd(talk.state) == 0.25
    talk.do(ev.StopRequested(), ev.ResetRequested(), ev.StartRequested(WALL_S, Look(), spent_today_usd=1.9))
    assert budget.limit_usd(talk.state) == pytest.approx(0.1)


def test_a_spare_that_does_not_come_is_tried_again() -> None:
    talk = paid_talk(Look(budget_talk_usd=1.0))
    assert ev.OpenSpareBrain(is_stand_in=True) in talk.do(spend(1.0))
    commands = talk.do(ev.SpareBrainFailed("engine-slow"))
    assert ev.OpenSpareBrain(is_stand_in=True) in commands


def test_the_avatar_leaves_too_and_its_failed_start_is_counted() -> None:
    talk = paid_talk(Look(budget_talk_usd=0.3), cloud_limit_s=600.0)
    talk.do(ev.CloudFailed("avatar-not-ready", "No.", is_retryable=True, is_billed=True))
    assert talk.state.credits.used == 1
    talk.do(ev.TimerFired(FaceTimer.AGAIN), ev.CloudOpened(None))
    assert talk.state.faces.on is Face.CLOUD
    talk.do(ev.CreditsReported("s2", 1, None))
    assert talk.state.faces.on is Face.CLOUD
    commands = talk.do(ev.CreditsReported("s2", 2, None))
    assert ev.ShowFace(Face.LOCAL) in commands
    assert talk.do(ev.TimerFired(FaceTimer.AGAIN)) == ()


def test_the_forecast_is_of_the_talks_own_pace() -> None:
    talk = paid_talk(Look(budget_talk_usd=1.0))
    talk.do(spend(0.1))
    assert budget.usd_an_hour(talk.state, talk.state.started_at_s + 10) is None
    at_s = talk.state.started_at_s + 360
    assert budget.usd_an_hour(talk.state, at_s) == pytest.approx(1.0)
    assert budget.minutes_left(talk.state, at_s) == pytest.approx(54.0)
    assert budget.minutes_left(paid_talk(Look()).state, at_s) is None


def test_over_five_hundred_talks_the_cost_is_the_ledgers_and_the_budget_holds() -> None:
    """An answer, and a minute of the avatar, may be under way when the budget is reached."""
    paid = money.talks()
    assert len(paid) == 500
    assert max(talk.off_percent for talk in paid) < 1.0
    assert max(talk.over_usd for talk in paid) < money.MOST_A_TURN_USD + budget.CREDIT_USD + 1e-9
    assert sum(talk.ledger_usd for talk in paid) > 100.0
