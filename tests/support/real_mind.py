"""A stand-in of a model server that answers with a real model: ``python -m tests.support.real_mind ollama``.

Kai's own language model thinks, in a process as Kai's engine runs it; routes, refusals and the shape of the stream are those
of that kind of server (`tests.support.model_servers`). Prints one line of JSON with its address and model, and ends when
standard input closes. The bench judges a mind behind it by the same prompts as Kai's own:

    KAI_MIND=none KAI_MIND_BASE_URL=<base_url> KAI_MIND_MODEL=<model> python -m kai.bench mind

``KAI_MIND`` names another file than Kai's own model for the stand-in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from kai.engine.chat_client import ChatClient
from kai.engine.llm.model import SPARE_SLOT, Model, ModelHost
from kai.wire.chat import Words
from tests.support.language_model import require_model
from tests.support.model_servers import KINDS, ModelServer, ServerKind, provider_of, serving_kind

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
        # Nobody talks with it under the rules of Kai's own mind, so it need not read them ahead.
        assert host._warming is not None
        host._warming.cancel()
        yield host.model
    finally:
        await host.aclose()


async def answer(client: ChatClient, model: Model, body: dict[str, Any], pace_s: float) -> AsyncIterator[str]:
    """The model's words for what a server was asked, sampled as the model is in Kai, each ``pace_s`` after the last one."""
    asked = {"model": model.name, "messages": body["messages"], "stream": True, **model.endpoint.extra}
    # As in Ollama, one request at a time, which begins where the last one has left the cache.
    asked["id_slot"] = SPARE_SLOT
    limit = body.get("max_tokens") or body.get("max_completion_tokens")
    async with contextlib.aclosing(client.stream({**asked, "max_tokens": limit})) as pieces:
        async for piece in pieces:
            if isinstance(piece, Words) and piece.text:
                yield piece.text
                await asyncio.sleep(pace_s)


def called(kind: ServerKind, name: str) -> ServerKind:
    """The kind with its first model under another name."""
    told = json.dumps(kind.answers).replace(json.dumps(kind.models[0]), json.dumps(name))
    return replace(kind, answers=json.loads(told), models=(name, *kind.models[1:]))


@asynccontextmanager
async def serving_model(
    path: Path, kind: ServerKind, port: int = 0, pace_s: float = 0.0
) -> AsyncIterator[ModelServer]:
    """A server of that kind, with the model behind it."""
    async with thinking_model(path) as model:

        def think(body: dict[str, Any]) -> AsyncIterator[str]:
            return answer(model.client, model, body, pace_s)

        async with serving_kind(kind, port=port, provider=provider_of(kind), think=think) as server:
            yield server


async def main(kind: ServerKind, port: int, pace_s: float) -> None:
    """Serve until standard input closes."""
    async with serving_model(require_model(), kind, port, pace_s) as server:
        print(json.dumps({"base_url": server.chat.base_url, "model": server.kind.models[0]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    by_name = {kind.kind: kind for kind in KINDS}
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=by_name)
    parser.add_argument("--called", metavar="NAME", help="the name of its model in place of the usual one")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two pieces of an answer")
    given = parser.parse_args()
    chosen = by_name[given.kind]
    chosen = called(chosen, given.called) if given.called else chosen
    asyncio.run(main(chosen, given.port, given.pace))
