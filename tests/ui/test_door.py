"""The door: closed to who does not know the password, slow to who guesses, and never open to a network without one."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from kai.errors import ConfigError
from kai.settings import Settings
from kai.ui import door, door_texts, password, server
from kai.ui.door import COOKIE_NAME, FORGIVEN_S, FREE_TRIES, LONGEST_WAIT_S, MOST_ADDRESSES, OPEN_S, Door
from kai.ui.password import is_hash, is_password, make_hash

PASSWORD = "correct horse battery"
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def hashed() -> str:
    return make_hash(PASSWORD)


class Clock:
    """A clock that goes on by hand."""

    def __init__(self) -> None:
        self.at_s = 1000.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def locked(hashed: str, clock: Clock) -> Iterator[Door]:
    made = Door(hashed, clock)
    door.install(made)
    yield made
    door.install(None)


async def _say(_request: Request) -> Response:
    return PlainTextResponse("inside")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("inside")
    await socket.close()


ROUTES = [
    Route("/", _say),
    Route("/api/health", _say, methods=["GET", "POST"]),
    Route("/media/file", _say),
    WebSocketRoute("/_stcore/stream", _echo),
]


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = Starlette(routes=ROUTES, middleware=[Middleware(door.DoorKeeper)])
    with TestClient(app, base_url="http://192.0.2.7:8501", follow_redirects=False) as client:
        yield client


def tell(client: TestClient, words: str, **headers: str) -> Response:
    return client.post("/login", data={"password": words}, headers=headers)  # pyright: ignore[reportReturnType]


# ------------------------------------------------------------------ the hash


def test_a_hash_knows_its_password_alone_and_has_a_salt(hashed: str) -> None:
    assert is_hash(hashed)
    assert PASSWORD not in hashed
    assert is_password(PASSWORD, hashed)
    assert not is_password(PASSWORD + " ", hashed)
    assert not is_password("", hashed)
    assert make_hash(PASSWORD) != hashed
    assert not set(hashed) & set("$'\"\\ `#{}")


def test_a_hash_is_slow_to_make(hashed: str) -> None:
    log2_n, r, _ = (int(part) for part in hashed.split(":")[1:4])
    assert 128 * (1 << log2_n) * r >= 32 << 20, "bytes of memory for each try"


@pytest.mark.parametrize(
    "text", ["", "plain", "scrypt:15:8:1:x:y", "scrypt:40:8:1:" + "A" * 24 + ":" + "A" * 44]
)
def test_what_is_no_hash_is_told(text: str) -> None:
    assert not is_hash(text)
    with pytest.raises(ValueError):
        is_password("x", text)


def test_the_command_prints_the_line_for_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert password.main() == 0
    name, _, value = capsys.readouterr().out.strip().partition("=")
    assert name == "KAI_PASSWORD_HASH"
    assert is_password(PASSWORD, value)
    monkeypatch.setattr(sys, "stdin", io.StringIO("short\n"))
    assert password.main() == 1
    assert "8 characters" in capsys.readouterr().err


# ------------------------------------------------------------------ in and out


def test_nothing_at_all_is_had_without_the_password(client: TestClient, locked: Door) -> None:
    page = client.get("/", headers=PAGE)
    assert page.status_code == 401
    assert door_texts.DOOR_LEAD in page.text
    assert "inside" not in page.text
    for answer in (client.get("/api/health"), client.post("/api/health"), client.get("/media/file")):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "password"
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/_stcore/stream"):
        pass
    assert closed.value.code == 1008


def test_with_the_password_everything_opens_by_a_cookie_that_no_script_reads(
    client: TestClient, locked: Door
) -> None:
    answer = tell(client, PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    for part in (f"{COOKIE_NAME}=", "HttpOnly", "SameSite=strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    assert client.get("/", headers=PAGE).text == "inside"
    assert client.post("/api/health").text == "inside"
    with client.websocket_connect("ws://192.0.2.7:8501/_stcore/stream") as socket:
        assert socket.receive_text() == "inside"
    assert client.get("/login").status_code == 303


def test_over_https_the_cookie_goes_over_https_alone(locked: Door) -> None:
    app = Starlette(routes=ROUTES, middleware=[Middleware(door.DoorKeeper)])
    with TestClient(app, base_url="https://192.0.2.7", follow_redirects=False) as client:
        assert "Secure" in tell(client, PASSWORD).headers["set-cookie"]


def test_a_made_up_or_old_cookie_opens_nothing(client: TestClient, locked: Door, clock: Clock) -> None:
    client.cookies.set(COOKIE_NAME, "made-up")
    assert client.get("/").status_code == 401
    client.cookies.clear()
    tell(client, PASSWORD)
    assert client.get("/").status_code == 200
    clock.at_s += OPEN_S + 1
    assert client.get("/").status_code == 401


def test_the_server_keeps_no_cookie_but_its_hash(client: TestClient, locked: Door) -> None:
    tell(client, PASSWORD)
    token = client.cookies[COOKIE_NAME]
    assert token.encode() not in repr(locked._visitors).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "application/json"},
    ],
)
def test_another_sites_form_is_not_looked_at(
    client: TestClient, locked: Door, headers: dict[str, str]
) -> None:
    assert tell(client, PASSWORD, **headers).status_code == 403
    assert locked.wait_s("testclient") == 0


def test_a_huge_form_is_refused(client: TestClient, locked: Door) -> None:
    assert tell(client, "x" * 5000).status_code == 413


def test_what_was_typed_stands_on_no_page(client: TestClient, locked: Door) -> None:
    words = "<script>alert(1)</script>"
    answer = tell(client, words)
    assert answer.status_code == 401
    assert "alert" not in answer.text  # pyright: ignore[reportAttributeAccessIssue]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# ------------------------------------------------------------------ guessing


def test_who_guesses_waits_twice_as_long_each_time(client: TestClient, locked: Door, clock: Clock) -> None:
    for _ in range(FREE_TRIES):
        assert tell(client, "wrong").status_code == 401
    waits: list[float] = []
    for _ in range(4):
        waits.append(locked.wait_s("testclient"))
        refused = tell(client, PASSWORD)
        assert refused.status_code == 429, "within the wait even the right one is not looked at"
        assert int(refused.headers["retry-after"]) >= waits[-1]
        clock.at_s += waits[-1] + 0.01
        assert tell(client, "wrong").status_code == 401
    assert waits == [1.0, 2.0, 4.0, 8.0]
    clock.at_s += 16.01
    assert tell(client, PASSWORD).status_code == 303
    assert locked.wait_s("testclient") == 0


async def test_waits_have_an_end_and_are_forgiven(
    hashed: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "is_password", lambda *_: False)
    made = Door(hashed, clock)
    for _ in range(40):
        await made.try_password("192.0.2.1", "wrong")
        clock.at_s += made.wait_s("192.0.2.1")
    await made.try_password("192.0.2.1", "wrong")
    assert made.wait_s("192.0.2.1") == LONGEST_WAIT_S
    clock.at_s += FORGIVEN_S + 1
    await made.try_password("192.0.2.1", "wrong")
    assert made.wait_s("192.0.2.1") == 0


async def test_tries_are_counted_by_address_and_an_ipv6_network_is_one(
    hashed: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "is_password", lambda *_: False)
    made = Door(hashed, clock)
    for i in range(FREE_TRIES):
        await made.try_password(f"2001:db8::{i}", "wrong")
    assert made.wait_s("2001:db8::ffff") == 1.0
    assert made.wait_s("2001:db8:1::1") == 0
    assert made.wait_s("192.0.2.1") == 0
    for i in range(MOST_ADDRESSES + 10):
        await made.try_password(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", "wrong")
    assert len(made._tries) == MOST_ADDRESSES


async def test_many_tries_at_the_same_time_do_not_slip_through(
    hashed: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def look(words: str, _hashed: str) -> bool:
        looked_at.append(words)
        return False

    monkeypatch.setattr(door, "is_password", look)
    made = Door(hashed, clock)
    await asyncio.gather(*(made.try_password("192.0.2.1", str(i)) for i in range(50)))
    assert len(looked_at) <= FREE_TRIES


def test_who_comes_while_the_door_is_busy_is_told_so(
    client: TestClient, locked: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_AT_ONCE", 0)
    answer = tell(client, PASSWORD)
    assert answer.status_code == 429
    assert door_texts.DOOR_BUSY in answer.text  # pyright: ignore[reportAttributeAccessIssue]
    assert locked.wait_s("testclient") == 0


# ------------------------------------------------------------------ the server


@pytest.fixture
def bound(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setattr(server, "settings", lambda: Settings.model_construct())
    yield monkeypatch
    door.install(None)


@pytest.mark.parametrize("where", ["0.0.0.0", "", "192.168.1.5", "::"])
def test_kai_does_not_open_itself_to_a_network_without_a_password(
    bound: pytest.MonkeyPatch, where: str
) -> None:
    bound.setattr(st, "get_option", lambda _name: where)
    with pytest.raises(ConfigError, match=r"kai\.ui\.password"):
        server.lock_door()


def test_on_this_computer_alone_the_door_stands_open(bound: pytest.MonkeyPatch, client: TestClient) -> None:
    bound.setattr(st, "get_option", lambda _name: "127.0.0.1")
    server.lock_door()
    assert client.get("/").text == "inside"


@pytest.mark.parametrize("where", ["0.0.0.0", "127.0.0.1"])
def test_where_a_password_is_set_it_is_asked_for(
    bound: pytest.MonkeyPatch, client: TestClient, hashed: str, where: str
) -> None:
    bound.setattr(st, "get_option", lambda _name: where)
    bound.setattr(server, "settings", lambda: Settings(password_hash=hashed))  # pyright: ignore
    server.lock_door()
    assert client.get("/").status_code == 401
    assert hashed not in repr(Settings(password_hash=hashed))  # pyright: ignore


def test_a_password_in_the_place_of_its_hash_is_told(bound: pytest.MonkeyPatch) -> None:
    bound.setattr(st, "get_option", lambda _name: "0.0.0.0")
    bound.setattr(server, "settings", lambda: Settings(password_hash="secret123"))  # pyright: ignore
    with pytest.raises(ConfigError) as caught:
        server.lock_door()
    assert "secret123" not in caught.value.message
