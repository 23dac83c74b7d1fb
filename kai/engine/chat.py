"""A language model behind an OpenAI-compatible chat endpoint, as something that thinks for Kai."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from kai.engine.speech.library import Library
from kai.engine.speech.mind import UNKNOWN
from kai.engine.thinking import (
    Finished,
    LocalThinker,
    Question,
    Said,
    Thinker,
    Thought,
    ToolCall,
    Trouble,
    last_heard,
    text_of,
)
from kai.engine.workers import Workers
from kai.errors import KaiError
from kai.wire.realtime import Item, JsonObject

if TYPE_CHECKING:
    import openai

logger = logging.getLogger(__name__)

SLOW_S: Final = 5.0
"""After so long without a word Kai says that the model is slow; silence would seem a fault."""
FIRST_WORD_S: Final = 45.0
STALL_S: Final = 20.0
CONNECT_S: Final = 5.0
MAX_ITEMS: Final = 40
MAX_CHARS: Final = 24_000
MAX_ANSWER_TOKENS: Final = 600
MAX_TOOL_CALLS: Final = 16
PASSAGES_TOLD: Final = 3
_QUEUED_CHUNKS: Final = 64

SPOKEN_RULES: Final = (
    "You are Kai, an AI with a voice and a face, in a spoken conversation. Your words are read aloud: answer in a few short, "
    "plain sentences, without lists, markup, links or emoji. What you hear comes from a speech recogniser and may have "
    "mistakes. When you do not know something, say so."
)


class MindError(KaiError):
    """The language model behind an endpoint did not answer. The message is said aloud."""

    code = "mind"
    is_retryable = True


@dataclass(frozen=True, slots=True)
class ChatEndpoint:
    """An OpenAI-compatible server: its base URL (``http://127.0.0.1:11434/v1``), a model, and a key if it wants one."""

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    """JSON that goes into the body of every request as it is; it wins over what Kai asks for by itself."""

    @property
    def place(self) -> str:
        """Its host, for people; a URL may hold secrets."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2] or "its address"


def client_of(endpoint: ChatEndpoint) -> openai.AsyncOpenAI:
    """A client for the endpoint. Only an engine that has one pays for the import: half a second and 60 MB."""
    import httpx2
    import openai

    return openai.AsyncOpenAI(
        api_key=endpoint.api_key or "none",  # servers on one's own computer want no key, the client wants one
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=httpx2.Timeout(FIRST_WORD_S, connect=CONNECT_S),
    )


@dataclass(slots=True)
class _Call:
    """A tool call that is coming in, piece by piece."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""


class ChatThinker(Thinker):
    """A language model behind an OpenAI-compatible chat endpoint.

    When it cannot be had, the small mind answers what it can; the person is told why.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint,
        client: openai.AsyncOpenAI,
        fallback: LocalThinker,
        *,
        workers: Workers,
        library: Library | None = None,
        rules: str = SPOKEN_RULES,
    ) -> None:
        self._endpoint = endpoint
        self._rules = rules
        self._workers = workers
        self._library = library
        self._client = client
        self._fallback = fallback

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        has_spoken = False
        asked, question = question, await self._with_passages(question)
        try:
            async with contextlib.aclosing(self._stream(question)) as thoughts:
                async for thought in thoughts:
                    has_spoken |= not isinstance(thought, Said) or bool(thought.text.strip())
                    yield thought
        except MindError as error:
            logger.warning("the language model failed", extra={"code": error.code})
            yield Trouble(error.code, error.message)
            if not has_spoken:
                reply = await self._fallback.reply(asked)
                if reply.intent != UNKNOWN:
                    yield Said(f" {reply.text}")

    async def _with_passages(self, question: Question) -> Question:
        """The question, and above it what the person's files say about it."""
        heard = last_heard(question)
        if self._library is None or not heard:
            return question
        found = await self._workers.speak(partial(self._library.find, heard, PASSAGES_TOLD))
        if not found:
            return question
        told = "\n".join(
            f"[{each.passage.source}] {each.passage.heading}: {each.passage.text}" for each in found
        )
        rule = "From the person's own files; when you use one, name it:"
        return replace(question, instructions=f"{question.instructions}\n{rule}\n{told}")

    async def _stream(self, question: Question) -> AsyncGenerator[Thought]:
        """The model's own thoughts. Raises `MindError`."""
        chunks: asyncio.Queue[Any] = asyncio.Queue(_QUEUED_CHUNKS)
        reading = asyncio.create_task(self._read(question, chunks), name="mind: read the model's answer")
        calls: dict[int, _Call] = {}
        silent = _WithoutReasoning()
        has_begun = has_said = False
        reason, completion_tokens, tokens_per_s = "none", None, None
        try:
            while (chunk := await self._next(chunks, has_begun=has_begun)) is not None:
                if chunk is _SLOW:
                    yield Said("One moment, my language model is still thinking. ")
                    continue
                if chunk.usage is not None:
                    completion_tokens = chunk.usage.completion_tokens
                timings = getattr(chunk, "timings", None)  # llama.cpp's, beside what the protocol has
                if isinstance(timings, dict):
                    tokens_per_s = cast("dict[str, Any]", timings).get("predicted_per_second")
                for choice in chunk.choices[:1]:
                    reason = choice.finish_reason or reason
                    delta = choice.delta
                    for part in delta.tool_calls or ():
                        has_begun = True
                        _add_call(calls, part)
                    if delta.content:
                        has_begun = True
                        text = silent.push(delta.content)
                        has_said |= bool(text.strip())
                        if text:
                            yield Said(text)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        if text := silent.flush():
            has_said = True
            yield Said(text)
        for call in calls.values():
            yield ToolCall(call.call_id or f"call_{id(call):x}", call.name, call.arguments or "{}")
        if not has_said and not calls:
            raise MindError("My language model gave an empty answer. Please ask again.", code="mind_empty")
        yield Finished(reason, completion_tokens, tokens_per_s)

    async def _next(self, chunks: asyncio.Queue[Any], *, has_begun: bool) -> Any:
        """The next chunk, ``None`` at the end, `_SLOW` once when the first one is late. Raises `MindError`."""
        patience_s = STALL_S if has_begun else FIRST_WORD_S
        try:
            async with asyncio.timeout(patience_s):
                found = await chunks.get()
        except TimeoutError as exc:
            message = (
                "My language model stopped in the middle of its answer."
                if has_begun
                else f"My language model did not answer within {FIRST_WORD_S:.0f} seconds. A smaller one may be faster."
            )
            raise MindError(message, code="mind_slow") from exc
        if isinstance(found, MindError):
            raise found
        return found

    async def _read(self, question: Question, chunks: asyncio.Queue[Any]) -> None:
        """Puts the model's chunks into the queue, then ``None``, or the `MindError` that ended them."""
        import httpx2
        import openai

        slow = asyncio.get_running_loop().call_later(SLOW_S, chunks.put_nowait, _SLOW)
        try:
            async with await self._client.chat.completions.create(
                **_request(self._endpoint, question, self._rules)
            ) as stream:
                async for chunk in stream:
                    if any(c.delta and (c.delta.content or c.delta.tool_calls) for c in chunk.choices):
                        slow.cancel()
                    await chunks.put(chunk)
            await chunks.put(None)
        except openai.OpenAIError as exc:
            await chunks.put(_explain(exc, self._endpoint))
        except httpx2.HTTPError:
            await chunks.put(MindError("The connection to my language model broke.", code="mind_lost"))
        except (ValueError, AttributeError, TypeError):  # what came was no chat chunk
            message = f"What answers at {self._endpoint.place} does not speak the chat protocol."
            await chunks.put(MindError(message, code="mind_garbled"))
        finally:
            slow.cancel()


_SLOW: Final = object()


def _add_call(calls: dict[int, _Call], part: Any) -> None:
    index = part.index if isinstance(part.index, int) else len(calls)
    if index not in calls and len(calls) >= MAX_TOOL_CALLS:
        return
    call = calls.setdefault(index, _Call())
    call.call_id = call.call_id or part.id or ""
    if part.function is not None:
        call.name += part.function.name or ""
        call.arguments += part.function.arguments or ""


class _WithoutReasoning:
    """Leaves out what a reasoning model thinks aloud between ``<think>`` and ``</think>`` before its answer."""

    _OPEN: Final = "<think>"
    _CLOSE: Final = "</think>"

    def __init__(self) -> None:
        self._held = ""
        self._is_answer = False

    def push(self, text: str) -> str:
        if self._is_answer:
            return text
        self._held += text
        begun = self._held.lstrip()
        if begun.startswith(self._OPEN):
            _, closed, rest = begun.partition(self._CLOSE)
            self._held = begun if not closed else ""
            self._is_answer = bool(closed)
            return rest.lstrip()
        if self._OPEN.startswith(begun):
            return ""
        self._is_answer, self._held = True, ""
        return begun

    def flush(self) -> str:
        held, self._held = self._held.strip(), ""
        return "" if self._is_answer or held.startswith(self._OPEN) else held


def _request(endpoint: ChatEndpoint, question: Question, rules: str) -> dict[str, Any]:
    request: dict[str, Any] = {
        "model": endpoint.model,
        "messages": chat_messages(question, rules),
        "stream": True,
        "max_tokens": question.max_tokens or MAX_ANSWER_TOKENS,
    }
    if tools := [tool for given in question.tools if (tool := _chat_tool(given)) is not None]:
        request["tools"] = tools
        request["tool_choice"] = _chat_tool_choice(question.tool_choice)
    if endpoint.extra:
        request["extra_body"] = dict(endpoint.extra)
    return request


def chat_messages(question: Question, rules: str = SPOKEN_RULES) -> list[JsonObject]:
    """The conversation in the chat protocol's words: the rules first, then its newest part that fits."""
    instructions = question.instructions.strip()
    told = f"{rules} It is {question.now:%A, %d %B %Y, %H:%M}."
    messages: list[JsonObject] = []
    for item in question.items[-MAX_ITEMS:]:
        match item:
            case Item(type="message", role="user" | "assistant" as role) if text := text_of(item).strip():
                messages.append({"role": role, "content": text})
            case Item(type="function_call"):
                call: JsonObject = {
                    "id": item.call_id or "",
                    "type": "function",
                    "function": {"name": item.name or "", "arguments": item.arguments or "{}"},
                }
                if messages and "tool_calls" in messages[-1]:
                    cast("list[JsonObject]", messages[-1]["tool_calls"]).append(call)
                else:
                    messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
            case Item(type="function_call_output"):
                messages.append(
                    {"role": "tool", "tool_call_id": item.call_id or "", "content": item.output or ""}
                )
            case _:
                pass
    while len(messages) > 1 and (
        sum(len(str(message)) for message in messages) > MAX_CHARS or messages[0]["role"] == "tool"
    ):
        del messages[0]
    return [{"role": "system", "content": f"{told}\n{instructions}".strip()}, *messages]


def _chat_tool(tool: Mapping[str, Any]) -> JsonObject | None:
    """A tool of the session in the chat protocol's form; only functions can be passed on."""
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


def _explain(exc: openai.OpenAIError, endpoint: ChatEndpoint) -> MindError:
    """What went wrong, in words to be said aloud. The server's own text may quote the key or the talk."""
    import openai

    place = endpoint.place
    match exc:
        case openai.APITimeoutError():
            return MindError("My language model did not answer in time.", code="mind_slow")
        case openai.APIConnectionError():
            return MindError(
                f"I cannot reach my language model at {place}. Check that it is running.",
                code="mind_unreachable",
            )
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return MindError(
                "My language model does not accept its key. Check the settings.", code="mind_key"
            )
        case openai.NotFoundError():
            return MindError(
                f"There is no model called {endpoint.model} at {place}. Check the settings.",
                code="mind_model",
            )
        case openai.RateLimitError():
            return MindError("My language model has too much to do. Ask again in a moment.", code="mind_busy")
        case openai.APIStatusError(status_code=503):
            return MindError(
                "My language model is not ready yet. Ask again in a moment.", code="mind_loading"
            )
        case openai.APIStatusError() if exc.status_code < 500:
            return MindError("My language model refused the question.", code="mind_refused")
        case _:
            return MindError("My language model has a fault of its own. Ask again.", code="mind_broken")
