"""A person speaks over Kai, by real sound through a real call: whose voice is it, and what does it want?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from numpy.typing import NDArray

from kai.engine.server import Engine
from kai.engine.speech.kit import SpeechKit
from kai.media import pcm
from tests.support.peer import SESSION, Microphone, Peer
from tests.support.recordings import recordings
from tests.support.words import word_errors

CALL_HZ = 48_000
LONG_20, LONG_10, LONG_6 = (pytest.param(db, marks=pytest.mark.long) for db in (-20, -10, -6))
"""The other echoes take half a minute each."""


class EchoingMicrophone(Microphone):
    """Brings back what the peer hears, `echo_db` softer and 200 ms later, under what it plays itself."""

    def __init__(self) -> None:
        super().__init__()
        self.echo_gain = 0.0
        self._echo: list[NDArray[np.int16]] = [np.zeros(960, np.int16)] * 10

    def loop_back(self, samples: NDArray[np.int16]) -> None:
        self._echo.append(samples)

    async def recv(self) -> Any:
        frame = await super().recv()
        heard = self._echo.pop(0) if self._echo else np.zeros(960, np.int16)
        plane = frame.to_ndarray().reshape(-1).astype(np.float32) + self.echo_gain * heard.astype(np.float32)
        mixed = type(frame).from_ndarray(
            plane.clip(-32_768, 32_767).astype(np.int16)[None], format="s16", layout="mono"
        )
        mixed.sample_rate, mixed.pts, mixed.time_base = frame.sample_rate, frame.pts, frame.time_base
        return mixed


@pytest.fixture(scope="module")
def kit() -> SpeechKit:
    return SpeechKit.load()


@asynccontextmanager
async def in_call(kit: SpeechKit, echo_db: float | None) -> AsyncIterator[Peer]:
    """A call to an engine with real ears, voice and mind, whose loudspeaker the microphone hears."""
    app = Engine(kit).application()
    peer = Peer(EchoingMicrophone())
    async with app.router.lifespan_context(app):
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
        client = openai.AsyncOpenAI(
            api_key="any", base_url="http://127.0.0.1/v1", max_retries=0, http_client=http
        )
        try:
            await peer.call(client, SESSION)
            peer.on_heard = peer.microphone.loop_back
            peer.microphone.echo_gain = 0.0 if echo_db is None else 10 ** (echo_db / 20)
            yield peer
        finally:
            await peer.close()
            await client.close()


def speech(kit: SpeechKit, text: str) -> NDArray[np.int16]:
    """Kai's own voice says `text`, 48 000 Hz."""
    resampler = pcm.Resampler(24_000, CALL_HZ)
    parts = [resampler.push(clause.pcm) for clause in kit.voice.stream(text)]
    return np.concatenate([*parts, resampler.flush()])


def first_loud_sample(samples: NDArray[np.int16]) -> int:
    return int(np.argmax(np.abs(samples.astype(np.int32)) > 1_500))


async def begin_long_answer(peer: Peer) -> None:
    peer.ask("Say something", instructions="")
    await peer.wait("output_audio_buffer.started")


@pytest.mark.parametrize("echo_db", [LONG_20, LONG_10, LONG_6])
async def test_kais_own_sound_does_not_interrupt_him(kit: SpeechKit, echo_db: float) -> None:
    async with in_call(kit, echo_db) as peer:
        await begin_long_answer(peer)
        await peer.wait("output_audio_buffer.stopped", timeout_s=40)
        await asyncio.sleep(1.0)
    kinds = peer.types()
    assert "input_audio_buffer.speech_started" not in kinds
    assert "output_audio_buffer.cleared" not in kinds


@pytest.mark.parametrize("echo_db", [None, LONG_20, LONG_10, LONG_6])
async def test_a_person_over_kais_own_sound_is_heard_and_answered(
    kit: SpeechKit, echo_db: float | None
) -> None:
    person = next(r for r in recordings() if "0880" in r.path.name)
    async with in_call(kit, echo_db) as peer:
        await begin_long_answer(peer)
        await asyncio.sleep(2.0)
        index = len(peer.events)
        spoke_s = time.monotonic()
        sound = person.samples(CALL_HZ)
        peer.microphone.play(sound[first_loud_sample(sound) :])
        await peer.wait("input_audio_buffer.speech_started", after=index)
        decided_s = time.monotonic() - spoke_s
        await peer.wait("output_audio_buffer.cleared", after=index)
        kind = "conversation.item.input_audio_transcription.completed"
        said = [(await peer.wait(kind, after=index, timeout_s=30))["transcript"]]
    print(f"echo {echo_db} dB: decided after {decided_s * 1000:.0f} ms, heard {said[0]!r}")
    first_words = " ".join(person.text.split()[: len(said[0].split())])
    assert decided_s < 2.5
    assert word_errors(first_words, said[0]) <= 3, said[0]


@pytest.mark.long
async def test_after_a_nod_kai_goes_on_to_his_last_word(kit: SpeechKit) -> None:
    async with in_call(kit, None) as peer:
        await begin_long_answer(peer)
        await asyncio.sleep(1.5)
        index = len(peer.events)
        peer.microphone.play(speech(kit, "Yeah.")[: CALL_HZ // 2])
        await peer.wait("output_audio_buffer.stopped", after=index, timeout_s=40)
    kinds = peer.types(index)
    assert "input_audio_buffer.speech_started" not in kinds
    assert "output_audio_buffer.cleared" not in kinds
