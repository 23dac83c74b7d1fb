"""A room's process that is started before it is wanted, since importing the room's library takes most of a second.

At Start only the paid session, the control socket and the room are then waited for. The spare is started when a page opens,
as the spare local face is, and it ends by itself when its socket does.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Final

from kai.compat.child import Child
from kai.compat.spare import Spare

PROGRAM: Final = "kai.adapters.liveavatar.room_process"
CLOSE_S: Final = 1.0

Linked = tuple[Child, socket.socket]


async def start_room() -> Linked:
    """Start a room's process, and return it with our end of its socket. Raises ``OSError``."""
    return await Child.start_linked(PROGRAM, added={"OMP_NUM_THREADS": "1"}, goes_online=True)


class SpareRoom:
    """At most one process that waits for the order to join a room. Kai's loop only."""

    def __init__(self) -> None:
        self._spare = Spare[Linked]("spare room", _end, lambda linked: linked[0].pid is not None)

    def warm(self) -> None:
        """Start a process, because a cloud face may be wanted soon."""
        self._spare.warm(start_room)

    async def take(self) -> Linked:
        """Return the spare, or a new process without one. It belongs to the caller. Raises ``OSError``."""
        await self._spare.wait_made()
        return self._spare.take() or await start_room()

    async def aclose(self) -> None:
        """End the spare."""
        await self._spare.aclose()


async def _end(linked: Linked) -> None:
    """End a process that is in no room: it ends when its socket does."""
    child, connection = linked
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
    await child.end(within_s=CLOSE_S)
