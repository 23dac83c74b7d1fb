"""The same over real sockets: the engine as the brain, the local LiveAvatar as the face, and a session between them.

The truth is found in the sound that left for the page: its last half second is searched in the whole answer. The engine's
word times are read beside the session; in every other talk they are kept from it, as a cloud brain has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import numpy as np

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain
from kai.bench.answers import ANSWERS
from kai.bench.avatar import KEY, local_liveavatar, percentile_ms, set_faults
from kai.bench.heard_rules import Found, Spoken, summary
from kai.bench.live import live_talk, until
from kai.bench.page_ear import PageEar
from kai.bench.part import RunningEngine, local_engine, scripted
from kai.compat.format import SPEECH_HZ
from kai.core.events import Event, InterruptRequested, TextSubmitted
from kai.core.state import AgentState, Face, Look, Role
from kai.core.words import words_of
from kai.engine.liveavatar.account import AVATARS
from kai.ports import BrainSink, Marks, Pcm, Timed, VoiceBrain
from kai.records.paid_sessions import PaidSessions
from kai.runtime.session import Session

INTERRUPTIONS: Final = 15
"""In each of the two talks."""
DELAYS_S: Final = (0.3, 3.0)
SEARCH_HZ: Final = 8_000
LOUD: Final = 150


def run() -> dict[str, Any]:
    """Return how many interruptions were right, by rule, and how far from the truth the brain was told, in ms."""
    figures: dict[str, Any] = {}
    with local_engine() as engine, local_liveavatar() as url:
        for name, has_marks in (("sockets_with_marks", True), ("sockets_without_marks", False)):
            found, off_ms = asyncio.run(_talk(engine, url, has_marks=has_marks))
            figures[name] = {
                **summary(found),
                "brain_told_off_ms_p50_p95": [percentile_ms(off_ms, q) for q in (50, 95)],
            }
    return figures


class _Ear:
    """A brain's sink that keeps the sound and the word times of the answers, and passes them on."""

    def __init__(self, sink: BrainSink, *, has_marks: bool) -> None:
        self._sink = sink
        self._has_marks = has_marks
        self.parts: dict[str, list[Pcm]] = {}
        self.words: dict[str, list[Timed]] = {}
        self.first_s: dict[str, float] = {}

    def emit(self, event: Event) -> None:
        self._sink.emit(event)

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        self.first_s.setdefault(segment_id, time.monotonic())
        self.parts.setdefault(segment_id, []).append(pcm)
        self._sink.sound(segment_id, pcm)

    def marks(self, segment_id: str, marks: Marks) -> None:
        self.words.setdefault(segment_id, []).extend(marks.words)
        if self._has_marks:
            self._sink.marks(segment_id, marks)

    def end_segment(self, segment_id: str) -> None:
        self._sink.end_segment(segment_id)

    def spoken(self, segment_id: str) -> Spoken:
        return Spoken("", np.concatenate(self.parts[segment_id]), tuple(self.words[segment_id]))


class _Overheard(OpenAIRealtimeBrain):
    """The brain, with an ear between it and the session, and a note of what it was told."""

    def __init__(self, endpoint: Endpoint, *, has_marks: bool) -> None:
        super().__init__(endpoint)
        self._has_marks = has_marks
        self.ear: _Ear | None = None
        self.told_ms: dict[str, int] = {}

    async def open(self, look: Look, sink: BrainSink) -> None:
        self.ear = _Ear(sink, has_marks=self._has_marks)
        await super().open(look, self.ear)

    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        self.told_ms[response_id] = heard_ms
        super().tell_heard(response_id, heard_ms, heard_text)


