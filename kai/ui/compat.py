"""Everything that Kai relies on in the private parts and the defaults of Streamlit and streamlit-webrtc.

Each entry names the problem that it solves, and ``tests/ui/test_compat.py`` reproduces these problems. Code that runs in the
browser cannot be in this file: `IN_THE_COMPONENT` and `STREAMLIT_NAMES` list what it relies on, and tests check scripts and
styles against these lists. The minor versions are pinned and checked at import, since the packages promise none of this.
"""

# This module exists to use private parts.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
import signal
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Protocol, cast

import streamlit_webrtc.component as webrtc_component
import streamlit_webrtc.shutdown as webrtc_shutdown
import uvicorn
from aiortc import RTCPeerConnection
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit_webrtc.webrtc import WebRtcWorker

from kai.compat import liveness, rtc
from kai.compat.tasks import Tasks
from kai.ui.address import is_bound_to_loopback as is_bound_to_loopback

PINS: Final = {"streamlit": "1.67.0", "streamlit-webrtc": "0.79.0"}

PRIVATE: Final = {
    "_component_func": "streamlit_webrtc",
    "_resolve_initial_page_script_hash": "streamlit_webrtc",
    "_source": "aiortc",
}
"""Every private name that this module uses, with its package."""

MICROPHONE_JITTER_PACKETS: Final = 4
"""The capacity of the jitter buffer of the page's microphone, in packets of 20 ms; 1 packet is waited for."""

PAGE_QUESTIONS: Final = 6
"""A page counts as gone after 4 s. A browser on a busy computer answers later than a server."""

RTP_HZ: Final = {"audio": 48_000, "video": 90_000}

VP8_BITRATE_BPS: Final = 1_200_000
"""One rate as start, minimum and maximum: it gave 0 extra key frames where aiortc's own bounds gave 5 in 10 s. At half,
a bearded face keeps a similarity (SSIM) of 0.95 to what was drawn, at this rate 0.975; see `kai.bench.face_stream`."""

IN_THE_COMPONENT: Final = {
    "streamlit-webrtc:device-ids": "the browser's storage that pins the microphone which the component opened",
    "new RTCPeerConnection": "the frame's global constructor, which is wrapped to find the component's connection",
    ".addTrack(": "a microphone is added as a track, so that its sender can be given another one",
    "srcObject": "the frame's document has one video element, which plays the connection's stream",
}
"""What ``desk/component.js``, and no other script of the page, uses of streamlit-webrtc's frontend. Each key is a text that
the installed package contains; the value says what depends on it."""

_NAMES: Final = """
    stAlert stApp stAppHeader stButton stCaptionContainer stColumn stException stExpandSidebarButton stExpander stHeader
    stHeading stIconMaterial stLayoutWrapper stMain stMainBlockContainer stMarkdown stPopover stPopoverBody stSidebar
    stSidebarHeader stSidebarNav stSidebarUserContent stSlider stToolbar stTopNav stVerticalBlock stWidgetLabel
"""
STREAMLIT_NAMES: Final = frozenset(_NAMES.split())
"""The classes and test ids of Streamlit's own elements that Kai's styles name."""

rtc.assert_pins(PINS)

_log = logging.getLogger(__name__)


ROOT_OF_PAGE: Final = b'<div id="root"></div>'
"""The element of Streamlit's index page in which its scripts draw everything."""
TITLE_OF_PAGE: Final = b"<title>Streamlit</title>"


