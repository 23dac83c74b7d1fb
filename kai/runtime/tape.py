"""The tape: an answer's sound and word times, kept until the answer has been played.

It lets another face continue from the last heard sample, and tells which words of an interrupted answer were heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kai.compat.format import SPEECH_HZ
from kai.ports import Heard, Marks, Pcm, Timed

SAMPLES_PER_MS = 24
MAX_SAMPLES = 600 * SPEECH_HZ
"""Ten minutes of one answer. Sound beyond that is played, but not kept."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The part of an answer that has not been heard yet, with its marks relative to its first sample."""

    segment_id: str
    pcm: Pcm
    marks: tuple[Marks, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How much of an answer was heard. ``text`` is ``None`` if the times of the words are not known."""

    segment_id: str
    heard_ms: int
    text: str | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """How far an answer has been spoken: ``words`` of it have begun, ``None`` if the times of its words are not known.
    ``lasts_ms`` is its whole length, ``None`` while more of its sound may follow."""

    response_id: str
    words: int | None
    ms: int
    lasts_ms: int | None


class Tape:
    """Holds the newest segment only; older ones have been played or dropped.

    A face that took over in mid-segment counts its samples from that point, which is ``_origin``.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget the segment."""
        self._segment_id = ""
        self._parts: list[Pcm] = []
        self._kept_samples = 0
        self._marks: list[Marks] = []
        self._is_complete = False
        self._origin = 0

    def record(self, segment_id: str, pcm: Pcm) -> None:
        """Add sound of a segment. A new segment replaces the previous one."""
        self._begin(segment_id)
        if self._kept_samples < MAX_SAMPLES:
            self._parts.append(pcm)
            self._kept_samples += len(pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Add viseme and word times of a segment."""
        self._begin(segment_id)
        self._marks.append(marks)

    def complete(self, segment_id: str) -> None:
        if segment_id == self._segment_id:
            self._is_complete = True

    def shifted(self, segment_id: str, marks: Marks) -> Marks:
        """Return ``marks`` in the sample positions of the current face."""
        return _shift(marks, self._origin) if segment_id == self._segment_id else marks

    def rest(self, heard: Heard | None) -> Rest | None:
        """Return the rest of the segment after ``heard``, for a face that takes over, or ``None`` for another segment."""
        if heard is None or heard.segment_id != self._segment_id:
            return None
        self._origin += heard.samples
        pcm = np.concatenate(self._parts)[self._origin :] if self._parts else np.zeros(0, np.int16)
        marks = tuple(_shift(m, self._origin) for m in self._marks)
        return Rest(self._segment_id, pcm, marks, self._is_complete)

    def heard(self, heard: Heard) -> Told | None:
        """Return how much of the segment was heard when its face stopped at ``heard``."""
        if heard.segment_id != self._segment_id:
            return Told(heard.segment_id, heard.samples // SAMPLES_PER_MS, "" if heard.samples == 0 else None)
        position = self._origin + heard.samples
        words = [w for m in self._marks for w in m.words]
        if not words:
            return Told(heard.segment_id, position // SAMPLES_PER_MS, "" if position == 0 else None)
        # A word counts as heard if at least half of it was played.
        text = " ".join(w.label for w in words if (w.start + w.end) // 2 <= position)
        return Told(heard.segment_id, position // SAMPLES_PER_MS, text)

    def spoken(self, heard: Heard) -> Spoken | None:
        """Return how far the segment has been spoken at ``heard``, or ``None`` for another segment. Any thread."""
        if heard.segment_id != self._segment_id:
            return None
        position = self._origin + heard.samples
        words = [word for marks in tuple(self._marks) for word in marks.words]
        begun = sum(word.start <= position for word in words) if words else None
        lasts_ms = self._kept_samples // SAMPLES_PER_MS if self._is_complete else None
        return Spoken(heard.segment_id, begun, position // SAMPLES_PER_MS, lasts_ms)

    def _begin(self, segment_id: str) -> None:
        if segment_id != self._segment_id:
            self.forget()
            self._segment_id = segment_id


def _shift(marks: Marks, by: int) -> Marks:
    def moved(row: tuple[Timed, ...]) -> tuple[Timed, ...]:
        return tuple(Timed(t.label, max(0, t.start - by), t.end - by) for t in row if t.end > by)

    return Marks(visemes=moved(marks.visemes), words=moved(marks.words)) if by else marks
