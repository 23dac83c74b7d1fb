"""The page's own HTTP routes: health, pictures, a talk's event stream (out) and its wishes (in).

Streamlit's checks do not cover these routes, so each route checks for itself: the Host must be ours, a request from another
origin is refused, and a talk opens only for the browser whose cookie created it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import kai.avatar
from kai.app import App
from kai.compat.format import LIVE_HZ
from kai.core import characters
from kai.core.events import (
    CardDismissed,
    ClearUndone,
    Event,
    FaceShown,
    HandOverRequested,
    InterruptRequested,
    LegFailed,
    MessagesCleared,
    MicrophoneChanged,
    MuteToggled,
    ProblemDismissed,
    RecordingWished,
    RetryRequested,
    StopRequested,
    TextSubmitted,
    TurnKeyPressed,
    TurnKeyReleased,
)
from kai.core.state import AgentState, LegName, Message, Microphone, SessionState
from kai.errors import KaiError
from kai.ports import Pcm
from kai.runtime.hub import Talk
from kai.runtime.tape import Spoken
from kai.ui import host, texts
from kai.ui.address import LOOPBACK_HOSTS, is_bound_to_loopback
from kai.ui.host import COOKIE_NAME
from kai.ui.network import MEASURE_S, Meter
from kai.ui.view import NO_NETWORK, TEXT_LIMIT_CHARS, lines, view, wants_sound_in_page, without_clocks

VIEW_INTERVAL_S: Final = 0.05
"""At most 20 views a second."""
TICK_S: Final = 0.1
"""The microphone's level is sent ten times a second."""
SOUND_TICK_S: Final = 0.04
HEARTBEAT_S: Final = 10.0
"""The stream sends a line at least this often, so that a dead page is noticed."""
BODY_LIMIT_BYTES: Final = 16_384
MOST_PICTURES: Final = 1 << 31
CHARACTERS: Final = frozenset(characters.NAMES)

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that is not served, with the HTTP status, a stable code and a sentence for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def response(self) -> JSONResponse:
        return JSONResponse({"error": {"code": self.code, "message": self.message}}, self.status)


def route(path: str, endpoint: Endpoint, *methods: str) -> Route:
    """Return a route that answers what its endpoint refuses in JSON. Without methods it takes ``GET``."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refused as refused:
            return refused.response()

    return Route(path, answer, methods=methods or ("GET",))


async def on_kais_loop(
    app: App, work: Coroutine[Any, Any, T], within_s: float, statuses: Mapping[str, int]
) -> T:
    """Return the result of work on Kai's loop. Raises ``Refused``: 504 when it takes too long, and for an error of Kai's
    the status of its code, or 503."""
    try:
        async with asyncio.timeout(within_s):
            return await asyncio.wrap_future(app.hub.submit(work))
    except KaiError as error:
        raise Refused(statuses.get(error.code, 503), error.code, error.message) from error
    except TimeoutError as error:
        raise Refused(504, "timeout", texts.ERROR_STARTING) from error


def check_host(request: Request) -> None:
    """Raises ``Refused`` when the request was not made at our own address (DNS rebinding) or came from another site."""
    named = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    if is_bound_to_loopback() and named not in LOOPBACK_HOSTS:
        raise Refused(403, "host", texts.ERROR_HOST)
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Refused(403, "origin", texts.ERROR_ORIGIN)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused(403, "origin", texts.ERROR_ORIGIN)


def find_app() -> App:
    """Return the app that is served. Raises ``Refused``."""
    try:
        return host.app()
    except host.NotServingError as error:
        raise Refused(503, error.code, texts.ERROR_STARTING) from error


def find_browser(request: Request) -> str:
    """Return the id of a browser that has opened a page of ours. Raises ``Refused``."""
    check_host(request)
    browser_id = request.cookies.get(COOKIE_NAME, "")
    if not browser_id:
        raise Refused(403, "no-page", texts.ERROR_NO_PAGE)
    return browser_id


def find_talk(request: Request) -> Talk:
    """Return the talk that the address names, if the browser's cookie created it. Raises ``Refused``."""
    check_host(request)
    talk = find_app().hub.find(request.path_params["talk_id"], request.cookies.get(COOKIE_NAME, ""))
    if talk is None:
        raise Refused(404, "no-talk", texts.ERROR_NO_TALK)
    return talk


async def read_body(request: Request, limit_bytes: int, too_large: str) -> bytes:
    """Return the body. Raises ``Refused`` with these words when it is larger than that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit_bytes:
            raise Refused(413, "too-large", too_large)
    return bytes(body)


async def read_json(request: Request) -> dict[str, Any]:
    """Return the body, a JSON object of at most ``BODY_LIMIT_BYTES``. Raises ``Refused``."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise Refused(415, "not-json", texts.ERROR_NOT_JSON)
    try:
        value = json.loads(await read_body(request, BODY_LIMIT_BYTES, texts.ERROR_TOO_LARGE))
    except ValueError:
        raise Refused(400, "not-json", texts.ERROR_NOT_JSON) from None
    if not isinstance(value, dict):
        raise Refused(400, "not-json", texts.ERROR_NOT_JSON)
    return cast("dict[str, Any]", value)


