"""The traps that naive Realtime clients step into, by number: each test fails when ours steps into it.

Those that need a server are sprung in ``tests/loopback/test_brain_scripted.py``, the one of the money in
``tests/unit/test_brain_money.py``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
from aiortc import RTCPeerConnection

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.openai_realtime import brain as brain_module
from kai.adapters.openai_realtime import talk as talk_module
from kai.adapters.openai_realtime.mic import MicTrack
from kai.adapters.openai_realtime.optional import REASONING
from kai.compat import rtc
from kai.compat.format import BLOCK_SAMPLES
from kai.core.config import BrainConfig, Effort, TurnTaking
from kai.core.events import (
    AssistantTranscriptChanged,
    AudioStarted,
    BrainComplained,
    BrainRemarked,
    LegFailed,
    ResponseDone,
    ToolRequested,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import Look
from kai.errors import BrainError
from kai.wire import realtime as wire
from tests.support.fakes import BrainLog, tone

CLOUD = Endpoint(api_key="sk-test", model="gpt-realtime-2.1", base_url="http://127.0.0.1:9/v1")


@dataclass
class Channel:
    """A data channel that remembers what was sent."""

    readyState: str = "open"
    limit_bytes: int = 1 << 20
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def send(self, text: str) -> None:
        if len(text) > self.limit_bytes:
            raise ValueError("Cannot send more than the peer allows")
        self.sent.append(json.loads(text))

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.sent]


@dataclass
class Open:
    """A brain that is open as far as the protocol goes; what the server says is fed to it."""

    brain: OpenAIRealtimeBrain
    channel: Channel
    log: BrainLog

    def hear(self, kind: str, **fields: Any) -> None:
        self.brain._take(json.dumps({"type": kind, "event_id": "e", **fields}))

    def begin(self, response_id: str = "r1") -> None:
        self.hear("response.created", response={"id": response_id, "status": "in_progress"})

    def done(self, response_id: str = "r1", status: str = "completed", **fields: Any) -> None:
        self.hear("response.done", response={"id": response_id, "status": status, **fields})

    def sound(self, frames: int, peak: int = 8000, at: int = 0) -> None:
        for n in range(frames):
            pcm = (tone(20).astype(np.int32) * peak // 16_000).astype(np.int16)
            self.brain._deliver(self.brain._gate.push(pcm, (at + n) * 960))


@pytest.fixture
async def talk() -> Any:
    brain, channel, log = OpenAIRealtimeBrain(CLOUD), Channel(), BrainLog()
    brain._channel, brain._sink, brain._is_open = channel, log, True  # type: ignore[assignment]
    yield Open(brain, channel, log)
    await brain.aclose()


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def refuse(request: httpx2.Request) -> httpx2.Response:
        seen["count"] = seen.get("count", 0) + 1
        seen["headers"], seen["body"], seen["url"] = request.headers, request.read(), str(request.url)
        return httpx2.Response(503, json={"error": {"message": "no", "code": None}})

    real = openai.AsyncOpenAI

    def client(**options: Any) -> openai.AsyncOpenAI:
        seen["options"] = options
        http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(refuse))
        return real(**(options | {"http_client": http_client}))

    monkeypatch.setattr(brain_module.openai, "AsyncOpenAI", client)
    return seen


async def post(endpoint: Endpoint = CLOUD, look: Look | None = None) -> None:
    with pytest.raises(BrainError) as caught:
        await OpenAIRealtimeBrain(endpoint).open(look or Look(), BrainLog())
    assert caught.value.code == "server-error"


# -- 1, 2, 4: the one POST ---------------------------------------------------------------------------------------------


async def test_trap_1_the_offer_keeps_its_last_line_end(posted: dict[str, Any]) -> None:
    await post()
    body: bytes = posted["body"]
    start = body.index(b"v=0\r\n")
    offer = body[start : body.index(b"\r\n--", start)]
    assert offer.endswith(b"\r\n")


async def test_trap_2_the_session_goes_along_and_the_post_is_tried_once_for_15_s(
    posted: dict[str, Any],
) -> None:
    await post(replace(CLOUD, safety_id="abc123"))
    assert posted["headers"]["content-type"].startswith("multipart/form-data")
    assert b'name="session"' in posted["body"]
    assert (posted["options"]["max_retries"], posted["options"]["timeout"]) == (0, 15.0)
    assert posted["count"] == 1
    assert posted["headers"]["openai-safety-identifier"] == "abc123"


async def test_trap_4_nothing_of_the_beta_is_said(posted: dict[str, Any]) -> None:
    await post()
    assert posted["url"].endswith("/v1/realtime/calls")
    assert "openai-beta" not in posted["headers"]
    body: bytes = posted["body"]
    start = body.index(b'{"type":')
    session = json.loads(body[start : body.index(b"\r\n--", start)])
    assert not {"modalities", "voice", "turn_detection", "temperature", "input_audio_transcription"} & set(
        session
    )
    assert not [kind for kind in wire._SERVER_TYPES if kind.startswith(("response.audio.", "response.text."))]


@pytest.fixture
def choosy(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A service that refuses what it has not, by name, and has a fault of its own when asked for nothing of that."""
    sessions: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        body = request.read()
        start = body.index(b'{"type":')
        session = json.loads(body[start : body.index(b"\r\n--", start)])
        sessions.append(session)
        transcription = session["audio"]["input"]["transcription"] or {}
        for field_name in ("languages", "model"):
            if field_name in transcription:
                param = f"session.audio.input.transcription.{field_name}"
                return httpx2.Response(400, json={"error": {"message": "no", "param": param}})
        if "reasoning" in session:
            error = {"message": "Unsupported parameter: session.reasoning", "code": "unknown_parameter"}
            return httpx2.Response(400, json={"error": error})
        return httpx2.Response(503, json={"error": {"message": "no", "code": None}})

    real = openai.AsyncOpenAI

    def client(**options: Any) -> openai.AsyncOpenAI:
        http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
        return real(**(options | {"http_client": http_client}))

    monkeypatch.setattr(brain_module.openai, "AsyncOpenAI", client)
    return sessions


