"""The last buffer before the person's ear: it takes segments of 24 kHz speech and gives blocks of 20 ms at 48 kHz.

The reader of the blocks is the playout clock. A segment starts ``lead_ms`` after its first sound arrived, which absorbs
network jitter and lets a face look ahead. A gap within a segment is filled with silence. Every block names the segment and
the sample at which it starts, so that lips, words and the heard position follow the playout.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from kai.compat.format import BLOCK_MS, SILENCE, Pcm
from kai.media.segments import Heard, Segment


@dataclass(frozen=True, slots=True)
class Block:
    """20 ms to play: ``pcm`` is ``(960,)`` int16, 48 000 Hz, mono.

    ``segment_id`` is ``None`` in silence. ``start`` is the segment's sample (24 000 Hz) at the beginning of the block.
    ``started`` and ``finished`` name the segments whose first or last sample is in this block.
    """

    pcm: Pcm
    segment_id: str | None = None
    start: int = 0
    started: str | None = None
    finished: tuple[str, ...] = ()


@dataclass(slots=True)
class _Waiting(Segment):
    """A segment that waits for its lead, counted in blocks, before it starts."""

    id: str
    lead_blocks: int
    waited_blocks: int = 0


class Playout:
    """A queue of segments. Every method may be called from any thread."""

    def __init__(self, lead_ms: int) -> None:
        self._lead_blocks = max(0, round(lead_ms / BLOCK_MS))
        self._segments: deque[_Waiting] = deque()
        self._lock = threading.Lock()
        self.dropped_samples = 0

    def write(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        """Add sound of a segment, ``(samples,)`` int16, 24 000 Hz. A new segment is played after the previous one.

        A segment that ``is_sounding`` on another face up to here starts without a lead, which would be a gap in a word.
        """
        with self._lock:
            segment = self._find(segment_id)
            if segment is None:
                segment = _Waiting(segment_id, lead_blocks=0 if is_sounding else self._lead_blocks)
                self._segments.append(segment)
            if not segment.push(pcm):
                self.dropped_samples += len(pcm)

    def shorten_lead(self, segment_id: str, lead_ms: int) -> None:
        """Shorten the segment's lead to ``lead_ms``. Has no effect if the segment is unknown or has started."""
        with self._lock:
            segment = self._find(segment_id)
            if segment is not None:
                segment.lead_blocks = min(segment.lead_blocks, round(lead_ms / BLOCK_MS))

    def end(self, segment_id: str) -> None:
        """Mark the segment as complete. A segment without sound ends with the next block."""
        with self._lock:
            segment = self._find(segment_id)
            if segment is not None:
                segment.complete()

    def flush(self) -> Heard | None:
        """Drop everything. Return the current segment and how many of its samples (24 000 Hz) were played, if any."""
        with self._lock:
            sounding = self._segments[0] if self._segments else None
            self._segments.clear()
            return Heard(sounding.id, sounding.played_samples // 2) if sounding is not None else None

    def position(self) -> Heard | None:
        """Return the segment that is playing and how many of its samples (24 000 Hz) were played, if any."""
        with self._lock:
            sounding = self._segments[0] if self._segments else None
            if sounding is None or not sounding.is_started:
                return None
            return Heard(sounding.id, sounding.played_samples // 2)

    def read(self) -> Block:
        """Return the next 20 ms."""
        with self._lock:
            return self._read()

    @property
    def is_idle(self) -> bool:
        """True when nothing waits or plays."""
        return not self._segments

    def _find(self, segment_id: str) -> _Waiting | None:
        return next((segment for segment in self._segments if segment.id == segment_id), None)

    def _read(self) -> Block:
        finished: list[str] = []
        while self._segments and self._segments[0].is_over:
            finished.append(self._segments.popleft().id)
        if not self._segments:
            return Block(SILENCE, finished=tuple(finished))
        segment = self._segments[0]
        if not segment.is_started and not segment.is_complete and segment.waited_blocks < segment.lead_blocks:
            segment.waited_blocks += 1
            return Block(SILENCE, finished=tuple(finished))
        started = None if segment.is_started else segment.id
        segment.is_started = True
        start = segment.played_samples // 2
        pcm = segment.take_block()
        if segment.is_over:
            self._segments.popleft()
            finished.append(segment.id)
        return Block(pcm, segment.id, start, started, tuple(finished))
