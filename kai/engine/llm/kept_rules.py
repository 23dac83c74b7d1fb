"""The rules as the language model has read them, kept on disk, so that a computer reads them only once.

Every talk begins with the rules, and reading them takes a core many seconds for each slot. At each start of Kai that is the
very minute in which a person begins to talk, and on two cores the picture suffered from it. llama.cpp writes what a slot has
read into a file, and reads it back at once.

The file holds the rules alone, since it is written before the first talk. Its name depends on everything that went into it:
the model's file, the rules, and the version of llama.cpp. A checksum of its bytes is part of the name as well, because
llama.cpp checks only the beginning of such a file, and a model with a damaged memory talks nonsense.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.metadata
import logging
import secrets
from pathlib import Path
from typing import Final

import httpx

from kai.compat import http
from kai.compat.files import cache_root
from kai.engine.chat_client import ChatClient, ChatEndpoint, MindError, RequestRefused
from kai.engine.spoken_rules import RULES
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

FILES_KEPT: Final = 3
"""How many files are kept, for people who go back and forth between models."""
SLOTS_S: Final = 30.0
_SUFFIX: Final = ".kv"
_CHECKSUM_CHARS: Final = 16


def rules_folder() -> Path | None:
    """Return the folder of the files, made if need be, or ``None`` where it cannot be made."""
    folder = cache_root() / "rules"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        logger.warning("what the language model reads cannot be kept", extra={"reason": str(exc)})
        return None
    return folder


class KeptRules:
    """Fills the slots of the model behind `endpoint` with the rules; ``model`` is its file. Event loop only."""

    def __init__(self, endpoint: ChatEndpoint, client: ChatClient, model: Path) -> None:
        self._endpoint = endpoint
        self._client = client
        self._model = model

    async def fill(self, slot: int) -> None:
        """Let the slot hold the rules and nothing else. A failure means that the model's process is gone."""
        folder = rules_folder()
        name = None if folder is None else await asyncio.to_thread(self._find, folder)
        if name is not None and await self._ask_server(slot, "restore", name):
            return
        await self._read(slot)
        if folder is not None and name is None:
            await self._keep(slot, folder)

    def _find(self, folder: Path) -> str | None:
        """Return the name of the file with the rules; a damaged one is deleted."""
        with contextlib.suppress(OSError):
            for path in folder.glob(f"{self._key()}-*{_SUFFIX}"):
                if path.name == self._name_of(path):
                    return path.name
                path.unlink()
        return None

    async def _read(self, slot: int) -> None:
        """Have the model read the rules. The server keeps what the slot has read of them already, and drops the rest."""
        body: JsonObject = {
            "model": self._endpoint.model,
            "messages": [{"role": "system", "content": RULES}],
            **self._endpoint.extra,
            "id_slot": slot,
            "n_predict": 0,
            "add_generation_prompt": False,
        }
        with contextlib.suppress(MindError, RequestRefused):
            async with contextlib.aclosing(self._client.stream(body)) as pieces:
                async for _ in pieces:
                    pass

    async def _keep(self, slot: int, folder: Path) -> None:
        """Write what the slot has read into a file, and delete the oldest files."""
        fresh = f"{secrets.token_hex(8)}.new"
        try:
            if await self._ask_server(slot, "save", fresh):
                await asyncio.to_thread(self._adopt, folder, fresh)
        except OSError as exc:
            logger.warning("what the language model has read was not kept", extra={"reason": str(exc)})
        finally:
            with contextlib.suppress(OSError):
                (folder / fresh).unlink(missing_ok=True)

    def _adopt(self, folder: Path, fresh: str) -> None:
        path = folder / fresh
        path.chmod(0o600)
        path.replace(folder / self._name_of(path))
        files = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda file: file.stat().st_mtime)
        for file in files[:-FILES_KEPT]:
            file.unlink(missing_ok=True)

    async def _ask_server(self, slot: int, action: str, name: str) -> bool:
        """Have the server save the slot into that file of its folder, or restore it; return whether it did."""
        root = self._endpoint.base_url.removesuffix("/v1")
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"}
        try:
            async with http.async_client(root, timeout=SLOTS_S) as client:
                reply = await client.post(
                    f"{root}/slots/{slot}",
                    params={"action": action},
                    json={"filename": name},
                    headers=headers,
                )
        except httpx.HTTPError:
            return False
        return reply.is_success

    def _name_of(self, path: Path) -> str:
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()[:_CHECKSUM_CHARS]
        return f"{self._key()}-{checksum}{_SUFFIX}"

    def _key(self) -> str:
        told = self._model.stat()
        known = (str(self._model.resolve()), told.st_size, told.st_mtime_ns, RULES, _version())
        return hashlib.sha256(repr(known).encode()).hexdigest()[:_CHECKSUM_CHARS]


def _version() -> str:
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return ""
