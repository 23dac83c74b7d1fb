"""``/api/voices/{id}/preview``: a voice is heard by this page alone, and what cannot be is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.errors import EngineError
from kai.runtime.hub import SessionHub
from kai.ui.host import COOKIE_NAME
from kai.ui.voice_routes import routes
from tests.ui.conftest import BROWSER_ID, serve_with

WAV = b"RIFF...."


@pytest.fixture
def client(hub: SessionHub) -> Iterator[TestClient]:
    async def preview(voice_id: str, speed: float) -> bytes:
        if voice_id == "george":
            raise EngineError("This voice is an extra.", code="engine-409")
        return WAV + f"{voice_id} {speed:g}".encode()

    serve_with(preview_voice=preview)
    with TestClient(Starlette(routes=routes()), base_url="http://127.0.0.1:8501") as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        yield client


def test_a_preview_is_a_wav_file_of_that_voice_at_that_speed(client: TestClient) -> None:
    heard = client.get("/api/voices/emma/preview?speed=1.2")
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")
    assert heard.content == WAV + b"emma 1.2"
    assert client.get("/api/voices/emma/preview?speed=9").content == WAV + b"emma 1.5"
    assert client.get("/api/voices/emil:+2:-1/preview").content == WAV + b"emil:+2:-1 1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("george/preview", 409),
        ("..%2F..%2Fkai/preview", 404),
        ("x1/preview", 404),
        ("emil:+9:-1/preview", 404),
        ("emil:+1/preview", 404),
        ("emma/preview?speed=x", 400),
    ],
)
def test_what_cannot_be_heard_is_told(client: TestClient, path: str, status: int) -> None:
    assert client.get(f"/api/voices/{path}").status_code == status


def test_a_preview_is_for_our_own_page_alone(client: TestClient) -> None:
    assert (
        client.get("/api/voices/emma/preview", headers={"Origin": "https://evil.example"}).status_code == 403
    )
    client.cookies.clear()
    assert client.get("/api/voices/emma/preview").status_code == 403
