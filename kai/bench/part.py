"""The time limit of a part of the bench, and the local servers that several parts start for themselves."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from kai.adapters.openai_realtime import Endpoint

PART_S: Final = 600.0
"""A part ends within ten minutes, unless `Wanted.is_long` asks for the whole run."""
SPARE_S: Final = 20.0
KEY: Final = "bench-key"
MODEL: Final = "kai-local"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command line: the long run of a part, and the wrong answers to held-back prompts."""

    is_long: bool = False
    shows_held: bool = False
    minutes: float | None = None


class Allowance:
    """Decides whether another round, as long as the longest so far, fits into a part's ten minutes."""

    def __init__(self, wanted: Wanted, *, begun_s: float | None = None) -> None:
        self._is_long = wanted.is_long
        self._begun_s = time.monotonic() if begun_s is None else begun_s
        self._round_began_s = self._begun_s
        self._longest_s = 0.0

    def begin_round(self, now_s: float | None = None) -> bool:
        """Return whether to begin another round, once the one before is over."""
        now_s = time.monotonic() if now_s is None else now_s
        self._longest_s = max(self._longest_s, now_s - self._round_began_s)
        self._round_began_s = now_s
        return self._is_long or now_s - self._begun_s + self._longest_s <= PART_S - SPARE_S


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """A local engine of the bench: its Realtime address (ends in ``/v1``), its key, and its process."""

    url: str
    key: str
    process: psutil.Process

    def endpoint(self) -> Endpoint:
        """Return the endpoint of the engine's own brain."""
        return endpoint_of(self.url, self.key, MODEL)


def endpoint_of(url: str, key: str, model: str) -> Endpoint:
    """Return the endpoint of a brain of the engine at that address."""
    return Endpoint(key, model, url, host_addresses=("127.0.0.1",))


@contextlib.contextmanager
def local_engine() -> Generator[RunningEngine]:
    """Run the engine as the app does, as a child that ends with the block."""
    command = [sys.executable, "-m", "kai.engine", "--json", "--child", "--no-liveavatar"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None
        engine.stdin.write(f"{KEY}\n".encode())
        engine.stdin.flush()
        try:
            url = json.loads(engine.stdout.readline())["realtime"]
            yield RunningEngine(url, KEY, psutil.Process(engine.pid))
        finally:
            engine.stdin.close()


@contextlib.contextmanager
def local_server(name: str, *arguments: str, env: Mapping[str, str] | None = None) -> Generator[str]:
    """Run ``python -m`` with these arguments for the block; yield the address that it prints as ``name`` when it is up."""
    with subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())[name]
        finally:
            process.terminate()


def put_script(url: str, key: str, mind_id: str, **script: Any) -> str:
    """Have the engine at that address follow this script (`kai.engine.script`); return the name of such a model."""
    reply = httpx.put(
        f"{url.removesuffix('/v1')}/kai/minds/{mind_id}",
        json={"script": script},
        headers={"Authorization": f"Bearer {key}"},
        trust_env=False,
    )
    reply.raise_for_status()
    return f"kai-{mind_id}"


def scripted(url: str, key: str, **script: Any) -> Endpoint:
    """Return the endpoint of a brain that follows this script on the engine at that address."""
    return endpoint_of(url, key, put_script(url, key, f"script-{next(_numbers)}", **script))
