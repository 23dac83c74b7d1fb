"""The engine inside of the test's own process, on a real port, with scripted ears and voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from kai.adapters.engine_client import EngineAddress
from kai.engine.server import Engine
from kai.engine.speech.mind import Mind
from tests.support.prompt_server import serving
from tests.support.speech_double import SpeechDouble


@asynccontextmanager
async def engine_address(mind: Mind | None = None) -> AsyncIterator[EngineAddress]:
    """An engine on a real port; with ``mind`` in place of a scripted one."""
    kit = SpeechDouble().as_kit()
    app = Engine(kit if mind is None else replace(kit, mind=mind), run_key="run").application()
    async with serving(app) as port:
        yield EngineAddress(f"http://127.0.0.1:{port}/v1", "run")
