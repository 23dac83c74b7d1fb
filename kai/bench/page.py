"""Measures the page's cost for the server: a run of the Talk page, before a talk and in one, and a view of its live part;
and how soon a browser that has never been here paints something of the page.

Streamlit's own test runner draws the page without a browser, so that only the server's work is timed; the hub behind it holds
talks whose legs never open. A "fragment" of Kai's page is a view of the event stream: state in, JSON out.
"""

from __future__ import annotations

import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unittest import mock

from kai.adapters.browser import PageLink
from kai.adapters.voice_only import VoiceOnly
from kai.app import App, Offer
from kai.bench.bars import Bar, at_most
from kai.bench.driver import ROOT, AppProcess, visitor
from kai.bench.talk import find_chromium
from kai.core.state import Look, Message, Role, SessionState
from kai.ports import VoiceBrain
from kai.records.memory import Memory
from kai.runtime.hub import Page, SessionHub
from kai.runtime.session import Session

RUNS: Final = 40
VIEWS: Final = 400
CHAT_LINES: Final = 60
BROWSER_ID: Final = "browser-of-the-bench"

RERUN_BAR_MS: Final = 50.0
VIEW_BAR_MS: Final = 15.0
PAINT_BAR_S: Final = 1.0
VISITORS: Final = 5


def run() -> dict[str, Any]:
    """Return p50 and p95 of CPU and wall time, in ms, and the seconds to each first paint."""
    from kai.ui import host

    logging.getLogger("streamlit").setLevel(logging.ERROR)
    figures = {"first_contentful_paint_s": first_paints_s(find_chromium())}
    with tempfile.TemporaryDirectory() as folder:
        app = _make_app(Memory(Path(folder), may_keep_talks=False))
        app.hub.start()
        host.serve(app)
        try:
            return figures | _measure(app.hub)
        finally:
            host.serve(None)
            app.hub.close()


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars for the server's time of a run of the page and of a refresh of its live part."""
    return [
        at_most(
            "a run of the page before a talk, p95", figures["rerun_before_a_talk_p95_ms"], RERUN_BAR_MS, "ms"
        ),
        at_most("a run of the page in a talk, p95", figures["rerun_in_a_talk_p95_ms"], RERUN_BAR_MS, "ms"),
        at_most("a refresh of the live part, p95", figures["fragment_refresh_p95_ms"], VIEW_BAR_MS, "ms"),
        at_most(
            "first contentful paint, slowest", max(figures["first_contentful_paint_s"]), PAINT_BAR_S, "s"
        ),
    ]


def first_paints_s(chromium: Path) -> list[float]:
    """Return the seconds to the first contentful paint for some visitors, each with an empty cache, of a server that runs."""
    with AppProcess() as app:
        app.wait_ready()
        found: list[float] = []
        for _ in range(VISITORS + 1):
            with visitor(chromium) as person:
                person.open(app.url)
                found.append(round(person.first_paint_s(), 2))
        # The first visitor warms the server.
        return found[1:]


def _make_app(memory: Memory) -> App:
    """Return an app whose talks have a brain and a face that never finish connecting, which is enough for the page."""

    async def make_brain(_look: Look) -> VoiceBrain:
        await asyncio.Event().wait()
        raise AssertionError

    def make_session(_browser_id: str) -> tuple[Session, Page]:
        page = PageLink()
        session = Session(make_brain=make_brain, make_face=VoiceOnly, make_voice=VoiceOnly, browser=page)
        return session, page

    async def close() -> None:
        await asyncio.to_thread(memory.close)

    offer = Offer(has_cloud_brain=True, tools=("current_time", "show_card"))
    return App(SessionHub(make_session, lambda: None, close), memory, offer=offer)


def _measure(hub: SessionHub) -> dict[str, Any]:
    from streamlit.testing.v1 import AppTest

    from kai.ui import bridge, texts
    from kai.ui.routes import Feed

    figures: dict[str, Any] = {}
    # The test runner has no sessions and no cookies.
    with (
        mock.patch("streamlit_webrtc.component.get_this_session_info", return_value=None),
        mock.patch("streamlit_webrtc.shutdown.get_this_session_info", return_value=None),
        mock.patch.object(bridge, "browser_id", return_value=BROWSER_ID),
    ):
        app = AppTest.from_file(str(ROOT / "kai/ui/main.py"), default_timeout=30)
        with _timed_scripts() as times:
            app.run()
            times.clear()
            for _ in range(RUNS):
                app.run()
            figures |= _told("rerun_before_a_talk", times)
            next(button for button in app.button if button.label == texts.START).click().run()
            times.clear()
            for _ in range(RUNS):
                app.run()
            figures |= _told("rerun_in_a_talk", times)
        named = app.query_params["talk"]
        talk = hub.find(named if isinstance(named, str) else named[0], BROWSER_ID)
        assert talk is not None
        state = _long_talk(talk.snapshot())

        def refresh() -> None:
            # A new page gets everything; one that is connected already gets less.
            list(Feed().of_state(state, time.monotonic()))

        figures |= _told("fragment_refresh", [_ms(refresh) for _ in range(VIEWS)])
    return figures


def _long_talk(state: SessionState) -> SessionState:
    lines = tuple(
        Message(
            f"m{n}",
            Role.ASSISTANT if n % 2 else Role.USER,
            "A line of some twenty words. " * 4,
            0.0,
            is_final=True,
        )
        for n in range(CHAT_LINES)
    )
    return replace(state, messages=lines)


def _timed_scripts() -> Any:
    """Measure the script's own time, without the test runner's thread and its copy of the page."""
    import contextlib

    from streamlit.runtime.scriptrunner import script_runner

    times: list[float] = []
    runner: Any = script_runner.ScriptRunner
    plain: Callable[..., Any] = runner._run_script

    def timed(self: Any, *args: Any) -> Any:
        begun_s = time.perf_counter()
        try:
            return plain(self, *args)
        finally:
            times.append((time.perf_counter() - begun_s) * 1e3)

    @contextlib.contextmanager
    def patched() -> Any:
        with mock.patch.object(runner, "_run_script", timed):
            yield times

    return patched()


def _ms(work: Callable[[], None]) -> float:
    begun_s = time.perf_counter()
    work()
    return (time.perf_counter() - begun_s) * 1e3


def _told(name: str, times_ms: list[float]) -> dict[str, Any]:
    ordered = sorted(times_ms)
    return {
        f"{name}_p50_ms": round(statistics.median(ordered), 2),
        f"{name}_p95_ms": round(ordered[int(len(ordered) * 0.95)], 2),
        f"{name}_count": len(ordered),
    }
