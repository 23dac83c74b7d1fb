"""The avatar desk against the local LiveAvatar, and its routes: an avatar for other clients, never without a lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.adapters.liveavatar import Account, LiveAvatarApi
from kai.adapters.liveavatar.face import AvatarChoice
from kai.app import App
from kai.engine.liveavatar.account import AVATARS
from kai.errors import FaceError
from kai.lending.avatars import KEEP_ALIVE_WITHIN_S, STARTS_A_MINUTE, AvatarDesk
from kai.records.memory import Memory
from kai.records.paid_sessions import PaidSessions
from kai.runtime.loop import LoopThread
from kai.ui import host
from kai.ui.avatar_routes import routes
from kai.ui.host import COOKIE_NAME
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")
ANN, BOB = "browser-ann", "browser-bob"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def desk(liveavatar: RunningLiveAvatar, tmp_path: Path, clock: Clock) -> AsyncIterator[AvatarDesk]:
    api = LiveAvatarApi(Account(KEY, liveavatar.url))
    desk = AvatarDesk(api, CHOICE, PaidSessions(tmp_path), limit_s=1200, clock=clock)
    desk.open()
    yield desk
    await desk.aclose()
    await api.aclose()
    assert PaidSessions(tmp_path).all() == ()
    assert liveavatar.bill()["running"] == 0


async def test_a_ticket_is_good_once_for_its_browser_and_for_a_minute(desk: AvatarDesk, clock: Clock) -> None:
    ticket = desk.ticket(ANN)
    with pytest.raises(FaceError):
        await desk.start(BOB, ticket)
    with pytest.raises(FaceError):
        await desk.start(ANN, ticket)
    late = desk.ticket(ANN)
    clock.now_s += 61
    with pytest.raises(FaceError):
        await desk.start(ANN, late)
    assert (await desk.start(ANN, desk.ticket(ANN))).livekit_url.startswith("ws://127.0.0.1")


async def test_a_lent_session_is_recorded_kept_alive_by_its_browser_only_and_stopped(
    desk: AvatarDesk, liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    grant = await desk.start(ANN, desk.ticket(ANN))
    assert [record.id for record in PaidSessions(tmp_path).all()] == [grant.session_id]
    await desk.keep_alive(ANN, grant.session_id)
    for act in (desk.keep_alive, desk.stop):
        with pytest.raises(FaceError):
            await act(BOB, grant.session_id)
    assert liveavatar.bill()["running"] == 1
    await desk.stop(ANN, grant.session_id)
    await desk.stop(ANN, grant.session_id)
    assert liveavatar.bill()["running"] == 0


async def test_a_second_start_of_a_browser_ends_its_first(
    desk: AvatarDesk, liveavatar: RunningLiveAvatar
) -> None:
    await desk.start(ANN, desk.ticket(ANN))
    second = await desk.start(ANN, desk.ticket(ANN))
    active = [s["id"] for s in liveavatar.bill()["sessions"] if s["is_running"]]
    assert active == [second.session_id]


@pytest.mark.parametrize(("wait_s", "reason"), [(KEEP_ALIVE_WITHIN_S + 1, "IDLE_TIMEOUT"), (1201, None)])
async def test_what_nobody_keeps_alive_is_stopped(
    desk: AvatarDesk, liveavatar: RunningLiveAvatar, clock: Clock, wait_s: float, reason: str | None
) -> None:
    grant = await desk.start(ANN, desk.ticket(ANN))
    await desk.stop_overdue()
    assert liveavatar.bill()["running"] == 1
    clock.now_s += wait_s
    if reason is None:
        await desk.keep_alive(ANN, grant.session_id)
    await desk.stop_overdue()
    ended = next(s for s in liveavatar.bill()["sessions"] if s["id"] == grant.session_id)
    assert ended["end_reason"] == (reason or "MAX_DURATION_REACHED")


async def test_starts_are_limited(desk: AvatarDesk, liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(max_concurrent=0)
    for _ in range(STARTS_A_MINUTE):
        with pytest.raises(FaceError, match="no further session"):
            await desk.start(ANN, desk.ticket(ANN))
    with pytest.raises(FaceError, match="Too many starts"):
        await desk.start(ANN, desk.ticket(ANN))


# -- the routes --------------------------------------------------------------------------------------------------------


class LeavingTalk:
    has_left = False

    def page_left(self) -> None:
        self.has_left = True


class Hub:
    """What the routes need: a loop, and a talk of Ann's."""

    def __init__(self, loop: LoopThread) -> None:
        self.submit = loop.submit
        self.talk = LeavingTalk()

    def find(self, talk_id: str, browser_id: str) -> LeavingTalk | None:
        return self.talk if (talk_id, browser_id) == ("talk-of-ann", ANN) else None


