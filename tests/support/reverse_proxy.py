"""A reverse proxy as a company's front door is: one path of it leads to the app, everything else is somebody else's.

Each connection is one request: its head is read, the path looked at, and what follows is passed on both ways as it comes.
So a WebSocket, a stream of events and an upload are the same to it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

MAX_HEAD_BYTES = 65_536
ELSEWHERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_REQUEST = re.compile(rb"[A-Z]+ (?P<path>/[^ ?#]*)")


class ReverseProxy:
    """Passes on what lies below ``prefix`` ("/team/kai") to ``port`` of this computer, under the same path.

    ``strays`` are the paths outside of it that somebody asked for: an app that knows where it stands asks for none.
    """

    def __init__(self, prefix: str, port: int) -> None:
        self._prefix = prefix.encode()
        self._upstream_port = port
        self.strays: list[str] = []
        self.sockets = 0
        """WebSockets that were opened."""
        self.port = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, is_ready: Event, end: asyncio.Event) -> None:
        """Serves until ``end``."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=MAX_HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await end.wait()
        server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._pass_on(reader, writer), name="proxy: connection")
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            request = _REQUEST.match(head)
            path = b"" if request is None else request["path"]
            if path != self._prefix and not path.startswith(self._prefix + b"/"):
                self.strays.append(path.decode("ascii", "replace"))
                writer.write(ELSEWHERE)
            else:
                await self._join(head, reader, writer)
        writer.close()

    async def _join(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        is_socket = re.search(rb"\r\nupgrade:", head, re.IGNORECASE) is not None
        self.sockets += is_socket
        if not is_socket:  # so that the next request comes on a connection of its own
            head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.IGNORECASE)
            head = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        upstream_writer.write(head.replace(b"\r\n\r\n", b"\r\nX-Forwarded-Proto: http\r\n\r\n", 1))
        both = [
            asyncio.create_task(_pour(reader, upstream_writer)),
            asyncio.create_task(_pour(upstream_reader, writer)),
        ]
        try:
            await asyncio.wait(
                both, return_when=asyncio.FIRST_COMPLETED if is_socket else asyncio.ALL_COMPLETED
            )
        finally:
            for pouring in both:
                pouring.cancel()
            await asyncio.wait(both)
            upstream_writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


@contextmanager
def reverse_proxy(prefix: str, port: int) -> Iterator[ReverseProxy]:
    """A running `ReverseProxy`, in a thread of its own."""
    proxy, is_ready = ReverseProxy(prefix, port), Event()
    loop, end = asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(proxy.serve(is_ready, end))

    thread = Thread(target=run, name="reverse-proxy")
    thread.start()
    try:
        assert is_ready.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