async def test_a_call_is_made_again_without_what_was_refused_by_name(choosy: list[dict[str, Any]]) -> None:
    await post(
        look=Look(brain=BrainConfig(transcription_model="gpt-transcribe-9", transcription_language="de"))
    )
    told = [session["audio"]["input"]["transcription"] for session in choosy]
    assert told == [
        {"model": "gpt-transcribe-9", "languages": ["de"]},
        {"model": "gpt-transcribe-9"},
        {"model": "gpt-transcribe"},
        None,
        None,
    ]
    assert ["reasoning" in session for session in choosy] == [True, True, True, True, False]


async def test_a_socket_is_configured_again_without_what_was_refused_by_name() -> None:
    brain, log = OpenAISocketBrain(CLOUD), BrainLog()
    brain._sink = log
    param = "session.audio.input.transcription.model"
    for said in (param, "session.reasoning"):
        brain._take(json.dumps({"type": "error", "error": {"type": "x", "message": "no", "param": said}}))
    updates = [brain._outbox.get_nowait() for _ in range(brain._outbox.qsize())]
    sessions = [update.session for update in updates if isinstance(update, wire.SessionUpdate)]
    encoded: list[Any] = [wire.encode_session(session) for session in sessions]
    assert [e["audio"]["input"]["transcription"] for e in encoded] == [None, None]
    assert ["reasoning" in e for e in encoded] == [True, False]
    assert brain._failure is None
    brain._take(json.dumps({"type": "error", "error": {"type": "x", "message": "no", "param": param}}))
    assert brain._failure is not None
    await brain.aclose()


async def test_what_was_left_out_is_told_once_the_call_is_open(talk: Open) -> None:
    talk.brain.left_out = frozenset({REASONING})
    await talk.brain._tell_left_out()
    assert [e.code for e in talk.log.of(BrainComplained)] == ["reasoning-refused"]


async def test_gpt_live_has_its_own_words_and_is_not_called(posted: dict[str, Any]) -> None:
    with pytest.raises(BrainError) as caught:
        await OpenAIRealtimeBrain(replace(CLOUD, model="gpt-live-1.1")).open(Look(), BrainLog())
    assert caught.value.code == "gpt-live"
    assert not caught.value.is_retryable
    assert "count" not in posted


