"""The tasks of one owner. Each has a name, is referenced until it ends, and never fails silently.

A ``TaskGroup`` cancels all its tasks when one of them fails, which is right for a single piece of work. A talk, a brain or a
room, however, continues when one of its tasks fails, and starts tasks from callbacks, which cannot await. Such an owner uses
`Tasks`, which starts tasks, logs every failure with its traceback, and reports failures to the owner if asked to.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """The running tasks of ``owner``, whose name is the prefix of theirs. One event loop only.

    ``on_failed`` is called on the loop with the exception of each task that fails. A cancelled task has not failed.
    """

    def __init__(self, owner: str, on_failed: Callable[[BaseException], None] | None = None) -> None:
        self._owner = owner
        self._on_failed = on_failed
        self._running: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start a task on the running loop."""
        task = asyncio.create_task(work, name=f"{self._owner}: {name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    @property
    def is_idle(self) -> bool:
        """True when no task is running."""
        return all(task.done() for task in self._running)

    def names(self) -> list[str]:
        """Return the names of the running tasks, for a log."""
        return sorted(task.get_name() for task in self._running)

    def cancel(self) -> None:
        """Cancel every task. Returns at once."""
        for task in self._running:
            task.cancel()

    async def wait_ended(self) -> None:
        """Wait until no task is running, including those that start during the wait."""
        while self._running:
            await asyncio.wait(self._running)

    async def aclose(self) -> None:
        """Cancel every task and wait until all have ended."""
        self.cancel()
        await self.wait_ended()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("a task failed", extra={"task": task.get_name()}, exc_info=error)
        if self._on_failed is not None:
            self._on_failed(error)
