"""The client of a chat endpoint, which learns the endpoint's habits: the parameters it refuses, and how its answers begin.

The body of a request follows the protocol's documentation until the endpoint refuses it. Then one thing in it is changed,
the one that the refusal names if it names one, and the request is repeated. A change that helped is remembered as long as
the client exists (`Habits`). So a person waits once for a second round trip, and no list of models has to be maintained.

Streams are read with httpx and `kai.wire.chat` instead of OpenAI's client, which raises on a chunk that is not JSON or whose
error is not in OpenAI's form, returns ``None`` for fields whose types exclude it, and costs half a second and 60 MB at the
first import.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast
from urllib.parse import urlsplit, urlunsplit

import httpx

from kai.compat import http
from kai.engine.chat_history import HistoryForm, chat_messages
from kai.engine.spoken_rules import HEARD, rules_of
from kai.engine.thinking import Question
from kai.engine.unspoken import Opening, Unspoken
from kai.errors import ConfigError, KaiError
from kai.wire.chat import GARBLED, AnswerFailed, ChatPiece, ChatReader, read_failure
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

CONNECT_S: Final = 5.0
FIRST_WORD_S: Final = 45.0
LOAD_S: Final = 180.0
"""The time for the first word of a model of this computer, which may have to be loaded from a slow disk."""
SIGN_OF_LIFE_S: Final = 3.0
FROZEN: Final = "My language model does not answer any more."
MAX_ANSWER_TOKENS: Final = 600
ROOM_FOR_THOUGHT: Final = 8
"""The factor on the token limit for a model that spent all its tokens on thoughts."""
LINGER_S: Final = 1.0
"""How long to wait for the usage figures after the finish reason: not every endpoint closes the stream then."""
LEAST_CHARS: Final = 1_500
MAX_ERROR_BYTES: Final = 1 << 16

_TOKENS: Final = ("max_tokens", "max_completion_tokens")
_NEEDED: Final = frozenset({"model", "messages"})
_MEANT: Final = {
    "tool_choice": r"tool[ _-]?choice",
    "tools": r"\btools?\b|function[ _-]?call|\bfunctions?\b",
    "stream": r"\bstream(ing)?\b",
}
"""Other words by which refusals mean a parameter."""
_CONTEXT: Final = re.compile(
    r"context[ _-]?(length|window|size)|(maximum|exceed\w*|available).{0,30}context|too many (input )?tokens"
    r"|(input|prompt|request).{0,40}(too (long|large)|exceed)",
    re.IGNORECASE,
)
_ROLES: Final = re.compile(
    r"(system|developer).{0,60}(not supported|unsupported|not allowed|not enabled|does not support|only)"
    r"|(support|allow)\w*.{0,40}(system|developer)|roles?.{0,20}(system|developer)",
    re.IGNORECASE,
)
_EMPTY_CONTENT: Final = re.compile(
    r"(empty|blank|non-empty).{0,60}content|content.{0,80}(empty|blank)", re.IGNORECASE
)
_KEY: Final = re.compile(
    r"api[ _-]?key.{0,40}(not valid|invalid|incorrect|missing|expired)|(invalid|incorrect|missing).{0,20}api[ _-]?key",
    re.IGNORECASE,
)
_QUOTA: Final = re.compile(r"insufficient[ _](quota|balance)|credit balance|billing", re.IGNORECASE)
_THINKS_UNOPENED: Final = re.compile(
    r"\br1\b|deepseek-r|qwq|thinking|reason|magistral|glm-?z1", re.IGNORECASE
)
"""Names of models whose templates open the thought, for servers that do not remove it from the answer."""


class MindError(KaiError):
    """The language model behind an endpoint did not answer. The message is spoken."""

    code = "mind"
    is_retryable = True


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """An OpenAI-compatible server: its base URL (``http://127.0.0.1:11434/v1``), a model, and a key if it wants one."""

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    """JSON fields added to the body of every request; they override Kai's own."""

    @property
    def place(self) -> str:
        """The endpoint's host, for people; the whole URL may contain secrets."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or "its address"


@dataclass(slots=True)
class Habits:
    """The known habits of an endpoint: ``left_out`` are refused parameters; ``path`` is put before ``/chat/completions``."""

    tokens_name: str = "max_tokens"
    tried_tokens_names: set[str] = field(default_factory=lambda: {"max_tokens"})
    left_out: set[str] = field(default_factory=set[str])
    form: HistoryForm = HistoryForm()
    room: int = 1
    path: str = ""
    has_been_bare: bool = False
    undo: set[str] | None = None
    """The value of `left_out` before everything optional was left out, until that has helped."""
    opening: Opening = Opening.UNKNOWN


class RequestRefused(Exception):
    """The endpoint refused a request before any word of an answer; `ChatClient.learn` may find a form that it accepts."""

    def __init__(self, failed: AnswerFailed, body: JsonObject) -> None:
        super().__init__("the endpoint refused the request")
        self.failed = failed
        self.body = body


class ChatClient:
    """The connections to one endpoint, and its habits; shared by all talks with the same mind. Event loop only.

    ``opening`` is how the endpoint's answers begin, where that is known.
    """

    def __init__(self, endpoint: ChatEndpoint, opening: Opening | None = None) -> None:
        self.endpoint = endpoint
        usual = Opening.THOUGHT if _THINKS_UNOPENED.search(endpoint.model) else Opening.UNKNOWN
        self.habits = Habits(opening=opening or usual)
        self._http: httpx.AsyncClient | None = None

    def request(
        self,
        endpoint: ChatEndpoint,
        question: Question,
        kept: Mapping[str, Mapping[str, object]] | None = None,
    ) -> JsonObject:
        """Return a request body that the endpoint accepts; ``endpoint`` is the client's, perhaps with more fields."""
        habits = self.habits
        tools = [tool for given in question.tools if (tool := _chat_tool(given)) is not None]
        form = habits.form
        if "tools" in habits.left_out:
            tools, form = [], replace(form, has_calls=False)
        rules = rules_of(is_here=http.is_loopback(endpoint.base_url), has_tools=bool(tools)) + HEARD
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": chat_messages(question, rules, form=form, kept=kept),
            "stream": True,
            "stream_options": {"include_usage": True},
            habits.tokens_name: question.max_tokens or MAX_ANSWER_TOKENS * habits.room,
        }
        if tools:
            body["tools"] = tools
            body["tool_choice"] = _chat_tool_choice(question.tool_choice)
        body |= endpoint.extra
        left_out = habits.left_out | ({"stream_options"} if "stream" in habits.left_out else set())
        return {name: value for name, value in body.items() if name not in left_out}

    async def stream(self, body: JsonObject) -> AsyncGenerator[ChatPiece]:
        """Yield the pieces of one answer; an error in it is an `AnswerFailed`. Raises `MindError` and `RequestRefused`."""
        place = self.endpoint.place
        try:
            async with self._client().stream(
                "POST", self._url(), json=dict(body), headers=self._headers()
            ) as reply:
                if reply.is_error:
                    raise RequestRefused(read_failure(await _head_of(reply), reply.status_code), body)
                self.habits.undo = None
                reader = ChatReader()
                incoming = reply.aiter_bytes()
                while not reader.is_done and (data := await _next_bytes(incoming, reader)) is not None:
                    for piece in reader.feed(data):
                        yield piece
                for piece in reader.finish():
                    yield piece
        except httpx.ConnectTimeout as exc:
            raise self._unreachable(exc) from exc
        except httpx.TimeoutException as exc:
            raise MindError("My language model did not answer in time.", code="mind_slow") from exc
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.ProxyError) as exc:
            raise self._unreachable(exc) from exc
        except (httpx.HTTPError, httpx.StreamError) as exc:
            raise MindError("The connection to my language model broke.", code="mind_lost") from exc
        except (httpx.InvalidURL, UnicodeError) as exc:
            raise MindError(
                f"The address or the key of my language model at {place} cannot be used.", code="mind_address"
            ) from exc
        except ConfigError as exc:
            raise MindError(
                f"I cannot reach my language model. {exc.message}", code="mind_unreachable"
            ) from exc

    async def is_alive(self) -> bool:
        """Return whether the server answers a request for its models with anything at all, by a connection of its own.

        A model that thinks or loads is silent, and so is a server that hangs; only the first still answers other requests.
        """
        url = self._url().replace("/chat/completions", "/models", 1)
        try:
            async with (
                asyncio.timeout(SIGN_OF_LIFE_S),
                http.async_client(url, timeout=SIGN_OF_LIFE_S) as client,
                client.stream("GET", url, headers=self._headers()),
            ):
                return True
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, UnicodeError, ConfigError):
            return False

    def learn(self, refused: RequestRefused) -> bool:
        """Learn from the refusal; return whether another request may succeed."""
        learnt = self._learn(refused.failed, refused.body)
        if learnt:
            logger.info("an endpoint refuses a part of the request", extra={"learnt": learnt})
        return bool(learnt)

    def learn_room(self) -> bool:
        """Raise the token limit for a model that spent all its tokens on thoughts; return whether it was raised."""
        if self.habits.room > 1 or self.habits.tokens_name in self.habits.left_out:
            return False
        self.habits.room = ROOM_FOR_THOUGHT
        return True

    def learn_opening(self, unspoken: Unspoken) -> None:
        """Learn how the endpoint's answers begin from a complete one, which `unspoken` has read."""
        if unspoken.was_unopened:
            self.habits.opening = Opening.THOUGHT
        elif self.habits.opening is Opening.UNKNOWN:
            self.habits.opening = Opening.ANSWER

    async def close(self) -> None:
        """Closes its connections."""
        if self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            # Talks lose patience earlier than that; a model that is being loaded may need it.
            timeout = httpx.Timeout(LOAD_S, connect=CONNECT_S)
            self._http = http.async_client(self.endpoint.base_url, timeout=timeout, follows_redirects=True)
        return self._http

    def _url(self) -> str:
        """Return the URL of the chat route; the base URL may have a query, as Azure's has, or already name the route."""
        parts = urlsplit(self.endpoint.base_url)
        path = parts.path.rstrip("/").removesuffix("/chat/completions")
        return urlunsplit(parts._replace(path=f"{path}{self.habits.path}/chat/completions", fragment=""))

    def _headers(self) -> dict[str, str]:
        key = self.endpoint.api_key
        headers = {"Accept": "text/event-stream, application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if key and (
            "azure" in (urlsplit(self.endpoint.base_url).hostname or "")
            or "api-version=" in self.endpoint.base_url
        ):
            headers["api-key"] = key
        return headers

    def _unreachable(self, exc: Exception) -> MindError:
        advice = http.advice_on_proxy(self.endpoint.base_url) or "Check that it is running."
        if "CERTIFICATE" in str(exc):
            advice = "Its certificate is not trusted on this computer: SSL_CERT_FILE can name one that is."
        return MindError(
            f"I cannot reach my language model at {self.endpoint.place}. {advice}", code="mind_unreachable"
        )

    def _learn(self, failed: AnswerFailed, body: JsonObject) -> str:
        """Change the habits after a refusal; return a word for the log, or "" where nothing was learnt."""
        status, text = failed.status or 400, failed.text
        said = f"{failed.code} {text}"
        if self.habits.undo is not None:
            self.habits.left_out, self.habits.undo = self.habits.undo, None
            return ""
        if status in (401, 402, 403, 408, 409, 429) or failed.code == GARBLED or "content_filter" in said:
            return ""
        if status == 404 and not urlsplit(self.endpoint.base_url).path.strip("/") and not self.habits.path:
            self.habits.path = "/v1"
            return "path"
        if (status == 413 or _CONTEXT.search(said)) and failed.param not in body:
            return self._learn_length(body)
        if (named := self._named(failed, body)) and named not in ("", "messages"):
            return self._leave_out(named)
        if found := self._learn_form(said, body):
            return found
        if status in (400, 422) and not self.habits.has_been_bare and not _KEY.search(said):
            # The refusal names no cause, so send only what every endpoint accepts.
            self.habits.has_been_bare = True
            self.habits.undo = set(self.habits.left_out)
            self.habits.left_out |= set(body) - _NEEDED - {"stream"}
            return "everything optional"
        return ""

    def _learn_length(self, body: JsonObject) -> str:
        told = sum(len(str(message)) for message in cast("list[JsonObject]", body["messages"]))
        fewer = min(self.habits.form.max_chars, told) // 2
        if fewer < LEAST_CHARS:
            return ""
        self.habits.form = replace(self.habits.form, max_chars=fewer)
        return "length"

    def _named(self, failed: AnswerFailed, body: JsonObject) -> str:
        """Return the parameter of the request that the refusal is about, or ""."""
        param = failed.param.split(".")[0].split("[")[0]
        if param in body:
            return param
        optional = set(body) - _NEEDED
        if (failed.status or 0) >= 500:
            # llama.cpp answers 500 to tools if started without templates for them; any other 500 is the server's own fault.
            optional &= {"tools", "tool_choice"}
        names = sorted(optional, key=len, reverse=True)
        for name in names:
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", failed.text):
                return name
        return next(
            (
                name
                for name in names
                if name in _MEANT and re.search(_MEANT[name], failed.text, re.IGNORECASE)
            ),
            "",
        )

    def _leave_out(self, name: str) -> str:
        habits = self.habits
        if name == habits.tokens_name:
            other = next((each for each in _TOKENS if each not in habits.tried_tokens_names), None)
            if other is not None:
                habits.tokens_name = other
                habits.tried_tokens_names.add(other)
                return other
        habits.left_out.add(name)
        if name == "tools":
            habits.left_out.add("tool_choice")
        return name

    def _learn_form(self, said: str, body: JsonObject) -> str:
        form = self.habits.form
        messages = cast("list[JsonObject]", body["messages"])
        has_calls = any("tool_calls" in message for message in messages)
        if form.has_system and _ROLES.search(said):
            self.habits.form = replace(form, has_system=False)
            return "system"
        if has_calls and form.has_empty and _EMPTY_CONTENT.search(said):
            self.habits.form = replace(form, has_empty=False)
            return "empty content"
        if has_calls and form.has_calls and re.search(r"\btool|function", said, re.IGNORECASE):
            self.habits.form = replace(form, has_calls=False)
            return "calls"
        return ""


