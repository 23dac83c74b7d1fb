"""The app's side of the room: a child process joins it, and a new process replaces one that dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from kai.adapters.liveavatar.room_messages import HEAD_BYTES, Head, Kind, decode
from kai.adapters.liveavatar.spare_room import Linked, start_room
from kai.adapters.liveavatar.troubles import trouble
from kai.compat.child import Child
from kai.compat.tasks import Tasks
from kai.errors import FaceError
from kai.ports import Picture

if TYPE_CHECKING:
    from kai.adapters.liveavatar.room import RoomSink

log = logging.getLogger(__name__)

JOIN_S: Final = 20.0
CLOSE_S: Final = 2.5
MOST_VISITS: Final = 4
"""The limit of processes in one session, each of which may die of a panic in the library. More deaths have another cause."""
MOST_WAITING: Final = 400
"""The bound of sound and reports that wait for Kai's loop, 4 s; the oldest is dropped. Only the newest picture waits."""


class RoomLink:
    """A `kai.adapters.liveavatar.room.RoomClient` in another process. Kai's loop only."""

    def __init__(self, sink: RoomSink, take: Callable[[], Awaitable[Linked]] = start_room) -> None:
        """Make a link that gets its processes from ``take``."""
        self._sink = sink
        self._take = take
        self._visit: _Visit | None = None
        self._visits = 0
        self._where: tuple[str, str] | None = None
        self._tasks = Tasks("avatar's room")
        self._is_closing = False

    @property
    def is_avatar_gone(self) -> bool:
        """True while the avatar has left; it may return."""
        return self._visit is not None and self._visit.is_avatar_gone

    @property
    def process_id(self) -> int | None:
        """The id of the process that is in the room now."""
        return None if self._visit is None else self._visit.process_id

    async def prepare(self) -> None:
        """Get a process before the room's address is known, since starting one takes a second."""
        self._visit = _Visit(self._sink, self._lost, self._take)
        await self._visit.start()

    async def open(self, url: str, token: str) -> None:
        """Join the room. Raises `FaceError`. The tracks arrive later."""
        self._where = (url, token)
        if self._visit is None:
            await self.prepare()
        await self._join()

    async def _join(self) -> None:
        assert self._visit is not None
        assert self._where is not None
        self._visits += 1
        await self._visit.join(*self._where)

    def _lost(self) -> None:
        """Send a new process into the room after one died there, because the session still runs."""
        if self._is_closing:
            return
        log.warning("the avatar's room process died", extra={"visits": self._visits})
        self._sink.fresh()
        if self._visits >= MOST_VISITS:
            self._sink.gone(trouble("avatar-room-broken"))
        elif self._tasks.is_idle:
            self._tasks.spawn(self._return(), "return")

    async def _return(self) -> None:
        former, self._visit = self._visit, _Visit(self._sink, self._lost, self._take)
        if former is not None:
            await former.aclose()
        try:
            await self._visit.start()
            await self._join()
        except FaceError as exc:
            self._sink.gone(exc)

    async def aclose(self) -> None:
        """Leave the room and end the process."""
        self._is_closing = True
        await self._tasks.aclose()
        if self._visit is not None:
            await self._visit.aclose()


