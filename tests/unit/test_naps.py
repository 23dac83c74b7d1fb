"""A sleep of this computer is noticed, whichever clock shows it; a clock that was set is no sleep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from kai.compat.naps import LATE_S, NapClock, asleep_s


class Computer:
    """A computer with two clocks."""

    def __init__(self) -> None:
        self.monotonic_s, self.asleep_s = 100.0, 7.0
        self.naps = NapClock(1.0, lambda: self.monotonic_s, lambda: self.asleep_s)

    def step(self, late_s: float = 0.0, slept_s: float = 0.0) -> float:
        self.monotonic_s += 1.0 + late_s
        self.asleep_s += slept_s
        return self.naps.stood_s()


def test_sleep_is_noticed_where_the_clock_stops_and_where_it_goes_on() -> None:
    computer = Computer()
    assert computer.step() == 0.0
    assert computer.step(slept_s=300.0) == 300.0
    assert computer.step(late_s=300.0) == 300.0
    assert computer.step(late_s=300.0, slept_s=300.0) == 300.0
    assert computer.step() == 0.0


def test_a_busy_computer_is_not_asleep() -> None:
    assert Computer().step(late_s=LATE_S - 0.1) == 0.0


def test_a_clock_that_was_set_is_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    naps = NapClock(0.0)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert naps.stood_s() == 0.0


def test_this_system_counts_its_sleep() -> None:
    before_s = asleep_s()
    assert before_s > -0.1
    assert asleep_s() - before_s == pytest.approx(0.0, abs=0.1)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_a_stopped_process_knows_it() -> None:
    program = (
        "import time; from kai.compat.naps import NapClock; naps = NapClock(0.1); print('on', flush=True)\n"
        "while not (stood_s := naps.stood_s()): time.sleep(0.1)\n"
        "print(stood_s)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(LATE_S + 1.0)
        os.kill(process.pid, signal.SIGCONT)
        assert float(process.stdout.read()) == pytest.approx(LATE_S + 1.0, abs=1.0)
