"""LiveAvatar's bodies and events: as the reference writes them, and as services were seen to."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from kai.errors import ProtocolError
from kai.wire import liveavatar as wire

COMMANDS: list[dict[str, Any]] = [
    {"type": "agent.speak", "audio": "AAA=", "event_id": "u1"},
    {"type": "agent.speak", "audio": ""},
    {"type": "agent.speak_end", "event_id": "u1"},
    {"type": "agent.speak_end", "event_id": "u1", "audio": "AAA="},
    {"type": "agent.interrupt", "event_id": "i1"},
    {"type": "agent.interrupt"},
    {"type": "agent.start_listening", "event_id": "l1"},
    {"type": "agent.stop_listening", "event_id": "l2"},
    {"type": "session.keep_alive", "event_id": "k1"},
]
OF_UTTERANCE = {"event_id": "server-1", "source_event_id": "u1", "task": {"id": "t"}}
EVENTS: list[dict[str, Any]] = [
    {"type": "session.state_updated", "state": "connected", "event_id": "e"},
    {"type": "agent.state_updated", "new_state": "talking", "previous_state": "idle"},
    {"type": "agent.speak_started", **OF_UTTERANCE},
    {"type": "agent.speak_ended", **OF_UTTERANCE},
    {"type": "agent.speak_interrupted", **OF_UTTERANCE},
    {"type": "agent.audio_buffer_appended", **OF_UTTERANCE},
    {"type": "agent.audio_buffer_committed", **OF_UTTERANCE},
    {"type": "agent.audio_buffer_cleared", **OF_UTTERANCE},
    {"type": "error", "error": {"type": "invalid_request_error", "message": "m", "event_id": "u1"}},
    {"type": "warning", "warning": {"type": "slow", "message": "m"}},
]


def named(messages: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(m, id=f"{i}-{m['type']}") for i, m in enumerate(messages)]


@pytest.mark.parametrize("message", named(COMMANDS))
def test_a_command_is_written_as_it_was_read(message: dict[str, Any]) -> None:
    command = wire.decode_command(json.dumps(message))
    assert command is not None
    assert json.loads(wire.encode(command)) == message


@pytest.mark.parametrize("message", named(EVENTS))
def test_an_event_is_written_as_it_was_read(message: dict[str, Any]) -> None:
    event = wire.decode_event(json.dumps(message))
    assert not isinstance(event, wire.UnknownEvent)
    assert json.loads(wire.encode(event)) == message


def test_an_utterance_is_matched_by_the_id_that_we_sent_whichever_field_has_it() -> None:
    old = wire.decode_event('{"type":"agent.speak_started","event_id":"u1"}')
    new = wire.decode_event('{"type":"agent.speak_started","event_id":"server","source_event_id":"u1"}')
    assert isinstance(old, wire.SpeakStarted)
    assert isinstance(new, wire.SpeakStarted)
    assert old.utterance_id == new.utterance_id == "u1"


def test_a_payload_wrapper_is_seen_through() -> None:
    event = wire.decode_event('{"type":"agent.state_updated","payload":{"new_state":"talking"}}')
    assert event == wire.AgentStateUpdated(new_state="talking")


@pytest.mark.parametrize(
    ("state", "is_ready", "is_gone"),
    [("new", False, False), ("connecting", False, False), ("connected", True, False)]
    + [(state, False, True) for state in ("closing", "closed", "disconnected")],
)
def test_the_session_states_of_both_wordings_are_understood(
    state: str, is_ready: bool, is_gone: bool
) -> None:
    event = wire.SessionStateUpdated(state=state)
    assert (event.is_ready, event.is_gone) == (is_ready, is_gone)


def test_what_the_service_adds_breaks_nothing() -> None:
    assert wire.decode_event('{"type":"agent.idle_started","x":1}') == wire.UnknownEvent("agent.idle_started")
    assert wire.decode_command('{"type":"start","encoding":"pcm_s16le"}') is None
    state = wire.decode_event('{"type":"session.state_updated","state":"connected","new":[1]}')
    assert state == wire.SessionStateUpdated(state="connected")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"state":"x"}', '{"type":"agent.state_updated"}', '{"type":1}', b"\xff"]
)
def test_a_broken_event_is_an_error_of_the_protocol(text: str | bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.decode_event(text)


def test_sound_is_strict_base64() -> None:
    assert wire.decode_pcm(wire.encode_pcm(b"\x01\x02\x03\x04")) == b"\x01\x02\x03\x04"
    for broken in ("AAA", "AA A=", "ÄÄÄÄ", "AAA=AAA="):
        with pytest.raises(ProtocolError, match="invalid base64 audio data"):
            wire.decode_pcm(broken)


def test_tokens_and_addresses_with_tokens_show_in_no_repr() -> None:
    secret = "secret-token"
    values = [
        wire.TokenGrant(session_id="s", session_token=secret),
        wire.StartGrant(
            session_id="s",
            livekit_url="wss://x",
            livekit_client_token=secret,
            livekit_agent_token=secret,
            ws_url=f"wss://x/?t={secret}",
        ),
        wire.Speak(audio=secret),
    ]
    assert not any(secret in repr(value) for value in values)


# -- REST --------------------------------------------------------------------------------------------------------------


def test_a_token_request_names_lite_and_leaves_out_what_is_not_wanted() -> None:
    assert wire.encode_body(wire.TokenRequest(avatar_id="a")) == {
        "avatar_id": "a",
        "mode": "LITE",
        "is_sandbox": False,
    }
    full = wire.TokenRequest(
        avatar_id="a", video_settings=wire.VideoSettings(quality="low"), max_session_duration=300
    )
    assert wire.encode_body(full) == {
        "avatar_id": "a",
        "mode": "LITE",
        "is_sandbox": False,
        "video_settings": {"quality": "low", "encoding": "H264"},
        "max_session_duration": 300,
    }


@pytest.mark.parametrize("number", [100, 1000])
@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_is_success_whatever_code_it_wears(status: int, number: int) -> None:
    body = json.dumps({"code": number, "data": {"x": 1}, "message": "OK"})
    assert wire.open_envelope(status, body) == {"x": 1}
    assert wire.open_envelope(204, b"") is None


@pytest.mark.parametrize(
    ("status", "body", "number", "said"),
    [
        (403, {"code": 4003, "data": None, "message": "Session concurrency limit reached"}, 4003, "limit"),
        (422, {"detail": [{"loc": ["body"], "msg": "bad avatar", "type": "value_error"}]}, 0, "bad avatar"),
        (422, {"detail": "plain"}, 0, "plain"),
        (400, {"code": 4000, "data": [{"message": "inside"}]}, 4000, "inside"),
        (400, {"code": 4000, "data": {"message": "inside"}}, 4000, "inside"),
        (500, {}, 0, ""),
    ],
)
def test_a_refusal_tells_status_number_and_text_in_every_form(
    status: int, body: dict[str, Any], number: int, said: str
) -> None:
    with pytest.raises(wire.Refusal) as raised:
        wire.open_envelope(status, json.dumps(body))
    assert (raised.value.status, raised.value.number) == (status, number)
    assert said in raised.value.said


def test_a_refusal_without_json_is_a_refusal_still() -> None:
    with pytest.raises(wire.Refusal) as raised:
        wire.open_envelope(502, "<html>bad gateway</html>", retry_after="2.5")
    assert (raised.value.status, raised.value.retry_after_s) == (502, 2.5)
    with pytest.raises(ProtocolError):
        wire.open_envelope(200, "<html>")


def test_credits_left_are_a_string_on_the_wire() -> None:
    assert wire.decode_credits({"credits_left": "12.50"}) == Decimal("12.50")
    for broken in ({}, {"credits_left": "much"}, None):
        with pytest.raises(ProtocolError):
            wire.decode_credits(broken)


def test_a_page_gives_what_can_be_read_and_whether_more_follows() -> None:
    results = [{"id": "a", "name": "Ann"}, {"name": "no id"}, {"id": "b", "name": "B", "is_expired": True}]
    avatars, has_more = wire.decode_page(wire.Avatar, {"count": 3, "next": "/x?page=2", "results": results})
    assert has_more
    assert [(a.id, a.is_usable) for a in avatars] == [("a", True), ("b", False)]
    assert not wire.Avatar(id="c", name="C", status="DEPLOYING").is_usable


def test_a_start_reply_may_lack_what_is_optional() -> None:
    body = {"session_id": "s", "livekit_url": "wss://x", "livekit_client_token": "t"}
    grant = wire.decode_answer(wire.StartGrant, body)
    assert (grant.ws_url, grant.max_session_duration, grant.livekit_agent_token) == (None, None, None)
    with pytest.raises(ProtocolError):
        wire.decode_answer(wire.StartGrant, {"session_id": "s"})


# -- the shapes of one message ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ('{"type":"agent.state_updated","state":"talking"}', wire.AgentStateUpdated(new_state="talking")),
        (
            '{"type":"agent.state_updated","new_state":null,"state":"idle"}',
            wire.AgentStateUpdated(new_state="idle"),
        ),
        (
            '{"type":"agent.state_updated","payload":{"state":"idle","previous_state":7}}',
            wire.AgentStateUpdated(new_state="idle"),
        ),
        ('{"type":"agent.speak_started","task":"t1"}', wire.SpeakStarted(task=wire.Task(id="t1"))),
        ('{"type":"agent.speak_ended","task":[1],"event_id":5}', wire.SpeakEnded()),
        ('{"type":"error","error":"no"}', wire.ErrorOccurred(error=wire.ErrorDetail(message="no"))),
        ('{"type":"error"}', wire.ErrorOccurred()),
        ('{"type":"warning","warning":{"type":3,"message":"hm"}}', wire.WarningGiven(warning=wire.ErrorDetail(message="hm"))),
    ],
)  # fmt: skip
def test_a_field_of_another_shape_costs_no_event(text: str, event: wire.Event) -> None:
    assert wire.decode_event(text) == event


def test_a_start_is_read_with_whole_floats_and_without_its_id() -> None:
    body = {"livekit_url": "wss://x", "livekit_client_token": "t", "max_session_duration": 120.0}
    grant = wire.decode_answer(wire.StartGrant, body)
    assert (grant.session_id, grant.max_session_duration) == ("", 120)
    assert (
        wire.decode_answer(wire.StartGrant, {**body, "max_session_duration": 0.5}).max_session_duration
        is None
    )


def test_a_server_reads_requests_strictly() -> None:
    with pytest.raises(ProtocolError):
        wire.decode_request(wire.TokenRequest, {"avatar_id": "a", "max_session_duration": 120.0})


@pytest.mark.parametrize(
    ("said", "longest_s"),
    [
        ("max_session_duration (600s) exceeds the maximum allowed (60s) for sandbox", 60),
        ("Maximum allowed", None),
        ("the maximum allowed 120 seconds", 120),
    ],
)
def test_the_allowed_length_is_read_from_the_refusal(said: str, longest_s: int | None) -> None:
    assert wire.Refusal(400, 0, said).longest_s == longest_s
