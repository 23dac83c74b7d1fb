"""Sound and picture of a room, brought together by the time at which they were captured; changes of delay are not heard.

The problem. A cloud's avatar arrives as two streams, sound and picture. Their delays differ by up to seconds, and they
change while somebody speaks. Played as they arrive, lips and voice drift apart. Holding both for the worst delay that can
occur would make every answer late, and a jump with each change of a delay would be heard.

The method. The room reports now and then which moment its sound plays and which its picture shows (`Timeline.measured`).
From that follow the *age* of either stream, which is the time from capture to arrival, and so the capture time of each
piece of sound and of each picture. One clock counts: the read head of the sound says which captured moment is *on*, and a
picture is shown when that moment has reached its own. Sound and picture are thereby together whatever their delays are. The
delays decide only how far behind its capture every moment is played: by the *lag*, the larger age and `MARGIN_MS`.

The first report comes seconds after the first picture. An answer that begins before it would be played undelayed, its sound
ahead of its lips, and would stop in mid-word once the lag is known. So while a report is awaited (`Timeline.expect`), a
segment's sound is held at its beginning, and the picture with it, `FIRST_REPORT_S` after the first picture at most.

The states of `SoundHold`. It *waits* at the beginning, after a cut, and when the sound has run out, and gives silence until
the oldest sample is due. Then it *plays*. When the lag has changed by more than `TOLERANCE_MS`, the read head is off by as
much. In silence the difference is left out or waited for at once. In speech, single pitch periods of 2.5 to 15 ms are left
out or repeated, with a cross-fade, in every third block at most. `PictureHold` has no states of its own; only when nobody
has read the sound for `UNREAD_S` do pictures go by the clock.

Example. At 100.00 s (here) the room reports that it plays the sound of 40.00 s and shows the picture of 39.70 s (at the
sender). The picture is 0.30 s older than the sound, so that the lag is 0.30 + 0.06 = 0.36 s. Sound that arrives at 101.00 s
is read at 101.36 s. The picture of the same moment arrives at 101.30 s and is shown at 101.36 s, too. When the picture's
age grows to 0.50 s, the lag becomes 0.56 s: in a pause 200 ms of silence are put in at once, while in speech twenty periods
of 10 ms are repeated, which takes 1.2 s. A single false report moves nothing, since the median of three counts.

Times are seconds of the monotonic clock. A capture time is one, too, shifted by a constant of the room.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from kai.compat.format import BLOCK_S, BLOCK_SAMPLES, LIVE_HZ, Pcm, Picture
from kai.media.heard import Begun, Finding, Moved, Over
from kai.media.segments import Heard

MARGIN_MS: Final = 60
"""The minimum wait of sound and pictures, because they arrive in bursts."""
MOST_MS: Final = 4_000
"""The bound for held sound. Beyond it the oldest is dropped and counted."""
TOLERANCE_MS: Final = 8
QUIET_PEAK: Final = 120
SPLICE_EVERY_BLOCKS: Final = 3
_SHORTEST, _LONGEST, _FADE = 120, 720, 240
"""A splice is 2.5 to 15 ms long (pitch periods of 67 to 400 Hz) with 5 ms of cross-fade."""
MOST_PICTURES: Final = 96
"""3.8 s, which is 300 MB of the largest pictures."""
FIRST_REPORT_S: Final = 3.4
"""How long after the first picture sound is held for the first report; `MOST_PICTURES` last as long."""
MEASUREMENTS: Final = 128
"""How many measurements are kept for sound that waits: 12 s at ten a second."""
MEDIAN_OF: Final = 3
STEADY_S: Final = 0.5
UNREAD_S: Final = 0.2
"""If the sound was not read for this long, pictures follow the clock alone."""


class Pace:
    """Estimates the regular times of calls that are made at a steady rate but sometimes late. Not thread-safe."""

    def __init__(self) -> None:
        self._at_s = -math.inf
        self._least_late_s = math.inf
        self._watched_s = 0.0

    def tick(self, now_s: float, step_s: float) -> float:
        """Return the regular time of this call, ``step_s`` after the last. If all are late for `STEADY_S`, adjust it."""
        self._at_s += step_s
        late_s = now_s - self._at_s
        self._watched_s += step_s
        self._least_late_s = min(self._least_late_s, late_s)
        is_new = late_s < 0 or not math.isfinite(late_s)
        if is_new or self._watched_s >= STEADY_S:
            self._at_s = now_s if is_new else self._at_s + self._least_late_s
            self._least_late_s, self._watched_s = math.inf, 0.0
        return self._at_s


class Timeline:
    """The ages at which a room's sound and pictures arrive, computed from the room's reports. Any thread.

    Before the first report, sound and pictures that arrive together are taken to belong together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ages: deque[tuple[float, float, float]] = deque([(0.0, 0.0, 0.0)], maxlen=MEASUREMENTS)
        self._raw: deque[tuple[float, float]] = deque(maxlen=MEDIAN_OF)
        self._epoch_s: float | None = None
        self.lag_s = MARGIN_MS / 1000
        """The delay between the capture of a moment and its playout."""
        self._known_from_s = -math.inf

    def expect(self, by_s: float) -> None:
        """Hold sound for the first report, which will come; after ``by_s`` it goes on without."""
        self._known_from_s = by_s

    def is_known(self, now_s: float) -> bool:
        """Return whether the lag was measured, or is no longer waited for."""
        return now_s >= self._known_from_s

    def measured(self, at_s: float, sound_s: float, picture_s: float) -> None:
        """Take a report: at ``at_s`` the room played the sound and showed the picture of these times on the sender's clock.

        The median of the last three reports counts, so that one bad report has no effect.
        """
        if abs(sound_s - picture_s) * 1000 > MOST_MS:
            return
        with self._lock:
            if self._epoch_s is None:
                # Choose the epoch so that the age of the sound continues where it was.
                self._epoch_s = at_s - sound_s - self._ages[-1][1]
            self._known_from_s = -math.inf
            self._raw.append((at_s - sound_s - self._epoch_s, at_s - picture_s - self._epoch_s))
            sound_age_s, picture_age_s = (float(np.median(ages)) for ages in zip(*self._raw, strict=True))
            self._ages.append((at_s, sound_age_s, picture_age_s))
            lag_s = max(sound_age_s, picture_age_s) + MARGIN_MS / 1000
            if abs(lag_s - self.lag_s) > TOLERANCE_MS / 1000:
                self.lag_s = lag_s

    def forget(self) -> None:
        """Forget the measurements, because the room has new tracks."""
        with self._lock:
            self._raw.clear()
            self._ages = deque([self._ages[-1]], maxlen=MEASUREMENTS)
            self._epoch_s = None

    @property
    def picture_older_ms(self) -> float:
        """How much older the picture is than the sound that arrives with it, by the latest measurement."""
        _, sound_age_s, picture_age_s = self._ages[-1]
        return (picture_age_s - sound_age_s) * 1000

    def sound_captured_s(self, arrived_s: float) -> float:
        """Return when sound that arrived at ``arrived_s`` was captured."""
        return arrived_s - self._age_s(arrived_s, 1)

    def picture_captured_s(self, arrived_s: float) -> float:
        """Return when a picture that arrived at ``arrived_s`` was captured."""
        return arrived_s - self._age_s(arrived_s, 2)

    def _age_s(self, arrived_s: float, which: int) -> float:
        with self._lock:
            after = self._ages[-1]
            for entry in reversed(self._ages):
                if entry[0] <= arrived_s:
                    width_s = after[0] - entry[0]
                    share = 0.0 if width_s <= 0 else min(1.0, (arrived_s - entry[0]) / width_s)
                    return entry[which] + (after[which] - entry[which]) * share
                after = entry
            return after[which]