# -- 3: session.update -------------------------------------------------------------------------------------------------


async def test_trap_3_every_update_has_its_type_and_no_field_that_would_void_it(talk: Open) -> None:
    after = Look(voice="cedar", speed=1.2, brain=BrainConfig(model="other", effort=Effort.HIGH))
    talk.brain.update(after)
    (update,) = talk.channel.sent
    assert update["session"] == {
        "type": "realtime",
        "audio": {"output": {"speed": 1.2}},
        "reasoning": {"effort": "high"},
    }


async def test_trap_3_an_update_that_was_dropped_is_shown(talk: Open) -> None:
    talk.hear(
        "error", error={"type": "x", "code": "invalid_value", "message": "no", "param": "session.reasoning"}
    )
    (complaint,) = talk.log.of(BrainComplained)
    assert "session.reasoning" in complaint.message
    assert "old ones hold" in complaint.message


# -- 5, 6, 8: turns ----------------------------------------------------------------------------------------------------


async def test_trap_5_an_answer_that_is_made_is_not_one_that_was_heard(talk: Open) -> None:
    talk.begin()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.sound(20)
    talk.done()
    talk.sound(20)
    assert not talk.log.ended("r1")
    talk.hear("output_audio_buffer.stopped", response_id="r1")
    talk.sound(10, peak=0)
    assert talk.log.ended("r1")
    assert len(talk.log.pcm("r1")) > 39 * 480


async def test_trap_6_an_interruption_clears_what_is_on_its_way_too(talk: Open) -> None:
    talk.begin()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.sound(10)
    heard = len(talk.log.order)
    talk.brain.cancel("r1")
    assert talk.channel.kinds() == ["response.cancel", "output_audio_buffer.clear"]
    talk.sound(10)
    talk.hear("error", error={"type": "x", "code": "response_cancel_not_active", "message": "no"})
    assert len(talk.log.order) == heard
    assert talk.log.of(BrainComplained) == []


async def test_trap_6_what_is_already_made_is_not_cancelled_only_cleared(talk: Open) -> None:
    talk.begin()
    talk.done()
    talk.brain.cancel("r1")
    assert talk.channel.kinds() == ["output_audio_buffer.clear"]


ITEM = {"type": "message", "id": "i1", "role": "assistant"}
TRANSCRIPT: dict[str, Any] = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}


def say_ten_words(talk: Open) -> None:
    """An answer of ten words in 4 s of sound, which goes on."""
    talk.begin()
    talk.hear("response.output_item.added", response_id="r1", output_index=0, item=ITEM)
    text = "one two three four five six seven eight nine ten"
    talk.hear("response.output_audio_transcript.delta", **TRANSCRIPT, delta=text)
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.sound(200)
    talk.brain.cancel("r1")
    talk.channel.sent.clear()


async def test_the_servers_memory_is_cut_where_the_person_stopped_hearing(talk: Open) -> None:
    say_ten_words(talk)
    talk.brain.tell_heard("r1", 1_600)
    (cut,) = talk.channel.sent
    assert (cut["type"], cut["item_id"], cut["audio_end_ms"]) == ("conversation.item.truncate", "i1", 1_600)
    # A memory that is shorter already is as good.
    error = {"type": "x", "code": "invalid_value", "param": "audio_end_ms", "message": "no"}
    talk.hear("error", error={**error, "event_id": cut["event_id"]})
    assert len(talk.channel.sent) == 1
    assert talk.log.of(BrainComplained) == []


async def test_an_answer_that_the_face_still_plays_is_cut_though_the_next_one_sounds_already(
    talk: Open,
) -> None:
    """A preamble and, after a tool, the answer: a cloud face plays a second later than the brain speaks."""
    for n, response_id in enumerate(("r1", "r2")):
        talk.begin(response_id)
        item = {**ITEM, "id": f"i{n + 1}"}
        talk.hear("response.output_item.added", response_id=response_id, output_index=0, item=item)
        talk.hear("output_audio_buffer.started", response_id=response_id)
        talk.sound(100, at=n * 200)
        talk.done(response_id)
        if n == 0:
            talk.hear("output_audio_buffer.stopped", response_id=response_id)
            talk.sound(20, peak=0, at=100)
    talk.brain.cancel("r2")
    talk.channel.sent.clear()
    talk.brain.tell_heard("r1", 1_600)
    talk.brain.tell_heard("r2", 0)
    assert [(cut["item_id"], cut["audio_end_ms"]) for cut in talk.channel.sent] == [("i1", 1_600), ("i2", 0)]


