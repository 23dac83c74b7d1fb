"""A steady pacer on the monotonic clock, and sound tracks that are pulled by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from kai.compat.format import BLOCK_S, BLOCK_SAMPLES, LIVE_HZ, Pcm

TIME_BASE: Final = Fraction(1, LIVE_HZ)


class Pacer:
    """Steps of equal length without drift: a late step does not delay the next one.

    After a stall, the missed steps are made up as fast as the caller asks for them. If the stall was longer than
    ``most_late_s``, they are skipped instead.
    """

    def __init__(self, step_s: float, most_late_s: float) -> None:
        self._step_s = step_s
        self._most_late_s = most_late_s
        self.due_s: float | None = None
        """The time (monotonic) at which the newest step was due; ``None`` before the first."""

    async def wait_step(self) -> int:
        """Wait until the next step is due (the first one is due at once), and return how many steps were skipped."""
        now_s = time.monotonic()
        if self.due_s is None:
            self.due_s = now_s
            return 0
        self.due_s += self._step_s
        left_out = 0
        if now_s - self.due_s > self._most_late_s:
            left_out = int((now_s - self.due_s) / self._step_s)
            self.due_s += left_out * self._step_s
        await asyncio.sleep(max(0.0, self.due_s - now_s))
        return left_out


class PacedTrack(MediaStreamTrack):
    """A sound track that pulls a block of 20 ms at 48 000 Hz, mono, whenever one is due.

    ``pull`` returns the next block, ``(960,)`` int16, and is called on the connection's loop. ``pts`` count blocks. With
    ``keeps_time`` they also count blocks skipped by a stall of more than ``most_late_s``, so that they show the time;
    without it they never jump.
    """

    kind = "audio"

    def __init__(
        self,
        pull: Callable[[], Pcm],
        *,
        most_late_s: float,
        keeps_time: bool = False,
        on_asked: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_asked`` is called when the first block is requested, which means that a peer is connected."""
        super().__init__()
        self._pull = pull
        self._on_asked = on_asked
        self._pacer = Pacer(BLOCK_S, most_late_s)
        self._keeps_time = keeps_time
        self._index = 0
        self.began_s: float | None = None
        """The time (monotonic) of timestamp 0, once the first block was requested."""

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms. Raises ``MediaStreamError`` after `stop`."""
        if self.readyState != "live":
            raise MediaStreamError
        if self.began_s is None:
            self._on_asked()
        left_out = await self._pacer.wait_step()
        if self.began_s is None:
            self.began_s = self._pacer.due_s
        if self._keeps_time:
            self._index += left_out
        frame = av.AudioFrame.from_ndarray(self._pull()[None], format="s16", layout="mono")
        frame.sample_rate = LIVE_HZ
        frame.pts = self._index * BLOCK_SAMPLES
        frame.time_base = TIME_BASE
        self._index += 1
        return frame