def event_of(wish: dict[str, Any]) -> Event:
    """Return the event for a wish of the page. Raises ``Refused`` for a wish that we do not know."""
    match wish:
        case {"wish": "mute", "isMuted": bool(is_muted)}:
            return MuteToggled(is_muted)
        case {"wish": "record", "isOn": bool(is_on)}:
            return RecordingWished(is_on)
        case {"wish": "interrupt"}:
            return InterruptRequested()
        case {"wish": "hold", "isDown": bool(is_down)}:
            return TurnKeyPressed() if is_down else TurnKeyReleased()
        case {"wish": "hand-over"}:
            return HandOverRequested()
        case {"wish": "put-card-away"}:
            return CardDismissed()
        case {"wish": "stop"}:
            return StopRequested()
        case {"wish": "clear"}:
            return MessagesCleared()
        case {"wish": "undo-clear"}:
            return ClearUndone()
        case {"wish": "dismiss"}:
            return ProblemDismissed()
        case {"wish": "text", "text": str(text)}:
            if not text.strip():
                raise Refused(400, "empty", texts.EMPTY_LINE)
            if len(text) > TEXT_LIMIT_CHARS:
                raise Refused(413, "too-long", texts.LINE_TOO_LONG.format(limit=TEXT_LIMIT_CHARS))
            return TextSubmitted(f"item_{secrets.token_hex(10)}", text.strip())
        case {"wish": "retry", "leg": "brain" | "face" | "browser" as leg}:
            return RetryRequested(LegName(leg))
        case {
            "wish": "microphone",
            "microphone": "open" | "silenced" | "refused" | "missing" as microphone,
        }:
            return MicrophoneChanged(Microphone(microphone))
        case {"wish": "browser", "problem": "no-network"}:
            return LegFailed(LegName.BROWSER, NO_NETWORK, texts.NO_NETWORK, is_retryable=False)
        case _:
            raise Refused(400, "wish", texts.ERROR_WISH)


async def take_wish(request: Request) -> Response:
    """``POST /api/talks/{id}/wishes``: answers 202 once the wish is handed to the talk."""
    talk = find_talk(request)
    talk.dispatch(event_of(await read_json(request)))
    return JSONResponse({"ok": True}, 202)


async def take_count(request: Request) -> Response:
    """``POST /api/talks/{id}/pictures``: takes how many pictures the page's video has shown and dropped since it began, how
    large it is, and how far its sound is ahead of its picture, if the browser reports it."""
    talk = find_talk(request)
    match await read_json(request):
        case {"shown": int(shown), "dropped": int(dropped), **more} if (
            0 <= shown < MOST_PICTURES and 0 <= dropped < MOST_PICTURES
        ):
            talk.browser.page_saw(shown, dropped)
        case _:
            raise Refused(400, "count", texts.ERROR_WISH)
    ahead_ms = more.get("soundAheadMs")
    if isinstance(ahead_ms, int):
        talk.browser.page_plays(ahead_ms)
    size_px = more.get("sizePx")
    if isinstance(size_px, int) and size_px != talk.snapshot().shown_px:
        talk.dispatch(FaceShown(size_px))
    return Response(status_code=204)


class Feed:
    """Remembers what one stream has sent to its page, so that only changes are sent."""

    def __init__(self) -> None:
        self._view: dict[str, object] | None = None
        self._messages: tuple[Message, ...] | None = None
        self._level = -1.0
        self._spoken: Spoken | None = None
        self._meter = Meter()
        self._network: dict[str, object] | None = None
        self._measured_at_s = float("-inf")

    def of_state(self, state: SessionState, at_s: float) -> Iterator[str]:
        """Yield the events for a state: the chat's lines from the first changed one on, and the view."""
        if self._messages is None or state.messages is not self._messages:
            before, self._messages = self._messages, state.messages
            start, changed = 0, state.messages
            if before is not None:
                start, changed = _difference(before, state.messages)
            yield sse("lines", {"from": len(lines(state.messages[:start])), "lines": lines(changed)})
        fresh = view(state, at_s)
        if self._view is None or without_clocks(fresh) != without_clocks(self._view):
            self._view = fresh
            yield sse("view", fresh)

    def of_spoken(self, spoken: Spoken | None) -> Iterator[str]:
        """Yield how far the answer that is playing has been spoken, if that has changed; captions follow it."""
        if spoken is None or spoken == self._spoken:
            return
        self._spoken = spoken
        told = {"id": spoken.response_id, "words": spoken.words, "ms": spoken.ms, "lastsMs": spoken.lasts_ms}
        yield sse("spoken", told)

    def of_level(self, level: float) -> Iterator[str]:
        """Yield the microphone's level if it has changed."""
        rounded = round(level, 2)
        if rounded != self._level:
            self._level = rounded
            yield sse("level", {"level": rounded})

    async def of_network(self, talk: Talk, at_s: float) -> list[str]:
        """Return the event with the quality of the page's connection, if that has changed."""
        if at_s - self._measured_at_s < MEASURE_S:
            return []
        self._measured_at_s = at_s
        # Imported only when the server runs, because the media component registers itself when it is imported.
        from kai.ui import compat

        connection = compat.connection_of(talk.browser)
        if connection is None:
            return []
        network = self._meter.read(await connection.getStats())
        told = self._meter.judge(network, is_on_this_computer=compat.is_bound_to_loopback())
        if told == self._network:
            return []
        self._network = told
        return [sse("network", told)]


