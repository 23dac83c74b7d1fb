"""The queue of Kai's sound in a call: it knows what was heard, and reports when an answer starts and stops."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kai.compat.format import BLOCK_SAMPLES, LIVE_HZ, Pcm
from kai.engine.conversation import Dropped
from kai.media.segments import Segment

ECHO_TAIL_SAMPLES: Final = LIVE_HZ * 7 // 10
"""How long after it was sent Kai's sound may still reach the microphone: two jitter buffers, a face, a room."""


@dataclass(slots=True)
class _Answer(Segment):
    """The sound of one answer. `items` are the ids of its items in order, each with the sample where its sound begins."""

    response_id: str
    items: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])

    def add_speech(self, item_id: str, speech: Pcm) -> bool:
        """Queues more of the answer, ``(n,)`` int16 at 24 000 Hz; returns whether there was room for it."""
        if not self.items or self.items[-1][0] != item_id:
            self.items.append((item_id, self.played_samples + self.queued_samples))
        return self.push(speech)

    def cut(self) -> Dropped:
        """Return what was heard if the answer ends here, with each item that was not heard to its end."""
        ends = [start for _, start in self.items[1:]]
        heard = [
            (item_id, max(0, self.played_samples - start) * 1000 // LIVE_HZ)
            for n, (item_id, start) in enumerate(self.items)
            if n == len(ends) or self.played_samples < ends[n]
        ]
        return Dropped(self.response_id, self.played_samples * 1000 // LIVE_HZ, tuple(heard))


class CallPlayout:
    """The queue of answers, which the call pulls 20 ms at a time. Not thread-safe.

    Answers are queued as fast as they are made. Bound: `kai.media.segments.MOST_QUEUED_S` of sound in each answer; sound
    beyond it is dropped and counted.
    """

    def __init__(self, on_started: Callable[[str], None], on_stopped: Callable[[str], None]) -> None:
        self._on_started = on_started
        self._on_stopped = on_stopped
        self._segments: deque[_Answer] = deque()
        self._dropped_id: str | None = None
        self._sounded_at = -ECHO_TAIL_SAMPLES
        self.pulled_samples = 0
        self.dropped_samples = 0

    @property
    def is_sounding(self) -> bool:
        """Whether Kai can be heard now, or could a moment ago."""
        return self.pulled_samples - self._sounded_at < ECHO_TAIL_SAMPLES

    @property
    def is_playing(self) -> bool:
        """Whether an answer is queued or not yet complete."""
        return bool(self._segments)

    def push(self, response_id: str, item_id: str, speech: Pcm) -> int | None:
        """Queues `speech`, ``(n,)`` int16 at 24 000 Hz; returns the position of its first sample in the pulled sound.

        Returns ``None`` if the answer was dropped, since later sound of it is dropped too. The first answer in the queue is
        reported as started at once, at most 20 ms before its first sample is pulled.
        """
        if response_id == self._dropped_id:
            return None
        if not self._segments or self._segments[-1].response_id != response_id:
            self._segments.append(_Answer(response_id))
        segment = self._segments[-1]
        position = self.pulled_samples + sum(queued.queued_samples for queued in self._segments)
        if not segment.add_speech(item_id, speech):
            self.dropped_samples += len(speech)
        self._start_first()
        return position

    def end(self, response_id: str) -> None:
        """Marks the answer's sound as complete."""
        for segment in self._segments:
            if segment.response_id == response_id:
                segment.complete()

    def pull(self) -> Pcm:
        """Return the next 20 ms, ``(960,)`` int16 at 48 000 Hz; zeros where nothing is queued."""
        frame = np.zeros(BLOCK_SAMPLES, np.int16)
        filled = 0
        while self._segments and filled < BLOCK_SAMPLES:
            segment = self._segments[0]
            if segment.queued_samples:
                filled += segment.take_into(frame, filled)
            elif segment.is_complete:
                self._segments.popleft()
                self._on_stopped(segment.response_id)
                self._start_first()
            else:
                break
        self.pulled_samples += BLOCK_SAMPLES
        if filled:
            self._sounded_at = self.pulled_samples
        return frame

    def drop(self) -> list[Dropped]:
        """Discards the sound that was not pulled yet; returns the answers cut off, the sounding one first."""
        dropped = [segment.cut() for segment in self._segments]
        if dropped:
            self._dropped_id = dropped[-1].response_id
        self._segments.clear()
        return dropped

    def _start_first(self) -> None:
        if self._segments and not self._segments[0].is_started:
            self._segments[0].is_started = True
            self._on_started(self._segments[0].response_id)