class FirstPage:
    """ASGI middleware that puts HTML before the empty root of Streamlit's index page, and the app's name into its title.

    The page says something at once instead of after its scripts. ``draw`` gets the request's path. A page that is not as we
    know it is passed on unchanged.
    """

    def __init__(self, app: ASGIApp, draw: Callable[[str], str], title: str) -> None:
        self._app, self._draw = app, draw
        self._title = f"<title>{title}</title>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_html(scope):
            await self._app(scope, receive, send)
            return
        # The file must come whole and uncompressed; a browser's copy of it may have been made with other words.
        dropped = (b"accept-encoding", b"if-none-match", b"if-modified-since")
        headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
        start: Message | None = None
        body = b""

        async def send_filled(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                is_page = MutableHeaders(scope=message).get("content-type", "").startswith("text/html")
                start = message if is_page else None
                if is_page:
                    return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            # A component's frame has such a root as well, and would stay covered.
            if ROOT_OF_PAGE in body and TITLE_OF_PAGE in body:
                html = self._draw(str(scope["path"])).encode()
                body = body.replace(ROOT_OF_PAGE, html + ROOT_OF_PAGE, 1).replace(
                    TITLE_OF_PAGE, self._title, 1
                )
                answer = MutableHeaders(scope=start)
                answer["content-length"] = str(len(body))
                for name in ("etag", "last-modified"):
                    if name in answer:
                        del answer[name]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        await self._app({**scope, "headers": headers}, receive, send_filled)


def _wants_html(scope: Scope) -> bool:
    is_page = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    return bool(scope["method"] == "GET" and is_page)


class Link(Protocol):
    """Receives the state of a page's connection. Called on Streamlit's loop, so it must not block."""

    def connection_changed(self, state: str) -> None: ...


_link: ContextVar[Link | None] = ContextVar("kai_browser_link", default=None)
_current: weakref.WeakKeyDictionary[Any, weakref.ReferenceType[RTCPeerConnection]] = (
    weakref.WeakKeyDictionary()
)


def install() -> None:
    """Apply all patches; a second call changes nothing."""
    # False orphan reset: streamlit-webrtc tears down a live worker when Streamlit's run counter grew by two between two
    # renders, which also happens under load (for 5 to 8 % of fresh connections). Kai draws the component on every run, and
    # a new connection has a new key, so no context is ever an orphan, and a constant count is safe.
    patched = cast("Any", webrtc_component)
    patched.get_script_run_count = _constant_run_count
    # streamlit-webrtc stops the worker within 1 s of a page change, although our component, drawn above all pages, stays.
    # An empty page hash switches off that half of the observer; the end of the session still stops the worker.
    observer = cast("Any", webrtc_shutdown.SessionShutdownObserver)
    observer._resolve_initial_page_script_hash = staticmethod(_no_page_hash)
    # The public interface reports the connection's state only by rerunning the script.
    patched.WebRtcWorker = ReportingWorker
    rtc.set_vp8_bitrate(VP8_BITRATE_BPS)
    rtc.set_vp8_for_rendered_pictures()
    # A component registers itself only if a script run is the first to import its module. Kai imports it before the first
    # visitor, so without this line the component's files would answer 404.
    if Runtime.exists():
        Runtime.instance().component_registry.register_component(patched._component_func)


def _constant_run_count(_session_info: object) -> int:
    return 0


def _no_page_hash(_session: object) -> str:
    return ""


class ReportingWorker(WebRtcWorker):
    """A worker of streamlit-webrtc that reports its connection to the ``reporting_to`` link of its script run.

    Only the newest worker of a link reports; an older one that is still closing is ignored.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        pc = self.pc
        # aiortc's audio jitter buffer (16 packets, 4 waited for) adds 60 ms, and each lost packet 200 ms permanently.
        pc.on("track", lambda _track: _shorten_jitter_buffers(pc))
        # The page synchronises sound and picture by the sender reports, which aiortc dates by when a frame was sent.
        pc.on("connectionstatechange", lambda: _prepare_senders(pc))
        link = _link.get()
        if link is None:
            return
        _current[link] = weakref.ref(pc)
        watching = Tasks("page's line")
        pc.on("connectionstatechange", lambda: _watch_line(pc, watching))
        pc.on("connectionstatechange", lambda: _report(link, pc))


def connection_of(link: object) -> RTCPeerConnection | None:
    """Return the newest connection of the page behind that link, while it is up; else ``None``."""
    known = _current.get(link)
    pc = known() if known is not None else None
    return pc if pc is not None and pc.connectionState == "connected" else None


def _shorten_jitter_buffers(pc: RTCPeerConnection) -> None:
    for receiver in pc.getReceivers():
        rtc.set_audio_jitter_buffer(receiver, MICROPHONE_JITTER_PACKETS, 1)


def _prepare_senders(pc: RTCPeerConnection) -> None:
    rtc.code_audio_inline(pc)  # before the reports are dated, which wraps the sender's coding
    for sender in pc.getSenders():
        # The sender's track is a relay's copy of the link's track.
        track = getattr(sender.track, "_source", None) or sender.track
        rtc.date_sender_reports(
            sender, RTP_HZ[sender.kind], lambda track=track: getattr(track, "began_s", None)
        )


def _watch_line(pc: RTCPeerConnection, watching: Tasks) -> None:
    """Close a connection whose page no longer answers: its computer sleeps, or an address of the two has changed."""

    async def close_when_gone() -> None:
        await liveness.wait_gone(
            lambda: rtc.received_packet_count(pc), lambda: rtc.is_answering(pc), PAGE_QUESTIONS
        )
        _log.info("the page no longer answers")
        await pc.close()

    if pc.connectionState == "connected":
        watching.spawn(close_when_gone(), "watch")
    elif pc.connectionState != "closed":
        watching.cancel()


def _report(link: Link, pc: RTCPeerConnection) -> None:
    current = _current.get(link)
    if current is not None and current() is pc:
        link.connection_changed(pc.connectionState)


@contextmanager
def reporting_to(link: Link) -> Generator[None]:
    """Make workers that are created inside this block report their connection's state to ``link``."""
    token = _link.set(link)
    try:
        yield
    finally:
        _link.reset(token)


def is_component_ready(session_state: Any, key: str) -> bool:
    """Return whether the component of that key has answered from the browser.

    A component that is first rendered with ``desired_playing_state=True`` starts several connections and joins none (0 of
    16), so it must have been rendered with ``False`` before.
    """
    return session_state.get(webrtc_component.generate_frontend_component_key(key)) is not None


def session_id() -> str:
    """Return the id of the Streamlit session whose script runs on this thread; empty outside a script run."""
    context = get_script_run_ctx(suppress_warning=True)
    return "" if context is None else context.session_id


def session_activity(session: str) -> Callable[[], bool]:
    """Return a function, callable from any thread, that returns whether a browser is connected to that session."""

    def is_active() -> bool:
        return Runtime.exists() and bool(Runtime.instance().is_active_session(session))

    return is_active


def server_exit() -> Callable[[], bool]:
    """Return a function that returns whether the web server has been asked to end. Call this on the main thread, while
    serving.

    uvicorn waits for open responses without a limit, and an event stream does not end unless it asks this function.
    """
    handler = signal.getsignal(signal.SIGTERM)
    server = getattr(handler, "__self__", None)
    if not isinstance(server, uvicorn.Server):
        _log.warning("the web server is not the one that Kai knows; event streams end with their pages")
        return lambda: False
    return lambda: server.should_exit
