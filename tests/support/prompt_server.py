"""An app of the tests' own process on a real port, which ends as soon as it is told to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

END_S = 1.0
"""How long responses that still run are waited for at the end."""


class PromptServer(uvicorn.Server):
    """uvicorn, without its looks at the clock: it looks every 0.1 s whether it shall end, and at its end again.

    That costs 0.2 s a test, of which there are hundreds.
    """

    def __init__(self, app: Any, lifespan: Any) -> None:
        super().__init__(uvicorn.Config(app, log_config=None, lifespan=lifespan))
        self.listens = asyncio.Event()
        self.ended = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self.listens.set()
        await self.ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(END_S):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(0.005)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def serving(app: Any, port: int = 0, *, lifespan: str = "auto") -> AsyncIterator[int]:
    """Serve the ASGI app on that port of 127.0.0.1, or on a free one, which is given, until the block ends."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = PromptServer(app, lifespan)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(10):
            await server.listens.wait()
        yield listener.getsockname()[1]
    finally:
        server.ended.set()
        await running
        listener.close()
