"""Tells the local engine what to think with, by its private route: nothing of it stands in a command line."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from kai.adapters.engine_process import EngineAddress
from kai.errors import BrainError

MIND_ID = "mind"
PUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Mind:
    """A language model behind an OpenAI-compatible chat endpoint."""

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)


async def give_mind(address: EngineAddress, mind: Mind) -> str:
    """Makes `mind` known to the engine, which may have forgotten it with its last life; the model name of calls that want
    it. Raises `BrainError`."""
    url = f"{address.realtime_url.removesuffix('/v1')}/kai/minds/{MIND_ID}"
    body = {"base_url": mind.base_url, "model": mind.model, "api_key": mind.api_key}
    headers = {"Authorization": f"Bearer {address.key}"}
    try:
        # The engine is on this computer: no proxy has a part in it.
        async with httpx.AsyncClient(timeout=PUT_S, trust_env=False) as client:
            answer = await client.put(url, json=body, headers=headers)
    except httpx.HTTPError as exc:
        raise BrainError(
            "The local engine does not answer. It is being started again.", code="engine-lost"
        ) from exc
    if answer.status_code == 400:
        raise BrainError(
            "The language model's address or name cannot be used. Check KAI_MIND_BASE_URL and KAI_MIND_MODEL.",
            code="mind-wrong",
            is_retryable=False,
        )
    if answer.is_error:
        raise BrainError(f"The local engine refused its mind ({answer.status_code}).", code="mind-refused")
    return f"kai-{MIND_ID}"
