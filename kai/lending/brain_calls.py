"""Calls that a page makes with its own WebRTC. Our server posts the offer, so that the key never leaves it."""

from __future__ import annotations

import openai

from kai.adapters.openai_realtime import faults
from kai.adapters.openai_realtime.client import client_of, post_offer
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.core.capabilities import speaks_live
from kai.core.state import Look


async def open_call(endpoint: Endpoint, look: Look, offer: str) -> tuple[str, str]:
    """Open a call with our session and return ``(call id, SDP answer)``. ``offer`` is passed on unchanged. Raises
    ``BrainError``.

    The session has no tools, because a page cannot run them.
    """
    if speaks_live(endpoint.model_of(look.brain)):
        raise faults.GPT_LIVE.error()
    async with _client(endpoint) as client:
        try:
            answer, _ = await post_offer(client, endpoint, look, offer, tools=[], tool_choice="auto")
        except openai.OpenAIError as exc:
            raise faults.explain(exc, endpoint.base_url) from exc
    return answer.response.headers.get("location", "").rsplit("/", 1)[-1], answer.text


async def hang_up(endpoint: Endpoint, call_id: str) -> None:
    """End that call, unless it is already over. Raises ``BrainError`` if the call may still be running."""
    async with _client(endpoint) as client:
        try:
            await client.realtime.calls.hangup(call_id)
        except openai.NotFoundError:
            return
        except openai.OpenAIError as exc:
            raise faults.explain(exc, endpoint.base_url) from exc


def _client(endpoint: Endpoint) -> openai.AsyncOpenAI:
    if not endpoint.api_key:
        raise faults.NO_KEY.error()
    return client_of(endpoint)
