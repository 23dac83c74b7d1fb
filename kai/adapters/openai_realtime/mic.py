"""The microphone as a track towards the brain: a steady 20 ms pulse, whatever the browser does."""

from __future__ import annotations

from collections import deque

import numpy as np

from kai.compat.format import SILENCE, Pcm
from kai.compat.paced import PacedTrack

QUEUE_FRAMES = 100
"""2 s; beyond that the oldest is dropped. A stalled page or loop delivers in bursts, and no word of one may be lost."""
TARGET_FRAMES = 2
"""40 ms: what is more than that waits for a pause and is dropped there (after a stall, and as the clocks drift)."""
SILENT_PEAK = 300
MOST_LATE_S = 1.0
"""After a longer stall the frames that were missed are left out."""


class MicTrack(PacedTrack):
    """48 000 Hz mono int16 in frames of 20 ms, paced by the monotonic clock; zeros when muted or when nothing came.

    It never pauses and its ``pts`` never jump: a brain whose packets stop never hears the end of a turn, and one whose
    timestamps restart goes deaf.
    """

    def __init__(self) -> None:
        super().__init__(self._next, most_late_s=MOST_LATE_S)
        self._queue: deque[Pcm] = deque(maxlen=QUEUE_FRAMES)
        self.is_muted = False
        self.dropped_frames = 0

    def push(self, pcm: Pcm) -> None:
        """``(960,)`` int16, 48 000 Hz. The loop of the connection only."""
        if len(self._queue) == QUEUE_FRAMES:
            self.dropped_frames += 1
        self._queue.append(pcm)

    def _next(self) -> Pcm:
        if self.is_muted:
            self._queue.clear()
            return SILENCE
        while (
            len(self._queue) > TARGET_FRAMES
            and int(np.abs(self._queue[0].astype(np.int32)).max()) < SILENT_PEAK
        ):
            self._queue.popleft()
            self.dropped_frames += 1
        return self._queue.popleft() if self._queue else SILENCE