def _difference(before: tuple[Message, ...], after: tuple[Message, ...]) -> tuple[int, tuple[Message, ...]]:
    same = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        same += 1
    return same, after[same:]


def sse(name: str, value: object) -> str:
    """Return the text of one server-sent event."""
    return f"event: {name}\ndata: {json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def stream(talk: Talk, is_ending: Callable[[], bool] = lambda: False) -> AsyncIterator[str]:
    """Yield the talk's events for one page, until the page closes or the server ends."""
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def on_change(_state: SessionState) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)

    unsubscribe = talk.subscribe(on_change)
    talk.stream_opened()
    feed, sounds = Feed(), PageSound(talk)
    sent_at_s = time.monotonic()
    viewed_at_s = -VIEW_INTERVAL_S
    changed.set()
    try:
        yield "retry: 1000\n\n"
        while not is_ending():
            now_s = time.monotonic()
            state = talk.snapshot()
            out: list[str] = []
            if changed.is_set() and now_s - viewed_at_s >= VIEW_INTERVAL_S:
                changed.clear()
                viewed_at_s = now_s
                state = talk.snapshot()
                out += feed.of_state(state, now_s)
            if state.is_active:
                out += feed.of_level(talk.mic_level())
                out += feed.of_spoken(talk.spoken() if state.agent is AgentState.SPEAKING else None)
                out += await feed.of_network(talk, now_s)
            out += sounds.take(wants_sound_in_page(state))
            if out:
                sent_at_s = now_s
                yield "".join(out)
            elif now_s - sent_at_s > HEARTBEAT_S:
                sent_at_s = now_s
                yield ": here\n\n"
            if changed.is_set():
                await asyncio.sleep(max(0.0, viewed_at_s + VIEW_INTERVAL_S - now_s))
            else:
                await _wait(changed, SOUND_TICK_S if sounds.is_open else TICK_S)
    finally:
        sounds.close()
        unsubscribe()
        talk.stream_closed()


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


class PageSound:
    """Answers as PCM for a page without WebRTC, as long as the state wants it."""

    def __init__(self, talk: Talk) -> None:
        self._page = talk.browser
        self._queue: asyncio.Queue[Pcm] | None = None

    @property
    def is_open(self) -> bool:
        return self._queue is not None

    def take(self, is_wanted: bool) -> Iterator[str]:
        """Yield an event with the sound since the last call."""
        if not is_wanted:
            self.close()
            return
        if self._queue is None:
            self._queue = self._page.listen()
        blocks: list[Pcm] = []
        while not self._queue.empty():
            blocks.append(self._queue.get_nowait())
        if blocks:
            pcm = base64.b64encode(np.concatenate(blocks).tobytes()).decode("ascii")
            yield sse("sound", {"pcm": pcm, "rate": LIVE_HZ})

    def close(self) -> None:
        """Stop listening."""
        if self._queue is not None:
            self._page.unlisten(self._queue)
            self._queue = None


async def health(request: Request) -> Response:
    """``GET /api/health``."""
    check_host(request)
    try:
        return JSONResponse(host.app().health())
    except host.NotServingError as error:
        return JSONResponse({"status": "failed" if error.message else "starting"}, 503)


@cache
def picture_bytes(character: str) -> bytes | None:
    """Return the JPEG of a character, or ``None`` if there is none."""
    path = Path(kai.avatar.__file__).parent / "data" / f"{character}.jpg"
    return path.read_bytes() if path.is_file() else None


async def picture(request: Request) -> Response:
    """``GET /api/pictures/{name}.jpg``: a character's still picture, 512x512."""
    name = str(request.path_params["name"])
    data = picture_bytes(name) if name in CHARACTERS else None
    if data is None and name in CHARACTERS:
        data = picture_bytes("kai")
    if data is None:
        raise Refused(404, "no-picture", texts.ERROR_NO_PICTURE)
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "max-age=3600"})


def routes(is_ending: Callable[[], bool] = lambda: False) -> list[Route]:
    """Return all routes of this module, for ``st.App``. ``is_ending`` returns whether the server has been asked to end."""

    async def events(request: Request) -> Response:
        told = stream(find_talk(request), is_ending)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)

    return [
        route("/api/health", health),
        route("/api/pictures/{name}.jpg", picture),
        route("/api/talks/{talk_id}/events", events),
        route("/api/talks/{talk_id}/wishes", take_wish, "POST"),
        route("/api/talks/{talk_id}/pictures", take_count, "POST"),
    ]
