"""Browser clients of others, unmodified but for the address, against the local LiveAvatar, in Chromium.

``livekit-client`` joins the room as anybody may (signalling version 1); HeyGen's own ``@heygen/liveavatar-web-sdk`` does the
whole of a session, over the older ``livekit-client`` that it brings (version 0).
"""

from __future__ import annotations

import base64
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from kai.bench.driver import Visitor, visitor
from kai.engine.liveavatar.account import AVATARS
from tests.browser.conftest import chromium
from tests.support.liveavatar import RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.strangers import bundle_with, stranger_page

__all__ = ["chromium", "liveavatar", "liveavatar_process"]

WITHIN_S = 30.0
# What both tests keep of what they see; warnings and errors of the libraries are complaints.
SEEN_JS = """
() => {
  window.seen = { complaints: [], states: [], events: [], joined: [], disconnected: [] };
  const complain = (what) => seen.complaints.push(String(what?.message ?? what));
  window.addEventListener('unhandledrejection', (e) => complain(e.reason));
  window.addEventListener('error', (e) => complain(e.error ?? e.message));
  for (const level of ['warn', 'error']) console[level] = (...words) => complain(words.map(String).join(' '));
}
"""
STATS_JS = """
async () => {
  const found = { frames: 0, width: 0, energy: 0 };
  for (const connection of window.__kaiConnections)
    (await connection.getStats()).forEach((s) => {
      if (s.type !== 'inbound-rtp') return;
      if (s.kind === 'video') { found.frames += s.framesDecoded ?? 0; found.width = s.frameWidth ?? found.width; }
      else found.energy += s.totalAudioEnergy ?? 0;
    });
  const video = document.querySelector('video');
  found.shown = video.getVideoPlaybackQuality().totalVideoFrames;
  return found;
}
"""


def tone(seconds: float) -> str:
    """A tone, 24 000 Hz mono int16, in base64 as both clients send it."""
    time_s = np.arange(int(seconds * 24_000)) / 24_000
    samples = (12_000 * np.sin(2 * np.pi * 220 * time_s)).astype("<i2")
    return base64.b64encode(samples.tobytes()).decode()


def mint(server: RunningLiveAvatar) -> str:
    """A session's token, as one's own backend gets it."""
    video = {"quality": "low", "encoding": "VP8"}
    body = {"mode": "LITE", "avatar_id": next(iter(AVATARS)), "video_settings": video}
    return server.call("POST", "/v1/sessions/token", body).json()["data"]["session_token"]


def wait_picture_and_no_sound(person: Visitor, page: Page) -> None:
    person.wait(lambda: page.evaluate(STATS_JS)["shown"] > 20, WITHIN_S, "a picture that moves")
    stats = page.evaluate(STATS_JS)
    assert stats["width"] == 360
    assert stats["energy"] < 0.001


def heard(person: Visitor, page: Page) -> float:
    """Energy of the sound so far, once there is some."""
    person.wait(lambda: page.evaluate(STATS_JS)["energy"] > 0.02, WITHIN_S, "the avatar's sound")
    return page.evaluate(STATS_JS)["energy"]


def falls_silent(person: Visitor, page: Page) -> None:
    """The sound ends well before the tone would."""
    energies = [page.evaluate(STATS_JS)["energy"]]

    def is_still() -> bool:
        person.page.wait_for_timeout(300)
        energies.append(page.evaluate(STATS_JS)["energy"])
        return energies[-1] - energies[-2] < 0.001

    person.wait(is_still, 5, "silence")


def commands(server: RunningLiveAvatar) -> list[str]:
    """What the newest session heard, in order; sound in any number of pieces counts once."""
    return [kind for kind, _ in groupby(server.bill()["sessions"][0]["commands"])]


