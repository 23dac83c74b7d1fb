"""Calls that a page makes with its own WebRTC. Our server posts the offer, so that the key never leaves it."""

from __future__ import annotations

from typing import Any, cast

import openai

from kai.adapters.openai_realtime import faults
from kai.adapters.openai_realtime.client import client_of
from kai.adapters.openai_realtime.config import session_for
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.optional import refused_part
from kai.core.capabilities import speaks_live
from kai.core.state import Look
from kai.wire import realtime as wire


async def open_call(endpoint: Endpoint, look: Look, offer: str) -> tuple[str, str]:
    """Open a call with our session and return ``(call id, SDP answer)``. ``offer`` is passed on unchanged. Raises
    ``BrainError``.

    The session has no tools, because a page cannot run them.
    """
    if speaks_live(endpoint.model_of(look.brain)):
        raise faults.GPT_LIVE.error()
    without: frozenset[str] = frozenset()
    async with _client(endpoint) as client:
        while True:
            session = wire.encode_session(session_for(look, endpoint, without))
            try:
                answer = await client.realtime.calls.create(
                    sdp=offer,
                    session=cast("Any", {**session, "tools": [], "tool_choice": "auto"}),
                    extra_headers=endpoint.headers,
                )
            except openai.APIStatusError as exc:
                said = f"{exc.param} {exc.message}"
                part = refused_part(exc.status_code, said, look.brain, endpoint, without)
                if part is None:
                    raise faults.explain(exc, endpoint.base_url) from exc
                without |= {part}
            except openai.OpenAIError as exc:
                raise faults.explain(exc, endpoint.base_url) from exc
            else:
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