async def _talk(engine: RunningEngine, url: str, *, has_marks: bool) -> tuple[list[Found], list[float]]:
    chance = random.Random(22 + has_marks)
    texts = [chance.choice([text for text in ANSWERS if len(text) > 60]) for _ in range(INTERRUPTIONS)]
    turns = [[{"say": text}] for text in texts]
    brain = _Overheard(scripted(engine.url, engine.key, turns=turns), has_marks=has_marks)
    changes = sorted(chance.sample(range(1, INTERRUPTIONS), 2))
    found: list[Found] = []
    off_ms: list[float] = []
    _set_delay(url, chance.uniform(*DELAYS_S))
    async with _session(url, brain) as (session, ear):
        for number in range(INTERRUPTIONS):
            if number in changes:
                _set_delay(url, chance.uniform(*DELAYS_S))
            one, told_off_ms = await _interrupt(session, ear, brain, chance, number)
            found.append(one)
            off_ms.append(told_off_ms)
    return found, off_ms


async def _interrupt(
    session: Session, ear: PageEar, brain: _Overheard, chance: random.Random, number: int
) -> tuple[Found, float]:
    assert brain.ear is not None
    from_block = len(ear.blocks)
    session.dispatch(TextSubmitted(f"q{number}", f"Question {number}?"))
    state = await until(session, lambda s: s.agent is AgentState.SPEAKING)
    answer_id = next(answer.id for answer in state.answers if answer.is_playing)
    await asyncio.sleep(chance.uniform(0.4, 5.0))
    session.dispatch(InterruptRequested())
    interrupted_s = time.monotonic()
    sent = sum(map(len, brain.ear.parts[answer_id]))
    state = await until(session, lambda s: s.is_between_turns)
    # Clauses that come later have their marks with them.
    await asyncio.sleep(0.5)
    spoken = brain.ear.spoken(answer_id)
    heard = _last_sample(np.concatenate(ear.blocks[from_block:]), spoken.pcm)
    lines = [m.text for m in state.messages if m.response_id == answer_id and m.role is Role.ASSISTANT]
    clock = round((interrupted_s - brain.ear.first_s[answer_id]) * SPEECH_HZ)
    told_ms = brain.told_ms.get(answer_id, heard / 24)
    words = sum(len(words_of(line)) for line in lines)
    found = Found(spoken.words_by(heard), words, spoken.words_by(sent), spoken.words_by(clock))
    return found, abs(told_ms - heard / 24)


def _last_sample(page: Pcm, said: Pcm) -> int:
    """Return which sample of ``said`` was the last that sounded in the page (48 000 Hz)."""
    loud = np.flatnonzero(np.abs(page.astype(np.int32)) > LOUD)
    if not len(loud):
        return 0
    step = 48_000 // SEARCH_HZ
    end = int(loud[-1]) // step * step
    window = page[max(0, end - 24_000) : end].astype(np.float64)
    window = window[len(window) % step :].reshape(-1, step).mean(axis=1)
    first = np.flatnonzero(np.abs(window) > LOUD)
    window = window[first[0] :] if len(first) else window
    source = said[: len(said) // 3 * 3].astype(np.float64).reshape(-1, 3).mean(axis=1)
    size = 1 << (len(source) + len(window)).bit_length()
    product = np.fft.irfft(np.fft.rfft(source, size) * np.conj(np.fft.rfft(window, size)), size)
    count = max(1, len(source) - len(window) + 1)
    energy = np.concatenate([[0.0], np.cumsum(source**2)])
    norms = np.sqrt(np.maximum(energy[len(window) :][:count] - energy[:count], 1.0))
    return (int(np.argmax(product[:count] / norms)) + len(window)) * 3


@contextlib.asynccontextmanager
async def _session(url: str, brain: VoiceBrain) -> AsyncGenerator[tuple[Session, PageEar]]:
    api = LiveAvatarApi(Account(KEY, url))
    choice = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")

    async def make_brain(_look: Look) -> VoiceBrain:
        return brain

    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        records = PaidSessions(Path(folder))
        talk = live_talk(make_brain, make_cloud=lambda: LiveAvatarFace(api, choice, records))
        try:
            async with talk as (session, ear):
                await until(session, lambda s: s.brain.is_up and s.faces.on is Face.CLOUD)
                yield session, ear
        finally:
            await api.aclose()


def _set_delay(url: str, delay_s: float) -> None:
    """Set how long after its sound the avatar begins to speak, from the next answer on."""
    set_faults(url, speak_after_s=delay_s, picture_delay_s=0.2, has_plain_picture=True)
