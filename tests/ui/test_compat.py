"""Each trap of Streamlit and streamlit-webrtc is sprung once, so that an update which moves it is seen."""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiortc.codecs.vpx
import pytest
import streamlit
import streamlit_webrtc
import streamlit_webrtc.component as webrtc_component
import streamlit_webrtc.shutdown as webrtc_shutdown
import uvicorn
from aiortc.contrib.media import MediaRelay
from streamlit.runtime.app_session import AppSessionState
from streamlit_webrtc import WebRtcMode
from streamlit_webrtc.webrtc import WebRtcWorker

from kai.ui import compat

pytestmark = pytest.mark.usefixtures("unpatched")


def test_the_versions_are_those_whose_private_parts_we_know() -> None:
    for package, version in compat.PINS.items():
        assert importlib.metadata.version(package) == version


# ------------------------------------------------------------------ the false orphan


class Worker:
    is_stopped = False

    def stop(self) -> None:
        self.is_stopped = True


def worker_after_two_counts(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A live worker whose component is drawn on two runs between which Streamlit's counter went up by two."""
    info = SimpleNamespace(script_run_count=1)
    monkeypatch.setattr(webrtc_component, "get_this_session_info", lambda: info)
    monkeypatch.setattr(webrtc_component.st, "session_state", {})
    private = cast("Any", webrtc_component)
    context = private._get_or_create_context("kai")
    worker = Worker()
    context._set_worker(worker)
    info.script_run_count += 2
    assert private._get_or_create_context("kai") is context
    return worker


def test_two_counts_between_two_runs_tear_a_live_worker_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_after_two_counts(monkeypatch).is_stopped


def test_with_the_patch_the_worker_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.install()
    assert not worker_after_two_counts(monkeypatch).is_stopped


# ------------------------------------------------------------------ page changes


def stops_on_page_change(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a change of page stops what the observer guards; the end of the session must stop it in any case."""
    session = SimpleNamespace(
        id="s", _state=AppSessionState.APP_NOT_RUNNING, _client_state=SimpleNamespace(page_script_hash="talk")
    )

    class Session(SimpleNamespace):
        """A SimpleNamespace that can be referenced weakly."""

        __slots__ = ("__weakref__",)

    live = Session(**vars(session))
    stopped = threading.Event()
    monkeypatch.setattr(webrtc_shutdown, "get_this_session_info", lambda: SimpleNamespace(session=live))
    observer = webrtc_shutdown.SessionShutdownObserver(stopped.set)
    live._client_state.page_script_hash = "help"
    was_stopped = stopped.wait(2.5)
    live._state = AppSessionState.SHUTDOWN_REQUESTED
    assert stopped.wait(2.5)
    observer.stop()
    return was_stopped


def test_a_page_change_stops_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stops_on_page_change(monkeypatch)


def test_with_the_patch_only_the_end_of_the_session_does(monkeypatch: pytest.MonkeyPatch) -> None:
    compat.install()
    assert not stops_on_page_change(monkeypatch)


# ------------------------------------------------------------------ the page's connection


class Link:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def connection_changed(self, state: str) -> None:
        self.heard.append(state)


async def make_worker() -> Any:
    nothing = {
        name: None
        for name, parameter in inspect.signature(WebRtcWorker.__init__).parameters.items()
        if "Optional" in str(parameter.annotation) and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }
    return cast("Any", webrtc_component).WebRtcWorker(
        mode=WebRtcMode.SENDRECV,
        **nothing,
        async_processing=True,
        video_receiver_size=4,
        audio_receiver_size=4,
        sendback_video=True,
        sendback_audio=True,
        loop=asyncio.get_running_loop(),
        relay=MediaRelay(),
    )


async def test_a_workers_connection_is_reported_to_its_link() -> None:
    compat.install()
    link = Link()
    with compat.reporting_to(link):
        worker = await make_worker()
    await worker.pc.close()
    assert link.heard == ["closed"]


async def test_an_older_worker_of_the_same_link_is_not_heard_any_more() -> None:
    compat.install()
    link = Link()
    with compat.reporting_to(link):
        old = await make_worker()
        new = await make_worker()
    await old.pc.close()
    assert link.heard == []
    await new.pc.close()
    assert link.heard == ["closed"]


async def test_the_microphones_jitter_buffer_is_short() -> None:
    compat.install()
    worker = await make_worker()
    transceiver = worker.pc.addTransceiver("audio")
    private = cast("Any", transceiver.receiver)
    assert private._RTCRtpReceiver__jitter_buffer.capacity == 16
    worker.pc.emit("track", None)
    assert private._RTCRtpReceiver__jitter_buffer.capacity == compat.MICROPHONE_JITTER_PACKETS
    await worker.pc.close()


def test_one_bit_rate_for_the_picture() -> None:
    compat.install()
    vpx = cast("Any", aiortc.codecs.vpx)
    assert {vpx.DEFAULT_BITRATE, vpx.MIN_BITRATE, vpx.MAX_BITRATE} == {compat.VP8_BITRATE_BPS}


def test_a_component_is_ready_once_it_has_answered_from_the_browser() -> None:
    key = webrtc_component.generate_frontend_component_key("kai")
    assert not compat.is_component_ready({}, "kai")
    assert not compat.is_component_ready({key: None}, "kai")
    assert compat.is_component_ready({key: {"playing": False}}, "kai")


# ------------------------------------------------------------------ sessions, server


def test_outside_of_a_server_no_session_is_active() -> None:
    assert compat.session_id() == ""
    assert not compat.session_activity("nobody")()


def test_the_servers_end_is_seen_in_the_handler_of_its_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    server = uvicorn.Server(uvicorn.Config(app=cast("Callable[..., Any]", None)))
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    try:
        is_ending = compat.server_exit()
        assert not is_ending()
        server.handle_exit(signal.SIGTERM, None)
        assert is_ending()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_server_ends_its_streams_with_the_pages() -> None:
    assert not compat.server_exit()()


# ------------------------------------------------------------------ what runs in the browser

UI = Path(compat.__file__).parent
SCRIPTS = {path.name: path.read_text("utf-8") for path in (UI / "desk").glob("*.js")}
STYLES = [path.read_text("utf-8") for path in UI.rglob("*.css")]
PRIVATE_USE = re.compile(
    r"iframe|contentWindow|contentDocument|streamlit-webrtc|new Proxy|\bparent\.|window\.top"
)


def assets_of(package: Any, *folders: str) -> str:
    folder = Path(package.__file__).parent.joinpath(*folders)
    return "".join(path.read_text("utf-8", errors="ignore") for path in folder.rglob("*.js"))


@pytest.mark.parametrize("text", compat.IN_THE_COMPONENT)
def test_what_is_used_of_the_components_frontend_is_there(text: str) -> None:
    assert text in assets_of(streamlit_webrtc, "frontend", "dist")


def test_one_script_alone_touches_the_components_frontend() -> None:
    users = {
        name
        for name, script in SCRIPTS.items()
        if PRIVATE_USE.search(re.sub(r"^\s*//.*$", "", script, flags=re.M))
    }
    assert users == {"component.js"}
    for text in ("streamlit-webrtc:device-ids", "RTCPeerConnection", '"video"'):
        assert text in SCRIPTS["component.js"]


def test_every_name_of_streamlit_in_a_style_is_listed_and_there() -> None:
    named = set(re.findall(r"\bst[A-Z][A-Za-z]+", "".join([*STYLES, *SCRIPTS.values()])))
    assert named == compat.STREAMLIT_NAMES
    frontend = assets_of(streamlit, "static", "static", "js")
    there = {name for name in named if re.search(rf"[`\"' ]{name}[`\"' ]", frontend)}
    assert named - there == set()
