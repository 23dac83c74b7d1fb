"""The language model's process: started, measured, started again when it dies, and gone with the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from kai.compat.child import child_environment
from kai.engine.llm.__main__ import EXIT_NO_MODEL

logger = logging.getLogger(__name__)

TALK_SLOTS: Final = 2
CONTEXT_TOKENS: Final = 4_096
"""Of each slot; the cache of one takes 115 MB with Qwen2.5 1.5B."""
LOAD_S: Final = 120.0
ENOUGH_TOKENS_PER_S: Final = 6.0
"""Speech needs some 3.5 tokens a second, and the rest is for the first words; a slower model lets a person wait."""
RESTARTS_IN_A_ROW: Final = 3
RESTART_DELAY_S: Final = 1.0
STEADY_S: Final = 60.0
"""A process that ran for so long had no fault from its start on: the next death counts as the first."""
STOP_S: Final = 2.0
KEPT_WORDS: Final = 20

PROJECT: Final = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Served:
    """Where a model that is ready is reached; the key is known to the engine only."""

    base_url: str
    tokens_per_s: float
    key: str = field(repr=False)


class ModelProcess:
    """Runs the model in the file `path` until `aclose`. Event loop only.

    ``served`` is ``None`` while it cannot be asked, and ``problem`` says why once it never will be.
    """

    def __init__(self, path: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self.served: Served | None = None
        self.problem = ""
        self.is_too_slow = False
        self.starts = 0
        self._task = asyncio.create_task(self._supervise(), name="language model: supervisor")

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def aclose(self) -> None:
        """Ends the process and its supervision, within `STOP_S`."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _supervise(self) -> None:
        deaths = 0
        try:
            while not self.problem:
                begun = asyncio.get_running_loop().time()
                last_words = await self._run_once()
                is_steady = asyncio.get_running_loop().time() - begun > STEADY_S
                deaths = 1 if is_steady else deaths + 1
                if deaths > RESTARTS_IN_A_ROW:
                    self.problem = f"The language model does not run on this computer{_because(last_words)}."
                    self._on_change()
                if not self.problem:
                    logger.warning("the language model ended", extra={"deaths": deaths})
                    await asyncio.sleep(RESTART_DELAY_S * deaths)
        finally:
            await self._stop()

    async def _run_once(self) -> str:
        """One life of the process; its last words on standard error."""
        self.starts += 1
        key = secrets.token_urlsafe(24)
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kai.engine.llm",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=PROJECT,
            env=child_environment({"OMP_NUM_THREADS": "1"}),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        words: list[str] = []
        reading = asyncio.create_task(_keep_last(process.stderr, words), name="language model: stderr")
        try:
            given = {
                "path": str(self._path),
                "key": key,
                "slots": TALK_SLOTS + 1,
                "context_tokens": CONTEXT_TOKENS,
                "threads": threads(),
            }
            with contextlib.suppress(ConnectionError):
                process.stdin.write(json.dumps(given).encode() + b"\n")
                await process.stdin.drain()
            line = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOAD_S):
                    line = await process.stdout.readline()
            if line:
                told = json.loads(line)
                self._take(Served(str(told["base_url"]), float(told["tokens_per_s"]), key))
                if self.problem:
                    return ""
                code = await process.wait()
            else:
                await self._stop()
                code = process.returncode
        finally:
            self.served = None
            reading.cancel()
            await asyncio.wait([reading])
            self._on_change()
        if code == EXIT_NO_MODEL:
            self.problem = words[-1] if words else "The package xllamacpp cannot be loaded."
        return words[-1] if words else ""

    def _take(self, served: Served) -> None:
        if served.tokens_per_s < ENOUGH_TOKENS_PER_S:
            self.is_too_slow = True
            self.problem = (
                f"This computer makes {served.tokens_per_s:.0f} tokens a second with the language model; "
                f"{ENOUGH_TOKENS_PER_S:.0f} are needed to talk."
            )
            return
        self.served = served
        logger.info("language model up", extra={"tokens_per_s": served.tokens_per_s})
        self._on_change()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def threads() -> int:
    """How many threads the model gets: the cores that face, ears and page leave free, at least one.

    On two cores a second thread makes everything slower: at each layer both wait for each other, and one of them always
    waits for its turn on a busy core.
    """
    return max(1, (psutil.cpu_count(logical=False) or os.cpu_count() or 1) - 2)


def _because(words: str) -> str:
    return f" ({words[:200]})" if words else ""


async def _keep_last(stream: asyncio.StreamReader, words: list[str]) -> None:
    while line := await stream.readline():
        if text := line.decode(errors="replace").strip():
            words[:] = [*words[-KEPT_WORDS:], text]