async def test_a_server_that_takes_no_cut_is_told_in_words_from_then_on(talk: Open) -> None:
    say_ten_words(talk)
    talk.brain.tell_heard("r1", 1_600)
    error = {"type": "x", "code": "unsupported_event", "message": "not over WebRTC"}
    talk.hear("error", error={**error, "event_id": talk.channel.sent[0]["event_id"]})
    talk.brain.tell_heard("r1", 0)
    kinds = ["conversation.item.truncate", "conversation.item.create", "conversation.item.create"]
    assert talk.channel.kinds() == kinds
    words, nothing = (event["item"]["content"][0]["text"] for event in talk.channel.sent[1:])
    assert "“one two three four”" in words
    assert "heard nothing of it" in nothing
    assert {event["item"]["role"] for event in talk.channel.sent[1:]} == {"system"}
    assert talk.log.of(BrainComplained) == []


@pytest.mark.parametrize(
    ("text", "frames", "is_marked"),
    [
        ("It is noon.", 300, True),
        ("It is noon.", 150, False),
        ("one two three four five six seven eight nine ten", 450, False),
        ("お昼の十二時になりましたので休みましょう", 300, False),
        ("", 200, True),
    ],
)
async def test_an_answer_whose_sound_is_much_longer_than_its_words_is_marked(
    talk: Open, text: str, frames: int, is_marked: bool
) -> None:
    talk.begin()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.hear("response.output_audio_transcript.done", **TRANSCRIPT, transcript=text)
    talk.sound(frames)
    talk.done()
    talk.hear("output_audio_buffer.stopped", response_id="r1")
    last = talk.log.of(AssistantTranscriptChanged)[-1]
    assert (last.item_id, last.is_final) == ("i1", True)
    assert last.text == (f"{text} {talk_module.MORE_SAID}".strip() if is_marked else text)


async def test_trap_8_a_request_waits_behind_the_answer_that_is_being_made(talk: Open) -> None:
    talk.begin()
    talk.brain.send_text("t1", "And then?")
    assert talk.channel.kinds() == ["conversation.item.create"]
    talk.done()
    assert talk.channel.kinds() == ["conversation.item.create", "response.create"]


async def test_trap_8_voice_detection_that_was_quicker_does_not_lose_the_typed_line(talk: Open) -> None:
    talk.brain.send_text("t1", "Hello")
    asked = talk.channel.sent[-1]["event_id"]
    talk.begin("by-voice")
    code = "conversation_already_has_active_response"
    talk.hear("error", error={"type": "x", "code": code, "message": "no", "event_id": asked})
    assert talk.channel.kinds().count("response.create") == 1
    talk.done("by-voice")
    assert talk.channel.kinds().count("response.create") == 2
    assert talk.log.of(BrainComplained) == []


def call(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"i-{call_id}", "call_id": call_id, "name": "t", "arguments": "{}"}


async def test_trap_8_one_answer_for_all_results_of_a_response(talk: Open) -> None:
    talk.begin()
    talk.done(output=[call("c1"), call("c2")])
    assert [e.call_id for e in talk.log.of(ToolRequested)] == ["c1", "c2"]
    talk.brain.send_tool_result("c1", "{}")
    assert "response.create" not in talk.channel.kinds()
    talk.brain.send_tool_result("c2", "{}")
    assert talk.channel.kinds().count("response.create") == 1


async def test_a_tool_of_a_cut_answer_is_not_called(talk: Open) -> None:
    talk.begin()
    talk.done(status="cancelled", output=[call("c1")])
    assert talk.log.of(ToolRequested) == []


# -- 7: mute -----------------------------------------------------------------------------------------------------------


