"""Asks a chat endpoint one real question: is it reachable, has it the model, how soon is its first word, does it think?

The question also loads a model that is not loaded, and reads the rules of spoken answers into its cache. So a trial makes a
chosen mind ready, too (`kai.engine.others.choice`). It ends soon after the first word.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

import httpx

from kai.compat import http
from kai.engine.chat_client import (
    FROZEN,
    LOAD_S,
    ChatClient,
    ChatEndpoint,
    MindError,
    RequestRefused,
    explain,
)
from kai.engine.others.servers import MAX_MODELS, FoundServer, find_servers
from kai.engine.thinking import Question
from kai.engine.unspoken import Unspoken
from kai.errors import ConfigError
from kai.wire.chat import AnswerEnded, AnswerFailed, Thinking, Words
from kai.wire.realtime import ContentPart, Item, JsonObject

LIST_S: Final = 4.0
FIRST_WORD_S: Final = 45.0
"""The time for the first word of an endpoint that is not on this computer."""
HANGS_S: Final = 5.0
"""The time for the first word of a server that does not even list its models."""
MOST_TRIES: Final = 6
MAX_LIST_BYTES: Final = 4 << 20
KEEP_LOADED: Final = "15m"
"""How long Ollama keeps a chosen model loaded after the last renewal; its default is five minutes."""

WHOLE_S: Final = 2.0
"""How long the trial waits for the end of the answer after the first word."""
QUESTION: Final = "Say hello in a few words."


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a trial. ``code`` and ``message`` say what is wrong, for programs and for people, or are empty.

    ``first_word_s`` is counted from the request. ``thinks`` is true if the model thought before the first word, although it
    was asked not to. ``models`` are the models that the endpoint lists, if it lists any.
    """

    code: str = ""
    message: str = ""
    first_word_s: float | None = None
    thinks: bool = False
    models: tuple[str, ...] = ()

    @property
    def is_fine(self) -> bool:
        """Whether a talk can use this mind."""
        return not self.code

    def to_json(self) -> JsonObject:
        """Return the result in the form of the engine's routes."""
        first_word_s = None if self.first_word_s is None else round(self.first_word_s, 2)
        return {**asdict(self), "is_fine": self.is_fine, "first_word_s": first_word_s}


async def describe(endpoint: ChatEndpoint) -> tuple[ChatEndpoint, FoundServer | None]:
    """Return the endpoint with the extra fields that its requests need, and its server, if that is on this computer."""
    if not http.is_loopback(endpoint.base_url):
        return endpoint, None
    port = urlsplit(endpoint.base_url).port or 80
    found = await find_servers({port: ""})
    server = found[0] if found else None
    return replace(endpoint, extra={**endpoint.extra, **_without_thinking(endpoint.model, server)}), server


def _without_thinking(model: str, server: FoundServer | None) -> Mapping[str, object]:
    """Return the fields that ask a server not to think; none is portable, and a server that refuses them gets none later."""
    if server is None or server.kind != "ollama":
        return {"chat_template_kwargs": {"enable_thinking": False}}
    thinks = next((each.thinks for each in server.models if each.id == model), None)
    if thinks is False:
        return {}
    # With "none", gpt-oss thinks more than with "low".
    return {"reasoning_effort": "low" if "gpt-oss" in model.lower() else "none"}


async def load_ahead(endpoint: ChatEndpoint, server: FoundServer | None) -> None:
    """Let Ollama load the model, or keep it loaded for `KEEP_LOADED` from now on. Does not raise.

    No context length is given, since a different one would reload the model. The models of other servers are loaded by the
    first question.
    """
    if server is None or server.kind != "ollama":
        return
    url = f"{server.url.removesuffix('/v1')}/api/generate"
    with contextlib.suppress(httpx.HTTPError):
        async with http.async_client(url, timeout=LOAD_S) as client:
            await client.post(url, json={"model": endpoint.model, "keep_alive": KEEP_LOADED})


