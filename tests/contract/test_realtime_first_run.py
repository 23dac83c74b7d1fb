"""Two troubles of a first talk with OpenAI: an answer says more than it writes, and a spoken turn is not answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_hearing import EngineEars
from kai.adapters.openai_realtime import OpenAIRealtimeBrain
from kai.adapters.openai_realtime import talk as talk_module
from kai.adapters.openai_realtime.kept_turn import KeptTurn
from kai.core.config import BrainConfig, TurnTaking
from kai.core.events import AssistantTranscriptChanged, LegFailed, ResponseDone, UserTranscriptChanged
from kai.core.state import Look
from kai.errors import BrainError
from kai.media.pcm import Resampler, read_wav
from kai.ports import Pcm, VoiceBrain
from kai.wire import realtime as wire
from tests.contract.test_openai_realtime import endpoint as endpoint_of
from tests.contract.test_realtime_traps import CLOUD, TRANSCRIPT, Channel, Open
from tests.support.engine import RunningEngine, engine
from tests.support.fakes import BrainLog, tone
from tests.support.scripted import BRAINS

__all__ = ["engine"]

SPEECH = Path(__file__).parents[1] / "support" / "speech" / "LJ001-0002.wav"
KEYS = Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK))


def opened(**options: Any) -> Open:
    """A brain that is open as far as the protocol goes."""
    brain, channel, log = OpenAIRealtimeBrain(replace(CLOUD, **options)), Channel(), BrainLog()
    brain._channel, brain._sink, brain._is_open = channel, log, True  # type: ignore[assignment]
    return Open(brain, channel, log)


# More is said than written


class Ears:
    """Hears what it was told to; keeps what it was given."""

    def __init__(self, *words: str | BrainError) -> None:
        self._words = list(words)
        self.sounds: list[Pcm] = []

    async def __call__(self, sound: Pcm) -> str:
        self.sounds.append(sound)
        word = self._words.pop(0)
        if isinstance(word, BrainError):
            raise word
        return word


async def answered(talk: Open, lines: Sequence[str], frames: int) -> str:
    """An answer of those lines and so much sound; its last line once everything is known."""
    talk.begin()
    talk.hear("output_audio_buffer.started", response_id="r1")
    for n, line in enumerate(lines, 1):
        talk.hear(
            "response.output_audio_transcript.done", **{**TRANSCRIPT, "item_id": f"i{n}"}, transcript=line
        )
    talk.sound(frames)
    talk.done()
    talk.hear("output_audio_buffer.stopped", response_id="r1")
    await talk.brain._tasks.wait_ended()
    return talk.log.of(AssistantTranscriptChanged)[-1].text


async def test_what_was_said_and_not_written_is_heard_here_and_filled_in() -> None:
    ears = Ears("It is noon. And the sun is high over the hills.")
    talk = opened(hear=ears)
    said = await answered(talk, ["It is noon."], 300)
    assert said == f"It is noon. And the sun is high over the hills. {talk_module.HEARD_HERE}"
    assert [len(sound) for sound in ears.sounds] == [300 * 480]
    await talk.brain.aclose()


async def test_of_an_answer_of_two_lines_the_last_is_filled_in_and_the_first_is_not_said_twice() -> None:
    talk = opened(hear=Ears("One moment, please. It is noon, and warm."))
    said = await answered(talk, ["One moment, please.", "It is noon."], 450)
    assert said == f"It is noon, and warm. {talk_module.HEARD_HERE}"
    await talk.brain.aclose()


@pytest.mark.parametrize(
    "heard",
    ["It is.", "", BrainError("The local engine does not answer.")],
    ids=["less", "nothing", "trouble"],
)
async def test_where_nothing_more_is_heard_the_mark_stays(heard: str | BrainError) -> None:
    talk = opened(hear=Ears(heard))
    assert await answered(talk, ["It is noon."], 300) == f"It is noon. {talk_module.MORE_SAID}"
    assert talk.log.of(LegFailed) == []
    await talk.brain.aclose()


async def test_of_an_answer_that_is_as_long_as_its_words_nothing_is_heard() -> None:
    ears = Ears()
    talk = opened(hear=ears)
    assert await answered(talk, ["It is noon."], 100) == "It is noon."
    assert ears.sounds == []
    await talk.brain.aclose()


async def test_the_local_engine_hears_for_a_brain_that_is_elsewhere(engine: RunningEngine) -> None:
    resampler = Resampler(48_000, 24_000)
    sound = np.concatenate([resampler.push(read_wav(SPEECH, 48_000)), resampler.flush()])

    async def wait_up() -> EngineAddress:
        return EngineAddress(engine.url, engine.key)

    ears = EngineEars(wait_up)
    assert "comparatively modern" in (await ears.transcribe(sound)).lower()
    assert await ears.transcribe(np.zeros(24_000, np.int16)) == ""


# A turn that nobody answers


async def speak(brain: VoiceBrain, pcm: Pcm) -> None:
    for block in np.pad(pcm, (0, -len(pcm) % 960)).reshape(-1, 960):
        brain.push_mic(block)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", ["webrtc", pytest.param("websocket", marks=pytest.mark.long)])
async def test_a_spoken_turn_that_nobody_answered_is_said_again_to_the_next_brain(
    engine: RunningEngine, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first brain's events go nowhere, as in a channel that has died; the second one is well."""
    monkeypatch.setattr(talk_module, "ANSWERED_S", 0.3)
    endpoint = replace(endpoint_of(engine), kept_turn=KeptTurn())
    first, first_log = BRAINS[transport](endpoint), BrainLog()
    await first.open(KEYS, first_log)
    first.set_muted(False)
    monkeypatch.setattr(first, "_transmit", lambda event: None)
    first.begin_turn()
    await speak(first, read_wav(SPEECH, 48_000))
    first.end_turn(is_kept=True)
    lost = await first_log.wait_for_a(LegFailed, 5)
    assert (lost.code, lost.is_retryable) == ("connection-lost", True)
    await first.aclose()

    monkeypatch.setattr(talk_module, "ANSWERED_S", 10.0)
    second, log = BRAINS[transport](endpoint), BrainLog()
    sent: list[str] = []
    transmit = second._transmit

    def noted(event: wire.ClientEvent) -> None:
        sent.append(event.TYPE)
        transmit(event)

    monkeypatch.setattr(second, "_transmit", noted)
    await second.open(KEYS, log)
    second.set_muted(False)
    second.seed((("user", "Hello."),))
    await log.wait(lambda: any(e.is_final for e in log.of(UserTranscriptChanged)), 20)
    (heard,) = [e for e in log.of(UserTranscriptChanged) if e.is_final]
    assert "comparatively modern" in heard.text.lower()
    await log.wait_for_a(ResponseDone, 20)
    told = [kind for kind in sent if kind not in ("input_audio_buffer.append", "session.update")]
    assert told == [
        "conversation.item.create",
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "response.create",
    ]
    assert endpoint.kept_turn.take() == ()
    await second.aclose()


