"""The engine in its scripted mode, a brain that talks to it, and every event that it sends held to the reference's types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.openai_realtime.talk import RealtimeTalk
from kai.bench import part
from tests.support.engine import RunningEngine

STRICT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def scripted(engine: RunningEngine, key: str | None = None, **script: Any) -> Endpoint:
    """Where a brain meets that script."""
    endpoint = part.scripted(engine.url, engine.key, **script)
    return replace(endpoint, api_key=key or engine.key)


def as_cloud(endpoint: Endpoint, **more: Any) -> Endpoint:
    """The same, taken for a billed one."""
    return replace(endpoint, is_billed=True, **more)


BRAINS = {"webrtc": OpenAIRealtimeBrain, "websocket": OpenAISocketBrain}


@pytest.fixture(autouse=True)
def validated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every message that a brain was sent in the test; each must be what the ``openai`` package's types say, strictly.

    Only ``test.*`` are left out: events that a script made up.
    """
    messages: list[str] = []
    take = RealtimeTalk._take

    def taking(self: RealtimeTalk, message: str | bytes) -> None:
        messages.append(message if isinstance(message, str) else message.decode())
        take(self, message)

    monkeypatch.setattr(RealtimeTalk, "_take", taking)
    yield messages
    for message in messages:
        if not json.loads(message)["type"].startswith("test."):
            STRICT.validate_json(message, strict=True)
