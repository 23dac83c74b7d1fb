"""The person's own files for a cloud brain: the local engine, which has the text encoder, searches them.

The files stay on this computer. Only the passages that answer a question leave it, as the result of a tool.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.adapters.engine_minds import EngineMind, give_mind
from kai.errors import BrainError, EngineError, KaiError

log = logging.getLogger(__name__)

SEARCH_S = 5.0
READY_S = 5.0
"""A person waits for a tool's answer, so an engine that is still starting is not waited for any longer than this."""

Documents = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FilePassage:
    """A part of a file that answers a question."""

    file: str
    heading: str
    text: str


class EngineFiles:
    """The search in a person's files. Kai's loop only.

    ``wait_up`` returns the engine's address once it is up; ``read`` returns the files, and blocks.
    """

    def __init__(
        self, wait_up: Callable[[], Awaitable[EngineAddress]], read: Callable[[], Documents]
    ) -> None:
        self._wait_up = wait_up
        self._read = read
        self._given: tuple[EngineAddress, Documents, str] | None = None
        self._giving = asyncio.Lock()

    async def has_any(self) -> bool:
        """Return whether there is a file to search."""
        return bool(await asyncio.to_thread(self._read))

    async def warm(self) -> None:
        """Have the engine read the files once it is up. Errors are left for the first search to raise."""
        try:
            documents = await asyncio.to_thread(self._read)
            await self._give(await self._wait_up(), documents)
        except KaiError as exc:
            log.info("the files could not be read ahead", extra={"code": exc.code})

    async def search(self, question: str) -> tuple[FilePassage, ...]:
        """Return the passages that answer the question best, the best first. Raises ``KaiError``."""
        documents = await asyncio.to_thread(self._read)
        if not documents:
            return ()
        try:
            async with asyncio.timeout(READY_S):
                address = await self._wait_up()
        except TimeoutError as exc:
            raise BrainError(
                "Your files are still being read. Ask again in a moment.", code="files-not-ready"
            ) from exc
        name = await self._give(address, documents)
        path = f"/kai/minds/{name.removeprefix('kai-')}/search"
        try:
            told = await ask_engine(address, "POST", path, body={"question": question}, timeout_s=SEARCH_S)
        except EngineError as exc:
            self._given = None  # the engine may have forgotten the files: the next search sends them again
            raise BrainError(
                "Your files could not be searched. Ask again in a moment.", code="files-refused"
            ) from exc
        return tuple(FilePassage(p["file"], p["heading"], p["text"]) for p in json.loads(told)["passages"])

    async def _give(self, address: EngineAddress, documents: Documents) -> str:
        """Send the files to the engine, unless this process of it has them, and return the name of their mind."""
        async with self._giving:
            if self._given is None or self._given[:2] != (address, documents):
                self._given = (address, documents, await give_mind(address, EngineMind(documents=documents)))
            return self._given[2]
