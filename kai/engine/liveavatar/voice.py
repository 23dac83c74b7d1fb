"""The avatar's voice: utterances in order, played in real time, with the shape of the mouth at each moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np

from kai.avatar.hearing import Hearing, VisemeNet
from kai.avatar.lipsync import ROW_SAMPLES, VISEMES, mouth_row
from kai.compat.format import BLOCK_SAMPLES, SILENCE, Array, Pcm
from kai.media.pcm import from_bytes
from kai.media.segments import Segment

STARVING_BLOCKS: Final = 10
"""The service complains after 200 ms without the sound that is due."""


class VoiceListener(Protocol):
    """Receives the events of the utterances."""

    def started(self, utterance_id: str | None) -> None: ...
    def ended(self, utterance_id: str | None) -> None: ...
    def starving(self, utterance_id: str | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Moment:
    """20 ms: ``pcm`` is ``(960,)`` int16 at 48 000 Hz, ``mouth`` is ``None`` at rest, and ``loudness`` is 0 to 1."""

    pcm: Pcm
    mouth: Array | None
    loudness: float


@dataclass(slots=True)
class _Utterance(Segment):
    id: str | None
    net: VisemeNet
    due_s: float
    shares: Array = field(default_factory=lambda: np.zeros((0, len(VISEMES)), np.float32))
    loudness: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    missing_blocks: int = 0
    hearing: Hearing = field(init=False)

    def __post_init__(self) -> None:
        self.hearing = Hearing(self.net)

    def push_audio(self, pcm: Pcm) -> None:
        self._know(*self.hearing.push(pcm))

    def end(self) -> None:
        if not self.is_complete:
            self.complete()
            self._know(*self.hearing.finish())

    def mouth(self) -> tuple[Array | None, float]:
        """Return the mouth and the loudness at the middle of the block that was taken last."""
        if not len(self.shares):
            return None, 0.0
        row = (self.played_samples - BLOCK_SAMPLES / 2) / 2 / ROW_SAMPLES
        near = min(max(int(row), 0), len(self.loudness) - 1)
        return mouth_row(self.shares, self.loudness, row), float(self.loudness[near])

    def _know(self, shares: Array, loudness: Array) -> None:
        self.shares = np.concatenate([self.shares, shares])
        self.loudness = np.concatenate([self.loudness, loudness])


class AvatarVoice:
    """The queue of utterances, which is pulled 20 ms at a time. Not thread-safe.

    Chunks belong to one utterance until it is ended or interrupted, whatever ids they carry; its first id is its name.
    Bound: `kai.media.segments.MOST_QUEUED_S` of sound in each utterance; sound beyond it is dropped and counted.
    """

    def __init__(self, listener: VoiceListener, net: VisemeNet, clock: Callable[[], float]) -> None:
        self._listener = listener
        self._net = net
        self._clock = clock
        self._utterances: deque[_Utterance] = deque()
        self.is_mute = False
        self.holes = 0
        """How many blocks of 20 ms were due within utterances while no sound was there."""
        self.dropped_samples = 0
        self.received_bytes = 0

    @property
    def is_speaking(self) -> bool:
        """Whether an utterance is being played now."""
        return bool(self._utterances) and self._utterances[0].is_started

    def add(self, utterance_id: str | None, pcm: bytes, *, after_s: float) -> None:
        """Queues sound, 16-bit at 24 000 Hz; half a sample at the end is dropped. A new utterance starts in ``after_s``."""
        self.received_bytes += len(pcm)
        last = self._utterances[-1] if self._utterances else None
        if last is None or last.is_complete:
            last = _Utterance(utterance_id, self._net, self._clock() + after_s)
            self._utterances.append(last)
        samples = from_bytes(pcm[: len(pcm) & ~1])
        if last.push(samples):
            last.push_audio(samples)
        else:
            self.dropped_samples += len(samples)

    def end(self) -> None:
        """Marks the utterance that is being received as complete."""
        if self._utterances:
            self._utterances[-1].end()

    def drop(self) -> tuple[bool, str | None]:
        """Discards all utterances; returns whether one was being played, and its name."""
        sounding = self._utterances[0] if self.is_speaking else None
        self._utterances.clear()
        return sounding is not None, None if sounding is None else sounding.id

    def pull(self) -> Moment:
        """Returns the next 20 ms."""
        while self._utterances:
            utterance = self._utterances[0]
            if not utterance.is_started:
                if self._clock() < utterance.due_s:
                    break
                utterance.is_started = True
                self._listener.started(utterance.id)
            if utterance.queued_samples:
                return self._sound(utterance)
            if not utterance.is_complete:
                utterance.missing_blocks += 1
                self.holes += 1
                if utterance.missing_blocks == STARVING_BLOCKS:
                    self._listener.starving(utterance.id)
                break
            self._utterances.popleft()
            self._listener.ended(utterance.id)
        return Moment(SILENCE, None, 0.0)

    def _sound(self, utterance: _Utterance) -> Moment:
        utterance.missing_blocks = 0
        pcm = utterance.take_block()
        mouth, loudness = utterance.mouth()
        if self.is_mute:
            return Moment(SILENCE, mouth, loudness)
        return Moment(pcm, mouth, loudness)
