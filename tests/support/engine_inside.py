"""The engine inside of the test's own process, on a real port, with scripted ears and voice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn

from kai.adapters.engine_process import EngineAddress
from kai.engine.server import Engine
from tests.support.speech_double import SpeechDouble


@asynccontextmanager
async def engine_address() -> AsyncIterator[EngineAddress]:
    """An engine on a real port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    app = Engine(SpeechDouble().as_kit(), run_key="run").application()
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield EngineAddress(f"http://127.0.0.1:{port}/v1", "run")
    finally:
        server.should_exit = True
        await running
        listener.close()
