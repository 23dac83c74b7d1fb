"""Sound and picture of a room, brought together: the earlier one is held, and changes are followed without a click.

Two buffers and one number: by how much the picture is older than the sound. Sound is held by that much (and a margin that
absorbs the jitter of its way here), pictures when they are the earlier ones. A hold is changed where it is not heard: in
silence at once, in speech by leaving out or repeating single pitch periods, with a cross-fade.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from kai.media.heard import Begun, Finding, Moved, Over

Pcm = npt.NDArray[np.int16]
Picture = npt.NDArray[np.uint8]

HZ: Final = 48_000
BLOCK_SAMPLES: Final = 960
MARGIN_MS: Final = 60
"""Sound waits at least so long: its 10 ms frames arrive in bursts."""
PICTURE_LAG_MS: Final = 13
"""Measured on the loopback: the SDK hands a picture out this much before the sound of the same moment."""
MOST_MS: Final = 4_000
"""Bound of what is held; of sound beyond it the oldest is dropped and counted."""
TOLERANCE_MS: Final = 8
QUIET_PEAK: Final = 120
SPLICE_EVERY_BLOCKS: Final = 3
_SHORTEST, _LONGEST, _FADE = 120, 720, 240
"""A splice is 2.5 to 15 ms long (pitch periods of 67 to 400 Hz) with 5 ms of cross-fade."""
MOST_PICTURES: Final = 128


@dataclass(frozen=True, slots=True)
class HeldBlock:
    """20 ms to play: ``(960,)`` int16. In a segment ``sample`` is its sample (24 000 Hz) that the block ends with;
    ``reached`` are the beginnings and ends of segments in it, in their order."""

    pcm: Pcm
    segment_id: str | None = None
    sample: int = 0
    reached: tuple[Begun | Over, ...] = ()


@dataclass(slots=True)
class _Place:
    """Which segment sounds at the read head, and its origin: the room's sample of its first one."""

    segment_id: str | None = None
    origin: int = 0
    findings: deque[Finding] = field(default_factory=deque[Finding])


