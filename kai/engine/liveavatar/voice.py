"""What the avatar says: utterances in their order, played in real time, with the mouth that belongs to each moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kai.avatar.hearing import Hearing, VisemeNet
from kai.avatar.lipsync import ROW_SAMPLES, VISEMES, mouth_row
from kai.media.pcm import Resampler, from_bytes

Int16 = NDArray[np.int16]
Array = NDArray[Any]

SPEECH_HZ: Final = 24_000
ROOM_HZ: Final = 48_000
BLOCK_SAMPLES: Final = 960
BLOCK_S: Final = 0.02
STARVING_BLOCKS: Final = 10
"""200 ms without the sound that is due is what the service complains about."""
MAX_QUEUED_S: Final = 600


class Listener(Protocol):
    """Who hears of what was spoken."""

    def started(self, utterance_id: str | None) -> None: ...
    def ended(self, utterance_id: str | None) -> None: ...
    def starving(self, utterance_id: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """20 ms: ``pcm`` is ``(960,)`` int16 at 48 000 Hz; ``mouth`` is ``None`` when it rests; ``loudness`` is 0 to 1."""

    pcm: Int16
    mouth: Array | None
    loudness: float


@dataclass(slots=True)
class _Utterance:
    id: str | None
    net: VisemeNet
    due_s: float
    resampler: Resampler = field(default_factory=lambda: Resampler(SPEECH_HZ, ROOM_HZ))
    queue: deque[Int16] = field(default_factory=deque[Int16])
    queued_samples: int = 0
    played_samples: int = 0
    shares: Array = field(default_factory=lambda: np.zeros((0, len(VISEMES)), np.float32))
    loudness: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    is_started: bool = False
    is_complete: bool = False
    missing_blocks: int = 0
    hearing: Hearing = field(init=False)

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.net)

    def add(self, pcm: Int16) -> None:
        self._append(self.resampler.push(pcm))
        self._know(*self.hearing.push(pcm))

    def complete(self) -> None:
        if not self.is_complete:
            self.is_complete = True
            self._append(self.resampler.flush())
            self._know(*self.hearing.finish())

    def take(self) -> Int16:
        block = np.zeros(BLOCK_SAMPLES, np.int16)
        filled = 0
        while self.queue and filled < BLOCK_SAMPLES:
            piece = self.queue.popleft()
            taken = piece[: BLOCK_SAMPLES - filled]
            block[filled : filled + len(taken)] = taken
            filled += len(taken)
            if len(taken) < len(piece):
                self.queue.appendleft(piece[len(taken) :])
        self.queued_samples -= filled
        self.played_samples += filled
        return block

    def mouth(self) -> tuple[Array | None, float]:
        """The mouth at the middle of the block that was taken last."""
        if not len(self.shares):
            return None, 0.0
        row = (self.played_samples - BLOCK_SAMPLES / 2) / 2 / ROW_SAMPLES
        near = min(max(int(row), 0), len(self.loudness) - 1)
        return mouth_row(self.shares, self.loudness, row), float(self.loudness[near])

    def _append(self, pcm: Int16) -> None:
        if len(pcm):
            self.queue.append(pcm)
            self.queued_samples += len(pcm)

    def _know(self, shares: Array, loudness: Array) -> None:
        self.shares = np.concatenate([self.shares, shares])
        self.loudness = np.concatenate([self.loudness, loudness])


class Voice:
    """Utterances, pulled 20 ms at a time. Not thread-safe.

    Chunks belong to one utterance until it is ended or interrupted, whatever ids they carry; its first id is its name. The
    queue holds at most `MAX_QUEUED_S`; what comes beyond is dropped and counted.
    """

    def __init__(self, listener: Listener, net: VisemeNet, clock: Callable[[], float]) -> None:
        self._listener = listener
        self._net = net
        self._clock = clock
        self._utterances: deque[_Utterance] = deque()
        self.is_mute = False
        self.dropped_samples = 0
        self.received_bytes = 0

    @property
    def is_speaking(self) -> bool:
        """Whether something sounds now."""
        return bool(self._utterances) and self._utterances[0].is_started

    def add(self, utterance_id: str | None, pcm: bytes, *, after_s: float) -> None:
        """Sound, 16-bit at 24 000 Hz; half a sample at the end is dropped. A new utterance begins ``after_s`` from now."""
        self.received_bytes += len(pcm)
        last = self._utterances[-1] if self._utterances else None
        if last is None or last.is_complete:
            last = _Utterance(utterance_id, self._net, self._clock() + after_s)
            self._utterances.append(last)
        samples = from_bytes(pcm[: len(pcm) & ~1])
        if last.queued_samples > MAX_QUEUED_S * ROOM_HZ:
            self.dropped_samples += len(samples)
            return
        last.add(samples)

    def end(self) -> None:
        """The utterance that is being received is complete."""
        if self._utterances:
            self._utterances[-1].complete()

    def drop(self) -> tuple[bool, str | None]:
        """Forget everything; whether something sounded, and its name."""
        sounding = self._utterances[0] if self.is_speaking else None
        self._utterances.clear()
        return sounding is not None, None if sounding is None else sounding.id

    def pull(self) -> Moment:
        """The next 20 ms."""
        while self._utterances:
            utterance = self._utterances[0]
            if not utterance.is_started:
                if self._clock() < utterance.due_s:
                    break
                utterance.is_started = True
                self._listener.started(utterance.id)
            if utterance.queue:
                return self._sound(utterance)
            if not utterance.is_complete:
                utterance.missing_blocks += 1
                if utterance.missing_blocks == STARVING_BLOCKS:
                    self._listener.starving(utterance.id)
                break
            self._utterances.popleft()
            self._listener.ended(utterance.id)
        return Moment(np.zeros(BLOCK_SAMPLES, np.int16), None, 0.0)

    def _sound(self, utterance: _Utterance) -> Moment:
        utterance.missing_blocks = 0
        pcm = utterance.take()
        mouth, loudness = utterance.mouth()
        if self.is_mute:
            return Moment(np.zeros_like(pcm), mouth, loudness)
        return Moment(pcm, mouth, loudness)
