"""The adapter for OpenAI Realtime keeps the port's contract, over WebRTC, against the engine in its own process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from pathlib import Path

import numpy as np
import openai
import pytest

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.core.events import LegFailed
from kai.core.state import LegName, Look
from kai.errors import BrainError, EngineError, KaiError
from kai.media import pcm
from kai.ports import Pcm, VoiceBrain
from tests.contract.suite_brain import BrainContract, Lose, MakeBrain
from tests.support.engine import KEY, RunningEngine
from tests.support.fakes import BrainLog
from tests.support.live import live_endpoint

SPEECH = Path(__file__).parents[1] / "support" / "speech" / "LJ001-0002.wav"


def endpoint(engine: RunningEngine, key: str = KEY, **more: object) -> Endpoint:
    return Endpoint(
        api_key=key,
        model="kai-local",
        base_url=engine.url,
        host_addresses=("127.0.0.1",),
        **more,  # type: ignore[arg-type]
    )


class TestOpenAIRealtimeBrain(BrainContract):
    within_s, mic_pace_s = 20.0, 0.02
    question = "What time is it?"

    @pytest.fixture
    def make_brain(self, engine: RunningEngine) -> MakeBrain:
        return lambda: OpenAIRealtimeBrain(endpoint(engine))

    @pytest.fixture
    def broken_brain(self, engine: RunningEngine) -> VoiceBrain:
        return OpenAIRealtimeBrain(endpoint(engine, "bad-key"))

    @pytest.fixture
    def lose(self, engine: RunningEngine) -> Lose:
        """The other side hangs up."""

        async def lose(brain: VoiceBrain) -> None:
            assert isinstance(brain, OpenAIRealtimeBrain)
            assert brain.call_id is not None
            async with engine.client() as client:
                await client.realtime.calls.hangup(brain.call_id)

        return lose

    @pytest.fixture
    def speech(self) -> Pcm:
        return np.concatenate([np.zeros(9600, np.int16), pcm.read_wav(SPEECH, 48_000)])


@pytest.mark.long
class TestOpenAISocketBrain(BrainContract):
    """Where UDP is blocked; the whole suite takes its time, and the tests below hold the essence in every run."""

    within_s, mic_pace_s = 20.0, 0.02
    question = "What time is it?"

    @pytest.fixture
    def make_brain(self, engine: RunningEngine) -> MakeBrain:
        return lambda: OpenAISocketBrain(endpoint(engine))

    @pytest.fixture
    def broken_brain(self, engine: RunningEngine) -> VoiceBrain:
        return OpenAISocketBrain(endpoint(engine, "bad-key"))

    @pytest.fixture
    def speech(self) -> Pcm:
        return np.concatenate([np.zeros(9600, np.int16), pcm.read_wav(SPEECH, 48_000)])


@pytest.mark.long
class TestLive(BrainContract):
    """OpenAI itself: ``make long ARGS="--live -k TestLive"``. See the README for what it costs."""

    within_s, mic_pace_s = 30.0, 0.02
    question = "Who are you? Answer in one sentence."

    @pytest.fixture(params=[OpenAIRealtimeBrain, OpenAISocketBrain], ids=["webrtc", "websocket"])
    def make_brain(self, request: pytest.FixtureRequest) -> MakeBrain:
        endpoint = live_endpoint(request, os.environ.get("KAI_OPENAI_MODEL", "gpt-realtime-2.1-mini"))
        return lambda: request.param(endpoint)

    @pytest.fixture
    def speech(self) -> Pcm:
        return np.concatenate([np.zeros(9600, np.int16), pcm.read_wav(SPEECH, 48_000)])


@pytest.mark.parametrize(
    ("key", "code", "words"), [("bad-key", "wrong-key", "OPENAI_API_KEY")], ids=["a key that is refused"]
)
async def test_a_refusal_tells_what_to_do_and_quotes_no_key(
    engine: RunningEngine, key: str, code: str, words: str
) -> None:
    brain = OpenAIRealtimeBrain(endpoint(engine, key))
    with pytest.raises(BrainError) as caught:
        await brain.open(Look(), BrainLog())
    assert caught.value.code == code
    assert not caught.value.is_retryable
    assert words in caught.value.message
    assert key not in str(caught.value)


async def test_nobody_at_that_address_is_told_at_once_and_may_be_tried_again() -> None:
    brain = OpenAIRealtimeBrain(Endpoint(api_key="k", model="m", base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(BrainError) as caught:
        await brain.open(Look(), BrainLog())
    assert caught.value.code == "unreachable"
    assert caught.value.is_retryable


async def test_an_endpoint_whose_process_is_gone_is_lost_at_once(engine: RunningEngine) -> None:
    gone: asyncio.Future[KaiError] = asyncio.get_running_loop().create_future()

    def wait_lost() -> Awaitable[KaiError]:
        return asyncio.shield(gone)

    log = BrainLog()
    brain = OpenAIRealtimeBrain(endpoint(engine, wait_lost=wait_lost))
    await brain.open(Look(), log)
    gone.set_result(EngineError("The engine stopped.", code="engine-lost"))
    await log.wait(lambda: bool(log.of(LegFailed)), 5)
    assert log.of(LegFailed) == [LegFailed(LegName.BRAIN, "engine-lost", "The engine stopped.")]
    await brain.aclose()


async def test_closing_hangs_the_call_up(engine: RunningEngine) -> None:
    brain = OpenAIRealtimeBrain(endpoint(engine))
    await brain.open(Look(), BrainLog())
    call_id = brain.call_id
    assert call_id is not None
    await brain.aclose()
    async with engine.client() as client:
        with pytest.raises(openai.NotFoundError):
            await client.realtime.calls.hangup(call_id)
