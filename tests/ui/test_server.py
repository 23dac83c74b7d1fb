"""The whole server once: lifespan, cookie, routes, the media component's own files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from starlette.testclient import TestClient
from streamlit.runtime import Runtime

from kai.records.memory import Memory
from kai.ui import host, texts
from kai.ui.host import COOKIE_NAME
from kai.ui.server import make_lifespan, middleware, routes
from tests.ui.fakes import make_app

ROOT = Path(__file__).resolve().parents[2]
PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    memory = Memory(tmp_path_factory.mktemp("memory"))
    app = st.App(
        ROOT / "kai/ui/main.py",
        routes=routes(),
        middleware=middleware(),
        lifespan=make_lifespan(lambda: make_app(memory)),
    )
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client
    Runtime._instance = None
    with pytest.raises(host.NotServingError):
        host.app()


def test_the_first_page_brings_a_cookie_that_no_script_can_read(server: TestClient) -> None:
    server.cookies.clear()
    cookie = server.get("/", headers=PAGE).headers["set-cookie"]
    for part in (f"{COOKIE_NAME}=", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert "Secure" not in cookie
    again = server.get("/help", headers=PAGE)
    assert COOKIE_NAME not in again.headers.get("set-cookie", "")


def test_what_is_no_page_brings_no_cookie(server: TestClient) -> None:
    server.cookies.clear()
    assert COOKIE_NAME not in server.get("/api/health").headers.get("set-cookie", "")


def test_the_media_component_is_served(server: TestClient) -> None:
    # It registers itself only in a script run; without our help it would be a 404 for everybody.
    answer = server.get("/component/streamlit_webrtc.component.webrtc_streamer/index.html")
    assert answer.status_code == 200
    assert "<script" in answer.text


def test_health_stands_beside_streamlits_own(server: TestClient) -> None:
    assert server.get("/api/health").json()["status"] == "ok"
    assert server.get("/_stcore/health").text == "ok"


def test_the_first_html_has_title_picture_and_a_button_and_nothing_else_is_touched(
    server: TestClient,
) -> None:
    page = server.get("/", headers=PAGE)
    assert "<title>Kai</title>" in page.text
    assert '<img src="/api/pictures/kai.jpg" alt="" fetchpriority="high">' in page.text
    assert f"<h1>{texts.LANDING_TITLE}</h1>" in page.text
    assert f"<button disabled>{texts.START}</button>" in page.text
    assert page.text.index('id="kai-first"') < page.text.index('<div id="root"></div>')
    assert int(page.headers["content-length"]) == len(page.content)
    assert "etag" not in page.headers
    # An address of another page has its ground alone.
    assert texts.START not in server.get("/history", headers=PAGE).text
    script = re.findall(r'src="\./(static/js/[^"]+)"', page.text)[0]
    assert "kai-first" not in server.get(f"/{script}", headers=PAGE).text


def test_the_media_components_frame_is_no_page_of_ours(server: TestClient) -> None:
    # It has a root like Streamlit's page, and what covers a page until its scripts are there would cover the picture.
    path = "/component/streamlit_webrtc.component.webrtc_streamer/index.html"
    framed = server.get(path, headers=PAGE)
    assert b'<div id="root"></div>' in framed.content
    assert framed.content == server.get(path).content
