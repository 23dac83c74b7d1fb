"""The mind that a person chose in place of Kai's own: it is loaded, kept loaded, and retried when it is lost.

The package's docstring has the states. One task manages the chosen mind. A mind on this computer is kept loaded while it is
chosen, and retried soon after it was lost. A mind elsewhere may cost money, so after the first trial only talks ask it; while
it is lost, there is one trial a minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kai.compat import http
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.others.servers import FoundServer
from kai.engine.others.trial import Trial, describe, load_ahead, try_endpoint
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

RENEW_S: Final = 240.0
"""The interval at which a local model is kept loaded: Ollama unloads an idle model after five minutes."""
RETRY_HERE_S: Final = 10.0
RETRY_ELSEWHERE_S: Final = 60.0


class ChoiceState(StrEnum):
    """The state of the chosen mind; `OWN` where none is chosen."""

    OWN = "own"
    LOADING = "loading"
    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Chosen:
    """A chosen mind with its client; ``used_at_s`` is when a talk last asked it, on the event loop's clock."""

    endpoint: ChatEndpoint
    client: ChatClient = field(repr=False)
    server: FoundServer | None = None
    used_at_s: float = 0.0

    @property
    def name(self) -> str:
        """The model's name, as its server calls it."""
        return self.endpoint.model


class Choice:
    """At most one mind in place of Kai's own, for all talks of this engine. Event loop only."""

    def __init__(self) -> None:
        self._wanted: ChatEndpoint | None = None
        self._chosen: Chosen | None = None
        self.state = ChoiceState.OWN
        """The state of the chosen mind."""
        self._trial = Trial()
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._clients: list[ChatClient] = []
        """The clients of all minds chosen so far; a talk may still be reading an answer through an old one."""

    @property
    def ready(self) -> Chosen | None:
        """The chosen mind, while it is available."""
        return self._chosen if self.state is ChoiceState.UP else None

    def to_json(self) -> JsonObject:
        """Return the state in the form of the engine's status, without the key."""
        wanted, chosen = self._wanted, self._chosen
        server = None if chosen is None else chosen.server
        return {
            "state": self.state.value,
            "model": "" if wanted is None else wanted.model,
            "place": "" if wanted is None else wanted.place,
            "server": "" if server is None else server.name,
            "is_here": wanted is not None and http.is_loopback(wanted.base_url),
            "problem": self._trial.message if self.state is ChoiceState.DOWN else "",
            "first_word_s": self._trial.first_word_s,
            "thinks": self._trial.thinks,
        }

    async def choose(self, wanted: ChatEndpoint) -> None:
        """Use that mind from the first turn on at which it is ready. Choosing the same one again changes nothing."""
        if wanted == self._wanted:
            return
        await self._end()
        self._wanted, self._trial = wanted, Trial()
        self.state = ChoiceState.LOADING
        self._task = asyncio.create_task(self._keep(wanted), name="minds: keep the chosen one")

    async def clear(self) -> None:
        """Return to Kai's own minds."""
        await self._end()
        self._wanted, self._trial = None, Trial()
        self.state = ChoiceState.OWN

    def report(self, chosen: Chosen, code: str, message: str) -> None:
        """Record that an answer of `chosen` failed in a way that the next one would too."""
        if chosen is self._chosen and self.state is ChoiceState.UP:
            self._trial = Trial(code, message)
            self.state = ChoiceState.DOWN
            self._lost.set()

    async def aclose(self) -> None:
        """End the work and close every connection."""
        await self._end()
        while self._clients:
            await self._clients.pop().close()

    async def _end(self) -> None:
        task, self._task, self._chosen = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _keep(self, wanted: ChatEndpoint) -> None:
        is_here = http.is_loopback(wanted.base_url)
        while True:
            endpoint, server = await describe(wanted)
            chosen = self._chosen
            if chosen is None or chosen.endpoint != endpoint:
                chosen = Chosen(endpoint, ChatClient(endpoint), server)
                self._clients.append(chosen.client)
            # After a restart another kind of server may be at the same address.
            chosen.server = server
            self._chosen = chosen
            self._trial = await try_endpoint(chosen.client, endpoint, server)
            self._lost.clear()
            self.state = ChoiceState.UP if self._trial.is_fine else ChoiceState.DOWN
            logger.info(
                "the chosen mind was asked", extra={"state": self.state.value, "code": self._trial.code}
            )
            if self._trial.is_fine:
                await self._hold(chosen, is_here=is_here)
            await asyncio.sleep(RETRY_HERE_S if is_here else RETRY_ELSEWHERE_S)

    async def _hold(self, chosen: Chosen, *, is_here: bool) -> None:
        """Keep the model loaded until it is lost."""
        loop = asyncio.get_running_loop()
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(RENEW_S if is_here else None):
                    await self._lost.wait()
            except TimeoutError:
                if chosen.server is not None and chosen.server.kind == "ollama":
                    await self._unless_lost(load_ahead(chosen.endpoint, chosen.server))
                elif loop.time() - chosen.used_at_s > RENEW_S:
                    trial = await try_endpoint(chosen.client, chosen.endpoint, chosen.server)
                    if not trial.is_fine:
                        self.report(chosen, trial.code, trial.message)

    async def _unless_lost(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, which is given up as soon as the mind is lost: a frozen server would hold it for minutes."""
        doing = asyncio.create_task(work, name="minds: keep the model loaded")
        waiting = asyncio.create_task(self._lost.wait(), name="minds: wait for a loss")
        try:
            await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            doing.cancel()
            waiting.cancel()
            await asyncio.wait([doing, waiting])
