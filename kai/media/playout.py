"""The last buffer before the person's ear: segments of 24 kHz speech in, blocks of 20 ms at 48 kHz out.

Whoever pulls the blocks is the playout clock. A segment waits ``lead_ms`` after its first sound before it starts, which
absorbs the jitter of its way here and gives a face time to look ahead; within a segment a gap is filled with silence.
Every block tells which sample of which segment it starts with, so that lips, words and "heard" follow what was played.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kai.media.pcm import Resampler

Pcm = npt.NDArray[np.int16]

IN_HZ = 24_000
OUT_HZ = 48_000
BLOCK_SAMPLES = 960
BLOCK_MS = 20
MAX_SEGMENT_S = 600
"""Bound of one segment's unplayed sound; what comes beyond it is dropped and counted."""


@dataclass(frozen=True, slots=True)
class Block:
    """20 ms to play: ``pcm`` is ``(960,)`` int16, 48 000 Hz, mono.

    ``segment_id`` is ``None`` in silence. ``start`` is the segment's sample (24 000 Hz) that the block begins with.
    ``started`` and ``finished`` name segments whose first or last sample lies in this block.
    """

    pcm: Pcm
    segment_id: str | None = None
    start: int = 0
    started: str | None = None
    finished: tuple[str, ...] = ()


@dataclass(slots=True)
class _Segment:
    id: str
    resampler: Resampler = field(default_factory=lambda: Resampler(IN_HZ, OUT_HZ))
    parts: deque[Pcm] = field(default_factory=deque[Pcm])
    buffered: int = 0
    played: int = 0
    lead_blocks: int = 0
    waited_blocks: int = 0
    is_started: bool = False
    is_complete: bool = False


class Playout:
    """A queue of segments. Every method may be called from any thread."""

    def __init__(self, lead_ms: int) -> None:
        self._lead_blocks = max(0, round(lead_ms / BLOCK_MS))
        self._segments: deque[_Segment] = deque()
        self._lock = threading.Lock()
        self._silence: Pcm = np.zeros(BLOCK_SAMPLES, np.int16)
        self.dropped_samples = 0

    def write(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        """Sound of a segment, ``(samples,)`` int16, 24 000 Hz. A segment follows the one before it.

        One that ``is_sounding`` elsewhere up to here goes on without its lead, which would be a hole in a word.
        """
        with self._lock:
            segment = next((s for s in self._segments if s.id == segment_id), None)
            if segment is None:
                segment = _Segment(segment_id, lead_blocks=0 if is_sounding else self._lead_blocks)
                self._segments.append(segment)
            if segment.buffered > MAX_SEGMENT_S * OUT_HZ:
                self.dropped_samples += len(pcm)
                return
            self._add(segment, segment.resampler.push(pcm))

    def shorten_lead(self, segment_id: str, lead_ms: int) -> None:
        """Let the segment start ``lead_ms`` after its first sound already; nothing where it is not known, or has started."""
        with self._lock:
            for segment in self._segments:
                if segment.id == segment_id:
                    segment.lead_blocks = min(segment.lead_blocks, round(lead_ms / BLOCK_MS))

    def end(self, segment_id: str) -> None:
        """The segment is complete. One of which nothing was written ends at once with the next block."""
        with self._lock:
            segment = next((s for s in self._segments if s.id == segment_id), None)
            if segment is not None and not segment.is_complete:
                self._add(segment, segment.resampler.flush())
                segment.is_complete = True

    def flush(self) -> tuple[str, int] | None:
        """Drop everything. Tells the segment that was sounding and its samples (24 000 Hz) played so far."""
        with self._lock:
            sounding = self._segments[0] if self._segments else None
            self._segments.clear()
            return (sounding.id, sounding.played // 2) if sounding is not None else None

    def read(self) -> Block:
        """The next 20 ms."""
        with self._lock:
            return self._read()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is waiting or sounding."""
        return not self._segments

    def _add(self, segment: _Segment, pcm: Pcm) -> None:
        if pcm.size:
            segment.parts.append(pcm)
            segment.buffered += pcm.size

    def _read(self) -> Block:
        finished: list[str] = []
        while self._segments and self._segments[0].is_complete and not self._segments[0].buffered:
            finished.append(self._segments.popleft().id)
        if not self._segments:
            return Block(self._silence, finished=tuple(finished))
        segment = self._segments[0]
        if not segment.is_started and not segment.is_complete and segment.waited_blocks < segment.lead_blocks:
            segment.waited_blocks += 1
            return Block(self._silence, finished=tuple(finished))
        started = None if segment.is_started else segment.id
        segment.is_started = True
        start = segment.played // 2
        pcm = self._take(segment)
        if segment.is_complete and not segment.buffered:
            self._segments.popleft()
            finished.append(segment.id)
        return Block(pcm, segment.id, start, started, tuple(finished))

    def _take(self, segment: _Segment) -> Pcm:
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        filled = 0
        while filled < BLOCK_SAMPLES and segment.parts:
            part = segment.parts[0]
            count = min(BLOCK_SAMPLES - filled, part.size)
            block[filled : filled + count] = part[:count]
            filled += count
            if count == part.size:
                segment.parts.popleft()
            else:
                segment.parts[0] = part[count:]
        segment.buffered -= filled
        segment.played += filled
        return block
