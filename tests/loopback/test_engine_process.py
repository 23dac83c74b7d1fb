"""The engine as a process: what its parent, its supervisor and a person at a terminal may rely on."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosedError

from tests.support.engine import ROOT, RunningEngine, engine, start_engine
from tests.support.peer import calling

__all__ = ["engine"]

UNSHARE = shutil.which("unshare")


@pytest.fixture
def start() -> Iterator[Callable[..., RunningEngine]]:
    """Starts engines that are gone after the test."""
    started: list[RunningEngine] = []

    def start_one(*options: str, **settings: object) -> RunningEngine:
        started.append(start_engine(*options, **settings))  # type: ignore[arg-type]
        return started[-1]

    yield start_one
    for one in started:
        one.stop()
        one.errors.close()


async def test_standalone_it_says_where_it_is_takes_any_key_and_ends_on_sigterm(
    start: Callable[..., RunningEngine],
) -> None:
    running = start().ready()
    assert set(running.addresses) == {"realtime", "liveavatar"}
    assert all(url.startswith("http://127.0.0.1:") for url in running.addresses.values())
    assert "recogniser" in running.stderr
    async with running.client("whatever") as client:
        assert (await client.realtime.client_secrets.create()).value.startswith("ek_")
    async with running.client("bad-key") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.realtime.client_secrets.create()
    # It ends in the middle of a call and of a WebSocket too, and tells both.
    client = running.client()
    async with calling(client) as peer, client.realtime.connect(model="kai-local") as connection:
        running.process.send_signal(signal.SIGTERM)
        await peer.wait_until(lambda: peer.connection.connectionState == "closed", timeout_s=5)
        assert [(await connection.recv()).type for _ in range(2)] == [
            "session.created",
            "conversation.created",
        ]
        with pytest.raises(ConnectionClosedError, match="1012"):
            await asyncio.wait_for(connection.recv(), 5)
    assert await asyncio.to_thread(running.wait, 4) == 0
    assert "Traceback" not in running.stderr


def test_it_ends_when_its_parents_end_of_standard_input_closes(start: Callable[..., RunningEngine]) -> None:
    running = start(key="made for this run").ready()
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.wait(4) == 0


def test_a_child_whose_parent_goes_while_it_loads_ends_too(start: Callable[..., RunningEngine]) -> None:
    running = start(key="made for this run")
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.wait(10) == 0
    assert running.process.stdout is not None
    assert running.process.stdout.read() == b""


def test_a_taken_port_is_one_clear_sentence_and_code_2(start: Callable[..., RunningEngine]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = start("--port", str(port))
        assert running.wait(10) == 2
    assert running.stderr.strip().startswith(f"Port {port} ")
    assert len(running.stderr.strip().splitlines()) == 1


def test_a_folder_of_models_that_is_not_there_is_one_clear_sentence_and_code_3(
    start: Callable[..., RunningEngine], tmp_path: Path
) -> None:
    running = start(environment={"KAI_WEIGHTS_DIR": str(tmp_path / "nowhere")})
    assert running.wait(20) == 3
    last = running.stderr.strip().splitlines()[-1]
    assert "does not exist" in last
    assert "Traceback" not in running.stderr


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "attacker.example"}, "foreign_host"),
        ({"Host": "127.0.0.1.attacker.example"}, "foreign_host"),
        ({"Origin": "https://attacker.example"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
    ],
)
def test_requests_from_foreign_pages_are_refused(
    engine: RunningEngine, headers: dict[str, str], code: str
) -> None:
    answer = httpx.post(
        f"{engine.url}/realtime/client_secrets", headers={"Authorization": f"Bearer {engine.key}", **headers}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    assert "access-control-allow-origin" not in answer.headers


def test_a_page_of_this_computer_may_call(engine: RunningEngine) -> None:
    headers = {"Origin": "http://localhost:8501"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    url = f"{engine.url}/realtime/calls"
    assert httpx.options(url, headers={**headers, **asked}).status_code == 200
    answer = httpx.post(url, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


@pytest.mark.skipif(UNSHARE is None or sys.platform != "linux", reason="needs Linux network namespaces")
def test_a_computer_without_any_network_can_call() -> None:
    """In a network namespace that has its loopback only, engine and peer talk, though aioice alone gathers nothing."""
    assert UNSHARE is not None
    if subprocess.run([UNSHARE, "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    talk = (
        "import asyncio, sys\n"
        "from kai.compat import rtc\n"
        "from tests.support import peer as peers\n"
        "from tests.support.engine import start_engine\n"
        "peers.make_connection = lambda: rtc.peer_connection(host_addresses=['127.0.0.1'])\n"
        "async def main():\n"
        "    async with peers.calling(engine.client()) as peer:\n"
        "        peer.ask('What is your name?')\n"
        "        await peer.wait_sound(0.0)\n"
        "        print('heard')\n"
        "engine = start_engine().ready()\n"
        "try:\n"
        "    asyncio.run(main())\n"
        "finally:\n"
        "    engine.stop()\n"
    )
    bring_up = 'ip link set lo up && exec "$0" "$@"'
    talked = subprocess.run(
        [UNSHARE, "-rn", "sh", "-c", bring_up, sys.executable, "-c", talk],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert talked.stdout.strip() == "heard", talked.stderr
