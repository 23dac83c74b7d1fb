"""Below a path of a reverse proxy (``--server.baseUrlPath``) everything works that works without one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit import config
from streamlit.runtime import Runtime
from streamlit.testing.v1 import AppTest

from kai.records.memory import Memory
from kai.runtime.hub import SessionHub
from kai.ui import address, door, host
from kai.ui.door import Door
from kai.ui.host import COOKIE_NAME
from kai.ui.password import make_hash
from kai.ui.server import make_lifespan, middleware, routes
from tests.ui.fakes import make_app
from tests.ui.test_pages import app, words

__all__ = ["app"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = {"accept": "text/html"}
BASES = ["kai", "/team/kai/"]


@pytest.fixture(params=BASES)
def base(request: pytest.FixtureRequest) -> Iterator[str]:
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", request.param)
    yield f"/{request.param.strip('/')}"
    config.set_option("server.baseUrlPath", before)


@pytest.fixture
def server(base: str, tmp_path: Path) -> Iterator[TestClient]:
    memory = Memory(tmp_path)
    app = st.App(
        ROOT / "kai/ui/main.py",
        routes=routes(),
        middleware=middleware(),
        lifespan=make_lifespan(lambda: make_app(memory)),
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client
    Runtime._instance = None


def test_page_routes_events_and_cookie_are_served_below_the_path(server: TestClient, base: str) -> None:
    cookie = server.get(f"{base}/", headers=PAGE).headers["set-cookie"]
    assert f"{COOKIE_NAME}=" in cookie
    assert f"Path={base};" in cookie
    for path in (f"{base}/api/health", "/api/health"):
        assert server.get(path).json()["status"] == "ok"
    assert server.get(f"{base}/_stcore/health").text == "ok"
    assert server.get(f"{base}/api/pictures/kai.jpg").headers["content-type"] == "image/jpeg"
    assert (
        server.get(f"{base}/component/streamlit_webrtc.component.webrtc_streamer/index.html").status_code
        == 200
    )
    talk = host.app().hub.create(server.cookies[COOKIE_NAME])
    answer = server.post(f"{base}/api/talks/{talk.id}/wishes", json={"wish": "nonsense"})
    assert answer.status_code not in (404, 405)
    assert server.get(f"{base}/api/talks/nobody/events").json()["error"]["code"]


def test_every_route_of_ours_is_there_below_the_path_too(base: str) -> None:
    paths = {route.path for route in routes()}
    for path in paths:
        assert path.startswith(base) or f"{base}{path}" in paths


def test_the_door_stands_below_the_path(server: TestClient, base: str) -> None:
    door.install(Door(make_hash("correct horse")))
    page = server.get(f"{base}/", headers=PAGE)
    assert f'action="{base}/login"' in page.text
    answer = server.post(f"{base}/login", data={"password": "correct horse"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}/")
    assert f"Path={base};" in answer.headers["set-cookie"]


def test_what_a_page_loads_lies_below_the_path(app: AppTest, hub: SessionHub, base: str) -> None:
    app.run()
    assert not app.exception
    drawn = words(app)
    loaded = re.findall(r"(?:src=|url\()['\"](/[^'\"]+)", drawn)
    assert len(loaded) > 3, "the first picture and the characters"
    assert all(url.startswith(f"{base}/api/") for url in loaded)


def test_no_script_and_no_style_names_a_route_by_itself() -> None:
    """A script is told the path with its data; a route that it writes down by itself would miss it."""
    strays = {
        f"{path.name}: {line.strip()[:80]}"
        for kind in ("*.js", "*.css", "*.html")
        for path in (ROOT / "kai/ui").rglob(kind)
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"[\"'`(]/(api|login|_stcore)", line)
    }
    pages = {
        f"{path.name}: {line.strip()[:80]}"
        for path in (ROOT / "kai/ui").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"(src|href|action)=\\?[\"']/", line)
    }
    assert strays | pages == set()


def test_without_a_path_nothing_is_put_before_a_route() -> None:
    assert (address.base_path(), address.at("/api/health")) == ("", "/api/health")
    assert len({route.path for route in routes()}) == len(routes())
