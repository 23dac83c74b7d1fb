"""The slots of a language model, each of which holds one talk, and their owners."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

NOBODY: Final = object()


class Slots:
    """`count` slots for talks, numbered from 0. Event loop only.

    A talk keeps its slot, and with it the words that the model has read, until another talk needs one and none is free: then
    the slot that has been idle for the longest time changes hands. `erase` empties a slot before another talk gets it, so
    that no talk ever sees another one's words.
    """

    def __init__(self, count: int, erase: Callable[[int], Awaitable[None]]) -> None:
        self._erase = erase
        self._owners: list[object] = [NOBODY] * count
        self._busy = [False] * count
        self._used_at = [0.0] * count
        self._preparing: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def use(self, talk: object) -> AsyncGenerator[int]:
        """Hold the slot of `talk` while it thinks. Waits while every slot is busy with another talk."""
        if self._preparing is not None:
            self._preparing.cancel()
        async with self._changed:
            await self._changed.wait_for(lambda: self._find(talk) is not None)
            slot = self._find(talk)
            assert slot is not None
            before, self._owners[slot], self._busy[slot] = self._owners[slot], talk, True
        try:
            if before is not talk and before is not NOBODY:
                await self._erase(slot)
            yield slot
        finally:
            self._busy[slot] = False
            self._used_at[slot] = time.monotonic()
            async with self._changed:
                self._changed.notify_all()

    async def prepare(self) -> None:
        """Empties one slot after the other ahead of the first talk; cancelled when a talk needs a slot."""
        self._preparing = asyncio.current_task()
        for slot in range(len(self._owners)):
            await self._erase(slot)

    def has_place_for(self, talk: object) -> bool:
        """Return whether `talk` owns a slot or could take a free one, so that the model may read its words ahead of time."""
        return talk in self._owners or NOBODY in self._owners

    async def leave(self, talk: object) -> None:
        """Empties and frees the slot of `talk`, which is over."""
        if talk in self._owners:
            slot = self._owners.index(talk)
            try:
                await self._erase(slot)
            finally:
                self._owners[slot] = NOBODY
                async with self._changed:
                    self._changed.notify_all()

    def _find(self, talk: object) -> int | None:
        """Return the slot that `talk` may use now: its own, else a free one, else the one idle for the longest time."""
        if talk in self._owners:
            own = self._owners.index(talk)
            return None if self._busy[own] else own
        idle = [slot for slot, is_busy in enumerate(self._busy) if not is_busy]
        free = [slot for slot in idle if self._owners[slot] is NOBODY]
        return min(free or idle, key=lambda slot: self._used_at[slot], default=None)
