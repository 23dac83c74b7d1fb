"""A sentence in each voice of the cloud: recorded once, kept, told of when it fails."""

from __future__ import annotations

import asyncio
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from kai.adapters.voice_previews import SENTENCE, VoicePreviews, record_turn
from kai.compat.format import SPEECH_HZ
from kai.core.config import TurnTaking
from kai.core.state import Look
from kai.errors import BrainError
from kai.media.pcm import to_wav
from tests.support.fakes import FakeBrain

CEDAR = Look(voice="cedar", instructions="a secret manner")


def model_of(_look: Look) -> str:
    return "gpt-realtime-2.1"


async def test_a_voice_says_one_sentence_in_a_turn_of_its_own_and_is_hung_up() -> None:
    brain = FakeBrain()
    content = await record_turn(brain, CEDAR)
    assert brain.greetings == [SENTENCE]
    assert brain.is_closed
    assert (brain.look.voice, brain.look.instructions) == ("cedar", "")
    assert brain.look.brain.turn_taking is TurnTaking.PUSH_TO_TALK
    assert brain.look.brain.tools == ()
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (SPEECH_HZ, 1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert len(sound) > SPEECH_HZ
    assert np.abs(sound).max() > 1000


async def test_a_refused_call_is_told_and_leaves_nothing_open() -> None:
    brain = FakeBrain(open_error=BrainError("The account has no credit left.", code="quota"))
    with pytest.raises(BrainError, match="no credit"):
        await record_turn(brain, CEDAR)
    assert brain.is_closed


async def test_a_recording_is_made_once_for_all_who_ask_and_kept(tmp_path: Path) -> None:
    made: list[str] = []

    async def record(look: Look) -> bytes:
        made.append(look.voice)
        await asyncio.sleep(0)
        return to_wav(np.ones(480, np.int16), SPEECH_HZ)

    voices = VoicePreviews(tmp_path / "voices", record, model_of)
    assert voices.kept(CEDAR) is None
    first, second = await asyncio.gather(voices.wav(CEDAR), voices.wav(CEDAR))
    assert first == second
    assert made == ["cedar"]
    again = VoicePreviews(tmp_path / "voices", record, model_of)
    assert again.kept(CEDAR) == first
    assert await again.wav(CEDAR) == first
    assert made == ["cedar"]
    assert again.kept(Look(voice="marin")) is None


async def test_a_recording_that_failed_is_not_kept(tmp_path: Path) -> None:
    async def record(_look: Look) -> bytes:
        raise BrainError("No.", code="refused")

    voices = VoicePreviews(tmp_path, record, model_of)
    with pytest.raises(BrainError):
        await voices.wav(CEDAR)
    assert voices.kept(CEDAR) is None
    assert not list(tmp_path.iterdir())


def test_its_cost_is_known_before_for_models_with_a_price(tmp_path: Path) -> None:
    async def record(_look: Look) -> bytes:
        raise AssertionError("nobody asked")

    known = VoicePreviews(tmp_path, record, model_of).cost_usd(CEDAR)
    assert known is not None
    assert 0.001 < known < 0.02
    assert VoicePreviews(tmp_path, record, lambda _look: "somebody-elses").cost_usd(CEDAR) is None
