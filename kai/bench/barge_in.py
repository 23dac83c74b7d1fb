"""A person speaks over Kai, in the engine's own time: how much sound it takes until Kai is softer, and until it stops.

Ducker, detector, recogniser, echo gate and conversation are real; there is no network, browser or clock. Time is counted in
sound, and a transcript arrives as much later as its decoding took. ``python -m kai.bench turns`` measures the same in a
browser.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from kai.bench.short_sounds import in_own_voice
from kai.engine import session
from kai.engine.answer import Place
from kai.engine.conversation import Conversation, Dropped
from kai.engine.playout import CallPlayout
from kai.engine.speech.clauses import Clause
from kai.engine.speech.kit import SpeechKit
from kai.engine.workers import Workers
from kai.media import pcm
from kai.media.ducking import Ducker
from kai.media.echo import EchoGate
from kai.wire import realtime as wire

ECHOES_DB: Final = (None, -20, -10, -6)
ECHO_BLOCKS: Final = 10
PERSON_FROM_S: Final = 3.0
LENGTH_S: Final = 7.0
BLOCK_MS: Final = 20
TASK_STEPS: Final = 8
"""A transcript passes through some callbacks before it is judged."""
MONOLOGUE: Final = (
    "I run on this computer, all of me: ears, voice, answers and face. No internet is needed. You can ask me for the time, "
    "the date, or what I can do. The sidebar has the face, the voice, the speed and my manner. I speak English only, for now."
)

NODS: Final = ("Yeah.", "I see.", "Right.", "Okay.", "Mm-hmm.", "Yes, yes.", "Oh, okay.")
SHORT_WORDS: Final = ("Stop.", "Wait.", "No.")

Float32 = NDArray[np.float32]
T = TypeVar("T")


class _Over(Exception):
    """Ends the conversation's task group."""


