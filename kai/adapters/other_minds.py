"""The app's word to its engine about other minds: look for servers, try one, choose one, give Kai's own back.

The engine forgets everything with its process, so the choice is given to each life of it again. Keys go from the page to the
engine and into the user's own file, and come back to no page.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast
from urllib.parse import quote

import httpx
from pydantic import SecretStr

from kai.adapters.engine_process import EngineAddress
from kai.compat import http
from kai.errors import EngineError, KaiError

log = logging.getLogger(__name__)

CALL_S: Final = 5.0
TRIAL_S: Final = 200.0
"""A model of this computer may have to be read from a slow disk first."""
AGAIN_S: Final = 1.0

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OtherMind:
    """A language model behind an OpenAI-compatible address; without one, the file of the catalogue that ``model`` names; all
    empty: Kai's own."""

    base_url: str = ""
    model: str = ""
    api_key: SecretStr = SecretStr("")

    def to_body(self) -> dict[str, str]:
        """As the engine's routes take it."""
        return {"base_url": self.base_url, "model": self.model, "api_key": self.api_key.get_secret_value()}


class MindDesk:
    """Other minds, for the page. Kai's loop only.

    ``wait_up`` gives the address of a running engine, ``wait_gone`` returns at its end; ``kept`` is the choice of an earlier
    run and ``keep`` keeps a new one, which may block; ``known`` is a further endpoint whose key we have; ``ports`` are to be
    looked at beside the usual ones.
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
        """Give each life of the engine the choice. Ends when no engine can run."""
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
        """The model servers of this computer: their kind, name, url, models, and if a key is wanted. Raises ``KaiError``."""
        ports = ",".join(map(str, self._ports))
        told = await self._send(await self._wait_up(), "GET", f"/kai/servers?ports={ports}")
        return cast("list[Json]", told["servers"])

    async def status(self) -> Json:
        """How the chosen mind is. Raises ``KaiError``."""
        return await self._send(await self._wait_up(), "GET", "/kai/mind")

    async def try_it(self, mind: OtherMind) -> Json:
        """One question to that mind, and how it went; nothing else changes. Raises ``KaiError``."""
        body = self._with_key(mind).to_body()
        return await self._send(await self._wait_up(), "POST", "/kai/mind/trial", body, timeout_s=TRIAL_S)

    async def choose(self, mind: OtherMind) -> Json:
        """Take that mind, in talks that go on as well; or Kai's own. How it is then. Raises ``KaiError``."""
        mind = self._with_key(mind)
        address = await self._wait_up()
        # What cannot be taken is refused before anything that works is given up.
        await self._give(address, mind)
        if not mind.base_url:
            await self._send(address, "DELETE", "/kai/mind")
        if mind.base_url or not mind.model:
            await self._send(address, "POST", "/kai/files/own/off")
        self._chosen = mind
        await asyncio.to_thread(self._keep_choice, mind)
        return await self.status()

    async def files(self) -> Json:
        """The catalogue of model files: sizes, licences, needs, speeds to expect, and how each is. Raises ``KaiError``."""
        return await self._send(await self._wait_up(), "GET", "/kai/files")

    async def change_file(self, model_id: str, wish: str) -> Json:
        """``fetch``, ``pause`` or ``delete`` a file, or put it ``on``; the catalogue as it is then. Raises ``KaiError``."""
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
        """A key belongs to the address that it was given for, and is sent to no other."""
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
        url = f"{address.realtime_url.removesuffix('/v1')}{path}"
        headers = {"Authorization": f"Bearer {address.key}"}
        try:
            async with http.async_client(url, timeout=timeout_s) as client:
                answer = await client.request(method, url, json=body, headers=headers)
            told: Any = json.loads(answer.content)
        except (httpx.HTTPError, ValueError) as exc:
            raise EngineError(
                "The local engine does not answer. Try again in a moment.", code="engine-lost"
            ) from exc
        if answer.is_error:
            words = str(told.get("error", {}).get("message", "")) or "The local engine refused that."
            raise EngineError(words, code=f"engine-{answer.status_code}", is_retryable=False)
        return cast("Json", told)
