"""Every situation of a talk that the provider can bring about, played by the engine's scripts, over both transports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
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
    AudioStarted,
    AudioStopped,
    BrainComplained,
    BrainRemarked,
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


async def test_a_preamble_and_an_answer_are_two_lines_of_one_answer_that_sounds_in_one_piece(
    engine: RunningEngine, transport: str
) -> None:
    endpoint = scripted(engine, turns=[[{"say": "One moment."}, {"item": True}, {"say": "It is noon."}]])
    async with talking(transport, endpoint) as (brain, log):
        brain.send_text("t1", "What time is it?")
        made = await log.wait_for_a(ResponseDone, WITHIN_S)
        await log.wait(lambda: log.ended(made.response_id), WITHIN_S)
    lines = {e.item_id: e.text for e in log.of(AssistantTranscriptChanged) if e.is_final}
    assert list(lines.values()) == ["One moment.", "It is noon."]
    assert {e.response_id for e in log.of(AssistantTranscriptChanged)} == {made.response_id}
    assert len(log.of(AudioStarted)) == len(log.of(AudioStopped)) == 1
    assert [entry for entry in log.order if entry[0] == "end"] == [("end", made.response_id)]
    assert set(log.sounds) == {made.response_id}


TWO_ITEMS = [
    {"say": "One two", "at_ms": [[0, 400], [500, 1000]]},
    {"item": True},
    {"say": "three four five six", "at_ms": [[200, 400], [500, 1000], [1500, 2000], [2500, 6000]]},
]


@pytest.mark.long
async def test_of_two_items_only_the_one_that_was_cut_is_truncated(
    engine: RunningEngine, transport: str, validated: list[str]
) -> None:
    """Over WebRTC the server knows what went out; over a WebSocket it is told, item by item."""
    async with talking(transport, scripted(engine, turns=[TWO_ITEMS])) as (brain, log):
        brain.send_text("t1", "Count")
        made = await log.wait_for_a(ResponseDone, WITHIN_S)
        await log.wait(lambda: log.pcm(made.response_id).size > 24_000 * 17 // 10, WITHIN_S)
        brain.cancel(made.response_id)
        brain.tell_heard(made.response_id, 1_700)
        async with asyncio.timeout(WITHIN_S):
            while not (cuts := [m for m in map(json.loads, validated) if m["type"].endswith("truncated")]):
                await asyncio.sleep(0.02)
    items = list(dict.fromkeys(e.item_id for e in log.of(AssistantTranscriptChanged)))
    assert len(items) == 2
    assert [cut["item_id"] for cut in cuts] == items[1:]
    assert 500 < cuts[0]["audio_end_ms"] < (701 if transport == "websocket" else 2_500)
    assert log.of(BrainComplained) == []


@pytest.mark.long
async def test_word_times_fall_where_the_words_sound(engine: RunningEngine) -> None:
    async with talking("webrtc", scripted(engine, turns=[TWO_ITEMS])) as (brain, log):
        brain.send_text("t1", "Count")
        made = await log.wait_for_a(ResponseDone, WITHIN_S)
        await log.wait(lambda: log.pcm(made.response_id).size > 24_000 * 4, WITHIN_S)
    words = [word for marks in log.marked[made.response_id] for word in marks.words]
    assert [word.label for word in words] == ["One", "two", "three", "four", "five", "six"]
    starts_ms = [word.start / 24 for word in words]
    told = [start_ms - starts_ms[0] for start_ms in starts_ms]
    assert told == pytest.approx([0, 500, 1200, 1500, 2500, 3500], abs=2)
    # The tones themselves, from where silence of 80 ms and more ends.
    loud = np.flatnonzero(np.abs(log.pcm(made.response_id).astype(np.int32)) > 2_000)
    onsets_ms = loud[np.flatnonzero(np.diff(loud, prepend=-24_000) > 24 * 80)] / 24
    assert list(onsets_ms) == pytest.approx(starts_ms, abs=40)


async def test_events_that_nobody_knows_are_counted_and_disturb_nothing(
    engine: RunningEngine, transport: str
) -> None:
    dream = {"event": {"type": "test.dream", "response_id": "r1", "depth": [1, {"of": "sleep"}]}}
    endpoint = scripted(
        engine, turns=[[dream, {"say": "Good morning."}, dream, {"event": {"type": "test.x"}}]]
    )
    async with talking(transport, endpoint) as (brain, log):
        brain.send_text("t1", "Hello")
        made = await log.wait_for_a(ResponseDone, WITHIN_S)
        await log.wait(lambda: log.ended(made.response_id), WITHIN_S)
        assert brain.unknown_events == {"test.dream": 2, "test.x": 1}
    assert [e.kind for e in log.of(BrainRemarked)] == ["test.dream", "test.dream", "test.x"]
    assert (made.status, log.of(BrainComplained, LegFailed)) == ("completed", [])


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
            [{"error": "something_new"}, {"fail": "server_error"}],
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
    assert "fault of its own" in log.of(ResponseDone)[0].message
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


async def test_a_provider_that_asks_for_a_pause_is_heard(engine: RunningEngine, transport: str) -> None:
    refusal = {"status": 429, "code": "rate_limit_exceeded", "retry_after": "7"}
    with pytest.raises(BrainError) as caught:
        await BRAINS[transport](scripted(engine, connects=[refusal])).open(Look(), BrainLog())
    assert (caught.value.code, caught.value.retry_after_s) == ("rate-limit", 7.0)
    assert caught.value.message == "OpenAI is asked too often just now. It asks for a pause of 7 seconds."


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
    endpoint = scripted(engine, turns=[])
    async with talking(transport, endpoint) as (brain, log):
        brain.greet("Good day.")
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


@pytest.mark.parametrize("can_truncate", [True, False])
async def test_over_webrtc_nothing_that_was_not_heard_stands_as_said(
    engine: RunningEngine, validated: list[str], can_truncate: bool
) -> None:
    """The face played 700 ms of what the server had sent; the memory ends there, or a line in it says so."""
    endpoint = replace(
        scripted(engine, turns=[[{"say": "One two three four five six seven eight nine ten."}]]),
        can_truncate=can_truncate,
    )

    def heard(kind: str) -> list[dict[str, Any]]:
        return [m for m in map(json.loads, validated) if m["type"] == kind]

    async with talking("webrtc", endpoint) as (brain, log):
        brain.send_text("t1", "Count")
        created = await log.wait_for_a(ResponseCreated, WITHIN_S)
        await log.wait(lambda: log.pcm(created.response_id).size > 24_000 * 12 // 10, WITHIN_S)
        brain.cancel(created.response_id)
        brain.tell_heard(created.response_id, 700)
        async with asyncio.timeout(WITHIN_S):
            if can_truncate:
                while not [m for m in heard("conversation.item.truncated") if m["audio_end_ms"] == 700]:
                    await asyncio.sleep(0.02)
            else:
                while not [m for m in heard("conversation.item.added") if m["item"].get("role") == "system"]:
                    await asyncio.sleep(0.02)
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