async def test_trap_7_mute_sends_silence_and_time_goes_on() -> None:
    track = MicTrack()
    track.push(tone(20, 48_000))
    first = await track.recv()
    track.is_muted = True
    track.push(tone(20, 48_000))
    muted = await track.recv()
    track.is_muted = False
    third = await track.recv()
    track.stop()
    assert not muted.to_ndarray().any()
    assert [f.pts for f in (first, muted, third)] == [0, BLOCK_SAMPLES, 2 * BLOCK_SAMPLES]


async def test_trap_7_a_push_to_talk_key_that_is_up_sends_silence(talk: Open) -> None:
    talk.brain.update(Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK)))
    assert talk.brain._mic.is_muted
    talk.brain.begin_turn()
    assert not talk.brain._mic.is_muted
    talk.brain.end_turn(is_kept=True)
    assert not talk.brain._mic.is_muted
    await asyncio.sleep(0.4)
    assert talk.brain._mic.is_muted
    assert talk.channel.kinds()[-2:] == ["input_audio_buffer.commit", "response.create"]
    await talk.brain.aclose()


# -- 9: the hour -------------------------------------------------------------------------------------------------------


async def test_trap_9_an_expired_session_is_a_lost_leg_that_may_be_opened_again(talk: Open) -> None:
    talk.hear("error", error={"type": "x", "code": "session_expired", "message": "60 minutes"})
    (lost,) = talk.log.of(LegFailed)
    assert (lost.code, lost.is_retryable) == ("session_expired", True)


async def test_trap_9_the_time_that_is_left_is_known(talk: Open) -> None:
    talk.hear("session.created", session={"type": "realtime", "expires_at": 0})
    assert talk.brain.facts.expires_in_s == 3600.0


# -- 10: aiortc --------------------------------------------------------------------------------------------------------


async def test_trap_10_no_stun_server_is_asked() -> None:
    connection = rtc.peer_connection()
    assert isinstance(connection, RTCPeerConnection)
    assert connection._RTCPeerConnection__configuration.iceServers == []  # type: ignore[attr-defined]
    await connection.close()


async def test_trap_10_an_event_above_the_channels_size_does_not_end_the_talk(talk: Open) -> None:
    talk.channel.limit_bytes = 100
    talk.brain.send_text("t1", "x" * 500)
    assert talk.channel.kinds() == ["response.create"]
    assert talk.log.of(LegFailed) == []


async def test_trap_10_events_are_taken_in_the_order_in_which_they_came(talk: Open) -> None:
    ids = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
    for word in ("I ", "am ", "Kai."):
        talk.hear("response.output_audio_transcript.delta", **ids, delta=word)
    assert [e.text for e in talk.log.of(AssistantTranscriptChanged)] == ["I ", "I am ", "I am Kai."]


# -- more --------------------------------------------------------------------------------------------------------------


async def test_what_a_person_said_is_matched_by_item_and_not_by_order(talk: Open) -> None:
    kind = "conversation.item.input_audio_transcription"
    talk.hear(f"{kind}.delta", item_id="a", content_index=0, delta="first")
    talk.hear(f"{kind}.completed", item_id="b", content_index=0, transcript="second")
    talk.hear(f"{kind}.completed", item_id="a", content_index=0, transcript="first one")
    finals = [(e.item_id, e.text) for e in talk.log.of(UserTranscriptChanged) if e.is_final]
    assert finals == [("b", "second"), ("a", "first one")]


async def test_how_sure_the_transcription_is_is_told_where_it_is_known(talk: Open) -> None:
    kind = "conversation.item.input_audio_transcription.completed"
    sure = [{"token": "hi", "bytes": [104], "logprob": -0.1}, {"token": "!", "bytes": [33], "logprob": -0.3}]
    talk.hear(kind, item_id="a", content_index=0, transcript="hi!", logprobs=sure)
    talk.hear(kind, item_id="b", content_index=0, transcript="ho", logprobs=None)
    assert [e.confidence for e in talk.log.of(UserTranscriptChanged)] == [
        pytest.approx(0.8187, abs=1e-4),
        None,
    ]


