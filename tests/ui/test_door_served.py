"""The door of a running app, with real HTTP and a real WebSocket: at an address that is not this computer's own loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from kai.bench.driver import free_port
from kai.ui.door import COOKIE_NAME
from kai.ui.password import make_hash
from kai.ui.server import routes

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is there on Linux alone"),
]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
ADDRESS = "127.0.0.2"
"""Reached from this computer alone, but no name of its loopback: to Kai it is a network."""
START_S = 60.0


def start(folder: Path, **env: str) -> tuple[subprocess.Popen[bytes], int, Path]:
    port, log = free_port(), folder / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "tests/ui/fake_app.py", "--server.address", ADDRESS]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--server.port", str(port), "--server.headless", "true"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "KAI_DATA_DIR": str(folder / "data"), **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    return process, port, log


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((ADDRESS, port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_without_a_password_the_app_ends_and_says_what_to_do(tmp_path: Path) -> None:
    process, port, log = start(tmp_path)
    try:
        assert process.wait(START_S) != 0
        assert "python -m kai.ui.password" in log.read_text(errors="replace")
        assert not answers(port)
    finally:
        end(process)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    process, port, log = start(folder, KAI_PASSWORD_HASH=make_hash(PASSWORD))
    try:
        url = f"http://{ADDRESS}:{port}"
        deadline_s = time.monotonic() + START_S
        while True:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline_s, log.read_text(errors="replace")
            try:
                httpx.get(f"{url}/login", timeout=2)
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        yield url
        assert PASSWORD not in log.read_text(errors="replace")
    finally:
        end(process)


async def handshake(base: str, cookie: str) -> int:
    """The status with which Streamlit's WebSocket is answered; 101 is a yes."""
    headers = {"Cookie": cookie} if cookie else {}
    url = f"{base.replace('http', 'ws', 1)}/_stcore/stream"
    try:
        async with asyncio.timeout(20), connect(url, additional_headers=headers, origin=base):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_page_websocket_and_every_route_are_closed_and_open_with_the_password(base: str) -> None:
    paths = [route.path.replace("{", "").replace("}", "") for route in routes()]
    assert "/api/health" in paths
    assert len(paths) > 10
    streamlit_own = ["/_stcore/health", "/_stcore/host-config", "/media/x", "/component/x/index.html"]
    async with httpx.AsyncClient(base_url=base, timeout=20) as client:
        for path in [*paths, *streamlit_own]:
            for method in ("GET", "POST"):
                answer = await client.request(method, path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (401, "password"), path
        page = await client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 401
        assert 'type="password"' in page.text
        assert "<script" not in page.text
        assert await handshake(base, "") == 403
        assert await handshake(base, f"{COOKIE_NAME}=made-up") == 403

        assert (await client.post("/login", data={"password": "wrong one"})).status_code == 401
        come_in = await client.post("/login", data={"password": PASSWORD})
        assert come_in.status_code == 303
        assert (await client.get("/api/health")).json()["status"] == "ok"
        page = await client.get("/", headers={"accept": "text/html"})
        assert page.status_code == 200
        assert "<script" in page.text
        # A page's WebSocket comes with all its cookies.
        assert await handshake(base, f"{COOKIE_NAME}={come_in.cookies[COOKIE_NAME]}") == 101


async def test_a_guesser_has_to_wait_and_nobody_else_does(base: str) -> None:
    transport = httpx.AsyncHTTPTransport(local_address="127.0.0.3")
    async with httpx.AsyncClient(base_url=base, timeout=20, transport=transport) as guesser:
        seen = [(await guesser.post("/login", data={"password": f"guess {i}"})).status_code for i in range(8)]
        assert seen[0] == 401
        assert seen[-1] == 429
        refused = await guesser.post("/login", data={"password": PASSWORD})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
    async with httpx.AsyncClient(base_url=base, timeout=20) as friend:
        assert (await friend.post("/login", data={"password": PASSWORD})).status_code == 303
