"""The tape: an answer's sound and word times, kept until it was played.

With it another face can go on at the heard sample, and an interrupted line can say which words were heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kai.compat.format import SPEECH_HZ
from kai.ports import Heard, Marks, Pcm, Timed

SAMPLES_PER_MS = 24
MAX_SAMPLES = 600 * SPEECH_HZ
"""Ten minutes of one answer; what comes beyond is not kept (it still is played)."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What of an answer has not been heard yet, as a face that starts at its first sample needs it."""

    segment_id: str
    pcm: Pcm
    marks: tuple[Marks, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How much of an answer was heard. ``text`` is ``None`` where the words' times are not known."""

    segment_id: str
    heard_ms: int
    text: str | None


class Tape:
    """Holds the newest segment only: older ones have been played or dropped.

    A face that took over in mid-segment counts its samples from there; ``_origin`` is where that was.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """The segment is over."""
        self._segment_id = ""
        self._parts: list[Pcm] = []
        self._kept_samples = 0
        self._marks: list[Marks] = []
        self._is_complete = False
        self._origin = 0

    def record(self, segment_id: str, pcm: Pcm) -> None:
        """Sound of a segment; another segment takes the place of the one before."""
        self._begin(segment_id)
        if self._kept_samples < MAX_SAMPLES:
            self._parts.append(pcm)
            self._kept_samples += len(pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Lip and word times of a segment."""
        self._begin(segment_id)
        self._marks.append(marks)

    def complete(self, segment_id: str) -> None:
        if segment_id == self._segment_id:
            self._is_complete = True

    def shifted(self, segment_id: str, marks: Marks) -> Marks:
        """``marks`` as the present face counts its samples."""
        return _shift(marks, self._origin) if segment_id == self._segment_id else marks

    def rest(self, heard: Heard | None) -> Rest | None:
        """What is left after ``heard``, for a face that takes over; ``None`` when nothing is."""
        if heard is None or heard.segment_id != self._segment_id:
            return None
        self._origin += heard.samples
        pcm = np.concatenate(self._parts)[self._origin :] if self._parts else np.zeros(0, np.int16)
        marks = tuple(_shift(m, self._origin) for m in self._marks)
        return Rest(self._segment_id, pcm, marks, self._is_complete)

    def heard(self, heard: Heard) -> Told | None:
        """What a person heard of the segment, when its face stopped there."""
        if heard.segment_id != self._segment_id:
            return Told(heard.segment_id, heard.samples // SAMPLES_PER_MS, "" if heard.samples == 0 else None)
        position = self._origin + heard.samples
        words = [w for m in self._marks for w in m.words]
        if not words:
            return Told(heard.segment_id, position // SAMPLES_PER_MS, "" if position == 0 else None)
        # A word counts as heard when half of it was.
        text = " ".join(w.label for w in words if (w.start + w.end) // 2 <= position)
        return Told(heard.segment_id, position // SAMPLES_PER_MS, text)

    def _begin(self, segment_id: str) -> None:
        if segment_id != self._segment_id:
            self.forget()
            self._segment_id = segment_id


def _shift(marks: Marks, by: int) -> Marks:
    def moved(row: tuple[Timed, ...]) -> tuple[Timed, ...]:
        return tuple(Timed(t.label, max(0, t.start - by), t.end - by) for t in row if t.end > by)

    return Marks(visemes=moved(marks.visemes), words=moved(marks.words)) if by else marks
