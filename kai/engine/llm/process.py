"""The language model's process: it is started, measured, restarted when it dies, and ended with the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from kai.compat.child import Child
from kai.compat.tasks import Tasks
from kai.engine.llm.__main__ import EXIT_NO_MODEL
from kai.engine.llm.kept_rules import rules_folder

logger = logging.getLogger(__name__)

TALK_SLOTS: Final = 2
CONTEXT_TOKENS: Final = 4_096
"""The context of each slot; the cache of one slot takes 115 MB with Qwen2.5 1.5B."""
LOAD_S: Final = 120.0
ENOUGH_TOKENS_PER_S: Final = 6.0
"""Speech needs some 3.5 tokens a second; the margin shortens the wait for the first words."""
RESTARTS_IN_A_ROW: Final = 3
RESTART_DELAY_S: Final = 1.0
STEADY_S: Final = 60.0
"""After this run time a start counts as successful, and the next death as the first in a row."""
STOP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Served:
    """The address and speed of a running model; only the engine knows the key."""

    base_url: str
    tokens_per_s: float
    key: str = field(repr=False)


class ModelProcess:
    """Runs the model in the file `path` until `aclose`. Event loop only.

    ``served`` is ``None`` while the model cannot be asked; ``problem`` is the reason once it was given up.
    """

    def __init__(self, path: Path, on_change: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._on_change = on_change
        self._child: Child | None = None
        self.served: Served | None = None
        self.problem = ""
        self.is_too_slow = False
        self.starts = 0
        self._tasks = Tasks("language model")
        self._tasks.spawn(self._supervise(), "supervisor")

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return None if self._child is None else self._child.pid

    async def aclose(self) -> None:
        """Ends the process and its supervision, within `STOP_S` and a second."""
        await self._tasks.aclose()

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
        """Runs the process until it ends; returns its last line on standard error."""
        self.starts += 1
        key = secrets.token_urlsafe(24)
        child = self._child = await Child.start("kai.engine.llm", added={"OMP_NUM_THREADS": "1"})
        try:
            given = {
                "path": str(self._path),
                "key": key,
                "slots": TALK_SLOTS + 1,
                "context_tokens": CONTEXT_TOKENS,
                "threads": threads(),
                "rules_folder": str(rules_folder() or ""),
            }
            line = ""
            with contextlib.suppress(ConnectionError, TimeoutError):
                await child.tell(json.dumps(given))
                async with asyncio.timeout(LOAD_S):
                    line = await child.read_line()
            if line:
                told = json.loads(line)
                self._take(Served(str(told["base_url"]), float(told["tokens_per_s"]), key))
                if self.problem:
                    return ""
                code = await child.wait_ended()
            else:
                code = await child.end(within_s=STOP_S)
        finally:
            self.served = None
            self._on_change()
        words = child.last_words
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
        child, self._child = self._child, None
        if child is not None:
            await child.end(within_s=STOP_S)


def threads() -> int:
    """Return the number of threads for the model: the cores that face, recogniser and page leave free, at least one.

    On two cores a second thread makes everything slower: the threads wait for each other at each layer, and one of them is
    always waiting for a busy core.
    """
    return max(1, (psutil.cpu_count(logical=False) or os.cpu_count() or 1) - 2)


def _because(words: str) -> str:
    return f" ({words[:200]})" if words else ""