async def try_endpoint(client: ChatClient, endpoint: ChatEndpoint, server: FoundServer | None) -> Trial:
    """Ask the question. ``endpoint`` is the client's, as `describe` returned it; the client learns what it refuses."""
    listing = asyncio.create_task(list_models(endpoint), name="minds: list the models")
    try:
        await load_ahead(endpoint, server)
        patience_s = LOAD_S if http.is_loopback(endpoint.base_url) else FIRST_WORD_S
        # A server that was just found is alive. One that was not may take connections and hang.
        is_alive = server is not None or await client.is_alive()
        patience_s = patience_s if is_alive else HANGS_S
        try:
            async with asyncio.timeout(patience_s):
                trial = await _first_word(client, endpoint)
        except TimeoutError:
            message = f"It did not say a word within {patience_s:.0f} seconds. A smaller model may be faster."
            trial = Trial("mind_slow", message) if is_alive else Trial("mind_frozen", FROZEN)
        except MindError as error:
            trial = Trial(error.code, error.message)
        models = await listing
    finally:
        listing.cancel()
        await asyncio.wait([listing])
    return replace(trial, models=models)


async def _first_word(client: ChatClient, endpoint: ChatEndpoint) -> Trial:
    """Ask until the endpoint accepts the form of the request. Raises `MindError`."""
    part = ContentPart(type="input_text", text=QUESTION)
    item = Item(id="trial", type="message", role="user", content=(part,))
    question = Question((item,), "", datetime.now().astimezone())
    for _ in range(MOST_TRIES):
        try:
            return await _ask(client, endpoint, question)
        except RequestRefused as refused:
            if not client.learn(refused):
                raise explain(refused.failed, endpoint) from refused
    raise MindError("My language model refused the question.", code="mind_refused")


async def _ask(client: ChatClient, endpoint: ChatEndpoint, question: Question) -> Trial:
    """Try one request. Raises `MindError` and `RequestRefused`.

    How an endpoint begins its answers is learnt from a complete one, so the trial waits a short while for the few words.
    """
    body = client.request(endpoint, question)
    unspoken, words, has_thought = Unspoken(client.habits.opening), "", False
    said_at_s: float | None = None
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    is_whole = True
    try:
        async with asyncio.timeout(None) as patience, contextlib.aclosing(client.stream(body)) as pieces:
            async for piece in pieces:
                match piece:
                    case Words(text=text):
                        words += unspoken.push(text)
                        # Held words count from their arrival, unless they turn out to be thoughts.
                        if said_at_s is None and (words.strip() or unspoken.is_waiting):
                            said_at_s = loop.time()
                            patience.reschedule(said_at_s + WHOLE_S)
                    case Thinking():
                        has_thought = True
                    case AnswerFailed():
                        raise RequestRefused(piece, body)
                    case AnswerEnded(reason="length"):
                        return Trial("mind_cut", "It thought until nothing was left to say.", thinks=True)
                    case _:
                        pass
    except TimeoutError:
        is_whole = False
    words += unspoken.flush()
    if is_whole:
        if not words.strip():
            raise MindError("It gave an empty answer.", code="mind_empty")
        client.learn_opening(unspoken)
    if said_at_s is None or unspoken.was_unopened:
        said_at_s = loop.time()
    return Trial(first_word_s=said_at_s - begun_s, thinks=has_thought or unspoken.has_thought)


async def list_models(endpoint: ChatEndpoint) -> tuple[str, ...]:
    """Return the models that the endpoint lists at ``/models``, or none. Does not raise."""
    parts = urlsplit(endpoint.base_url)
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    paths = [path] if path else ["/v1", ""]
    headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    for each in paths:
        url = urlunsplit(parts._replace(path=f"{each}/models", fragment=""))
        try:
            async with http.async_client(url, timeout=LIST_S, follows_redirects=True) as client:
                found = _ids(await _read(client, url, headers))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ConfigError, TimeoutError):
            found = ()
        if found:
            return found
    return ()


async def _read(client: httpx.AsyncClient, url: str, headers: Mapping[str, str]) -> bytes:
    body = b""
    async with asyncio.timeout(LIST_S), client.stream("GET", url, headers=dict(headers)) as reply:
        async for part in reply.aiter_bytes():
            body += part
            if reply.is_error or len(body) > MAX_LIST_BYTES:
                return b""
    return body


def _ids(body: bytes) -> tuple[str, ...]:
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    data: Any = cast("dict[str, Any]", read).get("data") if isinstance(read, dict) else read
    if not isinstance(data, list):
        return ()
    entries = [cast("dict[str, Any]", each) for each in cast("list[Any]", data) if isinstance(each, dict)]
    # Google's list has a prefix that requests leave out.
    ids = [str(each["id"]).removeprefix("models/") for each in entries if isinstance(each.get("id"), str)]
    return tuple(each for each in ids if 0 < len(each) <= 300)[:MAX_MODELS]
