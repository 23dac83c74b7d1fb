"""Finds the position of a room's sound in the speech that we sent, which no service reports. Pure; numpy only.

The room's sound is our own PCM after coding and resampling, some hundred milliseconds later, stretched by a jitter buffer and
surrounded by silence. The beginning of a segment is found by its level; then correlation tracks the position repeatedly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from kai.compat.format import LIVE_HZ, SPEECH_HZ, Pcm

Wave = npt.NDArray[np.float32]

_COARSE_HZ: Final = 8_000
_ROOM_STEP, _SENT_STEP = LIVE_HZ // _COARSE_HZ, SPEECH_HZ // _COARSE_HZ

SOUNDING_PEAK: Final = 90
"""Below this int16 peak a room is silent. Coded silence has peaks of a few units."""
WINDOW_S: Final = 0.24
"""The length of the compared window: a syllable or two."""
SEARCH_S: Final = 0.4
REMATCH_S: Final = 0.2
GOOD_FIT: Final = 0.6
MOVE_S: Final = 0.004
"""A better position is adopted if it differs by at least this much; smaller differences are noise."""
QUIET_END_S: Final = 0.3
STALL_S: Final = 0.06
"""If the room is quiet for this long where the segment is not, the avatar has stalled."""
STALLED_S: Final = 3.0
"""How much later than expected a segment may end that is complete and stalls, before it counts as over."""
FOLLOWED_S: Final = 0.03
"""Sound that continues for this long after a segment's end belongs to the next segment."""
DEAF_S: Final = 0.25
"""How long after a cut the arriving sound is still old speech."""
MOST_SEGMENTS: Final = 16
MOST_SENT_S: Final = 600


