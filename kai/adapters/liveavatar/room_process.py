"""The room's own process: ``python -m kai.adapters.liveavatar.room_process --socket FD``.

The room's library ends its whole process when it panics, which its statistics sometimes do over a non-finite number, and that
process must not be the app. URL and token arrive as one line of JSON over the inherited socket, never on the command line.
The process ends with its socket, so it also ends when the app is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import threading
from collections import deque
from typing import Final

from kai.adapters.liveavatar.room import RoomClient
from kai.adapters.liveavatar.room_messages import Head, Kind
from kai.errors import FaceError
from kai.ports import Pcm, Picture

log = logging.getLogger(__name__)

ORDERS_BYTES: Final = 65_536
MOST_WAITING: Final = 200
"""The bound of messages that wait to be written, 2 s of sound; the oldest is dropped. Only the newest picture waits."""
WATCH_S: Final = 0.1


class RoomWriter(threading.Thread):
    """Writes to the app on a separate thread, so that the room never waits for a busy app."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(name="room outbox", daemon=True)
        self._connection = connection
        self._news = threading.Condition()
        self._messages: deque[tuple[Head, bytes | memoryview]] = deque(maxlen=MOST_WAITING)
        self._picture: tuple[Head, memoryview] | None = None
        self._is_ending = False
        self.dropped_pictures = 0

    def put(self, head: Head, content: bytes | memoryview = b"") -> None:
        with self._news:
            self._messages.append((head, content))
            self._news.notify()

    def put_picture(self, head: Head, content: memoryview) -> None:
        with self._news:
            self.dropped_pictures += self._picture is not None
            self._picture = (head, content)
            self._news.notify()

    def end(self) -> None:
        """Write the waiting messages, then end."""
        with self._news:
            self._is_ending = True
            self._news.notify()

    def run(self) -> None:
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._messages or self._picture or self._is_ending)
                    if self._messages:
                        head, content = self._messages.popleft()
                    elif self._picture is not None:
                        (head, content), self._picture = self._picture, None
                    else:
                        return
                self._connection.sendall(head.encode())
                if head.length:
                    self._connection.sendall(content)
        except OSError:
            return  # the app has ended, which the main thread sees too


class RoomReporter:
    """The `RoomSink` of this process."""

    def __init__(self, outbox: RoomWriter) -> None:
        self._outbox = outbox

    def picture(self, picture: Picture, shown_s: float) -> None:
        rows, width = picture.shape
        head = Head(Kind.PICTURE, picture.nbytes, rows, width, (shown_s, 0.0, 0.0))
        self._outbox.put_picture(head, picture.reshape(-1).data)

    def sound(self, pcm: Pcm, at_s: float) -> None:
        self._outbox.put(Head(Kind.SOUND, pcm.nbytes, times_s=(at_s, 0.0, 0.0)), pcm.data.cast("B"))

    def plays(self, at_s: float, sound_s: float, picture_s: float) -> None:
        self._outbox.put(Head(Kind.PLAYS, times_s=(at_s, sound_s, picture_s)))

    def fresh(self) -> None:
        self._outbox.put(Head(Kind.FRESH))

    def gone(self, error: FaceError) -> None:
        code = error.code.encode()
        self._outbox.put(Head(Kind.GONE, len(code)), code)


async def visit(connection: socket.socket, outbox: RoomWriter) -> None:
    """Join the room that the app names, and stay until the app closes the socket."""
    loop = asyncio.get_running_loop()
    connection.setblocking(True)
    order = await loop.run_in_executor(None, _read_line, connection)
    if not order:
        return
    where = json.loads(order)
    room = RoomClient(RoomReporter(outbox))
    watching: asyncio.Task[None] | None = None
    try:
        try:
            await room.open(str(where["url"]), str(where["token"]))
        except FaceError as exc:
            code = exc.code.encode()
            outbox.put(Head(Kind.FAILED, len(code)), code)
            return
        outbox.put(Head(Kind.JOINED))
        watching = asyncio.create_task(_tell_of_avatar(room, outbox), name="room: avatar")
        await loop.run_in_executor(None, _read_line, connection)
    finally:
        if watching is not None:
            watching.cancel()
        await room.aclose()


async def _tell_of_avatar(room: RoomClient, outbox: RoomWriter) -> None:
    was_gone = False
    while True:
        await asyncio.sleep(WATCH_S)
        if room.is_avatar_gone != was_gone:
            was_gone = room.is_avatar_gone
            outbox.put(Head(Kind.AVATAR, times_s=(float(was_gone), 0.0, 0.0)))


def _read_line(connection: socket.socket) -> bytes:
    """Return the bytes up to the end of a line; empty when the socket ended."""
    line = bytearray()
    try:
        while not line.endswith(b"\n") and len(line) < ORDERS_BYTES:
            part = connection.recv(ORDERS_BYTES - len(line))
            if not part:
                return b""
            line += part
    except OSError:
        return b""
    return bytes(line)


def main(arguments: list[str] | None = None) -> int:
    """Run until the socket ends."""
    parser = argparse.ArgumentParser(prog="python -m kai.adapters.liveavatar.room_process")
    parser.add_argument("--socket", type=int, required=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the app handles Ctrl+C and then closes the socket
    connection = socket.socket(fileno=parser.parse_args(arguments).socket)
    outbox = RoomWriter(connection)
    outbox.start()
    asyncio.run(visit(connection, outbox))
    outbox.end()
    outbox.join(1.0)
    return 0


if __name__ == "__main__":
    code = main()
    # Exit without waiting for the library's own threads.
    os._exit(code)
