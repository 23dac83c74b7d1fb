"""The language model of this computer as the talks see it: a chat endpoint, or the reason why there is none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.llm.kept_rules import KeptRules
from kai.engine.llm.process import TALK_SLOTS, ModelProcess, Served
from kai.engine.llm.slots import Slots
from kai.engine.unspoken import Opening
from kai.wire.realtime import JsonObject

SPARE_SLOT: Final = TALK_SLOTS
TEMPERATURE_VARIABLE: Final = "KAI_MIND_TEMPERATURE"
SEED_VARIABLE: Final = "KAI_MIND_SEED"
TEMPERATURE: Final = 0.2
"""Lower than Qwen's own 0.7, at which it guesses where it should say that it does not know."""


@dataclass(frozen=True, slots=True)
class Model:
    """A running language model: its `name` for people, its endpoint, and the slots for talks; one further slot is spare."""

    name: str
    endpoint: ChatEndpoint
    client: ChatClient
    slots: Slots
    tokens_per_s: float


class ModelHost:
    """Runs the language model of this computer, once its file is there. Event loop only.

    ``problem`` tells a person why the last model does not run; it is empty while a model loads or runs.
    """

    def __init__(self) -> None:
        self._process: ModelProcess | None = None
        self._name = ""
        self._model: Model | None = None
        self._served: Served | None = None
        self._warming: asyncio.Task[None] | None = None
        self._clients: list[ChatClient] = []
        """One client for each start of the process; a talk may still be reading an answer through an older one."""

    @property
    def model(self) -> Model | None:
        """The model, while it runs. After a restart of its process it is another object, with empty slots."""
        is_up = self._process is not None and self._process.served is not None
        return self._model if is_up else None

    @property
    def problem(self) -> str:
        """See the class."""
        return "" if self._process is None else self._process.problem

    @property
    def is_too_slow(self) -> bool:
        """Whether the model was stopped for being too slow, so that a smaller one may work."""
        return self._process is not None and self._process.is_too_slow

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded."""
        return self._process is not None and self._process.served is None and not self._process.problem

    @property
    def pid(self) -> int | None:
        """The process id of the model, while it runs."""
        return None if self._process is None else self._process.pid

    async def run(self, path: Path, name: str, on_change: Callable[[], None] = lambda: None) -> None:
        """Runs the model in the file `path`, called `name`, in place of the last one."""
        await self.aclose()
        self._name = name
        self._process = ModelProcess(path, partial(self._take, path, on_change))

    def _take(self, path: Path, on_change: Callable[[], None]) -> None:
        served = None if self._process is None else self._process.served
        if served is not None and served is not self._served:
            self._served = served
            endpoint = ChatEndpoint(served.base_url, self._name, served.key, extra=_sampling())
            client = ChatClient(endpoint, Opening.ANSWER)
            self._clients.append(client)
            slots = Slots(TALK_SLOTS, KeptRules(endpoint, client, path).fill)
            self._model = Model(self._name, endpoint, client, slots, served.tokens_per_s)
            # The rules are brought in now, not with the first question.
            self._warming = asyncio.create_task(slots.prepare(), name="language model: read the rules")
        on_change()

    async def aclose(self) -> None:
        """Ends the model's process."""
        process, self._process = self._process, None
        if process is not None:
            await process.aclose()
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait([self._warming])
        self._model = self._served = None
        while self._clients:
            await self._clients.pop().close()


def _sampling() -> JsonObject:
    """Return the sampling parameters: Qwen's own at a lower temperature, which a test may set to 0."""
    return {
        "temperature": float(os.environ.get(TEMPERATURE_VARIABLE) or TEMPERATURE),
        "top_p": 0.8,
        "top_k": 20,
        "seed": int(os.environ.get(SEED_VARIABLE) or -1),
        "cache_prompt": True,
        # One chunk for each batch that was read, so that the server notices a closed connection at once.
        "return_progress": True,
        # Some of the models that a person may choose think before they answer, if their template allows it.
        "chat_template_kwargs": {"enable_thinking": False},
    }
