"""Something that is made before it is wanted, since making it takes a while: a face, or the process of an avatar's room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from kai.compat.tasks import Tasks
from kai.errors import KaiError

log = logging.getLogger(__name__)

T = TypeVar("T")

KEEP_S: Final = 600.0
"""A spare waits this long after the last page opened that might want it; then its memory is freed."""


class Spare(Generic[T]):
    """At most one ``T``, which is made when a page opens and taken when a talk begins. Kai's loop only.

    ``close`` ends one that nobody wants; ``is_usable`` returns whether one that has waited can still be used.
    """

    def __init__(
        self, name: str, close: Callable[[T], Coroutine[Any, Any, object]], is_usable: Callable[[T], bool]
    ) -> None:
        self._close = close
        self._is_usable = is_usable
        self._made: T | None = None
        self._making: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._tasks = Tasks(name)
        self._is_closed = False

    def warm(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Have one made, unless there is one, because it may be wanted soon."""
        if self._is_closed:
            return
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(KEEP_S, self._forget)
        if self._made is None and self._making is None:
            self._making = self._tasks.spawn(self._make(make), "make")

    async def wait_made(self) -> None:
        """Wait until none is being made."""
        if self._making is not None:
            await asyncio.wait([self._making])

    def take(self) -> T | None:
        """Return it, if it is there and can be used. It belongs to the caller."""
        if self._made is not None and not self._is_usable(self._made):
            self._forget()
        made, self._made = self._made, None
        return made

    async def aclose(self) -> None:
        """End it, or the making of it."""
        self._is_closed = True
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._making is not None:
            self._making.cancel()
            await self.wait_made()
        self._forget()
        await self._tasks.wait_ended()

    async def _make(self, make: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            self._made = await make()
        except (KaiError, OSError) as exc:
            # The talk itself will meet the same error and report it.
            log.info("nothing spare", extra={"kind": type(exc).__name__})
        finally:
            self._making = None

    def _forget(self) -> None:
        made, self._made = self._made, None
        if made is not None:
            self._tasks.spawn(self._close(made), "close")
