"""The real engine as a process, for tests: one shared by the whole run, or one of a test's own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx2
import openai
import pytest

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
"""Loading takes 2 s on an idle computer; a busy one gets patience."""
KEY = "test-key"


@dataclass
class RunningEngine:
    """A started process; `ready` waits until it can be used. Standard error goes to a file."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes] = field(repr=False)
    key: str = "any-key"
    addresses: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.addresses["realtime"]

    @property
    def stderr(self) -> str:
        self.errors.seek(0)
        return self.errors.read().decode()

    def ready(self) -> RunningEngine:
        """Itself, once its line of JSON has come."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + READY_S
        line = b""
        while not line.endswith(b"\n"):
            left_s = deadline - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, left_s))
            part = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not part:
                self.stop()
                pytest.fail(f"the engine did not become ready: {self.stderr}")
            line += part
        self.addresses = json.loads(line)
        return self

    def client(self, key: str | None = None) -> openai.AsyncOpenAI:
        """The official client, with nothing changed but where it calls and that it tries once."""
        return openai.AsyncOpenAI(api_key=key or self.key, base_url=self.url, max_retries=0, timeout=15)

    def conversations(self) -> int:
        """How many talks it holds now."""
        answer = httpx2.get(
            f"{self.url.removesuffix('/v1')}/kai/status", headers={"Authorization": f"Bearer {self.key}"}
        )
        return answer.json()["conversations"]

    def wait(self, timeout_s: float = 10.0) -> int:
        """The exit code, once the process has ended by itself."""
        return self.process.wait(timeout_s)

    def stop(self) -> None:
        """Ends the process and closes its pipes, whatever state it is in."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(8)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def start_engine(
    *options: str,
    key: str | None = None,
    environment: dict[str, str] | None = None,
    before: tuple[str, ...] = (),
) -> RunningEngine:
    """A new engine process, loading; with `key` as a child of ours. `before` is put in front of the command."""
    errors = tempfile.TemporaryFile()  # noqa: SIM115 closed with the object
    child = ("--child",) if key is not None else ()
    process = subprocess.Popen(
        [*before, sys.executable, "-m", "kai.engine", "--json", *child, *options],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.PIPE if key is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    if key is not None:
        assert process.stdin is not None
        process.stdin.write(key.encode() + b"\n")
        process.stdin.flush()
    return RunningEngine(process, errors, key or "any-key")


_shared: list[RunningEngine] = []


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> RunningEngine:
    """One engine for all tests of the run, wherever they import this fixture; it ends with the run, or if that dies."""
    if not _shared:
        _shared.append(start_engine(key=KEY).ready())
        request.config.add_cleanup(lambda: _shared.pop().stop())
    return _shared[0]
