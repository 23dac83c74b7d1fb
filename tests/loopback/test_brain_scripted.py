"""Every situation of a talk that the provider can bring about, played by the engine's scripts, over both transports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.openai_realtime import brain as brain_module
from kai.adapters.openai_realtime.talk import RealtimeTalk
from kai.core.config import BrainConfig, TurnTaking
from kai.core.events import (
    AssistantTranscriptChanged,
    AudioCleared,
    BrainComplained,
    LegFailed,
    RateLimitsReported,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
    UsageReported,
    UserTranscriptChanged,
)
from kai.core.state import Look
from kai.errors import BrainError
from kai.runtime.tools import first_tools
from tests.support.engine import RunningEngine, engine
from tests.support.fakes import BrainLog
from tests.support.recordings import recordings
from tests.support.scripted import BRAINS, as_cloud, scripted, validated

__all__ = ["engine", "validated"]

WITHIN_S = 15.0
Talking = Callable[..., Any]


@pytest.fixture(params=BRAINS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def talking(
    transport: str, endpoint: Endpoint, look: Look | None = None
) -> AsyncIterator[tuple[RealtimeTalk, BrainLog]]:
    brain, log = BRAINS[transport](endpoint), BrainLog()
    await brain.open(look or Look(), log)
    try:
        yield brain, log
    finally:
        await brain.aclose()


async def lost(brain: RealtimeTalk, log: BrainLog) -> LegFailed:
    brain.send_text("t1", "Hello")
    return await log.wait_for_a(LegFailed, WITHIN_S)


async def test_a_tool_turn_with_a_preamble_is_one_answer_a_result_and_one_more(
    engine: RunningEngine, transport: str
) -> None:
    endpoint = scripted(
        engine,
        turns=[
            [{"say": "One moment."}, {"tool": "show_card", "arguments": {"title": "Noon", "text": "12:00"}}],
            [{"say": "It is noon."}, {"limits": {"tokens": [1000, 40, 12.5]}}],
        ],
    )
    async with talking(transport, as_cloud(endpoint, tools=first_tools().schemas())) as (brain, log):
        brain.send_text("t1", "What time is it?")
        asked = await log.wait_for_a(ToolRequested, WITHIN_S)
        assert (asked.name, json.loads(asked.arguments)) == ("show_card", {"title": "Noon", "text": "12:00"})
        brain.send_tool_result(asked.call_id, '{"shown": true}')
        await log.wait(lambda: len(log.of(ResponseDone)) == 2, WITHIN_S)
        first, second = (e.response_id for e in log.of(ResponseDone))
        await log.wait(lambda: log.ended(first) and log.ended(second), WITHIN_S)
        await log.wait(lambda: [e for e in log.of(RateLimitsReported) if e.limits[0].is_near], WITHIN_S)
    finals = {e.response_id: e.text for e in log.of(AssistantTranscriptChanged) if e.is_final}
    assert finals == {first: "One moment.", second: "It is noon."}
    assert len(log.of(ResponseCreated)) == 2
    assert [e.tokens.text_out > 0 for e in log.of(UsageReported)] == [True, True]
    # A model without a known price is not said to be free.
    assert {e.cost_usd for e in log.of(UsageReported)} == {None}


@pytest.mark.parametrize(
    ("step", "code", "is_retryable"),
    [
        ({"drop": True}, "connection-lost", True),
        ({"expire": True}, "session_expired", True),
        ({"error": "insufficient_quota"}, "quota", False),
        ({"fail": "insufficient_quota"}, "quota", False),
    ],
)
async def test_a_talk_that_is_lost_in_mid_answer_says_how(
    engine: RunningEngine, transport: str, step: dict[str, Any], code: str, is_retryable: bool
) -> None:
    endpoint = scripted(engine, turns=[[{"say": "And then."}, step]])
    async with talking(transport, endpoint) as (brain, log):
        failed = await lost(brain, log)
    assert (failed.code, failed.is_retryable) == (code, is_retryable)
    assert len(log.of(LegFailed)) == 1


async def test_an_error_or_a_failed_answer_leaves_the_talk_open(
    engine: RunningEngine, transport: str
) -> None:
    endpoint = scripted(
        engine,
        turns=[
            [{"error": "something_new"}, {"fail": "inference_rate_limit_exceeded"}],
            [{"say": "As far as"}, {"cut": "max_output_tokens"}],
            [{"say": "Here I am."}],
        ],
    )
    async with talking(transport, endpoint) as (brain, log):
        for n in range(3):
            brain.send_text(f"t{n}", "Hello")
            await log.wait(lambda n=n: len(log.of(ResponseDone)) == n + 1, WITHIN_S)
    assert [e.code for e in log.of(BrainComplained)] == ["something_new", "cut-short"]
    assert [e.status for e in log.of(ResponseDone)] == ["failed", "incomplete", "completed"]
    assert "asked too often" in log.of(ResponseDone)[0].message
    assert log.of(LegFailed) == []


@pytest.mark.parametrize(
    ("status", "code", "ours", "is_retryable"),
    [
        (503, "server_error", "server-error", True),
        (429, "insufficient_quota", "quota", False),
        (429, "rate_limit_exceeded", "rate-limit", True),
        (403, "model_not_found", "no-access", False),
    ],
)
async def test_a_refused_connection_says_why_and_the_next_one_may_succeed(
    engine: RunningEngine, transport: str, status: int, code: str, ours: str, is_retryable: bool
) -> None:
    endpoint = scripted(engine, connects=[{"status": status, "code": code}])
    with pytest.raises(BrainError) as caught:
        await BRAINS[transport](endpoint).open(Look(), BrainLog())
    assert (caught.value.code, caught.value.is_retryable) == (ours, is_retryable)
    async with talking(transport, endpoint) as (brain, _):
        assert brain.facts.transport == transport
        assert brain.facts.expires_in_s == pytest.approx(3600, abs=60)


async def test_no_key_is_said_before_anybody_is_asked() -> None:
    with pytest.raises(BrainError) as caught:
        await OpenAIRealtimeBrain(Endpoint(api_key="", model="m")).open(Look(), BrainLog())
    assert (caught.value.code, caught.value.is_retryable) == ("no-key", False)


async def test_where_udp_is_blocked_it_is_said_and_the_next_try_is_a_websocket(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brain_module, "ICE_S", 1.0)
    blocked: list[bool] = []
    endpoint = scripted(engine, connects=[{"has_no_udp": True}], turns=[[{"say": "Hello."}]])
    endpoint = as_cloud(endpoint, on_udp_blocked=lambda: blocked.append(True))
    with pytest.raises(BrainError) as caught:
        await OpenAIRealtimeBrain(endpoint).open(Look(), BrainLog())
    assert (caught.value.code, caught.value.is_retryable, blocked) == ("udp-blocked", True, [True])
    async with talking("websocket", endpoint) as (brain, log):
        brain.send_text("t1", "Hi")
        await log.wait(lambda: [what for what, _ in log.order if what == "end"], WITHIN_S)
        assert brain.facts.transport == "websocket"


async def test_kai_greets_when_told_to(engine: RunningEngine, transport: str) -> None:
    endpoint = scripted(engine, turns=[[{"say": "Good day."}]])
    async with talking(transport, endpoint) as (brain, log):
        brain.greet("Greet the person.")
        await log.wait(lambda: [what for what, _ in log.order if what == "end"], WITHIN_S)
    assert [e.text for e in log.of(AssistantTranscriptChanged) if e.is_final] == ["Good day."]


async def test_push_to_talk_hears_what_was_said_while_the_key_was_down(
    engine: RunningEngine, transport: str
) -> None:
    speech = next(r for r in recordings() if r.path.name == "LJ001-0008.wav").samples(48_000)
    blocks = np.pad(speech, (0, -len(speech) % 960)).reshape(-1, 960)
    look = Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK))
    endpoint = scripted(engine, turns=[[{"say": "I heard you."}]])
    async with talking(transport, endpoint, look) as (brain, log):
        for block in blocks[:25]:
            brain.push_mic(block)
            await asyncio.sleep(0.02)
        brain.begin_turn()
        for block in blocks:
            brain.push_mic(block)
            await asyncio.sleep(0.02)
        brain.end_turn(is_kept=True)
        line = await log.wait_for_a(UserTranscriptChanged, WITHIN_S)
        await log.wait(lambda: log.of(ResponseDone), WITHIN_S)
    assert line.is_final
    assert "ever been surpassed" in line.text.lower()


async def test_over_a_websocket_the_server_forgets_what_was_not_heard(
    engine: RunningEngine, validated: list[str]
) -> None:
    endpoint = scripted(engine, turns=[[{"say": "One two three four five six seven eight nine ten."}]])
    async with talking("websocket", endpoint) as (brain, log):
        assert isinstance(brain, OpenAISocketBrain)
        brain.send_text("t1", "Count")
        await log.wait(lambda: log.of(ResponseDone), WITHIN_S)
        (made,) = log.of(ResponseDone)
        brain.cancel(made.response_id)
        brain.tell_heard(made.response_id, 700)
        await log.wait(lambda: True)
        async with asyncio.timeout(WITHIN_S):
            while not [m for m in validated if "conversation.item.truncated" in m]:
                await asyncio.sleep(0.02)
    (cut,) = [json.loads(m) for m in validated if "conversation.item.truncated" in m]
    assert cut["audio_end_ms"] == 700
    assert log.of(BrainComplained) == []


async def test_a_person_who_speaks_over_kai_silences_him_over_a_websocket_too(engine: RunningEngine) -> None:
    speech = next(r for r in recordings() if r.path.name == "LJ001-0008.wav").samples(48_000)
    blocks = np.pad(speech, (0, -len(speech) % 960)).reshape(-1, 960)
    endpoint = scripted(
        engine,
        turns=[[{"say": "One two three. Four five six. And"}, {"wait_ms": 8000}, {"say": "Never said."}]],
    )
    async with talking("websocket", endpoint) as (brain, log):
        brain.send_text("t1", "Count")
        await log.wait(lambda: log.order, WITHIN_S)
        for block in blocks:
            brain.push_mic(block)
            await asyncio.sleep(0.02)
        cleared = await log.wait_for_a(AudioCleared, WITHIN_S)
        assert not log.ended(cleared.response_id)