@dataclass(frozen=True, slots=True)
class HeldBlock:
    """20 ms to play: ``(960,)`` int16. In a segment, ``sample`` is the segment's sample (24 000 Hz) at the end of the block.
    ``reached`` are the beginnings and ends of segments within the block, in order."""

    pcm: Pcm
    segment_id: str | None = None
    sample: int = 0
    reached: tuple[Begun | Over, ...] = ()


@dataclass(slots=True)
class _Place:
    """The segment at the read head, and its origin: the room's sample at which the segment begins."""

    segment_id: str | None = None
    origin: int = 0
    findings: deque[Finding] = field(default_factory=deque[Finding])


class SoundHold:
    """Holds the room's sound until it is due. Every method may be called from any thread.

    Positions are the room's samples since the beginning. Outside segments the output is silence, unless ``is_open``.
    """

    def __init__(self, timeline: Timeline, *, is_open: bool = False) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._buffer: Pcm = np.zeros(0, np.int16)
        self._head = 0
        self._arrived: deque[tuple[int, float]] = deque()
        self._arrivals = Pace()
        self._reads = Pace()
        self._is_waiting = True
        self._is_open = is_open
        self._blocks_since_splice = SPLICE_EVERY_BLOCKS
        self._is_behind = False
        """Whether sound was held for the first report: what it is late by is caught up with in pauses alone."""
        self._place = _Place()
        self._on: tuple[float, float, float] = (-math.inf, 0.0, 1.0)
        """The time of the last read, the captured moment that was on then, and how fast that moves: 0 while sound is held."""
        self.dropped_samples = 0
        self.splices = 0

    @property
    def held_ms(self) -> float:
        """The duration of the sound that is held now."""
        return len(self._buffer) * 1000 / LIVE_HZ

    def push(self, pcm: Pcm, findings: list[Finding], now_s: float) -> None:
        """Take the room's next sound, ``(samples,)`` int16, and the findings in it."""
        with self._lock:
            lasts_s = len(pcm) / LIVE_HZ
            # Sound is delivered when its last sample has arrived.
            began_s = self._arrivals.tick(now_s, lasts_s) - lasts_s
            self._arrived.append((self._head + len(self._buffer), began_s))
            self._buffer = np.concatenate([self._buffer, pcm])
            self._place.findings.extend(findings)
            over = len(self._buffer) - (MOST_MS + 500) * LIVE_HZ // 1000
            if over > 0:
                self.dropped_samples += over
                self._skip(over)

    def cut(self) -> Heard | None:
        """Drop everything. Return the segment at the read head and how many of its samples (24 000 Hz) were read."""
        with self._lock:
            cut = self._read_so_far()
            self._skip(len(self._buffer))
            self._place = _Place()
            self._is_waiting = True
            return cut

    def position(self) -> Heard | None:
        """Return the segment at the read head and how many of its samples (24 000 Hz) were read, if any."""
        with self._lock:
            return self._read_so_far()

    def _read_so_far(self) -> Heard | None:
        place = self._place
        if place.segment_id is None:
            return None
        return Heard(place.segment_id, max(0, (self._head - place.origin) // 2))

    def read(self, now_s: float) -> HeldBlock:
        """Return the next 20 ms."""
        with self._lock:
            return self._read(self._reads.tick(now_s, BLOCK_S))

    def on_s(self, now_s: float) -> float:
        """Return the capture time of the moment that is being played."""
        read_s, captured_s, pace = self._on
        if now_s - read_s > UNREAD_S:
            return now_s - self._timeline.lag_s
        return captured_s + (now_s - read_s) * pace

    def _read(self, at_s: float) -> HeldBlock:
        wanted_s = at_s - self._timeline.lag_s
        if len(self._buffer) < BLOCK_SAMPLES:
            self._on = (at_s, wanted_s, 1.0)
            return HeldBlock(self._starved())
        captured_s = self._captured_s()
        if self._is_beginning and not self._timeline.is_known(at_s):
            self._is_behind = True
            self._on = (at_s, captured_s, 0.0)
            return HeldBlock(np.zeros(BLOCK_SAMPLES, np.int16))
        off = round((wanted_s - captured_s) * LIVE_HZ)
        if self._is_waiting and off <= -BLOCK_SAMPLES:
            self._on = (at_s, wanted_s, 1.0)
            return HeldBlock(np.zeros(BLOCK_SAMPLES, np.int16))
        pcm = self._take(off)
        # Count back from the capture time of the block's end, which includes any inserted silence or skip.
        end_s = self._captured_s() if len(self._buffer) else captured_s + BLOCK_S
        self._on = (at_s, end_s - BLOCK_S, 1.0)
        reached = self._settle()
        place = self._place
        segment_id = place.segment_id
        if segment_id is None and not reached and not self._is_open:
            pcm = np.zeros(BLOCK_SAMPLES, np.int16)
        sample = max(0, (self._head - place.origin) // 2) if segment_id is not None else 0
        return HeldBlock(pcm, segment_id, sample, tuple(reached))

    @property
    def _is_beginning(self) -> bool:
        """Whether the next block has the beginning of a segment, after silence."""
        place = self._place
        if place.segment_id is not None or not place.findings:
            return False
        return isinstance(place.findings[0], Begun) and place.findings[0].at <= self._head + BLOCK_SAMPLES

    def _captured_s(self) -> float:
        """Return when the sample at the read head was captured."""
        first, arrived_s = self._arrived[0]
        return self._timeline.sound_captured_s(arrived_s) + (self._head - first) / LIVE_HZ

    def _settle(self) -> list[Begun | Over]:
        """Apply the findings up to the read head."""
        place = self._place
        reached: list[Begun | Over] = []
        while place.findings and place.findings[0].at <= self._head:
            finding = place.findings.popleft()
            match finding:
                case Begun(at, segment_id, sample):
                    reached.append(finding)
                    place.segment_id, place.origin = segment_id, at - 2 * sample
                case Moved(at, segment_id, sample):
                    if place.segment_id == segment_id:
                        place.origin = at - 2 * sample
                case Over():
                    reached.append(finding)
                    place.segment_id = None
        return reached

    def _take(self, off: int) -> Pcm:
        """Return the next block, which was due ``off`` samples ago. A negative ``off`` is in the future."""
        self._blocks_since_splice += 1
        is_quiet = (
            self._is_waiting
            or self._place.segment_id is None
            or _peak(self._buffer[: BLOCK_SAMPLES * 2]) < QUIET_PEAK
        )
        self._is_waiting = False
        if abs(off) > TOLERANCE_MS * LIVE_HZ // 1000:
            if is_quiet:
                return self._in_silence(off)
            if off > 0 and self._is_behind:
                return self._next(BLOCK_SAMPLES)
            has_room = len(self._buffer) >= BLOCK_SAMPLES + _LONGEST + _FADE
            if has_room and self._blocks_since_splice >= SPLICE_EVERY_BLOCKS:
                self._blocks_since_splice = 0
                return self._spliced(shortens=off > 0)
        else:
            self._is_behind = False
        return self._next(BLOCK_SAMPLES)

    def _in_silence(self, off: int) -> Pcm:
        """Return the next block after skipping silence, or with silence inserted."""
        if off < 0:
            waited = min(-off, BLOCK_SAMPLES)
            return np.concatenate([np.zeros(waited, np.int16), self._next(BLOCK_SAMPLES - waited)])
        room = len(self._buffer) - BLOCK_SAMPLES
        loud = np.flatnonzero(np.abs(self._buffer.astype(np.int32)) >= QUIET_PEAK)
        in_speech = self._place.segment_id is not None or bool(self._place.findings)
        free = max(0, int(loud[0]) - BLOCK_SAMPLES) if len(loud) and in_speech else room
        self._skip(min(off, free, room))
        return self._next(BLOCK_SAMPLES)

    def _next(self, samples: int) -> Pcm:
        pcm = self._buffer[:samples]
        self._skip(samples)
        return pcm

    def _spliced(self, *, shortens: bool) -> Pcm:
        """Return one block in which a pitch period of the buffer is left out or repeated."""
        b = self._buffer[: BLOCK_SAMPLES + _LONGEST + _FADE].astype(np.float32)
        template = b[:_FADE]
        windows = np.lib.stride_tricks.sliding_window_view(b[_SHORTEST : _LONGEST + _FADE], _FADE)
        norms = np.sqrt(np.square(windows).sum(axis=1) * float(np.dot(template, template))) + 1.0
        lag = _SHORTEST + int(np.argmax(windows @ template / norms))
        fade = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
        self.splices += 1
        if shortens:
            # Fade from the template to the same waveform one period later.
            joint = template * (1 - fade) + b[lag : lag + _FADE] * fade
            out = np.concatenate([joint, b[lag + _FADE : lag + BLOCK_SAMPLES]])
            self._skip(BLOCK_SAMPLES + lag)
        else:
            # Play one period, then fade back to where that period began.
            joint = b[lag : lag + _FADE] * (1 - fade) + template * fade
            out = np.concatenate([b[:lag], joint, b[_FADE : BLOCK_SAMPLES - lag]])
            self._skip(BLOCK_SAMPLES - lag)
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)

    def _starved(self) -> Pcm:
        """Return the rest of the buffer, faded out, and wait for the buffer to fill again."""
        rest = self._buffer
        pcm = np.zeros(BLOCK_SAMPLES, np.int16)
        if len(rest):
            tail = min(len(rest), _FADE)
            faded = rest.astype(np.float32)
            faded[-tail:] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
            pcm[: len(rest)] = faded.astype(np.int16)
        self._skip(len(rest))
        self._is_waiting = True
        return pcm

    def _skip(self, samples: int) -> None:
        self._buffer = self._buffer[samples:]
        self._head += samples
        while len(self._arrived) > 1 and self._arrived[1][0] <= self._head:
            self._arrived.popleft()


def _peak(pcm: Pcm) -> int:
    return int(np.abs(pcm.astype(np.int32)).max(initial=0))


class PictureHold:
    """Holds pictures until their sound is played, at most `MOST_PICTURES`; it then drops the oldest. Not thread-safe."""

    def __init__(self, timeline: Timeline, sound: SoundHold) -> None:
        self._timeline = timeline
        self._sound = sound
        self._waiting: deque[tuple[float, Picture]] = deque(maxlen=MOST_PICTURES)

    def push(self, picture: Picture, arrived_s: float) -> None:
        """Take a picture that the room shows at ``arrived_s``."""
        self._waiting.append((arrived_s, picture))

    def due(self, now_s: float) -> Picture | None:
        """Return the newest picture that is due, if there is one that was not returned before."""
        newest = None
        on_s = self._sound.on_s(now_s) + 0.001
        while self._waiting and self._captured_s() <= on_s:
            newest = self._waiting.popleft()[1]
        return newest

    def _captured_s(self) -> float:
        """Return when the first picture was captured, by what is known now."""
        return self._timeline.picture_captured_s(self._waiting[0][0])

    def next_due_s(self, now_s: float) -> float | None:
        """Return the estimated time at which the next picture is due, or ``None`` if none is held."""
        return now_s + self._captured_s() - self._sound.on_s(now_s) if self._waiting else None

    def clear(self) -> None:
        self._waiting.clear()
