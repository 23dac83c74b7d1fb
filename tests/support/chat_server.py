"""A small OpenAI-compatible chat server on a real port: it streams what a test wrote down, and remembers the questions.

With a `Provider` it refuses and streams as that one does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.support.chat_providers import Provider
from tests.support.prompt_server import serving

HOLD = "\0"
"""In the pieces of an answer: wait until the test sets `ChatServer.go_on`."""
CUT = "\1"
"""In the pieces of an answer: the connection ends here, as that of a process that was killed."""


@dataclass
class ChatServer:
    """`pieces` are the answer's deltas: text, `HOLD`, or a dict that is a whole delta (a tool call).

    `raw` is sent in their place, as it is. With `think`, a model answers each question: what it yields are the deltas.
    """

    pieces: list[Any] = field(default_factory=lambda: ["Hello. ", "I am a model."])
    status: int = 200
    provider: Provider | None = None
    raw: list[bytes] | None = None
    think: Callable[[dict[str, Any]], AsyncIterator[str]] | None = None
    error: Any = field(default_factory=lambda: {"error": {"message": "secret text of the server"}})
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: list[Any] = field(default_factory=list[Any])
    keys: list[str] = field(default_factory=list[str])
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def answer(self, request: Request) -> Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization", ""))
        if self.status != 200:
            return JSONResponse(self.error, status_code=self.status)
        if self.raw is not None:
            return StreamingResponse(iter(self.raw), media_type="text/event-stream")
        if self.provider is not None:
            if (refusal := self.provider.refuse(self.asked[-1])) is not None:
                self.refused.append(refusal[1])
                return JSONResponse(refusal[1], status_code=refusal[0])
            if self.think is not None:
                return StreamingResponse(
                    self._thought(self.think(self.asked[-1]), self.provider), media_type="text/event-stream"
                )
            return StreamingResponse(
                iter(self.provider.stream(deepcopy(self.pieces))), media_type="text/event-stream"
            )
        return StreamingResponse(self._stream(), media_type="text/event-stream")

    async def _thought(self, deltas: AsyncIterator[str], provider: Provider) -> AsyncIterator[str]:
        """The model's words in the provider's shape: each as it comes, or the whole where it is given as a whole."""
        end = provider.stream([])
        if len(provider.stream(["a", "b"])) == len(end) + 2:
            async for delta in deltas:
                yield provider.stream([delta])[0]
            for event in end:
                yield event
        else:
            for event in provider.stream([delta async for delta in deltas]):
                yield event

    async def _stream(self) -> AsyncIterator[str]:
        try:
            for piece in self.pieces:
                if piece == HOLD:
                    self.held.set()
                    await self.go_on.wait()
                    continue
                if piece == CUT:
                    raise ConnectionAbortedError
                delta = piece if isinstance(piece, dict) else {"role": "assistant", "content": piece}
                yield self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
            yield self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            yield "data: [DONE]\n\n"
        except asyncio.CancelledError:
            self.left.set()
            raise

    def _event(self, body: dict[str, Any]) -> str:
        whole = {"id": "chat-1", "object": "chat.completion.chunk", "created": 0, "model": "small", **body}
        return f"data: {json.dumps(whole)}\n\n"


@asynccontextmanager
async def serving_chat(
    server_given: ChatServer | None = None, *, routes: Sequence[Route] = (), **given: Any
) -> AsyncIterator[ChatServer]:
    """A chat server that runs until the block ends, at its ``port`` where one is set; ``routes`` stand beside the chat's."""
    chat = server_given or ChatServer(**given)
    app = Starlette(routes=[Route("/v1/chat/completions", chat.answer, methods=["POST"]), *routes])
    async with serving(app, chat.port, lifespan="off") as chat.port:
        try:
            yield chat
        finally:
            chat.go_on.set()