class _Visit:
    """One process in the room. A thread reads its messages, and Kai's loop handles them."""

    def __init__(
        self, sink: RoomSink, on_lost: Callable[[], None], take: Callable[[], Awaitable[Linked]]
    ) -> None:
        self._sink = sink
        self._on_lost = on_lost
        self._take_process = take
        self._loop = asyncio.get_running_loop()
        self._child: Child | None = None
        self._connection: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._joined: asyncio.Future[FaceError | None] = self._loop.create_future()
        self._is_in_room = False
        self._is_closing = False
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Head, bytes]] = deque(maxlen=MOST_WAITING)
        self._picture: tuple[Picture, float] | None = None
        self._is_woken = False
        self.is_avatar_gone = False

    @property
    def process_id(self) -> int | None:
        return None if self._child is None else self._child.pid

    async def start(self) -> None:
        try:
            self._child, ours = await self._take_process()
        except OSError as exc:
            raise trouble("avatar-room-broken") from exc
        self._connection = ours
        self._reader = threading.Thread(
            target=self._read, args=(ours,), name="avatar room reader", daemon=True
        )
        self._reader.start()

    async def join(self, url: str, token: str) -> None:
        """Have the process join the room. Raises `FaceError`."""
        assert self._connection is not None
        try:
            async with asyncio.timeout(JOIN_S):
                order = json.dumps({"url": url, "token": token}).encode() + b"\n"
                # A few hundred bytes fit into the empty buffer, so this does not block.
                self._connection.sendall(order)
                failure = await asyncio.shield(self._joined)
        except (OSError, TimeoutError) as exc:
            raise trouble("avatar-no-room") from exc
        if failure is not None:
            raise failure
        self._is_in_room = True

    async def aclose(self) -> None:
        self._is_closing = True
        if not self._joined.done():
            self._joined.set_result(trouble("avatar-no-room"))  # ends a wait in ``join``
        connection = self._connection
        if self._child is not None:
            # A process that is in no room has nothing to leave. The reader ends with the process.
            await self._child.end(self._leave, within_s=CLOSE_S if self._is_in_room else 0.0)
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if self._reader is not None:
                await asyncio.to_thread(self._reader.join, CLOSE_S)
            connection.close()

    def _leave(self) -> None:
        """Tell the process to leave the room."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)

    def _read(self, connection: socket.socket) -> None:
        head_bytes = bytearray(HEAD_BYTES)
        try:
            while _fill(connection, memoryview(head_bytes)):
                head = decode(head_bytes)
                if head.kind is Kind.PICTURE:
                    picture: Picture = np.empty((head.rows, head.width), np.uint8)
                    if not _fill(connection, picture.reshape(-1).data):
                        break
                    with self._lock:
                        self._picture = (picture, head.times_s[0])
                else:
                    content = bytearray(head.length)
                    if not _fill(connection, memoryview(content)):
                        break
                    with self._lock:
                        self._waiting.append((head, bytes(content)))
                self._wake()
        except (OSError, ValueError) as exc:
            log.info("the room's process cannot be read", extra={"kind": type(exc).__name__})
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended)

    def _wake(self) -> None:
        with self._lock:
            is_woken, self._is_woken = self._is_woken, True
        if not is_woken:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        with self._lock:
            self._is_woken = False
            messages, picture = list(self._waiting), self._picture
            self._waiting.clear()
            self._picture = None
        if self._is_closing:
            return
        for head, content in messages:
            self._hear(head, content)
        if picture is not None:
            self._sink.picture(*picture)

    def _hear(self, head: Head, content: bytes) -> None:
        match head.kind:
            case Kind.SOUND:
                self._sink.sound(np.frombuffer(content, np.int16), head.times_s[0])
            case Kind.PLAYS:
                self._sink.plays(*head.times_s)
            case Kind.FRESH:
                self._sink.fresh()
            case Kind.AVATAR:
                self.is_avatar_gone = bool(head.times_s[0])
            case Kind.GONE:
                self._sink.gone(trouble(content.decode()))
            case Kind.JOINED | Kind.FAILED:
                if not self._joined.done():
                    self._joined.set_result(trouble(content.decode()) if content else None)
            case Kind.PICTURE:
                raise AssertionError("pictures do not wait here")

    def _ended(self) -> None:
        if self._is_closing:
            return
        if not self._joined.done():
            self._joined.set_result(trouble("avatar-no-room"))
        elif self._is_in_room:
            self._on_lost()


def _fill(connection: socket.socket, space: memoryview) -> bool:
    """Read until the space is full; return whether it was filled before the socket ended."""
    filled = 0
    while filled < len(space):
        count = connection.recv_into(space[filled:])
        if not count:
            return False
        filled += count
    return True
