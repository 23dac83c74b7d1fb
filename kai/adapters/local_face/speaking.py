"""What the face says at a moment: the segments, the playout's place in them, the closing mouth, and the words' feeling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kai.avatar.feeling import CALM, Feeling
from kai.avatar.hearing import Hearing, VisemeNet
from kai.avatar.lipsync import MOUTH_SHAPES, ROW_SAMPLES, VISEMES, mouth_row, shares_from_marks
from kai.compat.format import SPEECH_HZ, Array

CLOSE_S = 0.10
"""The mouth is shut this long after its sound has ended."""
STALLED_S = 0.12
"""Playout counts as stopped after this time without a report."""
MOST_SEGMENTS = 16
_FEEL_AHEAD_S = 0.25
"""The face shows a feeling this long before the words do."""
_FEELING_LASTS_S = 1.5
"""A feeling lasts this long after the last word."""
_TOLD_LASTS_S = 3.0
"""A feeling without words lasts this long."""
_FADED, _FAINTEST = 0.5, 0.15
"""The share of the last feeling that remains after a clause without one, and the strength below which none is shown."""
_CLOCK_PULL = 0.1
_CLOCK_JUMP_S = 0.06
_MARKED_LOUDNESS = 0.7
_TAIL_ROWS = 10


class _Track:
    """Viseme shares and loudness of one segment, which grow as sound and marks arrive."""

    def __init__(self, net: VisemeNet) -> None:
        self._hearing = Hearing(net)
        self._capacity = 256
        self._shares = np.zeros((self._capacity, len(VISEMES)), np.float32)
        self._loudness = np.zeros(self._capacity, np.float32)
        self._marked = np.zeros(self._capacity, bool)
        self._heard_rows = 0
        self._feelings: list[tuple[int, Feeling]] = []
        self.rows = 0
        self.is_complete = False

    def push_audio(self, pcm: NDArray[np.int16]) -> None:
        self._append(*self._hearing.push(pcm))

    def complete(self) -> None:
        if not self.is_complete:
            self.is_complete = True
            self._append(*self._hearing.finish())

    def mark(self, visemes: Iterable[tuple[str, int, int]]) -> None:
        last = max((end for _, _, end in visemes), default=0)
        count = round(last / ROW_SAMPLES)
        self._reserve(count)
        shares, known = shares_from_marks(visemes, 0, count)
        self._shares[:count][known] = shares[known]
        self._marked[:count] |= known
        self._loudness[max(self._heard_rows, 0) : count] = _MARKED_LOUDNESS
        self.rows = max(self.rows, count)

    def feel(self, sample: int, feeling: Feeling) -> None:
        if feeling == CALM and self._feelings:
            _, before = self._feelings[-1]
            strength = before.strength * _FADED
            feeling = Feeling(before.emotion, strength) if strength >= _FAINTEST else CALM
        self._feelings.append((sample, feeling))

    @property
    def has_feelings(self) -> bool:
        """Whether the segment's words were told with their times."""
        return bool(self._feelings)

    def feeling(self, sample: float) -> Feeling:
        """Return the feeling at a sample: the last one given before it."""
        begun = [feeling for start, feeling in self._feelings if start <= sample]
        return begun[-1] if begun else CALM

    def mouth(self, row: float) -> tuple[Array, float]:
        """Return the mouth's weights and the loudness at a row."""
        shares, loudness = self._shares[: self.rows], self._loudness[: self.rows]
        near = min(max(int(row), 0), self.rows - 1)
        return mouth_row(shares, loudness, row), float(loudness[near])

    def _append(self, shares: Array, loudness: Array) -> None:
        start, end = self._heard_rows, self._heard_rows + len(shares)
        self._reserve(end)
        by_ear = ~self._marked[start:end]
        self._shares[start:end][by_ear] = shares[by_ear]
        self._loudness[start:end] = loudness
        self._heard_rows = end
        self.rows = max(self.rows, end)

    def _reserve(self, rows: int) -> None:
        while rows > self._capacity:
            self._shares = np.concatenate([self._shares, np.zeros_like(self._shares)])
            self._loudness = np.concatenate([self._loudness, np.zeros_like(self._loudness)])
            self._marked = np.concatenate([self._marked, np.zeros_like(self._marked)])
            self._capacity *= 2


