"""Speech that waits to be played, as all playouts share it.

A segment is one piece of speech. It is pushed in chunks of any size at 24 000 Hz, faster than real time, and taken in blocks
at 48 000 Hz. One resampler serves the whole segment, so that its chunks join without clicks. The playout that holds a segment
decides when it starts, what fills its gaps, and what is reported.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from kai.compat.format import BLOCK_SAMPLES, LIVE_HZ, SPEECH_HZ, Pcm
from kai.media.pcm import Resampler

MOST_QUEUED_S: Final = 600
"""The bound for one segment's unplayed sound. Beyond it new sound is dropped, and the playout counts it."""


class Heard(NamedTuple):
    """How far a segment has been heard, or was when it was cut off: ``samples`` at 24 000 Hz."""

    segment_id: str
    samples: int


@dataclass(slots=True)
class Segment:
    """The sound of one segment. Not thread-safe."""

    queued_samples: int = field(default=0, init=False)
    """The samples not played yet, at 48 000 Hz."""
    played_samples: int = field(default=0, init=False)
    """The samples taken so far, at 48 000 Hz."""
    is_started: bool = field(default=False, init=False)
    is_complete: bool = field(default=False, init=False)
    _resampler: Resampler = field(default_factory=lambda: Resampler(SPEECH_HZ, LIVE_HZ), init=False)
    _parts: deque[Pcm] = field(default_factory=deque[Pcm], init=False)

    def push(self, speech: Pcm) -> bool:
        """Add sound, ``(samples,)`` int16, 24 000 Hz. Return false if it was dropped because `MOST_QUEUED_S` is exceeded."""
        if self.queued_samples > MOST_QUEUED_S * LIVE_HZ:
            return False
        self._add(self._resampler.push(speech))
        return True

    def complete(self) -> None:
        """Mark the segment as complete. May be called twice."""
        if not self.is_complete:
            self.is_complete = True
            self._add(self._resampler.flush())

    @property
    def is_over(self) -> bool:
        """True when the segment is complete and all of it was played."""
        return self.is_complete and not self.queued_samples

    def take_into(self, block: Pcm, start: int = 0) -> int:
        """Write the next samples into ``block[start:]``. Return how many; fewer than fit when the queue runs empty."""
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
        """Return the next 20 ms, ``(960,)`` int16, 48 000 Hz, padded with silence. The caller owns the block."""
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        self.take_into(block)
        return block

    def _add(self, pcm: Pcm) -> None:
        if len(pcm):
            self._parts.append(pcm)
            self.queued_samples += len(pcm)
