"""Notices that this computer was asleep, or that the process stood still.

A laptop whose lid is closed, a suspended virtual machine and a stopped process look alike from inside: the next step of a
loop comes late. Whether the monotonic clock goes on meanwhile differs between systems, so two signs are added up: the time
that the system itself counts as sleep, and the time by which a step came late. Neither uses the wall clock, so that a clock
that is set, by a person or by the network's time, is no sleep.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

LATE_S = 5.0
"""A step that comes later than this was stopped. A busy computer delays one by less."""
LEAST_NAP_S = 0.5
"""The two clocks of a system are read one after the other, so they differ a little."""


def asleep_s() -> float:
    """Return how long this computer has slept since it was started, as far as its system counts that; else 0."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
    if sys.platform == "darwin":
        return time.clock_gettime(time.CLOCK_MONOTONIC) - time.clock_gettime(time.CLOCK_UPTIME_RAW)
    if sys.platform == "win32":
        awake_100ns = ctypes.c_ulonglong()
        ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(awake_100ns))
        return ctypes.windll.kernel32.GetTickCount64() / 1000 - awake_100ns.value / 1e7
    return 0.0


class NapClock:
    """Tells a loop that steps every ``step_s`` for how long it stood still."""

    def __init__(
        self,
        step_s: float,
        clock: Callable[[], float] = time.monotonic,
        asleep: Callable[[], float] = asleep_s,
    ) -> None:
        self._step_s, self._clock, self._asleep = step_s, clock, asleep
        self._at_s, self._asleep_s = clock(), asleep()

    def stood_s(self) -> float:
        """Return for how many seconds the loop stood still since the last call, 0 if it went on. Call it in each step."""
        at_s, asleep_s = self._clock(), self._asleep()
        late_s = at_s - self._at_s - self._step_s
        slept_s = asleep_s - self._asleep_s
        self._at_s, self._asleep_s = at_s, asleep_s
        return max(slept_s if slept_s > LEAST_NAP_S else 0.0, late_s if late_s > LATE_S else 0.0)