class _Reader(Workers):
    """Decodes at once and delivers the result later, in the time of the sound."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self._read: list[tuple[float, Future[Any], Any]] = []

    def recognise_nowait(self, call: Callable[[], T]) -> Future[T]:
        begun_s = time.perf_counter()
        result = call()
        ready_ms = self.now_ms + (time.perf_counter() - begun_s) * 1000
        future: Future[T] = Future()
        self._read.append((ready_ms, future, result))
        return future

    def hand_over(self, now_ms: float) -> None:
        """Deliver the results that are due when sound has been heard up to ``now_ms``."""
        self.now_ms = now_ms
        for entry in [entry for entry in self._read if entry[0] <= now_ms]:
            self._read.remove(entry)
            _, future, result = entry
            if future.set_running_or_notify_cancel():
                future.set_result(result)


class _Room:
    """A loudspeaker, a microphone and a transport between them."""

    def __init__(self) -> None:
        self.playout = CallPlayout(lambda _id: None, lambda _id: None)
        self.echo = EchoGate()
        self.ducker = Ducker()
        self.now_ms = 0
        self.ducked_ms: int | None = None
        self.decided_ms: int | None = None

    @property
    def plays_sound(self) -> bool:
        return True

    @property
    def is_sounding(self) -> bool:
        return self.playout.is_sounding

    @property
    def is_playing(self) -> bool:
        return self.playout.is_playing

    def foreign_share(self) -> float:
        return self.echo.foreign_share()

    def send(self, event: wire.ServerEvent) -> None:
        if isinstance(event, wire.SpeechStarted) and self.decided_ms is None:
            self.decided_ms = self.now_ms

    def speak(self, place: Place, clause: Clause) -> None:
        self.playout.push(place.response_id, place.item_id, clause.pcm)

    def end_speech(self, response_id: str) -> None:
        self.playout.end(response_id)

    def drop_speech(self) -> Sequence[Dropped]:
        return self.playout.drop()

    def cut_off(self, reason: str) -> None:
        del reason


def figures(kit: SpeechKit, people: Sequence[Float32]) -> dict[str, Any]:
    """Return figures for each level of echo in the microphone: p50 and p95 of the time until Kai is softer and until it
    stops, in ms of sound after the person's first, how many of ``people`` (16 kHz) were heard, and how often Kai's own echo
    stopped it."""
    return asyncio.run(_figures(kit, people))


async def _figures(kit: SpeechKit, people: Sequence[Float32]) -> dict[str, Any]:
    resampled = [clause.pcm for clause in kit.voice.stream(MONOLOGUE)]
    kai = np.concatenate(resampled)
    found: dict[str, Any] = {}
    for echo_db in ECHOES_DB:
        rooms = [await _play(kit, kai, echo_db, person) for person in people]
        alone = await _play(kit, kai, echo_db, None)
        softer = [room.ducked_ms - PERSON_FROM_S * 1000 for room in rooms if room.ducked_ms is not None]
        decided = [room.decided_ms - PERSON_FROM_S * 1000 for room in rooms if room.decided_ms is not None]
        name = "no echo" if echo_db is None else f"echo {echo_db} dB"
        found[name] = {
            "heard": f"{len(decided)} of {len(people)}",
            "softer_ms": _percentiles(softer),
            "gives_way_ms": _percentiles(decided),
            "softer_to_himself": int(alone.ducked_ms is not None),
            "to_himself": int(alone.decided_ms is not None),
        }
    nods = [await _play(kit, kai, None, said) for said in in_own_voice(kit, NODS)]
    words = [await _play(kit, kai, None, said) for said in in_own_voice(kit, SHORT_WORDS)]
    return {
        "person_over_kai": found,
        "nods_over_kai_let_pass": f"{sum(room.decided_ms is None for room in nods)} of {len(nods)}",
        "short_words_over_kai_heard": f"{sum(room.decided_ms is not None for room in words)} of {len(words)}",
    }


def _percentiles(values: Sequence[float]) -> list[float]:
    return [round(float(np.percentile(values, q))) for q in (50, 95)] if values else []


async def _play(kit: SpeechKit, kai: NDArray[np.int16], echo_db: int | None, person: Float32 | None) -> _Room:
    """Let Kai speak, and the person after three seconds."""
    room, workers = _Room(), _Reader()
    gain = 0.0 if echo_db is None else 10 ** (echo_db / 20)
    spoken = np.random.default_rng(3).normal(0, 0.0005, int(LENGTH_S * 16_000)).astype(np.float32)
    if person is not None:
        onset = int(np.argmax(np.abs(person) > 0.05))
        start = int(PERSON_FROM_S * 16_000)
        part = person[onset : onset + len(spoken) - start]
        spoken[start : start + len(part)] += part
    thin = pcm.Resampler(48_000, 16_000)
    late = [np.zeros(960, np.int16)] * ECHO_BLOCKS
    echo = np.zeros(0, np.float32)
    try:
        with contextlib.suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                update = wire.decode_session({"type": "realtime"})
                config = session.started(update, model=None, session_id="bench", expires_at=0)
                conversation = Conversation(
                    transport=room, speech=kit, workers=workers, tasks=tasks, config=config
                )
                room.playout.push("kai", "item", kai)
                for block in range(int(LENGTH_S * 1000 / BLOCK_MS)):
                    sound = room.playout.pull()
                    room.echo.play(sound)
                    out = room.ducker.play(sound)
                    late.append(out)
                    echo = np.concatenate([echo, pcm.to_float32(thin.push(late.pop(0)))])
                    heard = spoken[block * 320 : (block + 1) * 320].copy()
                    back = echo[:320]
                    echo = echo[320:]
                    heard[: len(back)] += gain * back
                    room.now_ms = (block + 1) * BLOCK_MS
                    room.ducker.push_mic(np.repeat(pcm.to_int16(heard), 3))
                    if room.ducker.is_ducking and room.ducked_ms is None:
                        room.ducked_ms = room.now_ms
                    room.echo.push_mic(heard)
                    conversation.push_audio(heard)
                    workers.hand_over(room.now_ms)
                    for _ in range(TASK_STEPS):
                        await asyncio.sleep(0)
                    if room.decided_ms is not None:
                        break
                raise _Over
    finally:
        await asyncio.to_thread(workers.close)
    return room
