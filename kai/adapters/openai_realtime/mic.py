"""The microphone as a track towards the brain: a steady 20 ms pulse, whatever the browser does."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from kai.ports import Pcm

SAMPLE_RATE_HZ = 48_000
FRAME_SAMPLES = 960
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE_HZ
TIME_BASE = Fraction(1, SAMPLE_RATE_HZ)
QUEUE_FRAMES = 100
"""2 s; beyond that the oldest is dropped. A stalled page or loop delivers in bursts, and no word of one may be lost."""
TARGET_FRAMES = 2
"""40 ms: what is more than that waits for a pause and is dropped there (after a stall, and as the clocks drift)."""
SILENT_PEAK = 300
_SILENCE = np.zeros(FRAME_SAMPLES, np.int16)


class MicTrack(MediaStreamTrack):
    """48 000 Hz mono int16 in frames of 20 ms, paced by the monotonic clock; zeros when muted or when nothing came.

    It never pauses and its ``pts`` never jump: a brain whose packets stop never hears the end of a turn, and one whose
    timestamps restart goes deaf.
    """

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[Pcm] = deque(maxlen=QUEUE_FRAMES)
        self._frame_count = 0
        self._next_at_s: float | None = None
        self.is_muted = False
        self.dropped_frames = 0

    def push(self, pcm: Pcm) -> None:
        """``(960,)`` int16, 48 000 Hz. The loop of the connection only."""
        if len(self._queue) == QUEUE_FRAMES:
            self.dropped_frames += 1
        self._queue.append(pcm)

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now_s = time.monotonic()
        if self._next_at_s is None or now_s - self._next_at_s > 1.0:
            self._next_at_s = now_s
        elif self._next_at_s > now_s:
            await asyncio.sleep(self._next_at_s - now_s)
        self._next_at_s += FRAME_S
        frame = av.AudioFrame.from_ndarray(self._next().reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        frame.pts = self._frame_count * FRAME_SAMPLES
        frame.time_base = TIME_BASE
        self._frame_count += 1
        return frame

    def _next(self) -> Pcm:
        if self.is_muted:
            self._queue.clear()
            return _SILENCE
        while (
            len(self._queue) > TARGET_FRAMES
            and int(np.abs(self._queue[0].astype(np.int32)).max()) < SILENT_PEAK
        ):
            self._queue.popleft()
            self.dropped_frames += 1
        return self._queue.popleft() if self._queue else _SILENCE
