"""A language model behind an OpenAI-compatible chat endpoint, as a thinker for Kai."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

from kai.compat.recent import Recent
from kai.engine.chat_client import (
    FIRST_WORD_S,
    FROZEN,
    ChatClient,
    ChatEndpoint,
    MindError,
    RequestRefused,
    explain,
)
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
)
from kai.engine.unspoken import Unspoken
from kai.engine.workers import Workers
from kai.wire.chat import AnswerEnded, AnswerFailed, CalledTool, ChatPiece, Thinking, Words
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

SLOW_S: Final = 5.0
"""After this long without a word Kai says that the model is slow, since silence would seem a fault."""
STALL_S: Final = 20.0
SETTLE_S: Final = 0.25
"""How long the first words of an unknown endpoint are held back, since they may turn out to be thoughts."""
MOST_TRIES: Final = 6
PASSAGES_TOLD: Final = 3
CALLS_KEPT: Final = 64
_QUEUED_PIECES: Final = 64


class _Slow:
    """Queued when no word has arrived for `SLOW_S`."""


_Found: TypeAlias = ChatPiece | _Slow | None
_Coming: TypeAlias = _Found | MindError | RequestRefused


class ChatThinker(Thinker):
    """A language model behind an OpenAI-compatible chat endpoint, in one talk.

    When the model fails, the person hears why, and the small mind answers if it can.
    """

    def __init__(
        self,
        endpoint: ChatEndpoint,
        client: ChatClient,
        fallback: LocalThinker,
        *,
        workers: Workers,
        library: Library | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._workers = workers
        self._library = library
        self._client = client
        self._fallback = fallback
        self._kept = Recent[str, JsonObject](CALLS_KEPT)

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        has_spoken = False
        asked, question = question, await self._with_passages(question)
        try:
            async with contextlib.aclosing(self._answer(question)) as thoughts:
                async for thought in thoughts:
                    is_silent = isinstance(thought, Said) and (thought.is_aside or not thought.text.strip())
                    has_spoken |= not is_silent
                    yield thought
        except MindError as error:
            logger.warning("the language model failed", extra={"code": error.code})
            yield Trouble(error.code, error.message)
            if not has_spoken:
                reply = await self._fallback.reply(asked)
                if reply.intent != UNKNOWN:
                    yield Said(f" {reply.text}")

    async def _with_passages(self, question: Question) -> Question:
        """Return the question with the passages of the person's files that belong to it added to the instructions."""
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

    async def _answer(self, question: Question) -> AsyncGenerator[Thought]:
        """Yield the model's thoughts; a request that the endpoint refuses is changed and repeated. Raises `MindError`."""
        for _ in range(MOST_TRIES):
            try:
                async with contextlib.aclosing(self._ask(question)) as thoughts:
                    async for thought in thoughts:
                        yield thought
            except RequestRefused as refused:
                if not self._client.learn(refused):
                    raise explain(refused.failed, self._endpoint) from refused
            except _NoRoom as exc:
                if question.max_tokens is not None or not self._client.learn_room():
                    message = "My language model thought for so long that nothing was left to say. Please ask again."
                    raise MindError(message, code="mind_cut") from exc
            else:
                return
        raise MindError("My language model refused the question.", code="mind_refused")

    async def _ask(self, question: Question) -> AsyncGenerator[Thought]:
        """Yield the thoughts of a request. Raises `MindError`, and before the first one `RequestRefused` and `_NoRoom`."""
        body = self._client.request(self._endpoint, question, self._kept)
        coming: asyncio.Queue[_Coming] = asyncio.Queue(_QUEUED_PIECES)
        reading = asyncio.create_task(self._read(body, coming), name="mind: read the model's answer")
        unspoken = Unspoken(self._client.habits.opening)
        calls: list[CalledTool] = []
        ended = AnswerEnded("none")
        has_begun = has_said = has_thought = False
        held_since: float | None = None
        loop = asyncio.get_running_loop()
        try:
            while True:
                is_settling = unspoken.is_waiting
                held_since = (held_since or loop.time()) if is_settling else None
                text = ""
                try:
                    until = None if held_since is None else held_since + SETTLE_S
                    async with asyncio.timeout_at(until):
                        piece = await self._next(coming, has_begun=has_begun)
                except TimeoutError:
                    text = unspoken.release()
                else:
                    match piece:
                        case None:
                            break
                        case _Slow():
                            if not has_begun:
                                yield Said("One moment, my language model is still thinking. ", is_aside=True)
                        case AnswerFailed():
                            if has_said or calls:
                                raise explain(piece, self._endpoint)
                            raise RequestRefused(piece, body)
                        case AnswerEnded():
                            ended = piece
                        case CalledTool():
                            has_begun = True
                            calls.append(piece)
                        case Words():
                            has_begun = True
                            text = unspoken.push(piece.text)
                        case Thinking():
                            has_thought = True
                if text:
                    has_said |= bool(text.strip())
                    yield Said(text)
        finally:
            reading.cancel()
            await asyncio.wait([reading])
        if text := unspoken.flush():
            has_said |= bool(text.strip())
            yield Said(text)
        self._client.learn_opening(unspoken)
        names = {tool.get("name") for tool in question.tools}
        calls += [CalledTool("", call.name, call.arguments) for call in unspoken.calls if call.name in names]
        for thought in self._named_calls(calls, question, ended):
            yield thought
        if not has_said and not calls:
            if ended.reason == "length" and (has_thought or unspoken.has_thought):
                raise _NoRoom
            if ended.reason == "content_filter":
                raise explain(AnswerFailed("content_filter"), self._endpoint)
            raise MindError("My language model gave an empty answer. Please ask again.", code="mind_empty")
        yield Finished(ended.reason, ended.completion_tokens, ended.tokens_per_s)

    def _named_calls(self, calls: list[CalledTool], question: Question, ended: AnswerEnded) -> list[ToolCall]:
        """Return the calls, each with an id unique in the talk, and keep the fields that the endpoint wants back."""
        known = {item.call_id for item in question.items if item.type == "function_call"}
        named: list[ToolCall] = []
        for call in calls:
            call_id = call.call_id
            if not call_id or call_id in known:
                call_id = f"call_{secrets.token_hex(8)}"
            known.add(call_id)
            kept: dict[str, Any] = dict(call.extra)
            if ended.reasoning_content and not named:
                kept[""] = {"reasoning_content": ended.reasoning_content}
            if kept:
                self._kept[call_id] = kept
            named.append(ToolCall(call_id, call.name, call.arguments))
        return named

    async def _next(self, coming: asyncio.Queue[_Coming], *, has_begun: bool) -> _Found:
        """Return the next piece, or ``None`` at the end. Raises `MindError` and `RequestRefused`."""
        patience_s = STALL_S if has_begun else FIRST_WORD_S
        try:
            async with asyncio.timeout(patience_s):
                found = await coming.get()
        except TimeoutError as exc:
            message = (
                "My language model stopped in the middle of its answer."
                if has_begun
                else f"My language model did not answer within {FIRST_WORD_S:.0f} seconds. A smaller one may be faster."
            )
            raise MindError(message, code="mind_slow") from exc
        if isinstance(found, MindError | RequestRefused):
            raise found
        return found

    async def _read(self, body: JsonObject, coming: asyncio.Queue[_Coming]) -> None:
        """Puts the answer's pieces into the queue, then ``None`` or the error that ended the answer."""
        heard = asyncio.Event()
        watching = asyncio.create_task(self._watch(coming, heard), name="mind: watch a silent model")
        try:
            async with contextlib.aclosing(self._client.stream(body)) as pieces:
                async for piece in pieces:
                    heard.set()
                    await coming.put(piece)
            await coming.put(None)
        except (MindError, RequestRefused) as exc:
            await coming.put(exc)
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self, coming: asyncio.Queue[_Coming], heard: asyncio.Event) -> None:
        """Excuse a model that has no word after `SLOW_S`; give its server up when that is silent and shows no other life."""
        loop = asyncio.get_running_loop()
        excused_s = loop.time() + SLOW_S
        while True:
            heard.clear()
            is_silent = False
            try:
                async with asyncio.timeout(SLOW_S):
                    await heard.wait()
            except TimeoutError:
                is_silent = True
            if loop.time() >= excused_s:
                excused_s = math.inf
                await coming.put(_Slow())
            if is_silent and not await self._client.is_alive() and not heard.is_set():
                await coming.put(MindError(FROZEN, code="mind_frozen"))
                return


class _NoRoom(Exception):
    """Raised when the model used up its tokens before the first word."""
