"""The microphone as a track towards the brain: one frame every 20 ms, whatever the browser delivers."""

from __future__ import annotations

from collections import deque

import numpy as np

from kai.compat.format import SILENCE, Pcm
from kai.compat.paced import PacedTrack

QUEUE_FRAMES = 100
"""2 s; beyond that the oldest frame is dropped. A stalled page or loop delivers a burst, whose words must not be lost."""
TARGET_FRAMES = 2
"""40 ms. A longer queue, after a stall or by clock drift, is shortened in the next pause of speech."""
SILENT_PEAK = 300
NOISE_PEAK = 32
"""-60 dBFS. What is softer than this is a microphone's own noise."""
NOISE_FRAMES = 50
"""After a second of noise alone silence is sent in its place, which costs nothing to code here, nor to hear in the engine."""
MOST_LATE_S = 1.0
"""After a longer stall, the missed frames are skipped."""


class MicTrack(PacedTrack):
    """48 000 Hz mono int16 in frames of 20 ms, paced by the monotonic clock; zeros when muted or when nothing arrived.

    The track never pauses and its ``pts`` never jump: a brain whose packets stop detects no end of a turn, and one whose
    timestamps restart hears nothing more.
    """

    def __init__(self) -> None:
        super().__init__(self._next, most_late_s=MOST_LATE_S)
        self._queue: deque[Pcm] = deque(maxlen=QUEUE_FRAMES)
        self._noise_frames = 0
        self.is_muted = False
        self.dropped_frames = 0

    def push(self, pcm: Pcm) -> None:
        """Queue a block, ``(960,)`` int16, 48 000 Hz. The loop of the connection only."""
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
        pcm = self._queue.popleft() if self._queue else SILENCE
        is_noise = pcm is SILENCE or max(int(pcm.max()), -int(pcm.min())) < NOISE_PEAK
        self._noise_frames = self._noise_frames + 1 if is_noise else 0
        return SILENCE if self._noise_frames > NOISE_FRAMES else pcm
