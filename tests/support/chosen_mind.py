"""Another mind than Kai's own, chosen as a person does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import SecretStr

from kai.adapters.engine_client import EngineAddress
from kai.adapters.other_minds import MindDesk, OtherMind


@asynccontextmanager
async def choosing(address: EngineAddress, base_url: str) -> AsyncIterator[None]:
    """The model "small" behind ``base_url`` is the engine's mind meanwhile; Kai's own again afterwards."""

    async def wait_up() -> EngineAddress:
        return address

    desk = MindDesk(wait_up, asyncio.Event().wait, OtherMind(), lambda _chosen: None)
    await desk.choose(OtherMind(base_url, "small", SecretStr("k")))
    try:
        async with asyncio.timeout(10):
            while (await desk.status())["state"] != "up":
                await asyncio.sleep(0.02)
        yield
    finally:
        await desk.choose(OtherMind())
