"""What a talk may cost: the warning, the gentle end, and the same sum as the services' own ledger."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from kai.core import events as ev
from kai.core.policy import budget
from kai.core.state import BrainFacts, BudgetStage, Face, LegName, Look, SessionState, Tokens
from kai.core.timers import ClimbDue, FaceTimer
from kai.engine.liveavatar.account import Account, Paid
from kai.wire.liveavatar import TokenRequest
from tests.support.talk import WALL_S, Talk

CLOUD = BrainFacts("webrtc", "gpt-realtime-2.1", is_billed=True)


def spend(usd: float) -> ev.UsageReported:
    return ev.UsageReported(Tokens(audio_out=1), usd)


def paid_talk(look: Look, spent_today_usd: float = 0.0, cloud_limit_s: float = 0.0) -> Talk:
    talk = Talk(SessionState(has_cloud_brain=True, cloud_limit_s=cloud_limit_s))
    talk.do(ev.StartRequested(WALL_S, look, spent_today_usd))
    talk.do(ev.LegConnected(LegName.FACE), ev.LegConnected(LegName.BROWSER))
    talk.do(ev.BrainDescribed(CLOUD, look), ev.LegConnected(LegName.BRAIN))
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


class Services:
    """The paid services in virtual time: their ledger, and what they report to a talk."""

    def __init__(self, chance: random.Random, talk: Talk) -> None:
        self.chance, self.talk = chance, talk
        self.account = Account(1e9, lambda: talk.at_s)
        self.tokens_usd = 0.0
        self.session: Paid | None = None
        self.is_cloud_brain = True
        self.run(())

    @property
    def ledger_usd(self) -> float:
        return self.tokens_usd + self.account.used * budget.CREDIT_USD

    def do(self, *events: ev.Event) -> None:
        for event in events:
            self.run(self.talk.do(event))

    def run(self, commands: tuple[ev.Command, ...]) -> None:
        for command in commands:
            match command:
                case ev.PrepareFace():
                    self.prepare()
                case ev.ShowFace(Face.LOCAL) | ev.CloseLeg(LegName.FACE):
                    self.stop()
                case ev.OpenSpareBrain():
                    self.do(ev.SpareBrainReady())
                case ev.SwapBrain():
                    self.is_cloud_brain = False
                    self.do(ev.BrainDescribed(BrainFacts("webrtc", "kai-local"), self.talk.state.look))
                case _:
                    pass

    def prepare(self) -> None:
        paid = self.account.mint(TokenRequest(avatar_id="a"), longest_s=100_000)
        self.account.start(paid)
        if self.chance.random() < 0.2:
            self.account.end(paid, "failed")
            self.do(ev.CloudFailed("avatar-not-ready", "No.", is_retryable=False, is_billed=True))
            return
        self.session = paid
        self.do(ev.CloudOpened(None))
        self.report()

    def report(self) -> None:
        if self.session is not None and self.session.is_running:
            minutes = int(self.session.duration_s(self.talk.at_s) // 60) + 1
            self.do(ev.CreditsReported(self.session.id, minutes, None))

    def stop(self) -> None:
        if self.session is not None:
            self.account.end(self.session, "stopped")

    def answer(self, number: int) -> None:
        name = f"r{number}"
        self.do(ev.TextSubmitted(f"t{number}", "Tell me."), ev.ResponseCreated(name), ev.AudioStarted(name))
        if self.is_cloud_brain:
            usd = self.chance.uniform(0.001, 0.08)
            self.tokens_usd += usd
            self.do(spend(usd))
        self.do(ev.PlayoutStarted(name), ev.ResponseDone(name, "completed"), ev.AudioStopped(name))
        self.do(ev.PlayoutFinished(name))


def test_over_five_hundred_talks_the_cost_is_the_ledgers_and_the_budget_holds() -> None:
    """An answer, and a minute of the avatar, may be under way when the budget is reached."""
    for seed in range(500):
        chance = random.Random(seed)
        limit = chance.choice((0.0, 0.25, 1.0, 2.0))
        look = Look(budget_talk_usd=limit)
        talk = Talk(SessionState(has_cloud_brain=True, cloud_limit_s=100_000.0))
        services = Services(chance, talk)
        services.do(ev.StartRequested(WALL_S, look))
        services.do(ev.LegConnected(LegName.FACE), ev.LegConnected(LegName.BROWSER))
        services.do(ev.BrainDescribed(CLOUD, look), ev.LegConnected(LegName.BRAIN))
        for number in range(chance.randint(1, 25)):
            next_s = talk.at_s + chance.uniform(1, 50)
            while talk.at_s < next_s:
                talk.wait(1.0)
                if services.session is not None and int(services.session.duration_s(talk.at_s)) % 60 == 0:
                    services.report()
            services.answer(number)
        services.report()
        services.do(ev.StopRequested())
        cost = budget.cost_usd(talk.state)
        assert cost == pytest.approx(services.ledger_usd, rel=0.01), seed
        assert not limit or cost < limit + 0.08 + budget.CREDIT_USD + 1e-9, seed
        assert not services.account.running()
