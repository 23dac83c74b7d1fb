"""A stand-in of a model server that answers with a real model: ``python -m tests.support.real_mind ollama [--port N]``.

Kai's own language model thinks, in a process as Kai's engine runs it; routes, refusals and the shape of the stream are those
of that kind of server (`tests.support.model_servers`). Prints one line of JSON with its address and model, and ends when
standard input closes. The bench judges a mind behind it by the same prompts as Kai's own:

    KAI_MIND=none KAI_MIND_BASE_URL=<base_url> KAI_MIND_MODEL=<model> python -m kai.bench mind
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kai.engine.chat_client import ChatClient
from kai.engine.llm.model import Model, ModelHost
from kai.wire.chat import Words
from tests.support.language_model import require_model
from tests.support.model_servers import KINDS, ModelServer, provider_of, serving_kind

LOADED_S = 120


@asynccontextmanager
async def thinking_model(path: Path) -> AsyncIterator[Model]:
    """Kai's own model in the file, running."""
    host = ModelHost()
    try:
        await host.run(path, "own")
        async with asyncio.timeout(LOADED_S):
            while host.model is None:
                assert not host.problem, host.problem
                await asyncio.sleep(0.05)
        yield host.model
    finally:
        await host.aclose()


async def answer(client: ChatClient, model: Model, body: dict[str, Any]) -> AsyncIterator[str]:
    """The model's words for what a server was asked, sampled as the model is in Kai."""
    asked = {"model": model.name, "messages": body["messages"], "stream": True, **model.endpoint.extra}
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    async with contextlib.aclosing(client.stream({**asked, "max_tokens": limit})) as pieces:
        async for piece in pieces:
            if isinstance(piece, Words) and piece.text:
                yield piece.text


@asynccontextmanager
async def serving_model(path: Path, name: str, port: int = 0) -> AsyncIterator[ModelServer]:
    """A server of the kind of that name, with the model behind it."""
    kind = next(each for each in KINDS if each.kind == name)
    async with thinking_model(path) as model:

        def think(body: dict[str, Any]) -> AsyncIterator[str]:
            return answer(model.client, model, body)

        async with serving_kind(kind, port=port, provider=provider_of(kind), think=think) as server:
            yield server


async def main(name: str, port: int) -> None:
    """Serve until standard input closes."""
    async with serving_model(require_model(), name, port) as server:
        print(json.dumps({"base_url": server.chat.base_url, "model": server.kind.models[0]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=[kind.kind for kind in KINDS])
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(main(given.name, given.port))
