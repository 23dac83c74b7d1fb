"""A hub of fakes for the page's tests, and Streamlit left as it was found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit_webrtc.component as webrtc_component
import streamlit_webrtc.shutdown as webrtc_shutdown

from kai.runtime.hub import SessionHub
from kai.ui import host
from tests.ui.fakes import make_hub

BROWSER_ID = "browser-of-the-test"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionHub]:
    """A started hub whose brain and face answer at once, installed for pages and routes."""
    # Also where the tests themselves run without any network interface.
    monkeypatch.setattr("kai.compat.rtc.host_addresses", lambda: ["192.0.2.1"])
    hub = make_hub()
    hub.start()
    host.install(hub)
    yield hub
    host.install(None)
    hub.close()


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ``compat.install`` changes is changed back at the end."""
    observer = webrtc_shutdown.SessionShutdownObserver
    original = vars(observer)["_resolve_initial_page_script_hash"]
    monkeypatch.setattr(observer, "_resolve_initial_page_script_hash", original)
    for name in ("get_script_run_count", "WebRtcWorker"):
        monkeypatch.setattr(webrtc_component, name, getattr(webrtc_component, name))
