"""A room's process that is started before it is wanted, since importing the room's library takes most of a second.

At Start only the paid session, the control socket and the room are then waited for. The spare is started when a page opens,
as the spare local face is, and it ends by itself when its socket does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Final

from kai.compat.child import Child
from kai.compat.tasks import Tasks

log = logging.getLogger(__name__)

PROGRAM: Final = "kai.adapters.liveavatar.room_process"
KEEP_S: Final = 600.0
"""A spare waits this long after the last page opened that might want it; then its memory is freed."""

CLOSE_S: Final = 1.0

Linked = tuple[Child, socket.socket]


async def start_room() -> Linked:
    """Start a room's process, and return it with our end of its socket. Raises ``OSError``."""
    return await Child.start_linked(PROGRAM, added={"OMP_NUM_THREADS": "1"}, goes_online=True)


class SpareRoom:
    """At most one process that waits for the order to join a room. Kai's loop only."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_s = keep_s
        self._spare: Linked | None = None
        self._starting: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._tasks = Tasks("spare room")
        self._is_closed = False

    def warm(self) -> None:
        """Start a process, because a cloud face may be wanted soon."""
        if self._is_closed:
            return
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(self._keep_s, self._forget)
        if self._spare is None and self._starting is None:
            self._starting = self._tasks.spawn(self._start(), "start")

    async def take(self) -> Linked:
        """Return the spare, or a new process without one. It belongs to the caller. Raises ``OSError``."""
        if self._starting is not None:
            await asyncio.wait([self._starting])
        spare, self._spare = self._spare, None
        if spare is not None and spare[0].pid is not None:
            return spare
        if spare is not None:
            self._close(spare)
        return await start_room()

    async def aclose(self) -> None:
        """End the spare."""
        self._is_closed = True
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._starting is not None:
            await asyncio.wait([self._starting])
        self._forget()
        await self._tasks.wait_ended()

    async def _start(self) -> None:
        try:
            self._spare = await start_room()
        except OSError as exc:
            # The talk itself will meet the same error and report it.
            log.info("no spare room", extra={"kind": type(exc).__name__})
        finally:
            self._starting = None

    def _forget(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            self._close(spare)

    def _close(self, spare: Linked) -> None:
        self._tasks.spawn(_end(*spare), "close")


async def _end(child: Child, connection: socket.socket) -> None:
    """End a process that is in no room: it ends when its socket does."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    await child.end(within_s=CLOSE_S)
