"""Speech that waits to be played: the part that every playout has in common.

A segment is one piece of speech that is pushed in chunks of any size at 24 000 Hz, faster than it sounds, and taken in
blocks at 48 000 Hz. One resampler serves the whole segment, so that its chunks join without a click. When it starts, what
fills a gap in it and what is reported of it are up to the playout that holds it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kai.compat.format import BLOCK_SAMPLES, LIVE_HZ, SPEECH_HZ, Pcm
from kai.media.pcm import Resampler

MOST_QUEUED_S: Final = 600
"""Bound of one segment's unplayed sound; the newest is dropped, and the playout counts it."""


@dataclass(slots=True)
class Segment:
    """The sound of one segment. Not thread-safe."""

    queued_samples: int = field(default=0, init=False)
    """Unplayed, at 48 000 Hz."""
    played_samples: int = field(default=0, init=False)
    """Taken so far, at 48 000 Hz."""
    is_started: bool = field(default=False, init=False)
    is_complete: bool = field(default=False, init=False)
    _resampler: Resampler = field(default_factory=lambda: Resampler(SPEECH_HZ, LIVE_HZ), init=False)
    _parts: deque[Pcm] = field(default_factory=deque[Pcm], init=False)

    def push(self, speech: Pcm) -> bool:
        """More of the segment, ``(samples,)`` int16, 24 000 Hz. Whether it was taken: beyond `MOST_QUEUED_S` it is not."""
        if self.queued_samples > MOST_QUEUED_S * LIVE_HZ:
            return False
        self._add(self._resampler.push(speech))
        return True

    def complete(self) -> None:
        """No more will come. May be called twice."""
        if not self.is_complete:
            self.is_complete = True
            self._add(self._resampler.flush())

    @property
    def is_over(self) -> bool:
        """Whether all of it was played."""
        return self.is_complete and not self.queued_samples

    def take_into(self, block: Pcm, start: int = 0) -> int:
        """Write the next samples into ``block[start:]``. How many there were; less than fit when the queue is empty."""
        filled, parts = start, self._parts
        while filled < len(block) and parts:
            part = parts[0]
            count = min(len(block) - filled, len(part))
            block[filled : filled + count] = part[:count]
            filled += count
            if count == len(part):
                parts.popleft()
            else:
                parts[0] = part[count:]
        self.queued_samples -= filled - start
        self.played_samples += filled - start
        return filled - start

    def take_block(self) -> Pcm:
        """The next 20 ms, ``(960,)`` int16, 48 000 Hz, with silence where the queue is empty. It belongs to the caller."""
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        self.take_into(block)
        return block

    def _add(self, pcm: Pcm) -> None:
        if len(pcm):
            self._parts.append(pcm)
            self.queued_samples += len(pcm)
