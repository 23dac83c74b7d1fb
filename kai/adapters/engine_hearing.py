"""The local engine's speech recogniser, for a cloud brain: it transcribes an answer from the sound received here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.errors import BrainError
from kai.media import pcm
from kai.ports import Pcm

READY_S = 60.0
"""An engine that has to start first takes some seconds, and nobody waits for this transcript."""
HEAR_S = 30.0


class EngineEars:
    """Speech recognition by the local engine. Kai's loop only. ``wait_up`` returns the engine's address once it is up."""

    def __init__(self, wait_up: Callable[[], Awaitable[EngineAddress]]) -> None:
        self._wait_up = wait_up

    async def transcribe(self, sound: Pcm) -> str:
        """Return the words in a sound, ``(samples,)`` int16, 24 000 Hz; empty if none is understood. Raises ``KaiError``."""
        try:
            async with asyncio.timeout(READY_S):
                address = await self._wait_up()
        except TimeoutError as exc:
            raise BrainError("The local engine is not up, so nothing can be heard here.") from exc
        told = await ask_engine(
            address, "POST", "/kai/transcripts", content=pcm.to_bytes(sound), timeout_s=HEAR_S
        )
        return str(json.loads(told)["text"])
