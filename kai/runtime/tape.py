"""The tape: the sound and the word times of the answers that have not been played to their end.

It lets another face continue from the last heard sample, and tells which words of an interrupted answer were heard. Where the
brain reports the times of its words they are exact; else the answer's text is aligned with its sound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kai.compat.format import SPEECH_HZ
from kai.core.words import first_words, words_of
from kai.media.alignment import USUAL_PACE, Alignment, align
from kai.ports import Heard, Marks, Pcm, Timed

SAMPLES_PER_MS = 24
MAX_SAMPLES = 600 * SPEECH_HZ
"""Ten minutes of one answer. Sound beyond that is played, but not kept."""
SEGMENTS_KEPT = 4
"""Two answers overlap in practice: one is heard to its end while the next one arrives."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The part of an answer that has not been heard yet, with its marks relative to its first sample."""

    segment_id: str
    pcm: Pcm
    marks: tuple[Marks, ...]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How much of an answer was heard. ``text`` is ``None`` if neither its words nor their times are known."""

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


@dataclass(slots=True)
class _Segment:
    """One answer. A face that took over in the middle of it counts its samples from that point, which is ``origin``."""

    parts: list[Pcm] = field(default_factory=list[Pcm])
    samples: int = 0
    marks: list[Marks] = field(default_factory=list[Marks])
    is_complete: bool = False
    origin: int = 0

    @property
    def pcm(self) -> Pcm:
        return np.concatenate(self.parts) if self.parts else np.zeros(0, np.int16)


class Tape:
    """Holds the newest answers, oldest first, and learns the pace of the voice."""

    def __init__(self) -> None:
        self._segments: dict[str, _Segment] = {}
        self._speed = 1.0
        self._pace = USUAL_PACE

    def expect(self, speed: float) -> None:
        """Expect the voice to speak at that speed (a factor) from now on."""
        self._pace *= self._speed / speed
        self._speed = speed

    def forget(self) -> None:
        """Forget every answer."""
        self._segments.clear()

    def played(self, segment_id: str) -> None:
        """Forget an answer that was played to its end."""
        self._segments.pop(segment_id, None)

    def record(self, segment_id: str, pcm: Pcm) -> None:
        """Add sound of an answer."""
        segment = self._segment(segment_id)
        if segment.samples < MAX_SAMPLES:
            segment.parts.append(pcm)
            segment.samples += len(pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Add viseme and word times of an answer."""
        self._segment(segment_id).marks.append(marks)

    def complete(self, segment_id: str) -> None:
        """Mark an answer's sound as complete."""
        if segment_id in self._segments:
            self._segments[segment_id].is_complete = True

    def shifted(self, segment_id: str, marks: Marks) -> Marks:
        """Return ``marks`` in the sample positions of the current face."""
        segment = self._segments.get(segment_id)
        return marks if segment is None else _shift(marks, segment.origin)

    def rests(self, heard: Heard | None, is_waiting: Callable[[str], bool]) -> tuple[Rest, ...]:
        """Return what a face that takes over has to play, in order: the rest of the answer after ``heard``, and the answers
        after it. If nothing was playing, these are the answers for which ``is_waiting`` holds."""
        if heard is not None:
            if heard.segment_id not in self._segments:
                return ()
            self._segments[heard.segment_id].origin += heard.samples
        rests: list[Rest] = []
        has_begun = heard is None
        for segment_id, segment in self._segments.items():
            has_begun = has_begun or (heard is not None and segment_id == heard.segment_id)
            if not has_begun or (heard is None and not is_waiting(segment_id)):
                continue
            marks = tuple(_shift(m, segment.origin) for m in segment.marks)
            rests.append(Rest(segment_id, segment.pcm[segment.origin :], marks, segment.is_complete))
        return tuple(rests)

    def heard(self, heard: Heard, text: str = "") -> Told:
        """Return how much of an answer was heard when its face stopped at ``heard``. ``text`` is what the brain wrote of it,
        which counts where the times of its words are not known."""
        segment = self._segments.get(heard.segment_id, _Segment())
        position = segment.origin + heard.samples
        heard_ms = position // SAMPLES_PER_MS
        if position == 0:
            return Told(heard.segment_id, 0, "")
        if words := [w for m in segment.marks for w in m.words]:
            # A word counts as heard if at least half of it was played.
            said = " ".join(w.label for w in words if (w.start + w.end) // 2 <= position)
            return Told(heard.segment_id, heard_ms, said)
        found = self._aligned(segment, text)
        if found is None:
            return Told(heard.segment_id, heard_ms, None)
        return Told(heard.segment_id, heard_ms, first_words(text, found.words_by(position / SAMPLES_PER_MS)))

    def spoken(self, heard: Heard) -> Spoken | None:
        """Return how far an answer has been spoken at ``heard``, or ``None`` for an unknown one. Any thread."""
        segment = self._segments.get(heard.segment_id)
        if segment is None:
            return None
        position = segment.origin + heard.samples
        words = [word for marks in tuple(segment.marks) for word in marks.words]
        begun = sum(word.start <= position for word in words) if words else None
        lasts_ms = segment.samples // SAMPLES_PER_MS if segment.is_complete else None
        return Spoken(heard.segment_id, begun, position // SAMPLES_PER_MS, lasts_ms)

    def _aligned(self, segment: _Segment, text: str) -> Alignment | None:
        words = words_of(text)
        if not words or not segment.samples:
            return None
        found = align(words, segment.pcm, is_complete=segment.is_complete, pace=self._pace)
        self._pace = found.pace
        return found

    def _segment(self, segment_id: str) -> _Segment:
        segment = self._segments.get(segment_id)
        if segment is None:
            segment = self._segments[segment_id] = _Segment()
            while len(self._segments) > SEGMENTS_KEPT:
                del self._segments[next(iter(self._segments))]
        return segment


def _shift(marks: Marks, by: int) -> Marks:
    def moved(row: tuple[Timed, ...]) -> tuple[Timed, ...]:
        return tuple(Timed(t.label, max(0, t.start - by), t.end - by) for t in row if t.end > by)

    return Marks(visemes=moved(marks.visemes), words=moved(marks.words)) if by else marks