@dataclass(frozen=True, slots=True)
class Begun:
    """At ``at`` (the room's samples, 48 000 Hz) the room begins to play ``segment_id``, at its ``sample`` (24 000 Hz)."""

    at: int
    segment_id: str
    sample: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A match found the room at ``sample`` of the segment at ``at``."""

    at: int
    segment_id: str
    sample: int


@dataclass(frozen=True, slots=True)
class Over:
    """The room has finished playing the segment at ``at``."""

    at: int
    segment_id: str


Finding = Begun | Moved | Over


@dataclass(slots=True)
class _Sent:
    id: str
    parts: list[Pcm] = field(default_factory=list[Pcm])
    samples: int = 0
    is_complete: bool = False
    first_loud: int | None = None
    coarse: Wave = field(default_factory=lambda: np.zeros(0, np.float32))
    rest: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))

    def add(self, pcm: Pcm) -> None:
        if self.samples > MOST_SENT_S * SPEECH_HZ:
            return
        if self.first_loud is None:
            loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > SOUNDING_PEAK)
            if len(loud):
                self.first_loud = self.samples + int(loud[0])
        self.samples += len(pcm)
        joined = np.concatenate([self.rest, pcm])
        whole = len(joined) // _SENT_STEP * _SENT_STEP
        self.rest = joined[whole:]
        self.coarse = np.concatenate([self.coarse, _coarse(joined[:whole], _SENT_STEP)])


def _coarse(pcm: Pcm, step: int) -> Wave:
    return pcm.reshape(-1, step).mean(axis=1, dtype=np.float32)


class Matcher:
    """Follows the sent segments through the room's sound. Not thread-safe."""

    def __init__(self) -> None:
        self._queue: deque[_Sent] = deque()
        self._heard = np.zeros(0, np.float32)
        self._at = 0
        self._current: _Sent | None = None
        self._origin = 0
        self._next_match = 0
        self._quiet_since: int | None = None
        self._quiet_place = 0
        self._deaf_until = 0
        self._is_ending = False

    @property
    def is_waiting(self) -> bool:
        """True when a segment with sound was sent but none of it was heard yet."""
        return self._current is None and any(sent.first_loud is not None for sent in self._queue)

    @property
    def is_sounding(self) -> bool:
        return self._current is not None

    def sent(self, segment_id: str, pcm: Pcm) -> None:
        """Take sound that was sent to the avatar: ``(samples,)`` int16, 24 000 Hz."""
        self._segment(segment_id).add(pcm)

    def ended(self, segment_id: str) -> None:
        """Mark the segment as complete."""
        self._segment(segment_id).is_complete = True

    def said_over(self) -> None:
        """The service reported that the avatar fell silent, so the current segment ends at the next quiet."""
        self._is_ending = self._current is not None

    def cut(self) -> None:
        """Forget everything that was sent, and ignore what is still on its way."""
        self._queue.clear()
        self._current = None
        self._deaf_until = self._at + round(DEAF_S * LIVE_HZ)

    def push(self, pcm: Pcm) -> list[Finding]:
        """Take the room's next sound, ``(samples,)`` int16, 48 000 Hz, a multiple of 6 samples, and return the findings."""
        start, self._at = self._at, self._at + len(pcm)
        keep = round((WINDOW_S + 0.1) * _COARSE_HZ)
        self._heard = np.concatenate([self._heard, _coarse(pcm, _ROOM_STEP)])[-keep:]
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > SOUNDING_PEAK)
        findings: list[Finding] = []
        findings += self._drop_silent(start)
        if self._current is None and len(loud) and start >= self._deaf_until:
            findings += self._begin(start + int(loud[0]))
        elif self._current is not None:
            self._watch_quiet(start, loud)
        if self._current is not None:
            findings += self._follow()
        return findings

    def _segment(self, segment_id: str) -> _Sent:
        if self._current is not None and self._current.id == segment_id:
            return self._current
        sent = next((s for s in self._queue if s.id == segment_id), None)
        if sent is None:
            sent = _Sent(segment_id)
            self._queue.append(sent)
            if len(self._queue) > MOST_SEGMENTS:
                self._queue.popleft()
        return sent

    def _drop_silent(self, at: int) -> list[Finding]:
        """Report complete segments without any sound as begun and over when they are next."""
        findings: list[Finding] = []
        while self._current is None and self._queue and self._queue[0].is_complete:
            if self._queue[0].first_loud is not None:
                break
            silent = self._queue.popleft()
            findings += [Begun(at, silent.id, 0), Over(at, silent.id)]
        return findings

    def _begin(self, at: int) -> list[Finding]:
        if not self._queue or self._queue[0].first_loud is None:
            return []
        self._current = self._queue.popleft()
        sample = self._current.first_loud or 0
        self._origin = at - 2 * sample
        self._next_match = at + round(WINDOW_S * LIVE_HZ)
        self._quiet_since, self._is_ending = None, False
        return [Begun(at, self._current.id, sample)]

    def _watch_quiet(self, start: int, loud: npt.NDArray[np.intp]) -> None:
        if not len(loud) and self._quiet_since is None:
            self._quiet_since = start
            self._quiet_place = (start - self._origin) // 2
        elif len(loud) and self._quiet_since is not None:
            self._quiet_since = None
            self._next_match = max(self._next_match, start + round(WINDOW_S * LIVE_HZ))

    def _stalled_at(self, current: _Sent) -> int | None:
        """Return where the segment goes on with sound, if the room is quiet and should have reached that place by now."""
        if self._quiet_since is None:
            return None
        place = max(0, self._quiet_place + round(STALL_S * SPEECH_HZ))
        loud = np.flatnonzero(np.abs(current.coarse[place // _SENT_STEP :]) > SOUNDING_PEAK)
        goes_on = place + int(loud[0]) * _SENT_STEP if len(loud) else current.samples
        return goes_on if len(loud) and (self._at - self._origin) // 2 > goes_on else None

    def _follow(self) -> list[Finding]:
        current = self._current
        assert current is not None
        findings: list[Finding] = []
        if self._at >= self._next_match and self._quiet_since is None:
            self._next_match = self._at + round(REMATCH_S * LIVE_HZ)
            better = self._match(current)
            if better is not None:
                self._origin = better
                findings.append(Moved(self._at, current.id, (self._at - better) // 2))
        if (stalled := self._stalled_at(current)) is not None:
            self._origin = self._at - 2 * stalled
            findings.append(Moved(self._at, current.id, stalled))
        place = (self._at - self._origin) // 2
        quiet_s = 0.0 if self._quiet_since is None else (self._at - self._quiet_since) / LIVE_HZ
        is_near = place >= current.samples - round(SEARCH_S * SPEECH_HZ)
        is_through = place >= current.samples and (quiet_s > 0 or place >= current.samples + SPEECH_HZ // 2)
        is_late = quiet_s >= STALLED_S + max(0, current.samples - place) / SPEECH_HZ
        is_given_up = quiet_s >= QUIET_END_S and (is_near or self._is_ending or is_late)
        is_followed = place >= current.samples + FOLLOWED_S * SPEECH_HZ and self._has_loud_next
        if current.is_complete and (is_through or is_given_up or is_followed):
            self._current = None
            at = min(self._at, self._origin + 2 * current.samples)
            findings.append(Over(at, current.id))
            if is_followed and self._quiet_since is None:
                findings += self._begin(at)
        return findings

    @property
    def _has_loud_next(self) -> bool:
        return bool(self._queue) and self._queue[0].first_loud is not None

    def _match(self, current: _Sent) -> int | None:
        """Return the room's position of the segment's first sample, if it clearly differs from the assumed one."""
        width = round(WINDOW_S * _COARSE_HZ)
        window = self._heard[-width:]
        power = float(np.dot(window, window))
        if len(window) < width or power < width * 50.0**2:
            return None
        expected = (self._at - self._origin) // _ROOM_STEP - width
        reach = round(SEARCH_S * _COARSE_HZ)
        low = max(0, expected - reach)
        sent = current.coarse[low : expected + reach + width]
        if len(sent) < width:
            return None
        size = 1 << (len(sent) + width - 1).bit_length()
        product = np.fft.irfft(np.fft.rfft(sent, size) * np.conj(np.fft.rfft(window, size)), size)
        count = len(sent) - width + 1
        energy = np.concatenate([[0.0], np.cumsum(sent.astype(np.float64) ** 2)])
        norms = np.sqrt(np.maximum(energy[width:] - energy[:-width], 1.0) * power)
        fits = product[:count] / norms
        # Prefer the position nearest to the expected one among equally good ones; a steady tone has many.
        away = np.abs(np.arange(count) + low - expected) / reach
        best = int(np.argmax(fits - 0.05 * away))
        if fits[best] < GOOD_FIT:
            return None
        origin = self._at - (low + best + width) * _ROOM_STEP
        return origin if abs(origin - self._origin) > MOVE_S * LIVE_HZ else None