async def test_a_preamble_and_an_answer_in_one_response_are_two_lines_of_one_answer(talk: Open) -> None:
    talk.begin()
    for index, (item, text) in enumerate((("i1", "One moment."), ("i2", "It is noon."))):
        ids = {"response_id": "r1", "item_id": item, "output_index": index, "content_index": 0}
        talk.hear(
            "response.output_item.added",
            response_id="r1",
            output_index=index,
            item={"type": "message", "id": item},
        )
        talk.hear("response.output_audio_transcript.done", **ids, transcript=text)
    lines = talk.log.of(AssistantTranscriptChanged)
    assert [(e.response_id, e.item_id, e.text) for e in lines] == [
        ("r1", "i1", "One moment."),
        ("r1", "i2", "It is noon."),
    ]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"kai_mind": "Qwen2.5 1.5B", "kai_tokens_per_s": "13.4"}, ("Qwen2.5 1.5B", 13.4)),
        ({"kai_mind": "small mind"}, ("small mind", None)),
        ({"kai_mind": 7, "kai_tokens_per_s": "fast"}, ("", None)),
        ({"topic": "a"}, ("", None)),
        (None, ("", None)),
    ],
)
async def test_an_answer_tells_which_mind_thought_of_it_where_the_brain_says(
    talk: Open, metadata: dict[str, object] | None, told: tuple[str, float | None]
) -> None:
    talk.begin()
    talk.done(status="completed", metadata=metadata)
    done = talk.log.of(ResponseDone)[0]
    assert (done.mind, done.tokens_per_s) == told


async def test_an_answer_that_failed_says_why_and_a_fatal_one_ends_the_leg(talk: Open) -> None:
    talk.begin()
    details = {
        "type": "failed",
        "error": {"code": "server_error", "message": "sk-x", "type": "t"},
    }
    talk.done(status="failed", status_details=details)
    assert "fault of its own" in talk.log.of(ResponseDone)[0].message
    talk.begin("r2")
    details["error"]["code"] = "insufficient_quota"  # type: ignore[index]
    talk.done("r2", status="failed", status_details=details)
    (lost,) = talk.log.of(LegFailed)
    assert (lost.code, lost.is_retryable) == ("quota", False)


async def test_an_answer_that_a_rate_limit_refused_ends_the_leg_for_some_time(
    talk: Open,
) -> None:
    talk.begin()
    error = {"code": "inference_rate_limit_exceeded", "message": "sk-x", "type": "t"}
    talk.done(status="failed", status_details={"type": "failed", "error": error})
    (lost,) = talk.log.of(LegFailed)
    assert (lost.code, lost.is_retryable, lost.retry_after_s) == ("rate-limit", True, 20.0)
    assert "20 seconds" in lost.message


async def test_events_of_tomorrow_are_counted_and_never_raise(talk: Open) -> None:
    for message in (
        "not json",
        "[]",
        '{"no": "type"}',
        '{"type": "response.done"}',
        '{"type": "response.dream"}',
    ):
        talk.brain._take(message)
    assert talk.brain.unknown_events == {"response.dream": 1}
    assert talk.log.events == [BrainRemarked("response.dream")]


async def test_sound_before_its_event_is_kept(talk: Open) -> None:
    talk.sound(5)
    talk.begin()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.sound(1, at=5)
    assert talk.log.of(AudioStarted)
    assert len(talk.log.pcm("r1")) == 6 * 480


def idle_timeouts(talk: Open) -> list[Any]:
    """What the session was told of the silence after which Kai speaks up."""
    updates = [event["session"] for event in talk.channel.sent if event["type"] == "session.update"]
    heard = [update["audio"]["input"] for update in updates if "input" in update["audio"]]
    return [part["turn_detection"]["idle_timeout_ms"] for part in heard if part["turn_detection"]]


def fall_silent(talk: Open, item_id: str) -> None:
    talk.hear("input_audio_buffer.timeout_triggered", item_id=item_id, audio_start_ms=0, audio_end_ms=9000)
    talk.hear("input_audio_buffer.committed", item_id=item_id, previous_item_id=None)


