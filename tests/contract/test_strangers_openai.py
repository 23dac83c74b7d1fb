"""The engine as strangers meet it: the official ``openai`` client, unmodified, over WebSocket and WebRTC.

The orders of events are those of the reference (guides: realtime-conversations; docstrings of ``openai.types.realtime``).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import numpy as np
import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import InputAudioBufferTimeoutTriggered
from websockets.exceptions import InvalidStatus

from kai.compat import rtc
from kai.wire import marks
from tests.support.engine import RunningEngine, engine
from tests.support.peer import SESSION, Peer, calling
from tests.support.recordings import Recording, recordings
from tests.support.words import word_errors

__all__ = ["engine"]

SHORT = "LJ001-0008.wav"
LONG = "LJ001-0004.wav"
WRITTEN_LADDER = [
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
SPOKEN_LADDER = [
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]


def recording(name: str) -> Recording:
    return next(found for found in recordings() if found.path.name == name)


def without_repeats(types: list[str]) -> list[str]:
    """Each type once, in the order of its first event."""
    return list(dict.fromkeys(types))


@asynccontextmanager
async def connected(engine: RunningEngine, **session: Any) -> AsyncIterator[AsyncRealtimeConnection]:
    """A WebSocket that was greeted, its session updated by `session`."""
    client = engine.client()
    async with client, client.realtime.connect(model="kai-local") as connection:
        created = await connection.recv()
        assert created.type == "session.created"
        assert created.session.model == "kai-local"
        assert (await connection.recv()).type == "conversation.created"
        if session:
            await connection.session.update(session={"type": "realtime", **session})
            assert (await connection.recv()).type == "session.updated"
        yield connection


async def events_until(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    """Every event up to and with the first of that type."""
    events: list[Any] = []
    async with asyncio.timeout(20):
        async for event in connection:
            events.append(event)
            if event.type == kind:
                return events
    raise AssertionError(f"the connection ended before {kind}")


async def ask(connection: AsyncRealtimeConnection, text: str, **response: Any) -> None:
    content = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create(response=response or openai.omit)


async def append(connection: AsyncRealtimeConnection, name: str) -> None:
    """A recording and a second of silence, appended in pieces of 100 ms."""
    samples = np.concatenate([recording(name).samples(24_000), np.zeros(24_000, np.int16)])
    for start in range(0, len(samples), 2_400):
        piece = samples[start : start + 2_400].tobytes()
        await connection.input_audio_buffer.append(audio=base64.b64encode(piece).decode())


async def error_of(connection: AsyncRealtimeConnection, event: dict[str, Any]) -> Any:
    """The error that answers `event`; it must name the event."""
    await connection.send({**event, "event_id": "mine"})
    answer = (await events_until(connection, "error"))[-1].error
    assert answer.event_id == "mine"
    return answer


# -- WebSocket ---------------------------------------------------------------------------------------------------------


async def test_a_typed_line_is_answered_in_writing_by_the_documented_ladder(engine: RunningEngine) -> None:
    async with connected(engine) as connection:
        await ask(connection, "What is your name?", output_modalities=["text"])
        events = await events_until(connection, "rate_limits.updated")
    assert [event.type for event in events] == WRITTEN_LADDER
    response = next(event.response for event in events if event.type == "response.done")
    assert response.status == "completed"
    assert response.output[0].content[0].text == next(
        e.text for e in events if e.type == "response.output_text.done"
    )
    assert "Kai" in response.output[0].content[0].text
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens > 0
    assert len({event.event_id for event in events}) == len(events)


async def test_a_typed_line_is_answered_by_voice_faster_than_it_sounds(engine: RunningEngine) -> None:
    async with connected(engine) as connection:
        started_s = time.monotonic()
        await ask(connection, "Who are you?")
        events = await events_until(connection, "rate_limits.updated")
        took_s = time.monotonic() - started_s
    assert without_repeats([event.type for event in events])[2:] == [
        kind for kind in SPOKEN_LADDER if kind not in ("conversation.item.added", "conversation.item.done")
    ]
    sound = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")
    samples = np.frombuffer(sound, np.int16)
    assert len(samples) / 24_000 > max(1.0, 2 * took_s)
    assert np.abs(samples.astype(np.int32)).max() > 3_000
    spoken = "".join(e.delta for e in events if e.type == "response.output_audio_transcript.delta")
    assert spoken == next(e.transcript for e in events if e.type == "response.output_audio_transcript.done")


async def test_a_spoken_turn_is_heard_word_for_word_and_answered(engine: RunningEngine) -> None:
    async with connected(engine, **{k: v for k, v in SESSION.items() if k == "audio"}) as connection:
        await append(connection, SHORT)
        events = await events_until(connection, "response.done")
    types = [event.type for event in events]
    partials = "conversation.item.input_audio_transcription.delta"
    assert [kind for kind in types if kind != partials][:6] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
    ]
    completed = next(e for e in events if e.type == "conversation.item.input_audio_transcription.completed")
    assert word_errors(recording(SHORT).text, completed.transcript) == 0
    assert {
        event.item_id for event in events[: types.index("response.created")] if hasattr(event, "item_id")
    } == {completed.item_id}
    assert without_repeats(types[types.index("response.created") :]) == SPOKEN_LADDER[:-1]


async def test_after_the_silence_that_the_client_set_kai_speaks_up(engine: RunningEngine) -> None:
    detection = {"type": "server_vad", "idle_timeout_ms": 5_000}
    async with connected(engine, audio={"input": {"turn_detection": detection}}) as connection:
        await ask(connection, "What is your name?", output_modalities=["text"])
        await events_until(connection, "rate_limits.updated")
        silence = base64.b64encode(np.zeros(2_400, np.int16).tobytes()).decode()
        for _ in range(60):
            await connection.input_audio_buffer.append(audio=silence)
        events = await events_until(connection, "response.done")
    triggered, committed, *_ = events
    assert isinstance(triggered, InputAudioBufferTimeoutTriggered)
    assert 4_900 <= triggered.audio_end_ms - triggered.audio_start_ms <= 5_100
    assert (committed.type, committed.item_id) == ("input_audio_buffer.committed", triggered.item_id)
    (message,) = events[-1].response.output
    assert "there" in message.content[0].transcript


async def test_without_turn_detection_the_client_commits_and_asks_itself(engine: RunningEngine) -> None:
    audio = {"input": {"turn_detection": None, "transcription": {"model": "whisper-1"}}}
    async with connected(engine, audio=audio) as connection:
        empty = await error_of(connection, {"type": "input_audio_buffer.commit"})
        assert empty.code == "input_audio_buffer_commit_empty"
        await append(connection, SHORT)
        await connection.input_audio_buffer.commit()
        await connection.response.create(response={"output_modalities": ["text"]})
        events = await events_until(connection, "response.done")
    types = [event.type for event in events]
    assert types[:3] == ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]
    heard = types.index("conversation.item.input_audio_transcription.completed")
    assert word_errors(recording(SHORT).text, events[heard].transcript) == 0
    assert heard < types.index("response.output_item.added")


async def test_every_session_update_is_answered_and_only_what_is_present_changes(
    engine: RunningEngine,
) -> None:
    async with connected(engine, instructions="Your name is Ada.") as connection:
        await connection.session.update(session={"type": "realtime", "audio": {"output": {"speed": 1.2}}})
        updated = (await events_until(connection, "session.updated"))[-1].session
        assert (updated.instructions, updated.audio.output.speed) == ("Your name is Ada.", 1.2)
        assert updated.audio.input.turn_detection.type == "server_vad"
        await connection.session.update(
            session={"type": "realtime", "instructions": "", "audio": {"input": {"turn_detection": None}}}
        )
        updated = (await events_until(connection, "session.updated"))[-1].session
        assert (updated.instructions, updated.audio.input.turn_detection) == ("", None)


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        ({"type": "no.such.event"}, "invalid_value", "type"),
        ({"type": "response.cancel"}, "response_cancel_not_active", None),
        ({"type": "output_audio_buffer.clear"}, "invalid_event_for_transport", "type"),
        ({"type": "input_audio_buffer.append", "audio": "%%%"}, "invalid_value", "audio"),
        ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id", "item_id"),
        ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id", "item_id"),
        (
            {"type": "response.create", "response": {"output_modalities": ["audio", "text"]}},
            "invalid_value",
            "response.output_modalities",
        ),
    ],
)
async def test_a_mistake_is_answered_by_its_documented_error_and_the_session_goes_on(
    engine: RunningEngine, event: dict[str, Any], code: str, param: str | None
) -> None:
    async with connected(engine) as connection:
        error = await error_of(connection, event)
        assert (error.type, error.code, error.param) == ("invalid_request_error", code, param)
        await ask(connection, "Hello", output_modalities=["text"])
        assert (await events_until(connection, "response.done"))[-1].response.status == "completed"


async def test_a_new_voice_is_refused_whole_once_kai_has_spoken_and_the_same_voice_is_not(
    engine: RunningEngine,
) -> None:
    async with connected(engine) as connection:
        await ask(connection, "Hello")
        await events_until(connection, "rate_limits.updated")
        update = {"type": "realtime", "instructions": "new", "audio": {"output": {"voice": "other"}}}
        error = await error_of(connection, {"type": "session.update", "session": update})
        assert error.code == "cannot_update_voice"
        update["audio"] = {"output": {"voice": "kai"}}
        update["instructions"] = "kept"
        await connection.send({"type": "session.update", "session": update})
        updated = (await events_until(connection, "session.updated"))[-1].session
        assert updated.instructions == "kept"


async def test_a_second_answer_is_refused_while_one_is_made_and_a_cancelled_one_is_closed(
    engine: RunningEngine,
) -> None:
    async with connected(engine) as connection:
        await ask(connection, "What can you do?")
        await connection.response.create(event_id="mine")
        await connection.response.cancel()
        events = await events_until(connection, "response.done")
    error = next(event.error for event in events if event.type == "error")
    assert (error.code, error.event_id) == ("conversation_already_has_active_response", "mine")
    response = events[-1].response
    assert (response.status, response.status_details.reason) == ("cancelled", "client_cancelled")


async def test_items_are_created_retrieved_and_deleted_by_the_clients_ids(engine: RunningEngine) -> None:
    async with connected(engine) as connection:
        item = {
            "id": "mine_1",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "Hi"}],
        }
        await connection.conversation.item.create(item=item)
        await events_until(connection, "conversation.item.done")
        again = await error_of(connection, {"type": "conversation.item.create", "item": item})
        assert again.code == "item_create_duplicate_item_id"
        await connection.conversation.item.create(item={**item, "id": "mine_0"}, previous_item_id="root")
        assert (await events_until(connection, "conversation.item.done"))[-1].previous_item_id is None
        await connection.conversation.item.retrieve(item_id="mine_1")
        retrieved = (await events_until(connection, "conversation.item.retrieved"))[-1].item
        assert (retrieved.id, retrieved.content[0].text) == ("mine_1", "Hi")
        await connection.conversation.item.delete(item_id="mine_1")
        assert (await events_until(connection, "conversation.item.deleted"))[-1].item_id == "mine_1"


async def test_what_a_client_heard_is_told_by_truncating_and_not_beyond_the_sound(
    engine: RunningEngine,
) -> None:
    async with connected(engine) as connection:
        await ask(connection, "What can you do?")
        response = (await events_until(connection, "response.done"))[-1].response
        event = {"type": "conversation.item.truncate", "item_id": response.output[0].id, "content_index": 0}
        assert (await error_of(connection, {**event, "audio_end_ms": 3_600_000})).param == "audio_end_ms"
        await connection.send({**event, "audio_end_ms": 900})
        assert (await events_until(connection, "conversation.item.truncated"))[-1].audio_end_ms == 900
        await connection.conversation.item.retrieve(item_id=response.output[0].id)
        kept = (await events_until(connection, "conversation.item.retrieved"))[-1].item.content[0].transcript
    whole = response.output[0].content[0].transcript
    assert 0 < len(kept.split()) < len(whole.split())
    assert whole.startswith(kept.split()[0])


# -- Keys and HTTP errors ----------------------------------------------------------------------------------------------


async def test_refusals_are_raised_as_the_documented_classes(engine: RunningEngine) -> None:
    peer = Peer()
    offer = await peer.offer()
    async with engine.client("wrong") as stranger, engine.client() as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.realtime.calls.create(sdp=offer, session={"type": "realtime"})
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(InvalidStatus) as denied:
            await stranger.realtime.connect(model="kai-local").enter()
        assert denied.value.response.status_code == 401
        for broken in ("", "no sdp at all", offer.replace("m=audio", "m=nothing")):
            with pytest.raises(openai.BadRequestError) as bad:
                await client.realtime.calls.create(sdp=broken, session={"type": "realtime"})
            assert bad.value.code in ("invalid_offer", "missing_required_parameter")
        with pytest.raises(openai.BadRequestError) as bad:
            await client.realtime.calls.create(sdp=offer, session={"instructions": "x"})  # type: ignore[typeddict-item]
        assert (bad.value.code, bad.value.param) == ("missing_required_parameter", "session.type")
        with pytest.raises(openai.NotFoundError) as missing:
            await client.realtime.calls.hangup("rtc_unknown")
        assert missing.value.code == "call_id_not_found"
        with pytest.raises(InvalidStatus) as denied:
            await client.realtime.connect(call_id="rtc_unknown").enter()
        assert denied.value.response.status_code == 404
    await peer.close()


async def test_a_client_secret_opens_a_session_of_its_kind(engine: RunningEngine) -> None:
    async with engine.client() as client:
        secret = await client.realtime.client_secrets.create(
            expires_after={"anchor": "created_at", "seconds": 60},
            session={"type": "realtime", "instructions": "Your name is Ada."},
        )
        assert secret.value.startswith("ek_")
        assert 50 < secret.expires_at - time.time() <= 60
        with pytest.raises(openai.BadRequestError):
            await client.realtime.client_secrets.create(expires_after={"anchor": "created_at", "seconds": 1})
    async with (
        engine.client(secret.value) as holder,
        holder.realtime.connect(model="kai-local") as connection,
    ):
        assert (await connection.recv()).session.instructions == "Your name is Ada."


async def test_when_all_places_are_taken_the_next_one_is_told_so(engine: RunningEngine) -> None:
    peer = Peer()
    offer = await peer.offer()
    async with AsyncExitStack() as stack, engine.client() as client:
        for _ in range(8):
            await stack.enter_async_context(connected(engine))
        with pytest.raises(openai.RateLimitError, match="8 conversations"):
            await client.realtime.calls.create(sdp=offer, session={"type": "realtime"})
        with pytest.raises(InvalidStatus) as denied:
            await client.realtime.connect(model="kai-local").enter()
        assert denied.value.response.status_code == 429
    await peer.close()
    async with connected(engine):
        pass


# -- WebRTC ------------------------------------------------------------------------------------------------------------


async def test_a_spoken_turn_over_webrtc_is_heard_and_answered_by_sound(engine: RunningEngine) -> None:
    async with calling(engine.client()) as peer:
        assert peer.headers[marks.HEADER] == "1"
        peer.microphone.play(recording(SHORT).samples(48_000))
        completed = await peer.wait("conversation.item.input_audio_transcription.completed")
        await peer.wait("output_audio_buffer.started")
        created = peer.types().index("response.created")
        sound_s = await peer.wait_sound(peer.microphone.fell_silent_s)
        await peer.wait("output_audio_buffer.stopped")
        kinds = without_repeats(peer.types(after=created))
    assert word_errors(recording(SHORT).text, completed["transcript"]) == 0
    assert "response.output_audio.delta" not in kinds
    assert kinds == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "output_audio_buffer.started",
        "response.output_audio_transcript.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
        "output_audio_buffer.stopped",
    ]
    # 0.65 s is the aim on a quiet computer, with a peer's shorter jitter buffer; this one is a stranger's default.
    assert sound_s - peer.microphone.fell_silent_s < 3.0


async def test_a_button_silences_kai_at_once_and_the_item_keeps_what_was_heard(engine: RunningEngine) -> None:
    async with calling(engine.client()) as peer:
        asked_s = time.monotonic()
        peer.ask("What can you do?")
        sound_s = await peer.wait_sound(asked_s)
        await peer.wait_until(lambda: time.monotonic() - sound_s > 0.6)
        before = len(peer.events)
        cut_s = time.monotonic()
        peer.send("response.cancel")
        peer.send("output_audio_buffer.clear")
        truncated = await peer.wait("conversation.item.truncated", after=before)
        await peer.wait_until(lambda: peer.heard[-1][0] > cut_s + 0.8)
        done = await peer.wait("response.done")
        whole = next(item for item in done["response"]["output"])
        peer.send("conversation.item.retrieve", item_id=whole["id"])
        kept = (await peer.wait("conversation.item.retrieved"))["item"]
        assert "output_audio_buffer.cleared" in peer.types(after=before)
        assert "output_audio_buffer.stopped" not in peer.types(after=before)
    last_loud_s = max((at_s for at_s, peak in peer.loudness(cut_s) if peak > 500), default=cut_s)
    assert last_loud_s - cut_s < 0.5
    assert 400 < truncated["audio_end_ms"] < 3_000
    assert len(kept["content"][0]["transcript"]) < len(whole["content"][0]["transcript"])


async def test_a_person_who_speaks_over_kai_silences_him(engine: RunningEngine) -> None:
    async with calling(engine.client()) as peer:
        asked_s = time.monotonic()
        peer.ask("What can you do?")
        await peer.wait_sound(asked_s)
        before = len(peer.events)
        peer.microphone.play(recording(LONG).samples(48_000))
        await peer.wait("input_audio_buffer.speech_started", after=before)
        await peer.wait("output_audio_buffer.cleared", after=before)
        truncated = await peer.wait("conversation.item.truncated", after=before)
        cleared_s = time.monotonic()
        await peer.wait_until(lambda: peer.heard[-1][0] > cleared_s + 0.5)
        completed = await peer.wait("conversation.item.input_audio_transcription.completed", after=before)
        await peer.wait("response.done", after=peer.types().index("output_audio_buffer.cleared"))
        peer.send("output_audio_buffer.clear")
    quiet = [peak for at_s, peak in peer.loudness(cleared_s) if cleared_s + 0.3 < at_s < cleared_s + 0.5]
    assert quiet
    assert max(quiet) < 100
    assert truncated["content_index"] == 0
    assert word_errors(recording(LONG).text, completed["transcript"]) <= 1


async def test_a_side_channel_sees_the_call_and_acts_on_it(engine: RunningEngine) -> None:
    client = engine.client()
    async with calling(client) as peer, client.realtime.connect(call_id=peer.call_id) as side:
        assert (await side.recv()).type == "session.created"
        await ask(side, "What is your name?", output_modalities=["text"])
        events = await events_until(side, "response.done")
        assert events[-1].response.id == (await peer.wait("response.done"))["response"]["id"]


async def test_hanging_up_closes_the_clients_connection(engine: RunningEngine) -> None:
    client = engine.client()
    async with calling(client) as peer:
        await client.realtime.calls.hangup(peer.call_id)
        await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)


@pytest.mark.long
async def test_word_times_fall_where_the_words_sound(engine: RunningEngine) -> None:
    clauses: list[marks.ClauseMarks] = []
    async with calling(engine.client()) as peer:
        channel = peer.connection.createDataChannel(marks.CHANNEL_LABEL)
        channel.on("message", lambda text: clauses.append(marks.decode(text)))
        await peer.wait_until(lambda: channel.readyState == "open" and len(peer.heard) > 25)
        asked_s = time.monotonic()
        peer.ask("What is your name?")
        await peer.wait("output_audio_buffer.stopped")
        receiver = peer.connection.getReceivers()[0]
        await peer.wait_until(lambda: peer.loudness(asked_s)[-1][1] < 50)
        frames = [
            (rtc.rtp_timestamp_received(receiver, pts), samples)
            for at_s, pts, samples in peer.heard
            if at_s >= asked_s
        ]
    assert clauses[0].words
    start = frames[0][0]
    sound = np.concatenate([samples for _, samples in frames]).astype(np.float64)
    levels = np.sqrt(np.convolve(sound**2, np.ones(480) / 480, mode="same"))
    first_loud_ms = int(np.argmax(levels > 300)) / 48
    told_ms = ((clauses[0].rtp_time - start) % (1 << 32)) / 48 + clauses[0].words[0].start_ms
    assert abs(first_loud_ms - told_ms) < 80
    for before, after in zip(clauses, clauses[1:], strict=False):
        gap_ms = ((after.rtp_time - before.rtp_time) % (1 << 32)) / 48 - before.duration_ms
        assert abs(gap_ms) < 20