async def _next_bytes(incoming: AsyncIterator[bytes], reader: ChatReader) -> bytes | None:
    """Return the next bytes of the stream, or ``None`` at its end, which not every endpoint marks or closes."""
    try:
        async with asyncio.timeout(LINGER_S if reader.has_reason else None):
            return await anext(incoming, None)
    except TimeoutError:
        return None


async def _head_of(reply: httpx.Response) -> bytes:
    """Return the first 64 KiB of a body."""
    body = b""
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > MAX_ERROR_BYTES:
            break
    return body[:MAX_ERROR_BYTES]


_WORDS: Final = {
    "mind_garbled": "What answers at {place} does not speak the chat protocol.",
    "mind_filtered": "My language model's content filter refused that. Ask in another way.",
    "mind_quota": "The account of my language model has no credit left. Add credit, or choose another.",
    "mind_key": "My language model does not accept its key. Check the settings.",
    "mind_model": "There is no model called {model} at {place}. Check the settings.",
    "mind_slow": "My language model did not answer in time.",
    "mind_busy": "My language model has too much to do. Ask again in a moment.",
    "mind_loading": "My language model is not ready yet. Ask again in a moment.",
    "mind_long": "This talk is too long for my language model. Start a new one.",
    "mind_refused": "My language model refused the question.",
    "mind_broken": "My language model has a fault of its own. Ask again.",
}
_OF_STATUS: Final = {
    404: "mind_model",
    408: "mind_slow",
    413: "mind_long",
    429: "mind_busy",
    503: "mind_loading",
}


