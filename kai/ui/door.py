"""The door: if a password is set, the page, the WebSocket and every route open only to visitors who entered it.

Wrong tries are limited per address, with a wait that doubles. A visitor with the right password gets a random cookie that no
script can read; the server keeps its hash until the server ends or twelve hours have passed.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import ipaddress
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kai.ui import door_texts, texts, theme
from kai.ui.address import at, base_path
from kai.ui.password import is_password

COOKIE_NAME: Final = "kai_door"
LOGIN_PATH: Final = "/login"
FREE_TRIES: Final = 3
LONGEST_WAIT_S: Final = 300.0
FORGIVEN_S: Final = 3600.0
"""After this time without a try, an address starts with a clean count."""
OPEN_S: Final = 12 * 3600.0
MOST_ADDRESSES: Final = 2048
MOST_VISITORS: Final = 2048
MOST_AT_ONCE: Final = 4
"""How many passwords may be checked or wait for their check; a check takes a tenth of a second of a core."""
BODY_LIMIT_BYTES: Final = 4096

log = logging.getLogger(__name__)

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(slots=True)
class _Tries:
    wrong: int
    at_s: float
    wait_until_s: float


class Door:
    """Decides who may enter. Without a hash the door is open. One event loop only."""

    def __init__(self, password_hash: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._hash = password_hash
        self._clock = clock
        self._tries: OrderedDict[str, _Tries] = OrderedDict()
        self._visitors: OrderedDict[bytes, float] = OrderedDict()
        self._at_once = 0
        self._one_by_one = asyncio.Lock()

    @property
    def is_locked(self) -> bool:
        """True when a password is required."""
        return self._hash is not None

    def knows(self, token: str) -> bool:
        """Return whether that cookie belongs to a visitor who entered the password."""
        return bool(token) and self._visitors.get(_digest(token), 0.0) > self._clock()

    def wait_s(self, address: str) -> float:
        """Return for how many seconds tries from that address are ignored."""
        tries = self._tries.get(_network(address))
        return 0.0 if tries is None else max(0.0, tries.wait_until_s - self._clock())

    @property
    def is_busy(self) -> bool:
        """True when too many passwords are being checked at the same time."""
        return self._at_once >= MOST_AT_ONCE

    async def try_password(self, address: str, password: str) -> str | None:
        """Return a new cookie's value if the password is right, else ``None``. A try within the address's wait, or while the
        door is busy, is not checked."""
        if self._hash is None or self.wait_s(address) > 0 or self.is_busy:
            return None
        # Count the try before it is checked, so that simultaneous tries cannot pass the limit together.
        self._count_wrong(address)
        self._at_once += 1
        try:
            async with self._one_by_one:
                is_right = await asyncio.to_thread(is_password, password, self._hash)
        finally:
            self._at_once -= 1
        if not is_right:
            log.warning("somebody told a wrong password", extra={"waits_s": round(self.wait_s(address))})
            return None
        self._tries.pop(_network(address), None)
        token = secrets.token_urlsafe(32)
        self._visitors[_digest(token)] = self._clock() + OPEN_S
        while len(self._visitors) > MOST_VISITORS:
            self._visitors.popitem(last=False)
        return token

    def _count_wrong(self, address: str) -> None:
        now_s, network = self._clock(), _network(address)
        tries = self._tries.pop(network, None)
        if tries is None or now_s - tries.at_s > FORGIVEN_S:
            tries = _Tries(0, now_s, 0.0)
        tries.wrong, tries.at_s = tries.wrong + 1, now_s
        if tries.wrong >= FREE_TRIES:
            tries.wait_until_s = now_s + min(LONGEST_WAIT_S, 2.0 ** (tries.wrong - FREE_TRIES))
        self._tries[network] = tries
        while len(self._tries) > MOST_ADDRESSES:
            self._tries.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _network(address: str) -> str:
    """Return an IPv4 address unchanged, and the /64 network of an IPv6 address, since one computer can use all of that."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


_door: Door | None = None


def install(door: Door | None) -> None:
    """Put ``door`` in front of every request; ``None`` removes it."""
    global _door
    _door = door


