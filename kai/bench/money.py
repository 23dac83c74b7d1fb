"""What Kai counts that a talk costs, beside the services' own ledger: random talks in virtual time.

The ledger is the local LiveAvatar's own account, and a sum of what the voice service charged. Kai knows only what the two
report to it: tokens with their cost, the avatar's credits at the start of each minute, and starts that failed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from kai.core import events as ev
from kai.core.policy import budget
from kai.core.reducer import step
from kai.core.state import BrainFacts, Face, LegName, Look, SessionState, Tokens
from kai.engine.liveavatar.account import AccountBook, Paid
from kai.wire.liveavatar import TokenRequest

TALKS: Final = 500
MOST_A_TURN_USD: Final = 0.08
CLOUD: Final = BrainFacts("webrtc", "gpt-realtime-2.1", is_billed=True)
_LONGEST_S: Final = 100_000


@dataclass(frozen=True, slots=True)
class PaidTalk:
    """One talk: its budget in US dollars (0: none), what Kai counted, and what the ledger says."""

    budget_usd: float
    counted_usd: float
    ledger_usd: float

    @property
    def off_percent(self) -> float:
        """How far Kai's count is from the ledger."""
        return 100 * abs(self.counted_usd - self.ledger_usd) / self.ledger_usd if self.ledger_usd else 0.0

    @property
    def over_usd(self) -> float:
        """By how much the talk cost more than its budget."""
        return max(0.0, self.counted_usd - self.budget_usd) if self.budget_usd else 0.0


def talks(count: int = TALKS) -> list[PaidTalk]:
    """Return that many random talks, one a seed from 0 on."""
    return [_talk(seed) for seed in range(count)]


def figures() -> dict[str, Any]:
    """Return how far Kai's count was from the ledger at worst, and by how much a budget was exceeded at most."""
    paid = talks()
    return {
        "talks": len(paid),
        "ledger_usd": round(sum(talk.ledger_usd for talk in paid), 2),
        "worst_off_percent": round(max(talk.off_percent for talk in paid), 3),
        "most_over_budget_usd": round(max(talk.over_usd for talk in paid), 3),
    }


class _Services:
    """The paid services, and a talk with them."""

    def __init__(self, chance: random.Random, look: Look) -> None:
        self.at_s = 100.0
        self.state = SessionState(has_cloud_brain=True, cloud_limit_s=float(_LONGEST_S))
        self.account = AccountBook(1e9, lambda: self.at_s)
        self.tokens_usd = 0.0
        self.paid: Paid | None = None
        self._is_cloud_brain = True
        self._chance, self._look = chance, look

    @property
    def ledger_usd(self) -> float:
        return self.tokens_usd + self.account.used * budget.CREDIT_USD

    def tell(self, *events: ev.Event) -> None:
        for event in events:
            self.at_s += 0.01
            self.state, commands = step(self.state, event, self.at_s)
            for command in commands:
                self._run(command)

    def _run(self, command: ev.Command) -> None:
        match command:
            case ev.PrepareFace():
                self._prepare()
            case ev.ShowFace(Face.LOCAL) | ev.CloseLeg(LegName.FACE):
                if self.paid is not None:
                    self.account.end(self.paid, "stopped")
            case ev.OpenSpareBrain():
                self.tell(ev.SpareBrainReady())
            case ev.SwapBrain():
                self._is_cloud_brain = False
                self.tell(ev.BrainDescribed(BrainFacts("webrtc", "kai-local"), self._look))
            case _:
                pass

    def _prepare(self) -> None:
        paid = self.account.mint(TokenRequest(avatar_id="a"), longest_s=_LONGEST_S)
        self.account.start(paid)
        if self._chance.random() < 0.2:
            self.account.end(paid, "failed")
            self.tell(ev.CloudFailed("avatar-not-ready", "No.", is_retryable=False, is_billed=True))
            return
        self.paid = paid
        self.tell(ev.CloudOpened(None))
        self.report()

    def report(self) -> None:
        """Report the avatar's credits, as at the start of each minute."""
        if self.paid is not None and self.paid.is_running:
            minutes = int(self.paid.duration_s(self.at_s) // 60) + 1
            self.tell(ev.CreditsReported(self.paid.id, minutes, None))

    def wait(self, seconds: float) -> None:
        until_s = self.at_s + seconds
        while self.at_s < until_s:
            self.at_s += 1.0
            if self.paid is not None and int(self.paid.duration_s(self.at_s)) % 60 == 0:
                self.report()

    def answer(self, number: int) -> None:
        name = f"r{number}"
        self.tell(ev.TextSubmitted(f"t{number}", "Tell me."), ev.ResponseCreated(name), ev.AudioStarted(name))
        if self._is_cloud_brain:
            usd = self._chance.uniform(0.001, MOST_A_TURN_USD)
            self.tokens_usd += usd
            self.tell(ev.UsageReported(Tokens(audio_out=1), usd))
        self.tell(ev.PlayoutStarted(name), ev.ResponseDone(name, "completed"), ev.AudioStopped(name))
        self.tell(ev.PlayoutFinished(name))


def _talk(seed: int) -> PaidTalk:
    chance = random.Random(seed)
    limit_usd = chance.choice((0.0, 0.25, 1.0, 2.0))
    look = Look(budget_talk_usd=limit_usd)
    services = _Services(chance, look)
    services.tell(ev.StartRequested(0.0, look))
    services.tell(ev.LegConnected(LegName.FACE), ev.LegConnected(LegName.BROWSER))
    services.tell(ev.BrainDescribed(CLOUD, look), ev.LegConnected(LegName.BRAIN))
    for number in range(chance.randint(1, 25)):
        services.wait(chance.uniform(1, 50))
        services.answer(number)
    services.report()
    services.tell(ev.StopRequested())
    assert not services.account.running()
    return PaidTalk(limit_usd, budget.cost_usd(services.state), services.ledger_usd)
