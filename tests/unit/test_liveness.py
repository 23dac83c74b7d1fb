"""A line that went silent is noticed by questions without an answer, and never by time alone."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kai.compat import liveness
from kai.compat.liveness import QUESTIONS, wait_gone


class Line:
    """A line on a clock of its own: ``arrivals`` are the times of what comes, and each question takes half a second."""

    def __init__(self, arrivals: list[float], answers_until_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.arrivals, self.answers_until_s = arrivals, answers_until_s
        self.asked_at_s: list[float] = []

    def arrived(self) -> int:
        return sum(at_s <= self.now_s for at_s in self.arrivals)

    async def ask(self) -> bool:
        self.asked_at_s.append(self.now_s)
        is_answered = self.now_s < self.answers_until_s
        self.now_s += 0.05 if is_answered else liveness.ANSWER_S
        return is_answered

    async def gone_at_s(self) -> float:
        await wait_gone(self.arrived, self.ask)
        return self.now_s


@pytest.fixture
def on_its_clock(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    lines: list[Line] = []

    async def sleep(seconds: float) -> None:
        lines[0].now_s += seconds

    monkeypatch.setattr(liveness, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=lambda: lines[0].now_s))
    return lines


async def test_a_line_is_given_up_three_seconds_after_its_last_packet(on_its_clock: list[Line]) -> None:
    line = Line([0.02 * n for n in range(500)])
    on_its_clock.append(line)
    assert await line.gone_at_s() == pytest.approx(9.98 + 3.0, abs=0.3)
    assert len(line.asked_at_s) == QUESTIONS


async def test_a_quiet_line_that_answers_is_kept(on_its_clock: list[Line]) -> None:
    line = Line([], answers_until_s=60.0)
    on_its_clock.append(line)
    assert await line.gone_at_s() > 60.0


async def test_one_packet_in_between_is_a_sign_of_life(on_its_clock: list[Line]) -> None:
    line = Line([2.2])
    on_its_clock.append(line)
    assert await line.gone_at_s() == pytest.approx(2.5 + 3.0, abs=0.6)
