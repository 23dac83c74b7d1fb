"""The page's own routes: guards, wishes, the event stream."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.compat.format import LIVE_HZ
from kai.core import characters
from kai.core.events import (
    CardDismissed,
    Event,
    FaceShown,
    HandOverRequested,
    LegConnected,
    LegFailed,
    MicrophoneChanged,
    StartRequested,
    TurnKeyPressed,
    TurnKeyReleased,
    UserTranscriptChanged,
)
from kai.core.state import LegName, Look, Microphone, Phase, SessionState
from kai.runtime.hub import SessionHub, Talk
from kai.runtime.tape import Spoken
from kai.ui import host, texts
from kai.ui.host import COOKIE_NAME
from kai.ui.routes import BODY_LIMIT_BYTES, Feed, event_of, routes, stream
from kai.ui.view import NO_NETWORK, TEXT_LIMIT_CHARS
from tests.support.talk import talking
from tests.ui.conftest import BROWSER_ID

TYPED = {"wish": "text", "text": "Hello"}
BASE = "http://127.0.0.1:8501"


@pytest.fixture
def talk(hub: SessionHub) -> Talk:
    return hub.create(BROWSER_ID)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes()), base_url=BASE) as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        yield client


def wait_for(is_so: Callable[[], bool], timeout_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.01)


def begin(talk: Talk) -> None:
    talk.dispatch(StartRequested(time.time(), Look()))
    wait_for(lambda: talk.snapshot().phase is Phase.ACTIVE)


# ------------------------------------------------------------------ guards


def test_health_says_json(client: TestClient, hub: SessionHub) -> None:
    answer = client.get("/api/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"


def test_health_of_a_server_that_is_still_starting_is_503(client: TestClient) -> None:
    host.serve(None)
    assert client.get("/api/health").status_code == 503


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"host": "evil.example"}, 403, "host"),
        ({"origin": "http://evil.example"}, 403, "origin"),
        ({"origin": "http://127.0.0.1:9999"}, 403, "origin"),
        ({"origin": "null"}, 403, "origin"),
        ({"sec-fetch-site": "cross-site"}, 403, "origin"),
        ({"origin": BASE}, 202, ""),
        ({"origin": BASE, "sec-fetch-site": "same-origin"}, 202, ""),
    ],
)
def test_only_our_own_page_may_wish(
    client: TestClient, talk: Talk, headers: dict[str, str], status: int, code: str
) -> None:
    answer = client.post(f"/api/talks/{talk.id}/wishes", json={"wish": "dismiss"}, headers=headers)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code", "") == code


@pytest.mark.parametrize("path", ["events", "wishes"])
@pytest.mark.parametrize("cookie", ["", "another-browser", "x", "%C3%A4" * 8, "a b"])
def test_a_talk_opens_only_to_the_browser_that_made_it(
    client: TestClient, talk: Talk, path: str, cookie: str
) -> None:
    client.cookies.clear()
    if cookie:
        client.cookies.set(COOKIE_NAME, cookie)
    url = f"/api/talks/{talk.id}/{path}"
    answer = client.get(url) if path == "events" else client.post(url, json={"wish": "stop"})
    assert answer.status_code == 404
    assert answer.json()["error"] == {"code": "no-talk", "message": texts.ERROR_NO_TALK}


def test_a_form_of_another_site_is_not_taken_for_a_wish(client: TestClient, talk: Talk) -> None:
    answer = client.post(
        f"/api/talks/{talk.id}/wishes", content=b'{"wish":"stop"}', headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 415


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"stop"', b"\xff"])
def test_what_is_no_json_object_is_refused_in_words(client: TestClient, talk: Talk, body: bytes) -> None:
    answer = client.post(
        f"/api/talks/{talk.id}/wishes", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == texts.ERROR_NOT_JSON


def test_a_body_without_end_is_refused(client: TestClient, talk: Talk) -> None:
    body = b'{"wish":"' + b"x" * BODY_LIMIT_BYTES
    headers = {"content-type": "application/json"}
    assert client.post(f"/api/talks/{talk.id}/wishes", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"wish": "fly"},
        {"wish": "mute"},
        {"wish": "hold"},
        {"wish": "hold", "isDown": 1},
        {"wish": "mute", "isMuted": "yes"},
        {"wish": "retry", "leg": "arm"},
        {"wish": "microphone", "microphone": "unknown"},
        {"wish": "text", "text": 7},
    ],
)
def test_unknown_wishes_are_refused(client: TestClient, talk: Talk, wish: dict[str, object]) -> None:
    answer = client.post(f"/api/talks/{talk.id}/wishes", json=wish)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "wish")


# ------------------------------------------------------------------ wishes


def test_wishes_reach_the_talk(client: TestClient, talk: Talk) -> None:
    begin(talk)
    url = f"/api/talks/{talk.id}/wishes"
    client.post(url, json={"wish": "microphone", "microphone": "refused"})
    client.post(url, json={"wish": "mute", "isMuted": True})
    client.post(url, json={"wish": "text", "text": "  Hello Kai "})
    wait_for(lambda: talk.snapshot().is_muted and len(talk.snapshot().messages) > 0)
    assert talk.snapshot().microphone is Microphone.REFUSED
    assert talk.snapshot().messages[0].text == "Hello Kai"
    assert len(talk.snapshot().messages[0].id) <= 32
    client.post(url, json={"wish": "browser", "problem": "no-network"})
    wait_for(lambda: talk.snapshot().browser.code == NO_NETWORK)
    client.post(url, json={"wish": "stop"})
    wait_for(lambda: talk.snapshot().phase is Phase.CLOSED)


def test_an_empty_line_and_one_too_long_are_refused_with_a_word(client: TestClient, talk: Talk) -> None:
    url = f"/api/talks/{talk.id}/wishes"
    empty = client.post(url, json={"wish": "text", "text": " \n"})
    assert (empty.status_code, empty.json()["error"]["message"]) == (400, texts.EMPTY_LINE)
    long = client.post(url, json={"wish": "text", "text": "x" * (TEXT_LIMIT_CHARS + 1)})
    assert long.status_code == 413


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"shown": 100, "dropped": 2}, 204),
        ({"shown": 1, "dropped": 2}, 204),
        ({"shown": -1, "dropped": -2}, 400),
        ({"shown": 1 << 40, "dropped": 0}, 400),
        ({"shown": "many"}, 400),
    ],
)
def test_a_page_tells_how_many_pictures_it_has_shown(
    client: TestClient, talk: Talk, monkeypatch: pytest.MonkeyPatch, body: dict[str, object], status: int
) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(talk.browser, "page_saw", lambda *counts: told.append(counts))
    assert client.post(f"/api/talks/{talk.id}/pictures", json=body).status_code == status
    assert told == ([(body["shown"], body["dropped"])] if status == 204 else [])
    client.cookies.clear()
    assert client.post(f"/api/talks/{talk.id}/pictures", json=body).status_code == 404


@pytest.mark.parametrize(
    ("told", "taken"), [({"soundAheadMs": -22}, [-22]), ({"soundAheadMs": "much"}, []), ({}, [])]
)
def test_a_page_tells_how_far_its_sound_is_ahead_where_it_knows(
    client: TestClient,
    talk: Talk,
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, object],
    taken: list[int],
) -> None:
    found: list[int] = []
    monkeypatch.setattr(talk.browser, "page_plays", found.append)
    body = {"shown": 100, "dropped": 2, **told}
    assert client.post(f"/api/talks/{talk.id}/pictures", json=body).status_code == 204
    assert found == taken


def test_a_page_tells_how_large_it_shows_the_face(
    client: TestClient, talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Event] = []
    monkeypatch.setattr(talk, "dispatch", told.append)
    for size_px in (440, talk.snapshot().shown_px, "large"):
        body = {"shown": 100, "dropped": 2, "sizePx": size_px}
        assert client.post(f"/api/talks/{talk.id}/pictures", json=body).status_code == 204
    assert told == [FaceShown(440)]


# ------------------------------------------------------------------ events


def parse(text: str) -> list[tuple[str, dict[str, object]]]:
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def test_a_feed_sends_a_line_again_only_when_it_changed() -> None:
    talk, feed = talking(), Feed()

    def news() -> list[tuple[str, dict[str, object]]]:
        return parse("".join(feed.of_state(talk.state, talk.at_s)))

    assert [name for name, _ in news()] == ["lines", "view"]
    assert news() == []
    talk.do(UserTranscriptChanged("u1", "First", True), UserTranscriptChanged("u2", "Sec", False))
    (name, data), *_ = news()
    assert (name, data["from"], [line["text"] for line in data["lines"]]) == ("lines", 0, ["First", "Sec"])  # type: ignore[attr-defined]
    talk.do(UserTranscriptChanged("u2", "Second", True))
    (name, data), *_ = news()
    assert (name, data["from"], [line["text"] for line in data["lines"]]) == ("lines", 1, ["Second"])  # type: ignore[attr-defined]


def test_the_page_is_told_how_far_an_answer_has_been_spoken_once_for_each_change() -> None:
    feed = Feed()
    told = [
        parse("".join(feed.of_spoken(spoken)))
        for spoken in (
            None,
            Spoken("r1", 2, 700, None),
            Spoken("r1", 2, 700, None),
            Spoken("r1", None, 900, 1_800),
        )
    ]
    assert told == [
        [],
        [("spoken", {"id": "r1", "words": 2, "ms": 700, "lastsMs": None})],
        [],
        [("spoken", {"id": "r1", "words": None, "ms": 900, "lastsMs": 1_800})],
    ]


def test_time_alone_is_no_news() -> None:
    talk, feed = talking(), Feed()
    list(feed.of_state(talk.state, 1.0))
    assert list(feed.of_state(talk.state, 2.0)) == []


async def collect(talk: Talk, is_enough: Callable[[list[tuple[str, dict[str, object]]]], bool]) -> str:
    events: list[tuple[str, dict[str, object]]] = []
    async with asyncio.timeout(10):
        async for text in stream(talk):
            events += parse(text)
            if is_enough(events):
                return "enough"
    return "ended"


async def test_a_stream_tells_the_state_at_once_and_each_change(talk: Talk) -> None:
    begun = asyncio.create_task(
        collect(talk, lambda events: any(n == "view" and d["phase"] == "active" for n, d in events))
    )
    await asyncio.sleep(0)
    talk.dispatch(StartRequested(time.time(), Look()))
    assert await begun == "enough"


async def test_a_stream_holds_the_talk_while_it_is_open(talk: Talk) -> None:
    events = stream(talk)
    await anext(events)
    assert talk.is_attended()
    await events.aclose()  # type: ignore[attr-defined]
    assert not talk.is_attended()


async def test_a_stream_ends_with_the_server(talk: Talk) -> None:
    is_ending = False
    events = stream(talk, lambda: is_ending)
    await anext(events)
    is_ending = True
    async with asyncio.timeout(5):
        rest = [text async for text in events]
    assert len(rest) <= 1


async def test_answers_go_to_a_page_without_webrtc_as_sound(talk: Talk) -> None:
    talk.dispatch(StartRequested(time.time(), Look()))
    talk.dispatch(MicrophoneChanged(Microphone.MISSING))
    talk.dispatch(LegFailed(LegName.BROWSER, NO_NETWORK, texts.NO_NETWORK, False))
    await asyncio.to_thread(wait_for, lambda: talk.snapshot().brain.is_up)
    client = TestClient(Starlette(routes=routes()), base_url=BASE, cookies={COOKIE_NAME: BROWSER_ID})
    sounds: list[dict[str, object]] = []
    async with asyncio.timeout(10):
        async for text in stream(talk):
            if not sounds and not talk.snapshot().messages:
                await asyncio.to_thread(client.post, f"/api/talks/{talk.id}/wishes", json=TYPED)
            sounds += [data for name, data in parse(text) if name == "sound"]
            if len(sounds) >= 3:
                break
    pcm = np.frombuffer(base64.b64decode(str(sounds[-1]["pcm"])), np.int16)
    assert sounds[-1]["rate"] == LIVE_HZ
    assert np.abs(pcm).max() > 1000


def test_no_state_of_a_leg_breaks_the_view() -> None:
    states: list[SessionState] = []
    for leg in LegName:
        talk = talking()
        talk.do(LegFailed(leg, "x", "Something is off. Try again."))
        states.append(talk.state)
        talk.do(LegConnected(leg))
        states.append(talk.state)
    for state in states:
        assert parse("".join(Feed().of_state(state, 0.0)))


# ------------------------------------------------------------------ pictures


def test_pictures_of_the_characters_are_served_and_nothing_else(client: TestClient) -> None:
    for name in characters.NAMES:
        answer = client.get(f"/api/pictures/{name}.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.content[:2] == b"\xff\xd8"
    for name in ("nobody", "..%2f..%2fsettings", "kai.npz"):
        assert client.get(f"/api/pictures/{name}.jpg").status_code == 404


@pytest.mark.parametrize(
    ("wish", "event"),
    [
        ({"wish": "hold", "isDown": True}, TurnKeyPressed()),
        ({"wish": "hold", "isDown": False}, TurnKeyReleased()),
        ({"wish": "hand-over"}, HandOverRequested()),
        ({"wish": "put-card-away"}, CardDismissed()),
    ],
)
def test_each_wish_is_the_event_that_it_stands_for(wish: dict[str, object], event: Event) -> None:
    assert event_of(wish) == event
