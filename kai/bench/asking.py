"""A typed talk with the engine over the Realtime protocol, like the app's but with answers in text.

The session is the one that the app sends: its default look, its tools, the prompt's instructions. Only the modality differs,
so that the mind is measured separately from the voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from kai.adapters.openai_realtime.config import session_for
from kai.bench.part import MODEL, RunningEngine
from kai.core.state import Look
from kai.engine.others.routes import MODEL_VARIABLE
from kai.engine.thinking import ToolCall
from kai.errors import BrainError
from kai.runtime.tools import first_tools
from kai.wire import realtime as wire

ANSWER_S: Final = 60.0
REFLEX: Final = "small mind"
MIND_FIELD: Final = "kai_mind"
"""The field of a response's metadata with the mind that answered: the small one, or a model by its name."""
SPEED_FIELD: Final = "kai_tokens_per_s"
MIND_LOADS_S: Final = 45
PROBE: Final = "Why do cats purr?"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its words, its mind, the time to its first word and to its end, and the tools that it requested."""

    text: str
    mind: str
    first_word_s: float | None
    took_s: float
    tokens_per_s: float | None = None
    calls: tuple[ToolCall, ...] = ()


class TypedTalk:
    """One conversation with the engine. Made by `typed_talk`."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self._connection = connection

    async def ask(self, text: str) -> Answer:
        """Send these words and return Kai's answer. Raises `BrainError` when the answer fails, and `TimeoutError`."""
        await self._connection.conversation.item.create(
            item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        )
        return await self._answer()

    async def tell_result(self, call: ToolCall, output: str) -> Answer:
        """Send a tool's result and return Kai's answer."""
        await self._connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": output}
        )
        return await self._answer()

    async def _answer(self) -> Answer:
        begun_s = time.perf_counter()
        first_word_s: float | None = None
        text = ""
        calls: list[ToolCall] = []
        await self._connection.response.create()
        async with asyncio.timeout(ANSWER_S):
            async for event in self._connection:
                match event.type:
                    case "response.output_text.delta":
                        first_word_s = first_word_s or time.perf_counter() - begun_s
                        text += event.delta
                    case "response.function_call_arguments.done":
                        calls.append(ToolCall(event.call_id, event.name or "", event.arguments))
                    case "response.done":
                        return _answer_of(
                            event.response, text, tuple(calls), first_word_s, time.perf_counter() - begun_s
                        )
                    case "error":
                        raise BrainError(f"The engine refused: {event.error.message}")
                    case _:
                        pass
        raise BrainError("The engine closed the connection in the middle of an answer.")


def _answer_of(
    response: Any, text: str, calls: tuple[ToolCall, ...], first_word_s: float | None, took_s: float
) -> Answer:
    if response.status != "completed":
        raise BrainError(f"An answer ended as {response.status}.")
    metadata = response.metadata or {}
    names = {item.call_id: item.name for item in response.output or () if item.type == "function_call"}
    named = tuple(replace(call, name=call.name or names.get(call.call_id, "")) for call in calls)
    speed = metadata.get(SPEED_FIELD)
    return Answer(
        text.strip(),
        metadata.get(MIND_FIELD, REFLEX),
        first_word_s,
        took_s,
        None if speed is None else float(speed),
        named,
    )


@contextlib.asynccontextmanager
async def typed_talk(engine: RunningEngine, instructions: str = "") -> AsyncGenerator[TypedTalk]:
    """Open a new conversation with the session that the app sends, and these instructions."""
    client = openai.AsyncOpenAI(api_key=engine.key, base_url=engine.url, max_retries=0)
    tools: Sequence[dict[str, object]] = first_tools().schemas()
    endpoint = replace(engine.endpoint(), tools=tuple(tools))
    session = replace(session_for(Look(instructions=instructions), endpoint), output_modalities=("text",))
    async with client, client.realtime.connect(model=MODEL) as connection:
        # The client's types have fewer fields than the protocol's object, which is sent as it is.
        update: Any = {"type": "session.update", "session": wire.encode_session(session)}
        await connection.send(update)
        yield TypedTalk(connection)


async def wait_mind(engine: RunningEngine) -> str:
    """Return the mind that answers what the reflex cannot, once it has loaded: the model that the environment names, if it
    names one, or else Kai's own; the small mind if neither comes."""
    chosen = os.environ.get(MODEL_VARIABLE, "")
    for _ in range(MIND_LOADS_S):
        # A talk of its own each time, or a slow model would have all earlier probes to read before it answers the next one.
        async with typed_talk(engine) as talk:
            answer = await talk.ask(PROBE)
        if answer.mind == chosen or (answer.mind != REFLEX and not chosen):
            return answer.mind
        await asyncio.sleep(1.0)
    return REFLEX
