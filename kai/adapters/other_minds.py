"""The engine's routes for other minds: find model servers, try one, choose one, and go back to Kai's own.

The engine forgets everything when its process ends, so each new process is given the choice again. Keys go from the page to
the engine and into the user's own file; they are never sent back to a page.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast
from urllib.parse import quote

from pydantic import SecretStr

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.errors import EngineError, KaiError

log = logging.getLogger(__name__)

CALL_S: Final = 5.0
TRIAL_S: Final = 200.0
"""A model on this computer may first have to be read from a slow disk."""
AGAIN_S: Final = 1.0

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OtherMind:
    """A language model behind an OpenAI-compatible address. Without an address, ``model`` names a file of the catalogue; with
    every field empty, it is Kai's own."""

    base_url: str = ""
    model: str = ""
    api_key: SecretStr = SecretStr("")

    def to_body(self) -> dict[str, str]:
        """Return the JSON body that the engine's routes take."""
        return {"base_url": self.base_url, "model": self.model, "api_key": self.api_key.get_secret_value()}


class MindDesk:
    """Other minds, for the page. Kai's loop only.

    ``wait_up`` returns the address of a running engine, and ``wait_gone`` returns when it ends. ``kept`` is the choice of an
    earlier run; ``keep`` stores a new one and may block. ``known`` is another endpoint whose key we have. ``ports`` are
    searched in addition to the usual ones.
    """

    def __init__(
        self,
        wait_up: Callable[[], Awaitable[EngineAddress]],
        wait_gone: Callable[[], Awaitable[object]],
        kept: OtherMind,
        keep: Callable[[OtherMind], object],
        known: OtherMind | None = None,
        ports: tuple[int, ...] = (),
    ) -> None:
        self._wait_up = wait_up
        self._wait_gone = wait_gone
        self._chosen = kept
        self._keep_choice = keep
        self._known = (kept, known or OtherMind())
        self._ports = ports

    async def keep(self) -> None:
        """Give the choice to each new engine process. Ends when no engine can run."""
        while True:
            try:
                address = await self._wait_up()
            except KaiError as error:
                if not error.is_retryable:
                    return  # the page says why there is no engine
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                await self._give(address, self._chosen)
            except EngineError as error:
                log.warning("the engine did not take the chosen mind", extra={"code": error.code})
            await self._wait_gone()
            await asyncio.sleep(AGAIN_S)

    async def find(self) -> list[Json]:
        """Return this computer's model servers: kind, name, url, models, and whether one needs a key. Raises ``KaiError``."""
        ports = ",".join(map(str, self._ports))
        told = await self._send(await self._wait_up(), "GET", f"/kai/servers?ports={ports}")
        return cast("list[Json]", told["servers"])

    async def status(self) -> Json:
        """Return the state of the chosen mind. Raises ``KaiError``."""
        return await self._send(await self._wait_up(), "GET", "/kai/mind")

    async def try_it(self, mind: OtherMind) -> Json:
        """Ask that mind one question and return the result; nothing else changes. Raises ``KaiError``."""
        body = self._with_key(mind).to_body()
        return await self._send(await self._wait_up(), "POST", "/kai/mind/trial", body, timeout_s=TRIAL_S)

    async def choose(self, mind: OtherMind) -> Json:
        """Switch to that mind, or to Kai's own, in running talks too, and return its state. Raises ``KaiError``."""
        mind = self._with_key(mind)
        address = await self._wait_up()
        # The engine refuses an unusable mind here, before we give up the one that works.
        await self._give(address, mind)
        if not mind.base_url:
            await self._send(address, "DELETE", "/kai/mind")
        if mind.base_url or not mind.model:
            await self._send(address, "POST", "/kai/files/own/off")
        self._chosen = mind
        await asyncio.to_thread(self._keep_choice, mind)
        return await self.status()

    async def files(self) -> Json:
        """Return the catalogue of model files: sizes, licences, needs, expected speeds and states. Raises ``KaiError``."""
        return await self._send(await self._wait_up(), "GET", "/kai/files")

    async def change_file(self, model_id: str, wish: str) -> Json:
        """``fetch``, ``pause`` or ``delete`` a file, or put it ``on``; return the new catalogue. Raises ``KaiError``."""
        if wish == "on":
            await self.choose(OtherMind(model=model_id))
            return await self.files()
        told = await self._send(
            await self._wait_up(), "POST", f"/kai/files/{quote(model_id, safe='')}/{quote(wish)}"
        )
        if wish == "delete" and self._chosen == OtherMind(model=model_id):
            await self.choose(OtherMind())
        return told

    async def _give(self, address: EngineAddress, mind: OtherMind) -> None:
        if mind.base_url:
            await self._send(address, "PUT", "/kai/mind", mind.to_body())
        elif mind.model:
            await self._send(address, "POST", f"/kai/files/{quote(mind.model, safe='')}/on")

    def _with_key(self, mind: OtherMind) -> OtherMind:
        """Fill in a key that we know for the mind's address. A key is never sent to another address than its own."""
        if mind.api_key.get_secret_value():
            return mind
        known = (self._chosen, *self._known)
        key = next(
            (each.api_key for each in known if each.base_url and each.base_url == mind.base_url),
            SecretStr(""),
        )
        return OtherMind(mind.base_url, mind.model, key)

    async def _send(
        self,
        address: EngineAddress,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        *,
        timeout_s: float = CALL_S,
    ) -> Json:
        return cast(
            "Json", json.loads(await ask_engine(address, method, path, body=body, timeout_s=timeout_s))
        )
