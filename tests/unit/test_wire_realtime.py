"""The codec of the Realtime protocol, both roles."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.errors import ProtocolError
from kai.wire import marks
from kai.wire import realtime as wire
from kai.wire.session_object import UNSET, AudioConfig, AudioOutputConfig, merge_session

IDS = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
ITEM = {"type": "message", "id": "i", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
SERVER_EVENTS: list[dict[str, Any]] = [
    {"type": "session.created", "session": {"type": "realtime", "id": "s", "expires_at": 1}},
    {
        "type": "session.updated",
        "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}},
    },
    {"type": "conversation.created", "conversation": {"id": "c", "object": "realtime.conversation"}},
    {"type": "conversation.item.added", "previous_item_id": None, "item": ITEM},
    {"type": "conversation.item.done", "previous_item_id": "a", "item": ITEM},
    {"type": "conversation.item.retrieved", "item": ITEM},
    {"type": "conversation.item.deleted", "item_id": "i"},
    {"type": "conversation.item.truncated", "item_id": "i", "content_index": 0, "audio_end_ms": 900},
    {
        "type": "conversation.item.input_audio_transcription.delta",
        "item_id": "i",
        "content_index": 0,
        "delta": "a",
    },
    {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "i",
        "content_index": 0,
        "transcript": "ä",
        "usage": {"type": "duration", "seconds": 1.5},
    },
    {
        "type": "conversation.item.input_audio_transcription.failed",
        "item_id": "i",
        "content_index": 0,
        "error": {"message": "m", "code": None, "param": None, "event_id": None},
    },
    {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 1},
    {"type": "input_audio_buffer.speech_stopped", "item_id": "i", "audio_end_ms": 2},
    {"type": "input_audio_buffer.timeout_triggered", "item_id": "i", "audio_start_ms": 1, "audio_end_ms": 2},
    {"type": "input_audio_buffer.committed", "item_id": "i", "previous_item_id": None},
    {"type": "input_audio_buffer.cleared"},
    {"type": "output_audio_buffer.started", "response_id": "r"},
    {"type": "output_audio_buffer.stopped", "response_id": "r"},
    {"type": "output_audio_buffer.cleared", "response_id": "r"},
    {"type": "response.output_item.added", "response_id": "r", "output_index": 0, "item": ITEM},
    {"type": "response.output_item.done", "response_id": "r", "output_index": 0, "item": ITEM},
    {"type": "response.content_part.added", **IDS, "part": {"type": "audio", "transcript": ""}},
    {"type": "response.content_part.done", **IDS, "part": {"type": "text", "text": "Hi"}},
    {"type": "response.output_text.delta", **IDS, "delta": "a"},
    {"type": "response.output_text.done", **IDS, "text": "a"},
    {"type": "response.output_audio_transcript.delta", **IDS, "delta": "a"},
    {"type": "response.output_audio_transcript.done", **IDS, "transcript": "a"},
    {"type": "response.output_audio.delta", **IDS, "delta": "AAAA"},
    {"type": "response.output_audio.done", **IDS},
    {
        "type": "response.function_call_arguments.delta",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "call_id": "c",
        "delta": "{",
    },
    {
        "type": "response.function_call_arguments.done",
        "response_id": "r",
        "item_id": "i",
        "output_index": 0,
        "call_id": "c",
        "arguments": "{}",
        "name": "f",
    },
    {
        "type": "rate_limits.updated",
        "rate_limits": [{"name": "tokens", "limit": 1, "remaining": 1, "reset_seconds": 0.5}],
    },
    {
        "type": "error",
        "error": {
            "message": "m",
            "type": "invalid_request_error",
            "code": "c",
            "param": None,
            "event_id": "mine",
        },
    },
]
CLIENT_EVENTS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "instructions": ""}, "event_id": "e"},
    {"type": "conversation.item.create", "item": ITEM, "previous_item_id": "root"},
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "conversation.item.delete", "item_id": "i"},
    {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {
        "type": "response.create",
        "response": {
            "output_modalities": ["text"],
            "metadata": {"a": "b"},
            "audio": {"output": {"speed": 1.5}},
        },
    },
    {"type": "response.create"},
    {"type": "response.cancel", "response_id": "r"},
]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def kind_of(message: dict[str, Any]) -> str:
    return message["type"]


@pytest.mark.parametrize("message", SERVER_EVENTS, ids=kind_of)
def test_a_server_event_is_the_same_on_the_wire_after_reading_and_writing(message: dict[str, Any]) -> None:
    event = wire.decode_server(json.dumps({**message, "event_id": "e"}))
    assert not isinstance(event, wire.UnknownEvent)
    assert json.loads(wire.encode(event)) == {**message, "event_id": "e"}


@pytest.mark.parametrize("message", CLIENT_EVENTS, ids=kind_of)
def test_a_client_event_is_the_same_on_the_wire_after_reading_and_writing(message: dict[str, Any]) -> None:
    assert json.loads(wire.encode(wire.decode_client(json.dumps(message)))) == message


def test_every_event_that_is_known_is_among_those_tested() -> None:
    tested = {message["type"] for message in SERVER_EVENTS} | {"response.created", "response.done"}
    assert {cls.TYPE for cls in wire.KnownServerEvent.__args__} == tested
    assert {cls.TYPE for cls in wire.ClientEvent.__args__} == {message["type"] for message in CLIENT_EVENTS}


def test_the_references_own_example_of_a_finished_response_is_read_whole() -> None:
    text = """{"type":"response.done","event_id":"e","response":{"object":"realtime.response","id":"r",
      "status":"cancelled","status_details":{"type":"cancelled","reason":"turn_detected"},"output":[],
      "conversation_id":"c","output_modalities":["audio"],"max_output_tokens":"inf","metadata":null,
      "audio":{"output":{"format":{"type":"audio/pcm","rate":24000},"voice":"marin"}},
      "usage":{"total_tokens":253,"input_tokens":132,"output_tokens":121,
       "input_token_details":{"text_tokens":119,"audio_tokens":13,"image_tokens":0,"cached_tokens":64,
         "cached_tokens_details":{"text_tokens":64,"audio_tokens":0,"image_tokens":0}},
       "output_token_details":{"text_tokens":30,"audio_tokens":91}}}}"""
    event = wire.decode_server(text)
    assert isinstance(event, wire.ResponseDone)
    assert event.response.status_details == wire.StatusDetails(type="cancelled", reason="turn_detected")
    assert event.response.usage is not None
    assert event.response.usage.input_token_details.cached_tokens_details.text_tokens == 64
    assert event.response.usage.output_token_details == wire.OutputTokenDetails(
        text_tokens=30, audio_tokens=91
    )


def test_an_event_of_the_future_is_unknown_and_keeps_its_payload() -> None:
    message = {"type": "response.smell.delta", "delta": [1, {"a": None}]}
    event = wire.decode_server(json.dumps(message))
    assert event == wire.UnknownEvent("response.smell.delta", message)
    assert json.loads(wire.encode(event)) == message


def test_fields_of_the_future_and_nulls_for_nothing_are_taken_as_nothing() -> None:
    event = wire.decode_server(
        '{"type":"session.created","event_id":"e","new":1,"session":{"type":"realtime","prompt":null,"tools":null,'
        '"audio":{"output":{"speed":null,"voice":{"id":"voice_1"}}}}}'
    )
    assert isinstance(event, wire.SessionCreated)
    assert event.session.tools is UNSET
    assert isinstance(event.session.audio, AudioConfig)
    assert event.session.audio.output == AudioOutputConfig(voice={"id": "voice_1"})


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '{"type":3}', b"\xff", "[" * 100_000])
def test_what_is_no_event_is_a_protocol_error_on_both_sides(text: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.decode_server(text)
    with pytest.raises(wire.ClientMistake):
        wire.decode_client(text)


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
        (
            {"type": "session.update", "session": {"type": "realtime", "audio": 3}},
            "invalid_type",
            "session.audio",
        ),
        (
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": True}}}},
            "invalid_type",
            "session.audio.output.speed",
        ),
        (
            {"type": "conversation.item.create", "item": {"type": "message", "content": [{"text": "a"}]}},
            "missing_required_parameter",
            "item.content[0].type",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "i", "content_index": "0"},
            "invalid_type",
            "content_index",
        ),
        ({"type": "beta.event"}, "invalid_value", "type"),
    ],
)
def test_a_clients_mistake_names_its_field_and_its_event(
    message: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(wire.ClientMistake) as mistake:
        wire.decode_client(json.dumps({**message, "event_id": "mine"}))
    assert (mistake.value.code, mistake.value.param, mistake.value.event_id) == (code, param, "mine")


def test_a_broken_server_event_says_which() -> None:
    with pytest.raises(ProtocolError, match=r"input_audio_buffer\.speech_started.*item_id"):
        wire.decode_server('{"type":"input_audio_buffer.speech_started","audio_start_ms":1}')


@given(JSON_VALUES)
def test_no_message_breaks_the_reader(value: object) -> None:
    for kind in ("session.update", "response.done", "conversation.item.create", "error", "new"):
        text = json.dumps({"type": kind, "session": value, "response": value, "item": value, "error": value})
        for decode in (wire.decode_client, wire.decode_server):
            try:
                wire.encode(decode(text))
            except ProtocolError:
                continue


def test_merging_changes_what_is_present_and_null_clears() -> None:
    base = wire.decode_session(
        {
            "type": "realtime",
            "instructions": "a",
            "tools": [{"type": "function", "name": "f"}],
            "audio": {
                "input": {
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500}
                },
                "output": {"voice": "marin"},
            },
        }
    )
    update = wire.decode_session(
        {
            "type": "realtime",
            "tools": [],
            "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}},
        }
    )
    merged = wire.encode_session(merge_session(base, update))
    assert merged == {
        "type": "realtime",
        "instructions": "a",
        "tools": [],
        "audio": {
            "input": {"turn_detection": {"type": "server_vad", "threshold": 0.7, "silence_duration_ms": 500}},
            "output": {"voice": "marin"},
        },
    }
    cleared = wire.decode_session({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    other = wire.decode_session(
        {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}}}
    )
    for change, wanted in ((cleared, None), (other, {"type": "semantic_vad"})):
        audio: Any = wire.encode_session(merge_session(base, change))["audio"]
        assert audio["input"]["turn_detection"] == wanted


def test_marks_are_the_same_after_writing_and_reading() -> None:
    told = marks.ClauseMarks(
        item_id="i",
        rtp_time=(1 << 32) - 1,
        duration_ms=900,
        text="Grüß dich",
        phonemes=(marks.Mark("ɡ", 0, 20), marks.Mark("", 20, 900)),
        visemes=(marks.Mark("kk", 0, 20), marks.Mark("sil", 20, 900)),
        words=(marks.Mark("Grüß", 0, 300),),
    )
    assert marks.decode(marks.encode(told)) == told
    assert json.loads(marks.encode(told))["words"] == [["Grüß", 0, 300]]


def test_marks_of_another_kind_are_nothing_and_broken_ones_are_an_error() -> None:
    assert marks.decode('{"type":"later"}') is None
    whole = json.loads(marks.encode(marks.ClauseMarks(item_id="i", rtp_time=1, duration_ms=1, text="a")))
    for broken in ({**whole, "rtp_time": None}, {**whole, "words": [["a", 1]]}, {**whole, "visemes": 3}):
        with pytest.raises(ProtocolError):
            marks.decode(json.dumps(broken))


def test_what_a_person_said_has_a_transcript_that_is_null_until_it_is_known() -> None:
    def content_of(part: wire.ContentPart) -> dict[str, object]:
        item = wire.Item(id="i", type="message", role="user", content=(part,))
        return json.loads(wire.encode(wire.ItemAdded(item=item)))["item"]["content"][0]

    assert content_of(wire.ContentPart(type="input_audio")) == {"type": "input_audio", "transcript": None}
    assert content_of(wire.ContentPart(type="input_text", text="Hi")) == {"type": "input_text", "text": "Hi"}
    assert content_of(wire.ContentPart(type="input_audio", transcript="Hi"))["transcript"] == "Hi"
