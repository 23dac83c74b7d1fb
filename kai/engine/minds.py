"""The minds that the app gave to this engine, by id: an endpoint of a language model, the person's own files, or both.

The app sends them by ``PUT /kai/minds/{id}``, which accepts only the key of the run; they are kept in memory alone. A call
chooses one by ``model="kai-<id>"``. Any other model name selects Kai's own two minds, with the language model that the
person chose in place of Kai's own if there is one (`kai.engine.others.choice`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kai.compat.recent import Recent
from kai.engine.chat import ChatThinker
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.llm.model import ModelHost
from kai.engine.others.choice import Choice
from kai.engine.others.routes import endpoint_of, text_in
from kai.engine.others.thinker import ChosenOrOwn
from kai.engine.script import Connect, Script
from kai.engine.speech.library import Document, Library
from kai.engine.speech.mind import Mind
from kai.engine.thinking import LocalThinker, Thinker
from kai.engine.two_minds import TwoMinds
from kai.engine.workers import Workers
from kai.wire.realtime import ClientMistake, JsonObject

MAX_MINDS: Final = 64
MODEL_PREFIX: Final = "kai-"
LOCAL_ID: Final = "local"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_FIELDS: Final = frozenset({"base_url", "model", "api_key", "documents", "time_zone"})
MAX_DOCUMENTS: Final = 200
PASSAGES_FOUND: Final = 4


@dataclass(frozen=True, slots=True)
class _Entry:
    endpoint: ChatEndpoint | None
    client: ChatClient | None
    documents: tuple[Document, ...] = ()
    library: Library | None = None
    zone: ZoneInfo | None = None


class Minds:
    """The minds by id. Bound: 64 minds; a new one then replaces the oldest. Event loop only."""

    def __init__(
        self, mind: Mind, workers: Workers, host: ModelHost | None = None, choice: Choice | None = None
    ) -> None:
        self._choice = choice or Choice()
        self._mind = mind
        self._workers = workers
        self._host = host or ModelHost()
        self._entries: dict[str, _Entry] = {}
        self._scripts = Recent[str, Script](MAX_MINDS)
        self._retired: list[ChatClient] = []

    async def put(self, mind_id: str, body: JsonObject) -> None:
        """Creates or replaces a mind; a talk that uses the old one keeps it. Raises `ClientMistake`.

        Reading the documents takes 6 ms of a core for each passage, in a thread; unchanged documents are not read again.
        """
        if not _ID.fullmatch(mind_id) or mind_id == LOCAL_ID:
            raise ClientMistake(
                "A mind's id has small letters, digits, '-' and '_', and is not 'local'.", param="id"
            )
        self._scripts.pop(mind_id, None)
        if "script" in body:
            self._scripts[mind_id] = Script(body["script"])
            return
        endpoint, documents, zone = _endpoint_of(body), _documents_of(body), _zone_of(body)
        known = self._entries.get(mind_id)
        library = known.library if known is not None and known.documents == documents else None
        if documents and library is None:
            # Without its encoder the mind has already reported that it cannot search files.
            encoder = self._mind.encoder
            library = None if encoder is None else await asyncio.to_thread(Library, documents, encoder.encode)
        old = self._entries.pop(mind_id, None)
        while len(self._entries) >= MAX_MINDS:
            self._retire(self._entries.pop(next(iter(self._entries))))
        if old is not None and old.endpoint == endpoint:
            client = old.client
        else:
            client = None if endpoint is None else ChatClient(endpoint)
            if old is not None:
                self._retire(old)
        self._entries[mind_id] = _Entry(endpoint, client, documents, library, zone)

    def remove(self, mind_id: str) -> bool:
        """Removes a mind; returns whether it existed."""
        entry = self._entries.pop(mind_id, None)
        if entry is not None:
            self._retire(entry)
        return entry is not None

    def thinker_of(self, model: str) -> Thinker:
        """Return the thinker for a new talk with this model. Raises `ClientMistake` for an unknown mind."""
        mind_id = model.removeprefix(MODEL_PREFIX)
        if mind_id in (model, LOCAL_ID):
            return self._own()
        if mind_id in self._scripts:
            return self._scripts[mind_id]
        entry = self._entries.get(mind_id)
        if entry is None:
            raise ClientMistake(
                f"The model '{model[:60]}' does not exist: this engine was given no mind of that name.",
                code="model_not_found",
                param="model",
            )
        if entry.endpoint is None or entry.client is None:
            return self._own(entry.library)
        local = LocalThinker(self._mind, self._workers, entry.library)
        return ChatThinker(entry.endpoint, entry.client, local, workers=self._workers, library=entry.library)

    def clock_of(self, model: str) -> Callable[[], datetime]:
        """Return the clock for a talk with this model, in the person's time zone where known, else in the computer's."""
        entry = self._entries.get(model.removeprefix(MODEL_PREFIX))
        zone = None if entry is None else entry.zone
        return lambda: datetime.now(zone).astimezone(zone)

    async def search(self, mind_id: str, body: JsonObject) -> list[dict[str, str]]:
        """Return the passages of a mind's files that answer ``question``, best first, as ``{"file", "heading", "text"}``.

        The list is empty for a mind without files. Raises `ClientMistake` for an unknown mind.
        """
        entry = self._entries.get(mind_id)
        if entry is None:
            raise ClientMistake("This engine was given no mind of that name.", "id")
        question = text_in(body, "question")
        if entry.library is None or not question:
            return []
        found = await asyncio.to_thread(entry.library.find, question, PASSAGES_FOUND)
        return [
            {"file": f.passage.source, "heading": f.passage.heading, "text": f.passage.text} for f in found
        ]

    def next_connect(self, model: str) -> Connect:
        """Return what the model's script stages for the next connection; nothing unusual without a script."""
        script = self._scripts.get(model.removeprefix(MODEL_PREFIX))
        return Connect() if script is None else script.next_connect()

    async def aclose(self) -> None:
        """Closes every connection to an endpoint."""
        for entry in self._entries.values():
            self._retire(entry)
        self._entries.clear()
        while self._retired:
            await self._retired.pop().close()

    def _own(self, library: Library | None = None) -> Thinker:
        reflex = LocalThinker(self._mind, self._workers, library)
        two = TwoMinds(reflex, self._host, self._workers, library)
        return ChosenOrOwn(two, reflex, self._choice, self._workers, library)

    def _retire(self, entry: _Entry) -> None:
        # A talk may still use the client, so close it only with the engine; the server may close idle connections earlier.
        if entry.client is not None:
            self._retired.append(entry.client)


def _endpoint_of(body: JsonObject) -> ChatEndpoint | None:
    unknown = set(body) - _FIELDS
    if unknown:
        raise ClientMistake(f"Unknown parameter: '{min(unknown)[:40]}'.", min(unknown)[:40])
    return endpoint_of(body) if body.get("base_url") or body.get("model") else None


def _documents_of(body: JsonObject) -> tuple[Document, ...]:
    """Return the person's files, given as a list of ``{"name", "text"}``."""
    given: Any = body.get("documents") or []
    if not isinstance(given, list) or len(cast("list[Any]", given)) > MAX_DOCUMENTS:
        raise ClientMistake(f"'documents' is a list of {MAX_DOCUMENTS} at most.", "documents")
    documents: list[Document] = []
    for entry in cast("list[Any]", given):
        match entry:
            case {"name": str(name), "text": str(text)}:
                documents.append(Document(name[:200], text))
            case _:
                raise ClientMistake("Each of 'documents' has a 'name' and a 'text'.", "documents")
    return tuple(documents)


def _zone_of(body: JsonObject) -> ZoneInfo | None:
    name = text_in(body, "time_zone")
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ClientMistake("'time_zone' is an IANA name, such as Europe/Berlin.", "time_zone") from None