class SoundHold:
    """The room's sound, some time later. Every method may be called from any thread.

    Positions are the room's samples since the beginning. Outside segments the sound is silence, unless ``is_open``.
    """

    def __init__(self, *, is_open: bool = False) -> None:
        self._lock = threading.Lock()
        self._buffer: Pcm = np.zeros(0, np.int16)
        self._head = 0
        self._target = MARGIN_MS * HZ // 1000
        self._level = float(self._target)
        self._is_filling = True
        self._is_open = is_open
        self._blocks_since_splice = SPLICE_EVERY_BLOCKS
        self._place = _Place()
        self.dropped_samples = 0
        self.splices = 0

    @property
    def held_ms(self) -> float:
        """How much is held now."""
        return len(self._buffer) * 1000 / HZ

    def set_hold(self, hold_ms: float) -> None:
        """Hold this much from now on, margin included."""
        with self._lock:
            self._target = round(min(max(hold_ms, MARGIN_MS), MOST_MS) * HZ / 1000)

    def push(self, pcm: Pcm, findings: list[Finding]) -> None:
        """The room's next sound, ``(samples,)`` int16, and what was found in it."""
        with self._lock:
            self._buffer = np.concatenate([self._buffer, pcm])
            self._place.findings.extend(findings)
            over = len(self._buffer) - (MOST_MS + 500) * HZ // 1000
            if over > 0:
                self.dropped_samples += over
                self._skip(over)

    def cut(self) -> tuple[str, int] | None:
        """Drop everything; the segment at the read head and how much of it (24 000 Hz) was read."""
        with self._lock:
            place = self._place
            cut = None
            if place.segment_id is not None:
                cut = (place.segment_id, max(0, (self._head - place.origin) // 2))
            self._head += len(self._buffer)
            self._buffer = np.zeros(0, np.int16)
            self._place = _Place()
            self._is_filling = True
            return cut

    def read(self) -> HeldBlock:
        """The next 20 ms."""
        with self._lock:
            return self._read()

    def _read(self) -> HeldBlock:
        if self._is_filling:
            if len(self._buffer) < self._target + BLOCK_SAMPLES:
                return HeldBlock(np.zeros(BLOCK_SAMPLES, np.int16))
            self._is_filling = False
            self._level = float(len(self._buffer) - BLOCK_SAMPLES)
        pcm = self._take()
        reached = self._settle()
        place = self._place
        segment_id = place.segment_id
        if segment_id is None and not reached and not self._is_open:
            pcm = np.zeros(BLOCK_SAMPLES, np.int16)
        sample = max(0, (self._head - place.origin) // 2) if segment_id is not None else 0
        return HeldBlock(pcm, segment_id, sample, tuple(reached))

    def _settle(self) -> list[Begun | Over]:
        """Take the findings up to the read head."""
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

    def _take(self) -> Pcm:
        ahead = len(self._buffer) - BLOCK_SAMPLES
        self._level += (ahead - self._level) * 0.08
        off = self._level - self._target
        self._blocks_since_splice += 1
        tolerance = TOLERANCE_MS * HZ / 1000
        if abs(off) > tolerance and ahead >= _LONGEST + _FADE:
            upcoming = self._buffer[: BLOCK_SAMPLES * 2]
            is_quiet = self._place.segment_id is None or _peak(upcoming) < QUIET_PEAK
            if is_quiet:
                return self._in_silence(off)
            if self._blocks_since_splice >= SPLICE_EVERY_BLOCKS:
                self._blocks_since_splice = 0
                return self._spliced(shortens=off > 0)
        elif ahead < 0:
            return self._starved()
        pcm = self._buffer[:BLOCK_SAMPLES]
        self._skip(BLOCK_SAMPLES)
        return pcm

    def _in_silence(self, off: float) -> Pcm:
        """Leave out silence, or wait in it."""
        if off < 0:
            self._level += BLOCK_SAMPLES
            return np.zeros(BLOCK_SAMPLES, np.int16)
        room = len(self._buffer) - BLOCK_SAMPLES
        loud = np.flatnonzero(np.abs(self._buffer.astype(np.int32)) >= QUIET_PEAK)
        in_speech = self._place.segment_id is not None or bool(self._place.findings)
        free = int(loud[0]) if len(loud) and in_speech else room
        skipped = max(0, min(round(off), free - BLOCK_SAMPLES, room))
        self._skip(skipped)
        self._level -= skipped
        pcm = self._buffer[:BLOCK_SAMPLES]
        self._skip(BLOCK_SAMPLES)
        return pcm

    def _spliced(self, *, shortens: bool) -> Pcm:
        """One block with a pitch period less, or one more, of the buffer in it."""
        b = self._buffer[: BLOCK_SAMPLES + _LONGEST + _FADE].astype(np.float32)
        template = b[:_FADE]
        windows = np.lib.stride_tricks.sliding_window_view(b[_SHORTEST : _LONGEST + _FADE], _FADE)
        norms = np.sqrt(np.square(windows).sum(axis=1) * float(np.dot(template, template))) + 1.0
        lag = _SHORTEST + int(np.argmax(windows @ template / norms))
        fade = np.linspace(0.0, 1.0, _FADE, dtype=np.float32)
        self.splices += 1
        if shortens:
            # From the template over to the same shape one period later.
            joint = template * (1 - fade) + b[lag : lag + _FADE] * fade
            out = np.concatenate([joint, b[lag + _FADE : lag + BLOCK_SAMPLES]])
            self._skip(BLOCK_SAMPLES + lag)
            self._level -= lag
        else:
            # On to one period later, then back to where that period began.
            joint = b[lag : lag + _FADE] * (1 - fade) + template * fade
            out = np.concatenate([b[:lag], joint, b[_FADE : BLOCK_SAMPLES - lag]])
            self._skip(BLOCK_SAMPLES - lag)
            self._level += lag
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)

    def _starved(self) -> Pcm:
        """What there is, faded out; then fill up again."""
        rest = self._buffer
        pcm = np.zeros(BLOCK_SAMPLES, np.int16)
        if len(rest):
            tail = min(len(rest), _FADE)
            faded = rest.astype(np.float32)
            faded[-tail:] *= np.linspace(1.0, 0.0, tail, dtype=np.float32)
            pcm[: len(rest)] = faded.astype(np.int16)
        self._skip(len(rest))
        self._is_filling = True
        return pcm

    def _skip(self, samples: int) -> None:
        self._buffer = self._buffer[samples:]
        self._head += samples


def _peak(pcm: Pcm) -> int:
    return int(np.abs(pcm.astype(np.int32)).max(initial=0))


class PictureHold:
    """Pictures, some time later. Not thread-safe. Holds at most `MOST_PICTURES`; the oldest is dropped."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[float, Picture]] = deque(maxlen=MOST_PICTURES)
        self._hold_s = (MARGIN_MS + PICTURE_LAG_MS) / 1000

    def set_hold(self, hold_ms: float) -> None:
        self._hold_s = hold_ms / 1000

    def push(self, picture: Picture, arrived_s: float) -> None:
        """A picture that arrived at that time of the monotonic clock."""
        self._waiting.append((arrived_s, picture))

    def due(self, now_s: float) -> Picture | None:
        """The newest picture whose time has come, if there is one that was not given yet."""
        newest = None
        while self._waiting and self._waiting[0][0] + self._hold_s <= now_s + 0.001:
            newest = self._waiting.popleft()[1]
        return newest

    def next_due_s(self) -> float | None:
        """When the next picture's time comes."""
        return self._waiting[0][0] + self._hold_s if self._waiting else None

    def clear(self) -> None:
        self._waiting.clear()


class AvSync:
    """Turns measurements into holds. ``measure`` takes how much older the picture is than the sound, in ms."""

    KEPT = 3

    def __init__(self, sound: SoundHold, picture: PictureHold, *, first_ms: float = 0.0) -> None:
        self._sound = sound
        self._picture = picture
        self._measured: deque[float] = deque(maxlen=self.KEPT)
        self.offset_ms = first_ms
        self._apply()

    def measure(self, picture_older_ms: float) -> None:
        """One measurement; the median of the last three counts, so that one bad report moves nothing."""
        if abs(picture_older_ms) > MOST_MS:
            return
        self._measured.append(picture_older_ms)
        self.offset_ms = float(np.median(self._measured))
        self._apply()

    def forget(self) -> None:
        """The room has new tracks: measure anew."""
        self._measured.clear()

    def _apply(self) -> None:
        self._sound.set_hold(MARGIN_MS + max(0.0, self.offset_ms))
        self._picture.set_hold(MARGIN_MS + PICTURE_LAG_MS + max(0.0, -self.offset_ms))