JOIN_JS = """
async ({ grant }) => {
  const { Room, RoomEvent } = window.sdk;
  const room = (window.room = new Room());
  room.on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
    seen.joined.push([participant.identity, track.kind]);
    track.attach(document.querySelector('video'));
  });
  room.on(RoomEvent.Disconnected, (reason) => seen.disconnected.push(reason ?? null));
  await room.connect(grant.livekit_url, grant.livekit_client_token);
  const socket = (window.socket = new WebSocket(grant.ws_url));
  await new Promise((ready) => {
    socket.onmessage = (message) => {
      const event = JSON.parse(message.data);
      seen.events.push(event.type);
      if (event.type === 'session.state_updated' && event.state === 'connected') ready();
    };
  });
}
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_livekit_client_joins_sees_hears_and_leaves(liveavatar: RunningLiveAvatar, chromium: Path) -> None:
    entry = 'import * as sdk from "livekit-client"; window.sdk = sdk;'
    bundle = bundle_with("livekit-client@2.23.0", entry=entry)
    bearer = {"Authorization": f"Bearer {mint(liveavatar)}"}
    grant = liveavatar.call("POST", "/v1/sessions/start", None, **bearer).json()["data"]
    with visitor(chromium) as person, stranger_page(person.page, bundle) as page:
        page.evaluate(SEEN_JS)
        page.evaluate(JOIN_JS, {"grant": grant})
        wait_picture_and_no_sound(person, page)
        speak = "(audio) => { socket.send(JSON.stringify({ type: 'agent.speak', event_id: 'u1', audio })); }"
        page.evaluate(speak, tone(9.0))
        page.evaluate("() => socket.send(JSON.stringify({ type: 'agent.speak_end', event_id: 'u1' }))")
        heard(person, page)
        page.evaluate("() => socket.send(JSON.stringify({ type: 'agent.interrupt', event_id: 'i1' }))")
        falls_silent(person, page)
        complaints = page.evaluate("() => seen.complaints")
        liveavatar.call("POST", "/v1/sessions/stop", None, **bearer)
        person.wait(lambda: page.evaluate("() => seen.disconnected.length"), WITHIN_S, "the room's end")
        seen = page.evaluate("() => seen")
    assert sorted(seen["joined"]) == [["heygen", "audio"], ["heygen", "video"]]
    assert "agent.speak_started" in seen["events"]
    assert "agent.speak_interrupted" in seen["events"]
    assert complaints == []
    assert commands(liveavatar) == ["agent.speak", "agent.speak_end", "agent.interrupt"]
    assert not liveavatar.bill()["sessions"][-1]["is_running"]


SDK_JS = """
async ({ url, token }) => {
  const { LiveAvatarSession, SessionEvent, AgentEventsEnum } = window.sdk;
  const session = (window.session = new LiveAvatarSession(token, { apiUrl: url }));
  session.on(SessionEvent.SESSION_STATE_CHANGED, (state) => seen.states.push(state));
  session.on(SessionEvent.SESSION_DISCONNECTED, (reason) => seen.disconnected.push(reason));
  for (const kind of [AgentEventsEnum.AVATAR_SPEAK_STARTED, AgentEventsEnum.AVATAR_SPEAK_ENDED])
    session.on(kind, () => seen.events.push(kind));
  const ready = new Promise((is) => session.on(SessionEvent.SESSION_STREAM_READY, is));
  await session.start();
  await ready;
  session.attach(document.querySelector('video'));
}
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_heygens_web_sdk_starts_speaks_interrupts_and_stops(
    liveavatar: RunningLiveAvatar, chromium: Path
) -> None:
    entry = 'import * as sdk from "@heygen/liveavatar-web-sdk"; window.sdk = sdk;'
    bundle = bundle_with("@heygen/liveavatar-web-sdk@0.0.18", entry=entry)
    with visitor(chromium) as person, stranger_page(person.page, bundle) as page:
        page.evaluate(SEEN_JS)
        page.evaluate(SDK_JS, {"url": liveavatar.url, "token": mint(liveavatar)})
        wait_picture_and_no_sound(person, page)
        page.evaluate("(audio) => window.session.repeatAudio(audio)", tone(9.0))
        heard(person, page)
        person.wait(lambda: page.evaluate("() => seen.events.length"), WITHIN_S, "the word that it speaks")
        page.evaluate("() => window.session.keepAlive()")
        page.evaluate("() => window.session.interrupt()")
        falls_silent(person, page)
        complaints = page.evaluate("() => seen.complaints")
        page.evaluate("() => window.session.stop()")
        person.wait(lambda: not liveavatar.bill()["running"], WITHIN_S, "the end of the session")
        seen: dict[str, Any] = page.evaluate("() => seen")
    assert seen["states"] == ["CONNECTING", "CONNECTED", "DISCONNECTING", "DISCONNECTED"]
    assert seen["disconnected"] == ["CLIENT_INITIATED"]
    assert seen["events"][0] == "avatar.speak_started"
    assert complaints == []
    assert commands(liveavatar) == ["agent.speak", "agent.speak_end", "agent.interrupt"]
