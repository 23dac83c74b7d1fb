"""The server around the page: the app's start and end, the routes, and the cookie that identifies a browser."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import re
import secrets
import tomllib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config as st_config

from kai.app import App
from kai.compat.text_files import read_text_file
from kai.errors import ConfigError, KaiError
from kai.settings import Settings
from kai.ui import address, door, door_texts, first_page, host, texts
from kai.ui.avatar_routes import routes as avatar_routes
from kai.ui.calls import routes as call_routes
from kai.ui.host import COOKIE_NAME
from kai.ui.mind_routes import routes as mind_routes
from kai.ui.model_routes import routes as model_routes
from kai.ui.password import is_hash
from kai.ui.recordings import routes as recording_routes
from kai.ui.routes import routes as page_routes
from kai.ui.voice_routes import routes as voice_routes

_WARM: Final = (
    "streamlit_webrtc",
    "kai.ui.stage",
    "kai.ui.desk",
    "kai.ui.landing",
    "kai.ui.sidebar",
    "kai.ui.history",
    "kai.ui.insights",
    "kai.ui.replay",
    "kai.ui.checkup",
    "kai.ui.report",
    "kai.ui.model",
    "altair",
    "pandas",
)
"""Modules that are imported before the first visitor: no run waits for them, and ``gc.freeze`` covers them."""

_log = logging.getLogger(__name__)

_is_ending: Callable[[], bool] = lambda: False  # noqa: E731


def settings() -> Settings:
    """Return Kai's settings from the environment, ``.env`` and Streamlit's secrets files, if any."""
    return Settings.load(_secrets())


_secrets_files: tuple[str, ...] | None = None


def take_secrets_files() -> None:
    """Read Streamlit's secrets files in its place from now on. Call this before the app is made.

    Streamlit reads only UTF-8. If a file has another encoding, or the home folder cannot be read, Streamlit answers every
    request with an error before any code of ours runs. It also copies the secrets into the environment, where every child
    process sees them.
    """
    global _secrets_files
    _secrets_files = tuple(st_config.get_option("secrets.files"))
    st_config.set_option("secrets.files", [])


def _secrets() -> dict[str, Any]:
    """Return the contents of Streamlit's secrets files. Raises ``ConfigError`` for one that cannot be read."""
    found: dict[str, Any] = {}
    files = st_config.get_option("secrets.files") if _secrets_files is None else _secrets_files
    for path in map(Path, files):
        if path.is_file():
            try:
                found |= tomllib.loads(read_text_file(path))
            except tomllib.TOMLDecodeError as exc:
                where = re.search(r"\(at (.*)\)", str(exc))
                place = f" ({where.group(1)})" if where else ""
                raise ConfigError(f"{path.name} is not valid TOML{place}. Correct it, please.") from None
    return found


def lock_door() -> None:
    """Install the door, which asks for the password if one is set. Raises ``ConfigError`` when Kai would listen to other
    computers without a password."""
    is_home = address.is_bound_to_loopback()
    try:
        chosen = settings().password_hash
    except ConfigError:
        # Serving this computer only, the page starts anyway and says which setting is wrong.
        if not is_home:
            raise
        chosen = None
    hashed = None if chosen is None else chosen.get_secret_value()
    if hashed is not None and not is_hash(hashed):
        raise ConfigError(door_texts.DOOR_NO_HASH)
    if hashed is None and not is_home:
        _log.error(door_texts.DOOR_REFUSES)
        raise ConfigError(door_texts.DOOR_REFUSES)
    door.install(door.Door(hashed))


def _build_app() -> App:
    # Imported here because it is the heavy half of the app, which a test of the page does not need.
    from kai.compose import build_app

    return build_app(settings())


def _open(build: Callable[[], App]) -> App | None:
    """Build the app, start its hub and serve it; on a ``KaiError`` return ``None``, and the page says why."""
    try:
        app = build()
        app.hub.start()
    except KaiError as error:
        _log.error("Kai could not start: %s", error.message)
        host.serve(None, error.message)
        return None
    host.serve(app)
    return app


@contextmanager
def _without_advice() -> Generator[None]:
    """Silence Streamlit's warning about components that are declared outside a script run, which is intended here."""
    log = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def make_lifespan(
    build: Callable[[], App],
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any] | None]]:
    """Return the lifespan for ``st.App``: the app starts before the first visitor and closes when the server ends."""

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncGenerator[None]:
        global _is_ending
        lock_door()
        with _without_advice():
            from kai.ui import compat  # its patches need a running server

            for name in _WARM:
                importlib.import_module(name)
        _is_ending = compat.server_exit()
        compat.install()
        app = await asyncio.to_thread(_open, build)
        # A full collection stops the interpreter, and so sound and picture, for 53 to 105 ms. Collect once now and freeze
        # the heap, so that later collections skip all that is loaded already.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            host.serve(None)
            door.install(None)
            if app is not None:
                await asyncio.to_thread(app.hub.close)

    return lifespan


lifespan = make_lifespan(_build_app)


def is_ending() -> bool:
    """Return whether the server has been asked to end."""
    return _is_ending()


def routes() -> list[Any]:
    """Return Kai's own routes."""
    own = [
        *page_routes(is_ending),
        *avatar_routes(),
        *call_routes(),
        *recording_routes(),
        *voice_routes(),
        *model_routes(),
        *mind_routes(),
    ]
    if not address.base_path():
        return own
    # A reverse proxy may keep the base path in the requests that it passes on, or remove it, so serve both.
    below = [Route(address.at(route.path), route.endpoint, methods=route.methods) for route in own]
    return [*own, *below]


class BrowserCookie:
    """ASGI middleware that gives each browser a random id with its first page, in a cookie that no script can read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(Request(scope)):
            await self._app(scope, receive, send)
            return
        is_secure = scope.get("scheme") == "https"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                value = secrets.token_urlsafe(24)
                MutableHeaders(scope=message).append(
                    "set-cookie",
                    f"{COOKIE_NAME}={value}; Path={address.base_path() or '/'}; HttpOnly; SameSite=Strict; Max-Age=31536000"
                    + ("; Secure" if is_secure else ""),
                )
            await send(message)

        await self._app(scope, receive, send_with_cookie)


def _wants_page(request: Request) -> bool:
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("accept", "")
        and COOKIE_NAME not in request.cookies
    )


class _FirstPage:
    """ASGI middleware: ``compat.FirstPage`` from the first request on, as its module may be imported no earlier than that."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._filled: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._filled is None and scope["type"] == "http":
            from kai.ui import compat

            self._filled = compat.FirstPage(self._app, first_page.draw, texts.APP_NAME)
        await (self._filled or self._app)(scope, receive, send)


def middleware() -> list[Middleware]:
    """Return Kai's own middleware."""
    return [Middleware(door.DoorKeeper), Middleware(BrowserCookie), Middleware(_FirstPage)]
