"""The local LiveAvatar as a process, for tests: spoken to as anybody would, and told what to do wrong."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_S = 30.0
KEY = "test-key"


@dataclass
class RunningLiveAvatar:
    """A started process at ``url``. ``faults`` sets all its switches anew, ``act`` does one thing to running sessions."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes] = field(repr=False)
    url: str = ""
    base_faults: dict[str, Any] = field(default_factory=dict)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """One request, with the key unless other headers are given."""
        return httpx.request(
            method,
            self.url + path,
            json=body,
            headers=headers or {"X-API-KEY": KEY},
            timeout=10,
            trust_env=False,
        )

    def faults(self, **switches: Any) -> None:
        """These switches, over those that the server was started with; all others as new."""
        assert self.call("PUT", "/kai/faults", {**self.base_faults, **switches}).status_code == 200

    def act(self, act: str) -> None:
        assert self.call("POST", "/kai/act", {"act": act}).status_code == 200

    def replay(self, recording: str) -> None:
        """Answer as that recording says, from its beginning; an empty one ends that."""
        answer = httpx.put(
            f"{self.url}/kai/replay", content=recording, headers={"X-API-KEY": KEY}, trust_env=False
        )
        assert answer.status_code == 200, answer.text

    def bill(self) -> dict[str, Any]:
        return self.call("GET", "/kai/bill").json()["data"]

    @property
    def stderr(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(8)
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_liveavatar(**faults: Any) -> RunningLiveAvatar:
    """A new process that is ready."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the object
    process = subprocess.Popen(
        [sys.executable, "-m", "kai.engine.liveavatar", "--faults", json.dumps(faults)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    running = RunningLiveAvatar(process, errors, base_faults=faults)
    assert process.stdout is not None
    deadline, line = time.monotonic() + READY_S, b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(process.stdout.fileno(), 4096) if readable else b""
        if not part:
            running.stop()
            pytest.fail(f"the local LiveAvatar did not become ready: {running.stderr}")
        line += part
    running.url = json.loads(line)["liveavatar"]
    return running


@contextmanager
def running_liveavatar(**faults: Any) -> Iterator[RunningLiveAvatar]:
    running = start_liveavatar(**faults)
    try:
        yield running
    finally:
        running.stop()


_shared: list[RunningLiveAvatar] = []


@pytest.fixture(scope="session")
def liveavatar_process(request: pytest.FixtureRequest) -> RunningLiveAvatar:
    """One process for all tests of the run, wherever they import this fixture. Its picture is plain."""
    if not _shared:
        _shared.append(start_liveavatar(has_plain_picture=True))
        request.config.add_cleanup(lambda: _shared.pop().stop())
    return _shared[0]


@pytest.fixture
def liveavatar(liveavatar_process: RunningLiveAvatar) -> Iterator[RunningLiveAvatar]:
    """That process with its switches as new; what a test leaves running is stopped. Import ``liveavatar_process`` too."""
    server = liveavatar_process
    server.faults()
    server.replay("")
    yield server
    for entry in server.call("GET", "/v1/sessions?type=active&page_size=100").json()["data"]["results"]:
        server.call("POST", "/v1/sessions/stop", {"session_id": entry["id"]})


@pytest.fixture(autouse=True)
def no_wait_for_a_rooms_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud face holds its first answer until its room has reported, some seconds. `test_room_media` tests that."""
    monkeypatch.setattr("kai.adapters.liveavatar.face.FIRST_REPORT_S", 0.0)