def explain(failed: AnswerFailed, endpoint: ChatEndpoint) -> MindError:
    """Return the error in words to be spoken, without the server's own text, which may quote the key or the talk."""
    code = _code_of(failed)
    return MindError(_WORDS[code].format(place=endpoint.place, model=endpoint.model), code=code)


def _code_of(failed: AnswerFailed) -> str:
    status, said = failed.status or 500, f"{failed.code} {failed.text}"
    if failed.code == GARBLED:
        return "mind_garbled"
    if "content_filter" in said or "content management policy" in said:
        return "mind_filtered"
    if status == 402 or (status == 429 and _QUOTA.search(said)):
        return "mind_quota"
    if status in (401, 403) or (status == 400 and _KEY.search(said)):
        return "mind_key"
    if status in _OF_STATUS:
        return _OF_STATUS[status]
    if status >= 500:
        return "mind_broken"
    return "mind_long" if _CONTEXT.search(said) else "mind_refused"


def _chat_tool(tool: Mapping[str, Any]) -> JsonObject | None:
    """Return a tool of the session in the chat protocol's form, or ``None`` for a tool that is not a function."""
    if tool.get("type") != "function":
        return None
    return {
        "type": "function",
        "function": {name: tool[name] for name in ("name", "description", "parameters") if name in tool},
    }


def _chat_tool_choice(choice: str | Mapping[str, Any]) -> str | JsonObject:
    match choice:
        case {"type": "function", "name": str(name)}:
            return {"type": "function", "function": {"name": name}}
        case "none" | "required":
            return choice
        case _:
            return "auto"
