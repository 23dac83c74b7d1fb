"""The local LiveAvatar as strangers meet it: plain HTTP and WebSocket clients, and the official ``livekit`` SDK, unmodified.

What they expect is what the reference and the shipped clients do; see ``kai.wire.liveavatar``.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kai.engine.liveavatar.account import AVATARS
from kai.wire.liveavatar import SANDBOX_AVATAR_ID
from tests.support.liveavatar import RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.recordings import recordings
from tests.support.watcher import Watcher, watching

__all__ = ["liveavatar", "liveavatar_process"]

AVATAR_ID = next(iter(AVATARS))


def mint(server: RunningLiveAvatar, **body: Any) -> dict[str, Any]:
    wanted = {"mode": "LITE", "avatar_id": AVATAR_ID, "video_settings": {"quality": "low", "encoding": "VP8"}}
    reply = server.call("POST", "/v1/sessions/token", {**wanted, **body})
    assert reply.status_code == 200, reply.text
    assert reply.json()["code"] == 1000
    return reply.json()["data"]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def start(server: RunningLiveAvatar, **body: Any) -> tuple[dict[str, Any], str]:
    """What a start answers, and the session's token."""
    token = mint(server, **body)["session_token"]
    reply = server.call("POST", "/v1/sessions/start", None, **bearer(token))
    assert reply.status_code == 201, reply.text
    return reply.json()["data"], token


