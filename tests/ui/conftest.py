"""An app of fakes for the page's tests, and Streamlit left as it was found."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit_webrtc.component as webrtc_component
import streamlit_webrtc.shutdown as webrtc_shutdown

from kai.app import App
from kai.records.memory import Memory
from kai.runtime.hub import SessionHub
from kai.ui import host
from tests.ui.fakes import make_app

BROWSER_ID = "browser-of-the-test"


@contextmanager
def serving(app: App) -> Generator[App]:
    """The app, started and served to pages and routes."""
    app.hub.start()
    host.serve(app)
    yield app
    host.serve(None)
    app.hub.close()


def serve_with(**parts: Any) -> None:
    """Serve the same app with other parts."""
    host.serve(replace(host.app(), **parts))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SessionHub]:
    """The hub of an app whose brains and faces answer at once, started and served to pages and routes."""
    # Also where the tests themselves run without any network interface.
    monkeypatch.setattr("kai.compat.rtc.host_addresses", lambda: ["192.0.2.1"])
    with serving(make_app(Memory(tmp_path / "memory", may_keep_talks=False))) as app:
        yield app.hub


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ``compat.install`` changes is changed back at the end."""
    observer = webrtc_shutdown.SessionShutdownObserver
    original = vars(observer)["_resolve_initial_page_script_hash"]
    monkeypatch.setattr(observer, "_resolve_initial_page_script_hash", original)
    for name in ("get_script_run_count", "WebRtcWorker"):
        monkeypatch.setattr(webrtc_component, name, getattr(webrtc_component, name))