@dataclass(frozen=True, slots=True)
class _Anchor:
    """Segment ``segment`` began, or would have begun, to play at ``start_s``; its last report was at ``told_s``."""

    segment: int
    start_s: float
    told_s: float


class Speaking:
    """Follows the speech. Not thread-safe. Holds at most `MOST_SEGMENTS` segments; the oldest are forgotten."""

    def __init__(self, net: VisemeNet) -> None:
        self._net = net
        self._tracks: dict[int, _Track] = {}
        self._anchor: _Anchor | None = None
        self._last_mouth = np.zeros(len(MOUTH_SHAPES), np.float32)
        self._last_open_s = -1e9
        self._last_feeling = CALM
        self._last_felt_s = -1e9
        self._told_feeling = CALM
        self._told_s = -1e9

    def push_audio(self, segment: int, pcm: NDArray[np.int16]) -> None:
        """Take sound of a segment: ``(samples,)`` int16, 24 000 Hz mono."""
        self._track(segment).push_audio(pcm)

    def mark(self, segment: int, visemes: Iterable[tuple[str, int, int]]) -> None:
        """Take lip times of a segment, in samples; they override the lips found in the sound."""
        self._track(segment).mark(visemes)

    def feel(self, segment: int, sample: int, feeling: Feeling) -> None:
        """Show a feeling from this sample of the segment on; `CALM` lets the previous one fade."""
        self._track(segment).feel(sample, feeling)

    def feel_at(self, at_s: float, feeling: Feeling) -> None:
        """Show a feeling from this time on: for a while, and throughout speech whose words give none."""
        self._told_feeling, self._told_s = feeling, at_s

    def end(self, segment: int) -> None:
        """Mark the segment as complete."""
        self._track(segment).complete()

    def stop(self) -> None:
        """Forget everything; the mouth closes from its present shape."""
        self._tracks.clear()
        self._anchor = None

    def playing(self, segment: int, sample: int, at_s: float) -> None:
        """Sample ``sample`` of ``segment`` leaves the app at ``at_s``.

        The app is called by a timer that jitters by some milliseconds, so its reports steer a steady clock.
        """
        start_s = at_s - sample / SPEECH_HZ
        old = self._anchor
        if old is not None and old.segment == segment and abs(start_s - old.start_s) < _CLOCK_JUMP_S:
            start_s = old.start_s + (start_s - old.start_s) * _CLOCK_PULL
        self._anchor = _Anchor(segment, start_s, at_s)
        for earlier in [s for s in self._tracks if s < segment]:
            del self._tracks[earlier]

    def mouth_at(self, at_s: float) -> tuple[Array | None, float, bool]:
        """Return the mouth's weights (``None`` at rest), the loudness, and whether sound plays, at a time."""
        anchor = self._anchor
        track = None if anchor is None else self._tracks.get(anchor.segment)
        if anchor is not None and track is not None and track.rows:
            row = (at_s - anchor.start_s) * SPEECH_HZ / ROW_SAMPLES
            over = track.is_complete and row > track.rows + _TAIL_ROWS
            if at_s - anchor.told_s < STALLED_S and not over:
                mouth, loudness = track.mouth(row)
                self._last_mouth, self._last_open_s = mouth, at_s
                return mouth, loudness, True
        left = 1 - (at_s - self._last_open_s) / CLOSE_S
        if left <= 0:
            return None, 0.0, False
        return self._last_mouth * left, 0.0, False

    def feeling_at(self, at_s: float) -> Feeling:
        """Return the feeling at a time; the last word's feeling lasts for a while after it."""
        anchor = self._anchor
        track = None if anchor is None else self._tracks.get(anchor.segment)
        if anchor is not None and track is not None and at_s - anchor.told_s < STALLED_S:
            self._last_felt_s = at_s
            sample = (at_s + _FEEL_AHEAD_S - anchor.start_s) * SPEECH_HZ
            self._last_feeling = track.feeling(sample) if track.has_feelings else self._told_feeling
        if at_s - self._last_felt_s < _FEELING_LASTS_S:
            return self._last_feeling
        return self._told_feeling if at_s - self._told_s < _TOLD_LASTS_S else CALM

    def _track(self, segment: int) -> _Track:
        track = self._tracks.get(segment)
        if track is None:
            track = self._tracks[segment] = _Track(self._net)
            while len(self._tracks) > MOST_SEGMENTS:
                del self._tracks[min(self._tracks)]
        return track
