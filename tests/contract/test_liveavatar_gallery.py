"""The gallery against the local LiveAvatar, and its routes: what can be chosen, with pictures, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.adapters.liveavatar import Account
from kai.adapters.liveavatar.gallery import AGAIN_S, LIST_S, PREVIEW_PX, AvatarShelf, Gallery, smaller
from kai.app import App
from kai.engine.liveavatar.account import AVATARS, OWN_AVATAR_ID
from kai.errors import ProtocolError
from kai.records.memory import Memory
from kai.ui import host
from kai.ui.avatar_routes import routes
from kai.ui.host import COOKIE_NAME
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process

__all__ = ["liveavatar", "liveavatar_process"]

WAIT_S = 10.0


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gallery(liveavatar: RunningLiveAvatar, tmp_path: Path, clock: Clock) -> Iterator[Gallery]:
    gallery = Gallery(Account(KEY, liveavatar.url), tmp_path / "previews", clock=clock)
    yield gallery
    gallery.aclose()


def known_shelf(gallery: Gallery) -> AvatarShelf:
    """The shelf, once the first answer has come."""
    until_s = time.monotonic() + WAIT_S
    while (shelf := gallery.shelf()).is_loading:
        assert time.monotonic() < until_s
        time.sleep(0.02)
    return shelf


def pixels(picture: bytes | None) -> Any:
    assert picture is not None
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


def test_the_first_look_waits_for_nothing_and_the_next_has_what_can_be_used(gallery: Gallery) -> None:
    began_s = time.monotonic()
    assert gallery.shelf().is_loading
    assert time.monotonic() - began_s < 1.0
    shelf = known_shelf(gallery)
    assert {avatar.name for avatar in shelf.avatars} == {
        "Kai",
        "Mara",
        "Ade",
        "Ines",
        "Emil",
        "Vera",
        "Jun",
        "Wayne",
    }
    assert shelf.avatars[0].id == OWN_AVATAR_ID
    assert [avatar.is_own for avatar in shelf.avatars] == [True] + [False] * (len(AVATARS) - 1)
    assert all(avatar.has_preview for avatar in shelf.avatars)
    assert shelf.problem == ""


def test_the_account_tells_what_is_left_what_that_buys_and_what_was_used(
    gallery: Gallery, liveavatar: RunningLiveAvatar, clock: Clock
) -> None:
    known_shelf(gallery)
    wait_for(lambda: gallery.shelf().account is not None)
    before = gallery.shelf().account
    assert before is not None
    assert before.minutes_left == int(before.credits_left)
    token = liveavatar.call("POST", "/v1/sessions/token", {"mode": "LITE", "avatar_id": next(iter(AVATARS))})
    bearer = {"Authorization": f"Bearer {token.json()['data']['session_token']}"}
    assert liveavatar.call("POST", "/v1/sessions/start", {}, **bearer).status_code == 201
    clock.now_s += LIST_S + 1
    wait_for(lambda: gallery.shelf().account != before)
    after = gallery.shelf().account
    assert after is not None
    assert after.credits_used - before.credits_used == 1


def test_a_list_that_cannot_be_had_says_so_stays_as_it_was_and_comes_later(
    gallery: Gallery, liveavatar: RunningLiveAvatar, clock: Clock
) -> None:
    known = known_shelf(gallery).avatars
    wait_for(lambda: gallery.shelf().account is not None)
    liveavatar.faults(refuse="credits", refuse_status=500)
    clock.now_s += LIST_S + 1
    wait_for(lambda: gallery.shelf().problem != "")
    assert gallery.shelf().avatars == known
    clock.now_s += AGAIN_S + 1
    wait_for(lambda: gallery.shelf().problem == "")


def test_a_wrong_key_is_told_in_words(liveavatar: RunningLiveAvatar, tmp_path: Path) -> None:
    gallery = Gallery(Account("bad-key", liveavatar.url), tmp_path)
    shelf = known_shelf(gallery)
    gallery.aclose()
    assert "LIVEAVATAR_API_KEY" in shelf.problem
    assert shelf.avatars == ()


def test_a_preview_is_small_and_comes_from_disk_the_next_time(
    gallery: Gallery, liveavatar: RunningLiveAvatar, tmp_path: Path
) -> None:
    shelf = known_shelf(gallery)
    picture = gallery.preview(shelf.avatars[0].id).result(WAIT_S)
    assert max(pixels(picture).shape) <= PREVIEW_PX
    (kept,) = (tmp_path / "previews").iterdir()
    assert kept.read_bytes() == picture
    kept.write_bytes(b"from disk")
    assert gallery.preview(shelf.avatars[0].id).result(WAIT_S) == b"from disk"
    assert gallery.preview("nobody").result(0) is None


def test_nothing_but_a_picture_becomes_one() -> None:
    with pytest.raises(ProtocolError):
        smaller(b"<svg onload=alert(1)>")
    _, wide = cv2.imencode(".png", np.zeros((100, 1000, 3), np.uint8))
    assert pixels(smaller(wide.tobytes())).shape == (PREVIEW_PX // 10, PREVIEW_PX, 3)


# -- the routes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def client(gallery: Gallery, tmp_path: Path) -> Iterator[TestClient]:
    # These routes do not use the hub and the desk.
    memory = Memory(tmp_path / "memory", may_keep_talks=False)
    host.serve(App(None, memory, desk=object(), gallery=gallery))  # pyright: ignore
    with TestClient(Starlette(routes=routes()), base_url="http://127.0.0.1:8501") as client:
        client.cookies.set(COOKIE_NAME, "browser-ann")
        yield client
    host.serve(None)
    memory.close()


def test_the_page_is_told_of_avatars_and_account_without_a_word_of_the_provider(
    client: TestClient, gallery: Gallery, liveavatar: RunningLiveAvatar
) -> None:
    known_shelf(gallery)
    wait_for(lambda: gallery.shelf().account is not None)
    told = client.get("/api/avatar/gallery").json()
    assert {avatar["name"] for avatar in told["avatars"]} == {
        "Kai",
        "Mara",
        "Ade",
        "Ines",
        "Emil",
        "Vera",
        "Jun",
        "Wayne",
    }
    account = client.get("/api/avatar/account").json()
    assert account["minutes_left"] == int(float(account["credits_left"]))
    picture = client.get(told["avatars"][0]["preview_url"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert max(pixels(picture.content).shape) <= PREVIEW_PX
    assert liveavatar.url not in str(told)
    assert client.get("/api/avatar/previews/nobody.jpg").status_code == 404


def test_a_preview_is_for_a_browser_with_a_page_of_ours(client: TestClient, gallery: Gallery) -> None:
    url = f"/api/avatar/previews/{known_shelf(gallery).avatars[0].id}.jpg"
    assert client.get(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    client.cookies.clear()
    assert client.get(url).status_code == 403


def wait_for(is_so: Any, within_s: float = WAIT_S) -> None:
    until_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def test_a_closed_gallery_begins_nothing(gallery: Gallery) -> None:
    shelf = known_shelf(gallery)
    gallery.aclose()
    found: Future[bytes | None] = gallery.preview(shelf.avatars[0].id)
    assert found.result(0) is None