class Control:
    """A control socket and every event that came by it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def until(self, kind: str, within_s: float = 15.0, **fields: Any) -> dict[str, Any]:
        """The next event of that type with these fields."""
        async with asyncio.timeout(within_s):
            while True:
                event = json.loads(await self.socket.recv())
                self.events.append(event)
                if event["type"] == kind and all(event.get(name) == value for name, value in fields.items()):
                    return event

    async def send(self, kind: str, **fields: Any) -> None:
        await self.socket.send(json.dumps({"type": kind, **fields}))

    async def speak(self, pcm: Any, event_id: str = "u1", *, is_whole: bool = True) -> None:
        for chunk in np.split(pcm, range(24_000, len(pcm), 24_000)):
            audio = base64.b64encode(chunk.astype("<i2").tobytes()).decode()
            await self.send("agent.speak", event_id=event_id, audio=audio)
        if is_whole:
            await self.send("agent.speak_end", event_id=event_id)

    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@asynccontextmanager
async def controlling(grant: dict[str, Any]) -> AsyncIterator[Control]:
    """A control socket that was told "connected"."""
    async with connect(grant["ws_url"], proxy=None) as socket:
        control = Control(socket)
        await control.until("session.state_updated", state="connected")
        yield control


def sentence() -> Any:
    return next(r for r in recordings() if r.path.name == "LJ001-0008.wav").samples(24_000)


def tone(ms: int) -> Any:
    return (12_000 * np.sin(2 * np.pi * 220 * np.arange(ms * 24) / 24_000)).astype(np.int16)


# -- REST --------------------------------------------------------------------------------------------------------------


async def test_a_session_is_minted_started_listed_kept_alive_and_stopped(
    liveavatar: RunningLiveAvatar,
) -> None:
    grant, token = start(liveavatar)
    assert set(grant) == {
        "session_id",
        "livekit_url",
        "livekit_client_token",
        "livekit_agent_token",
        "max_session_duration",
        "ws_url",
    }
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["start_session_data"]["mode"] == "LITE"
    active = liveavatar.call("GET", "/v1/sessions?type=active").json()["data"]["results"]
    assert [entry["id"] for entry in active] == [grant["session_id"]]
    again = liveavatar.call("POST", "/v1/sessions/start", None, **bearer(token))
    assert again.status_code == 400
    assert liveavatar.call("POST", "/v1/sessions/keep-alive", None, **bearer(token)).status_code == 200
    for _ in range(2):
        stop = liveavatar.call("POST", "/v1/sessions/stop", {"session_id": grant["session_id"]})
        assert stop.status_code == 200
    entry = liveavatar.call("GET", f"/v1/sessions/{grant['session_id']}").json()["data"]
    assert (entry["end_reason"], entry["credits_consumed"]) == ("USER_CLOSED", 1)
    assert liveavatar.call("GET", "/v1/sessions?type=active").json()["data"]["results"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"mode": "FULL", "avatar_id": AVATAR_ID}, 422),
        ({"mode": "LITE"}, 422),
        ({"mode": "LITE", "avatar_id": "nobody"}, 422),
        ({"avatar_id": AVATAR_ID, "is_sandbox": True}, 422),
        ({"avatar_id": AVATAR_ID, "video_settings": {"quality": "8k"}}, 422),
    ],
)
def test_a_wrong_wish_is_refused_in_the_form_of_the_reference(
    liveavatar: RunningLiveAvatar, body: dict[str, Any], status: int
) -> None:
    reply = liveavatar.call("POST", "/v1/sessions/token", body)
    assert reply.status_code == status
    assert reply.json()["detail"][0]["msg"]


def test_keys_and_tokens_are_asked_for_and_strangers_pages_refused(liveavatar: RunningLiveAvatar) -> None:
    assert liveavatar.call("POST", "/v1/sessions/token", {}, **{"X-API-KEY": "bad-key"}).status_code == 401
    assert liveavatar.call("POST", "/v1/sessions/start", None, **bearer("x.y.z")).status_code == 401
    assert liveavatar.call("GET", "/v1/avatars/public", None, Host="evil.example").status_code == 403
    assert liveavatar.call("GET", "/v1/avatars/public", None, Origin="http://evil.example").status_code == 403


def test_the_catalogue_has_previews_and_credits_are_a_string(liveavatar: RunningLiveAvatar) -> None:
    public = liveavatar.call("GET", "/v1/avatars/public?page_size=2").json()["data"]
    assert len(public["results"]) == 2
    assert public["next"]
    picture = httpx.get(public["results"][0]["preview_url"], trust_env=False)
    assert picture.headers["content-type"] == "image/jpeg"
    own = liveavatar.call("GET", "/v1/avatars").json()["data"]["results"]
    assert {avatar["status"] for avatar in own} == {"ACTIVE", "DEPLOYING"}
    credits_left = liveavatar.call("GET", "/v1/users/credits").json()["data"]["credits_left"]
    assert isinstance(credits_left, str)


def test_refusals_come_as_told_and_only_so_often(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(
        refuse="credits",
        refuse_status=429,
        refuse_retry_after_s=1.5,
        refuse_message="slow down",
        refuse_times=1,
    )
    limited = liveavatar.call("GET", "/v1/users/credits")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "1.5")
    assert liveavatar.call("GET", "/v1/users/credits").status_code == 200
    liveavatar.faults(max_concurrent=0)
    token = mint(liveavatar)["session_token"]
    full = liveavatar.call("POST", "/v1/sessions/start", None, **bearer(token))
    assert (full.status_code, full.json()["code"]) == (403, 4003)


async def test_a_sandbox_session_costs_nothing(liveavatar: RunningLiveAvatar) -> None:
    before = liveavatar.bill()["credits_used"]
    grant, _ = start(liveavatar, avatar_id=SANDBOX_AVATAR_ID, is_sandbox=True)
    assert grant["max_session_duration"] == 60
    assert liveavatar.bill()["credits_used"] == before


# -- control -----------------------------------------------------------------------------------------------------------


async def test_what_is_sent_before_connected_vanishes(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(connected_after_s=0.5)
    grant, _ = start(liveavatar)
    async with connect(grant["ws_url"], proxy=None) as socket:
        control = Control(socket)
        await control.speak(tone(200))
        await control.until("session.state_updated", state="connected")
        await control.send("session.keep_alive")
        await control.send("agent.speak", audio="!", event_id="after")
        error = await control.until("error")
    assert error["error"] == {
        "type": "invalid_request_error",
        "message": "invalid base64 audio data",
        "event_id": "after",
    }
    assert "agent.audio_buffer_appended" not in control.types()


async def test_an_utterance_is_acknowledged_started_and_ended_in_real_time(
    liveavatar: RunningLiveAvatar,
) -> None:
    liveavatar.faults(speak_after_s=0.3)
    grant, _ = start(liveavatar)
    async with controlling(grant) as control:
        loop = asyncio.get_running_loop()
        await control.speak(tone(1200))
        await control.until("agent.audio_buffer_committed", source_event_id="u1")
        await control.until("agent.speak_started", source_event_id="u1")
        began_s = loop.time()
        await control.until("agent.state_updated", new_state="idle")
        took_s = loop.time() - began_s
    assert took_s == pytest.approx(1.2, abs=0.3)
    assert control.types()[-7:] == [
        "agent.audio_buffer_appended",
        "agent.audio_buffer_appended",
        "agent.audio_buffer_committed",
        "agent.state_updated",
        "agent.speak_started",
        "agent.speak_ended",
        "agent.state_updated",
    ]


async def test_an_interrupt_clears_at_once_and_the_next_chunk_begins_anew(
    liveavatar: RunningLiveAvatar,
) -> None:
    liveavatar.faults(speak_after_s=0.1)
    grant, _ = start(liveavatar)
    async with controlling(grant) as control:
        await control.speak(tone(5000), is_whole=False)
        await control.until("agent.speak_started")
        await control.send("agent.interrupt", event_id="i1")
        await control.until("agent.audio_buffer_cleared", source_event_id="i1", within_s=1)
        await control.until("agent.speak_interrupted", source_event_id="u1", within_s=1)
        await control.send("agent.interrupt", event_id="i2")
        await control.until("agent.audio_buffer_cleared", source_event_id="i2", within_s=1)
        await control.speak(tone(100), "u2")
        await control.until("agent.speak_ended", source_event_id="u2")
    assert control.types().count("agent.speak_interrupted") == 1


async def test_without_speak_end_it_goes_on_talking_and_complains_of_starving(
    liveavatar: RunningLiveAvatar,
) -> None:
    liveavatar.faults(speak_after_s=0.1)
    grant, _ = start(liveavatar)
    async with controlling(grant) as control:
        await control.speak(tone(200), is_whole=False)
        starving = await control.until("error")
        assert starving["error"]["type"] == "video_starvation"
        assert "agent.speak_ended" not in control.types()


async def test_the_two_families_of_events_can_be_had_apart_and_doubled(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(speak_after_s=0.1, events="state", has_double_starts=True)
    grant, _ = start(liveavatar)
    async with controlling(grant) as control:
        await control.speak(tone(100))
        await control.until("agent.state_updated", new_state="idle")
    assert not any(kind.startswith("agent.speak") for kind in control.types())
    assert [e["new_state"] for e in control.events if e["type"] == "agent.state_updated"] == [
        "talking",
        "talking",
        "idle",
    ]


async def test_a_lost_control_socket_can_be_had_again_and_a_stopped_sessions_cannot(
    liveavatar: RunningLiveAvatar,
) -> None:
    grant, _ = start(liveavatar)
    async with controlling(grant) as control:
        liveavatar.act("break_control")
        with pytest.raises(ConnectionClosed) as closed:
            await control.until("never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
    async with controlling(grant) as control:
        liveavatar.call("POST", "/v1/sessions/stop", {"session_id": grant["session_id"]})
        await control.until("session.state_updated", state="closed")
    with pytest.raises(InvalidStatus):
        async with connect(grant["ws_url"], proxy=None):
            pass


# -- the room ----------------------------------------------------------------------------------------------------------


def match_ms(heard: Any, said: Any) -> tuple[float, float]:
    """Where in ``heard`` (48 000 Hz) ``said`` (24 000 Hz) lies, in ms, and how well it fits (correlation)."""
    x, y = heard[::2].astype(float), said.astype(float)
    size = 1 << int(np.ceil(np.log2(len(x) + len(y))))
    scores = np.fft.irfft(np.fft.rfft(x, size) * np.conj(np.fft.rfft(y, size)), size)[: len(x)]
    at = int(np.argmax(scores))
    part = x[at : at + len(y)]
    return at / 24, float(scores[at] / (np.linalg.norm(part) * np.linalg.norm(y[: len(part)]) + 1))


@pytest.mark.parametrize(
    ("is_single", "encoding"), [(True, "VP8"), (False, "VP8"), (True, "H264")], ids=["v1", "v0", "v1-h264"]
)
async def test_the_sdk_sees_the_avatar_and_hears_what_was_sent(
    liveavatar: RunningLiveAvatar, is_single: bool, encoding: str
) -> None:
    # Sound and picture leave together, else the SDK stretches the sound until they fit.
    liveavatar.faults(picture_delay_s=0.0)
    grant, _ = start(liveavatar, video_settings={"quality": "low", "encoding": encoding})
    said = sentence()[: 24_000 * 2]
    async with (
        watching(
            grant["livekit_url"], grant["livekit_client_token"], single_peer_connection=is_single
        ) as watcher,
        controlling(grant) as control,
    ):
        await watcher.wait(lambda: len(watcher.pictures) > 10 and watcher.sound)
        await control.speak(said)
        await control.until("agent.speak_ended")
        await asyncio.sleep(1.0)
    assert watcher.identities == {"heygen"}
    assert watcher.pictures[-1][1].shape == (360, 360)
    # Piece by piece: the SDK's jitter buffer stretches and shortens what lies between.
    fits = [match_ms(watcher.heard(), piece)[1] for piece in np.split(said[: 4800 * 6], 6)]
    assert np.median(fits) > 0.85


async def test_the_picture_moves_with_the_sound_and_as_late_as_told(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(picture_delay_s=0.6, speak_after_s=0.1)
    grant, _ = start(liveavatar)
    async with (
        watching(grant["livekit_url"], grant["livekit_client_token"]) as watcher,
        controlling(grant) as control,
    ):
        await watcher.wait(lambda: len(watcher.pictures) > 25)
        await control.speak(tone(1000))
        await control.until("agent.speak_ended")
        await asyncio.sleep(1.0)
    loud = [at_s for at_s, pcm in watcher.sound if np.abs(pcm.astype(int)).max() > 3000]
    mouths = [(at_s, float(luma[230:250, 160:200].mean())) for at_s, luma in watcher.pictures]
    rest = float(np.median([dark for at_s, dark in mouths if at_s < loud[0]]))
    opened = [at_s for at_s, dark in mouths if dark < rest - 20]
    assert 0.2 < opened[0] - loud[0] < 1.2


async def test_a_client_without_version_1_falls_back_to_version_0(liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(has_no_v1=True)
    grant, _ = start(liveavatar)
    async with watching(grant["livekit_url"], grant["livekit_client_token"]) as watcher:
        await watcher.wait(lambda: watcher.pictures)


async def test_a_wrong_token_is_refused_and_a_second_joiner_of_a_name_sends_the_first_away(
    liveavatar: RunningLiveAvatar,
) -> None:
    grant, _ = start(liveavatar)
    with pytest.raises(Exception, match="401"):
        async with watching(grant["livekit_url"], grant["livekit_client_token"][:-3] + "AAA"):
            pass
    address = (grant["livekit_url"], grant["livekit_client_token"])
    async with watching(*address) as first, watching(*address):
        await first.wait(lambda: "disconnected" in first.events)


async def test_lost_signalling_resumes_and_a_refused_resume_brings_new_tracks(
    liveavatar: RunningLiveAvatar,
) -> None:
    grant, _ = start(liveavatar)
    async with watching(grant["livekit_url"], grant["livekit_client_token"]) as watcher:
        await watcher.wait(lambda: watcher.pictures)
        liveavatar.act("drop_signal")
        await watcher.wait(lambda: "reconnected" in watcher.events)
        assert watcher.subscriptions == 2
        liveavatar.act("refuse_resume")
        await watcher.wait(lambda: watcher.subscriptions == 4)
        seen = len(watcher.pictures)
        await watcher.wait(lambda: len(watcher.pictures) > seen + 5)


async def test_the_avatar_can_vanish_and_a_stop_closes_the_room(liveavatar: RunningLiveAvatar) -> None:
    grant, _ = start(liveavatar)

    async def joined(token: str) -> Watcher:
        watcher = Watcher()
        await watcher.room.connect(grant["livekit_url"], token)
        await watcher.wait(lambda: watcher.pictures)
        return watcher

    watcher = await joined(grant["livekit_client_token"])
    try:
        liveavatar.act("vanish")
        await watcher.wait(lambda: "participant_disconnected" in watcher.events)
        liveavatar.call("POST", "/v1/sessions/stop", {"session_id": grant["session_id"]})
        await watcher.wait(lambda: "disconnected" in watcher.events)
    finally:
        await watcher.aclose()