class DoorKeeper:
    """ASGI middleware, the outermost, that lets only known visitors through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = _door
        if scope["type"] not in ("http", "websocket") or door is None or not door.is_locked:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        is_known = door.knows(connection.cookies.get(COOKIE_NAME, ""))
        if scope["type"] == "websocket":
            if is_known:
                await self._app(scope, receive, send)
            else:
                # Closed before it is accepted, so that the browser gets a 403.
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        if request.url.path in (LOGIN_PATH, at(LOGIN_PATH)):
            await (await _login(door, request, is_known=is_known))(scope, receive, send)
        elif is_known:
            await self._app(scope, receive, send)
        elif request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            await _page(door, request)(scope, receive, send)
        else:
            error = {"code": "password", "message": door_texts.DOOR_ASKS}
            await JSONResponse({"error": error}, 401, headers=_HEADERS)(scope, receive, send)


async def _login(door: Door, request: Request, *, is_known: bool) -> Response:
    if request.method != "POST":
        return RedirectResponse(at("/"), 303) if is_known else _page(door, request)
    if not _is_own_form(request):
        return _page(door, request, texts.ERROR_ORIGIN, 403)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            return _page(door, request, texts.ERROR_TOO_LARGE, 413)
    told = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get("password", [""])[0]
    address = _address(request)
    if door.wait_s(address) > 0:
        return _page(door, request, "", 429)
    if door.is_busy:
        return _page(door, request, door_texts.DOOR_BUSY, 429)
    token = await door.try_password(address, told)
    if token is None:
        return _page(door, request, door_texts.DOOR_WRONG, 401)
    answer = RedirectResponse(at("/"), 303, headers=_HEADERS)
    answer.set_cookie(
        COOKIE_NAME,
        token,
        max_age=int(OPEN_S),
        path=base_path() or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _is_own_form(request: Request) -> bool:
    origin = request.headers.get("origin")
    is_same = origin is None or origin == "null" or urlsplit(origin).netloc == request.headers.get("host", "")
    is_form = request.headers.get("content-type", "").partition(";")[0] == "application/x-www-form-urlencoded"
    return (
        is_form
        and is_same
        and request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""


def _page(door: Door, request: Request, words: str = "", status: int = 401) -> Response:
    wait_s = door.wait_s(_address(request))
    headers = dict(_HEADERS)
    if wait_s > 0:
        wait = max(1, round(wait_s + 0.5))
        headers["Retry-After"] = str(wait)
        words = f"{words} {door_texts.DOOR_WAIT.format(duration=texts.duration(wait))}".strip()
    return HTMLResponse(_form(words), status, headers)


_STYLE: Final = """
html {
  background: var(--st-background-color); color: var(--st-text-color);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif;
}
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; box-sizing: border-box; }
main {
  width: min(100%, 400px); box-sizing: border-box; padding: 28px; border-radius: 20px;
  background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color);
}
h1 { font-size: 28px; font-weight: 600; margin: 0 0 4px; }
p { margin: 0 0 16px; opacity: .8; }
label { display: block; font-weight: 600; margin: 0 0 6px; }
input, button { width: 100%; box-sizing: border-box; min-height: 46px; font: inherit; border-radius: 12px; }
input {
  padding: 0 14px; color: inherit; background: var(--st-background-color);
  border: 1px solid color-mix(in srgb, var(--st-text-color) 55%, var(--st-background-color));
}
button {
  margin: 14px 0 0; font-weight: 600; border: 0; cursor: pointer;
  color: var(--st-background-color); background: var(--st-primary-color);
}
:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 2px; }
#words { min-height: 3em; margin: 10px 0 0; color: var(--st-yellow-color); opacity: 1; }
"""


def _form(words: str) -> str:
    """Return the page that asks for the password; it has no script, no picture and nothing from another host."""
    title, lead, label, button = (
        html.escape(text)
        for text in (
            door_texts.DOOR_TITLE,
            door_texts.DOOR_LEAD,
            door_texts.DOOR_PASSWORD,
            door_texts.DOOR_OPEN,
        )
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{theme.css()}{_STYLE}</style></head><body><main><h1>{title}</h1><p>{lead}</p>
<form method="post" action="{at(LOGIN_PATH)}"><label for="password">{label}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus
 aria-describedby="words"><button type="submit">{button}</button>
<p id="words" role="status">{html.escape(words)}</p></form></main></body></html>
"""