async def test_who_goes_on_while_a_turn_is_said_again_adds_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "IN_FLIGHT_S", 0.0)
    kept = KeptTurn()
    blocks = [np.repeat(tone(20, hz=150 + 50 * n), 2) for n in range(8)]
    kept.leave(tuple(blocks[:5]))
    talk = opened(kept_turn=kept)
    talk.brain.update(KEYS)
    talk.channel.sent.clear()
    talk.brain.set_muted(False)
    while not talk.channel.sent:
        await asyncio.sleep(0)
    talk.brain.push_mic(np.full(960, 30_000, np.int16))  # nobody holds the key: not a part of it
    talk.brain.begin_turn()
    for block in blocks[5:]:
        talk.brain.push_mic(block)
    said: list[Pcm] = []
    while len(said) < len(blocks):
        pcm = (await talk.brain._mic.recv()).to_ndarray().reshape(-1).astype(np.int16)
        if pcm.any():
            said.append(pcm)
    assert talk.channel.kinds() == ["input_audio_buffer.clear"]
    talk.brain.end_turn(is_kept=True)
    while "response.create" not in talk.channel.kinds():
        await asyncio.sleep(0.001)
    assert all(np.array_equal(one, other) for one, other in zip(said, blocks, strict=True))
    assert talk.channel.kinds() == [
        "input_audio_buffer.clear",
        "input_audio_buffer.commit",
        "response.create",
    ]
    # It is lost once more: all of it is kept.
    talk.brain._lose(talk_module.faults.LOST)
    assert len(kept.take()) == len(blocks)
    await talk.brain.aclose()


async def test_a_turn_of_which_the_service_has_said_anything_is_not_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talk_module, "IN_FLIGHT_S", 0.0)
    kept = KeptTurn()
    talk = opened(kept_turn=kept)
    talk.brain.update(KEYS)
    talk.brain.begin_turn()
    talk.brain.push_mic(np.repeat(tone(20), 2))
    talk.brain.end_turn(is_kept=True)
    while "response.create" not in talk.channel.kinds():
        await asyncio.sleep(0)
    talk.hear("input_audio_buffer.committed", item_id="i1", previous_item_id=None)
    talk.brain._lose(talk_module.faults.LOST)
    assert kept.take() == ()
    await talk.brain.aclose()