@pytest.fixture
def client(liveavatar: RunningLiveAvatar, tmp_path: Path) -> Iterator[TestClient]:
    loop = LoopThread()
    loop.start()

    async def make() -> tuple[LiveAvatarApi, AvatarDesk]:
        api = LiveAvatarApi(Account(KEY, liveavatar.url))
        return api, AvatarDesk(api, CHOICE, PaidSessions(tmp_path), limit_s=1200)

    api, desk = loop.submit(make()).result(5)
    memory = Memory(tmp_path / "memory", may_keep_talks=False)
    host.serve(App(Hub(loop), memory, desk=desk))  # pyright: ignore
    with TestClient(Starlette(routes=routes()), base_url="http://127.0.0.1:8501") as client:
        client.cookies.set(COOKIE_NAME, ANN)
        yield client
    host.serve(None)
    memory.close()
    loop.submit(desk.aclose()).result(10)
    loop.submit(api.aclose()).result(5)
    loop.stop()


def started(client: TestClient, **of: str) -> dict[str, Any]:
    ticket = client.post("/api/avatar/ticket").json()["ticket"]
    reply = client.post("/api/avatar/start", json={"ticket": ticket, **of})
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_page_starts_keeps_and_stops_an_avatar_and_never_sees_the_key(
    client: TestClient, liveavatar: RunningLiveAvatar
) -> None:
    grant = started(client)
    assert set(grant) == {"session_id", "livekit_url", "livekit_token", "ws_url", "max_session_duration"}
    assert KEY not in str(grant)
    body = {"session_id": grant["session_id"]}
    assert client.post("/api/avatar/keep-alive", json=body).status_code == 200
    assert client.post("/api/avatar/stop", json=body).status_code == 200
    assert client.post("/api/avatar/keep-alive", json=body).json()["error"]["code"] == "avatar-not-yours"
    assert liveavatar.bill()["running"] == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
def test_strangers_are_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/api/avatar/start", content="{}", headers=headers).status_code == status


def test_without_a_cookie_a_ticket_or_a_key_there_is_nothing(client: TestClient) -> None:
    assert client.post("/api/avatar/start", json={}).json()["error"]["code"] == "avatar-ticket"
    client.cookies.clear()
    assert client.post("/api/avatar/ticket").status_code == 403
    client.cookies.set(COOKIE_NAME, ANN)
    assert client.get("/api/avatar/gallery").json()["error"]["code"] == "no-avatar"
    host.serve(replace(host.app(), desk=None))
    assert client.post("/api/avatar/ticket").json()["error"]["code"] == "no-avatar"


def test_a_pages_last_word_is_for_its_own_talk(client: TestClient) -> None:
    hub = host.app().hub
    assert isinstance(hub, Hub)
    assert client.post("/api/avatar/stop", json={"talk_id": "talk-of-bob"}).status_code == 404
    assert not hub.talk.has_left
    assert client.post("/api/avatar/stop", json={"talk_id": "talk-of-ann"}).status_code == 200
    assert hub.talk.has_left


def test_a_pages_last_word_stops_what_was_lent_to_that_page(
    client: TestClient, liveavatar: RunningLiveAvatar
) -> None:
    last_word = {"talk_id": "talk-of-ann"}
    started(client)
    assert client.post("/api/avatar/stop", json=last_word).status_code == 200
    assert liveavatar.bill()["running"] == 1
    grant = started(client, **last_word)
    assert client.post("/api/avatar/stop", json=last_word).status_code == 200
    assert liveavatar.bill()["running"] == 0
    ended = next(s for s in liveavatar.bill()["sessions"] if s["id"] == grant["session_id"])
    assert ended["end_reason"] == "USER_DISCONNECTED"
    assert (
        client.post("/api/avatar/start", json={"talk_id": "talk-of-bob"}).json()["error"]["code"] == "no-talk"
    )


def test_a_refusal_has_no_word_of_the_provider(client: TestClient, liveavatar: RunningLiveAvatar) -> None:
    liveavatar.faults(refuse="token", refuse_status=500, refuse_message="internal detail 4711")
    ticket = client.post("/api/avatar/ticket").json()["ticket"]
    reply = client.post("/api/avatar/start", json={"ticket": ticket})
    assert reply.status_code == 502
    assert "4711" not in reply.text