async def test_kai_speaks_up_in_an_empty_room_twice_and_again_when_somebody_is_there(talk: Open) -> None:
    talk.brain._look = Look(brain=BrainConfig(turn_taking=TurnTaking.SERVER_VAD, idle_timeout_ms=9_000))
    fall_silent(talk, "i1")
    assert idle_timeouts(talk) == []
    fall_silent(talk, "i2")
    assert idle_timeouts(talk) == [None], "an empty room would be paid for"
    assert talk.log.of(UserSpeechStopped) == [], "a silence is nobody's turn"
    talk.hear("input_audio_buffer.speech_started", item_id="i3", audio_start_ms=1)
    assert idle_timeouts(talk) == [None, 9_000]
    fall_silent(talk, "i4")
    talk.brain.send_text("t1", "I am here.")
    fall_silent(talk, "i5")
    assert idle_timeouts(talk) == [None, 9_000]


async def test_after_a_switch_of_turn_taking_the_first_silence_is_left_alone(
    talk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that switches its voice detection on anew takes all the time before for silence."""
    keys = BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK, idle_timeout_ms=9_000)
    silence = replace(keys, turn_taking=TurnTaking.SERVER_VAD)
    later: list[tuple[float, Any]] = []
    loop = asyncio.get_running_loop()

    def call_later(delay_s: float, call: Any, *args: Any) -> asyncio.TimerHandle:
        later.append((delay_s, call))
        return asyncio.TimerHandle(loop.time() + delay_s, call, args, loop)

    monkeypatch.setattr(loop, "call_later", call_later)
    talk.brain.update(Look(brain=keys))
    talk.channel.sent.clear()
    talk.brain.update(Look(brain=silence))
    talk.brain.update(Look(brain=silence, speed=1.2))
    assert idle_timeouts(talk)[:1] == [None]
    assert 9_000 not in idle_timeouts(talk)
    ((delay_s, restore),) = later
    assert delay_s == 9.0
    restore()
    assert idle_timeouts(talk)[-1] == 9_000
    monkeypatch.undo()


async def test_who_speaks_after_a_switch_of_turn_taking_is_waited_for_again(talk: Open) -> None:
    keys = BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK, idle_timeout_ms=9_000)
    talk.brain.update(Look(brain=keys))
    talk.brain.update(Look(brain=replace(keys, turn_taking=TurnTaking.SERVER_VAD)))
    talk.channel.sent.clear()
    talk.hear("input_audio_buffer.speech_started", item_id="i1", audio_start_ms=1)
    assert idle_timeouts(talk) == [9_000]


async def test_a_committed_turn_that_nothing_answers_ends_the_call(
    talk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_module, "IN_FLIGHT_S", 0.0)
    monkeypatch.setattr(talk_module, "ANSWERED_S", 0.1)
    keys = Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK))
    talk.brain.update(keys)
    talk.brain.begin_turn()
    talk.brain.end_turn(is_kept=True)
    lost = await talk.log.wait_for_a(LegFailed, 5)
    assert (lost.code, lost.is_retryable) == ("connection-lost", True)


async def test_any_event_after_a_committed_turn_is_an_answer(
    talk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_module, "IN_FLIGHT_S", 0.0)
    monkeypatch.setattr(talk_module, "ANSWERED_S", 0.1)
    talk.brain.update(Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK)))
    talk.brain.begin_turn()
    talk.brain.end_turn(is_kept=True)
    while "response.create" not in talk.channel.kinds():
        await asyncio.sleep(0)
    talk.hear("input_audio_buffer.committed", item_id="i1", previous_item_id=None)
    (watch,) = [task for task in asyncio.all_tasks() if task.get_name() == "brain: commit a turn"]
    await watch
    assert talk.log.of(LegFailed) == []


async def test_who_changes_a_setting_is_there(talk: Open) -> None:
    silence = BrainConfig(turn_taking=TurnTaking.SERVER_VAD, idle_timeout_ms=9_000)
    talk.brain._look = Look(brain=silence)
    fall_silent(talk, "i1")
    fall_silent(talk, "i2")
    talk.brain.update(Look(brain=silence, character="mara"))
    assert idle_timeouts(talk) == [None, 9_000]
    talk.brain.update(Look(brain=replace(silence, idle_timeout_ms=0)))
    assert idle_timeouts(talk) == [None, 9_000, None]
