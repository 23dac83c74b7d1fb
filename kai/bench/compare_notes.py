"""What the compared clients share: the notes of a talk, the plan of a talk, and the gate that says when an output sounds.

Everything that happens in a talk is one line of JSON in one file, with its time on CLOCK_MONOTONIC, which all processes of
this computer share. `kai.bench.compare_figures` reads the file. Pipecat's Python imports this module too, and it has numpy
and nothing of Kai's requirements; so nothing that needs more than numpy and the standard library may be imported here.
"""

from __future__ import annotations

import asyncio
import json
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from kai.media import stamp

LOUD_PEAK: Final = 300
"""The int16 peak above which a block counts as sounding."""
HANG_S: Final = 0.3
"""A shorter pause belongs to the speech around it."""
LEVELS_A_NOTE: Final = 50
MIC_BLOCK: Final = 320
BLOCK_S: Final = 0.02
READS_S: Final = 3.0
"""A person reads the page before pressing Start; what is prepared meanwhile is not part of the start."""
SETTLE_S: Final = 1.5
SPEAKS_FOR_S: Final = 2.5
"""The person interrupts an answer when it has sounded for this long."""
CREATED_S: Final = 15.0
ANSWERED_S: Final = 12.0
PICTURE_S: Final = 25.0

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Plan:
    """One talk of a client: the servers' addresses, the model, the file for its notes, and the person's sentences.

    ``listens_s``: nobody interrupts; the answer is heard for that long. 0: each sentence interrupts an answer.
    """

    realtime: str
    liveavatar: str
    model: str
    notes: str
    sentences: tuple[str, ...]
    avatar_id: str
    quality: str
    height_px: int
    has_marks: bool
    listens_s: float
    transport: str = "websocket"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Return the plan that ``as_json`` of a dictionary wrote."""
        fields: dict[str, Any] = json.loads(text)
        fields["sentences"] = tuple(fields["sentences"])
        return cls(**fields)


class Notes:
    """Writes the notes of one process."""

    def __init__(self, path: str, who: str) -> None:
        self._file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - for the life of the process
        self._who = who

    def __call__(self, kind: str, at_s: float | None = None, **more: Any) -> None:
        at_s = time.monotonic() if at_s is None else at_s
        self._file.write(json.dumps({"at_s": at_s, "who": self._who, "kind": kind, **more}) + "\n")


class Gate:
    """Notes when a stream of sound begins to sound, to the sample, and when it has ended."""

    def __init__(self, note: Notes, name: str) -> None:
        self._note, self._name = note, name
        self._last_s = 0.0
        self._is_on = False
        self.began_s: list[float] = []

    def push(self, pcm: Pcm, at_s: float, rate_hz: int) -> None:
        """Take a block that begins at ``at_s``."""
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > LOUD_PEAK)
        if len(loud):
            if not self._is_on:
                self._is_on = True
                self.began_s.append(at_s + int(loud[0]) / rate_hz)
                self._note(f"{self._name}_on", self.began_s[-1])
            self._last_s = at_s + (int(loud[-1]) + 1) / rate_hz
        elif self._is_on and at_s - self._last_s > HANG_S:
            self._is_on = False
            self._note(f"{self._name}_off", self._last_s)


class Levels:
    """Notes the level of each 10 ms of a stream, by which the same sound is found in another process's stream."""

    def __init__(self, note: Notes, name: str) -> None:
        self._note, self._name = note, name
        self._at_s: list[float] = []
        self._levels: list[int] = []

    def push(self, pcm: Pcm, at_s: float, rate_hz: int) -> None:
        """Take a block that begins at ``at_s``."""
        pieces = pcm[: len(pcm) // (rate_hz // 100) * (rate_hz // 100)].reshape(-1, rate_hz // 100)
        self._at_s += [at_s + number * 0.01 for number in range(len(pieces))]
        self._levels += [
            round(float(np.sqrt(np.mean(np.square(piece, dtype=np.float64))))) for piece in pieces
        ]
        if len(self._levels) >= LEVELS_A_NOTE:
            self._note(f"{self._name}_levels", at_s, times_s=self._at_s, levels=self._levels)
            self._at_s, self._levels = [], []


class NotedOutlet:
    """What a client gives to the person: its sound and its pictures, noted as they leave."""

    def __init__(self, plan: Plan, note: Notes) -> None:
        self.gate = Gate(note, "output")
        self.pictures = 0
        self._levels = Levels(note, "output")
        self._has_marks = plan.has_marks
        self._note = note

    def play(self, pcm: Pcm, rate_hz: int) -> None:
        """Take a block that leaves now."""
        now_s = time.monotonic()
        self.gate.push(pcm, now_s, rate_hz)
        if self._has_marks:
            self._levels.push(pcm, now_s, rate_hz)

    def show(self, read_luma: Callable[[], npt.NDArray[np.uint8]]) -> None:
        """Take a picture that leaves now; its luma, ``(height, width)``, is read only for the stamp in it."""
        self.pictures += 1
        if self.pictures == 1:
            self._note("picture")
        if self._has_marks:
            self._note("stamp", ms=stamp.read_stamp(read_luma()))


@dataclass
class PlayedMicrophone:
    """The person's microphone: silence, and the sentence that is being said."""

    queue: Pcm = field(default_factory=lambda: np.zeros(0, np.int16))

    def say(self, path: str) -> None:
        with wave.open(path) as file:
            self.queue = np.frombuffer(file.readframes(file.getnframes()), np.int16)

    async def run(self, push: Callable[[Pcm], Awaitable[None]]) -> None:
        """Push a block of 20 ms, ``(320,)`` int16 at 16 000 Hz, on a steady clock."""
        next_s = time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))
            next_s += BLOCK_S
            block, self.queue = self.queue[:MIC_BLOCK], self.queue[MIC_BLOCK:]
            await push(np.pad(block, (0, MIC_BLOCK - len(block))))


async def until(is_so: Callable[[], object], within_s: float, what: str, note: Notes) -> None:
    """Wait for that; a note is left, and the talk goes on, when it does not come."""
    try:
        async with asyncio.timeout(within_s):
            while not is_so():  # noqa: ASYNC110 - the outputs of three clients have no event in common
                await asyncio.sleep(0.01)
    except TimeoutError:
        note("missed", what=what)


async def hold_talk(
    plan: Plan,
    note: Notes,
    *,
    begin: Callable[[], Awaitable[None]],
    microphone: PlayedMicrophone,
    outlet: NotedOutlet,
    answers: list[float],
) -> None:
    """Hold the same talk as everybody: an answer is asked for without sound, and each sentence interrupts an answer."""
    await asyncio.sleep(0.0 if plan.listens_s else SETTLE_S)
    before = outlet.pictures
    note("talk")
    for number in range(-1, len(plan.sentences)):
        note("say", number=number)
        said_s = time.monotonic()
        if number < 0:
            await begin()
        else:
            microphone.say(plan.sentences[number])

        def is_answered(said_s: float = said_s) -> bool:
            return bool(answers) and answers[-1] > said_s

        def is_sounding() -> bool:
            began_s = outlet.gate.began_s
            return is_answered() and bool(began_s) and began_s[-1] > answers[-1]

        await until(is_answered, CREATED_S, "an answer", note)
        await until(is_sounding, ANSWERED_S, "an answer's sound", note)
        await asyncio.sleep(plan.listens_s or SPEAKS_FOR_S)
    note("over", pictures=outlet.pictures - before)
