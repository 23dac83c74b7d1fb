"""OpenAI's client for one endpoint, with the proxy in front of it, if any."""

from __future__ import annotations

import logging
from typing import Any, cast

import openai

from kai.adapters.openai_realtime.config import session_for
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.optional import refused_part
from kai.adapters.openai_realtime.talk import CALL_S
from kai.compat import http
from kai.core.state import Look
from kai.errors import BrainError, ConfigError
from kai.wire import realtime as wire

log = logging.getLogger(__name__)


def client_of(endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return a client that does not retry. Raises ``BrainError`` for a proxy that cannot be used."""
    try:
        return http.openai_client(endpoint.api_key, endpoint.base_url, timeout_s=CALL_S)
    except ConfigError as exc:
        raise BrainError(exc.message, code="proxy", is_retryable=False) from exc


def socket_proxy(endpoint: Endpoint) -> dict[str, Any]:
    """Return the options of ``websockets.connect`` that name the proxy. Raises ``BrainError`` for an unusable one."""
    try:
        return {"proxy": http.websocket_proxy(endpoint.base_url or http.OPENAI_URL)}
    except ConfigError as exc:
        raise BrainError(exc.message, code="proxy", is_retryable=False) from exc


async def post_offer(
    client: openai.AsyncOpenAI, endpoint: Endpoint, look: Look, offer: str, **changes: object
) -> tuple[Any, frozenset[str]]:
    """Open a call with this look's session, changed by ``changes``. Return the answer, and the parts of the session that were
    left out (see `optional`): a call that is refused for such a part is made again without it. Raises ``OpenAIError``."""
    without: frozenset[str] = frozenset()
    while True:
        session = {**wire.encode_session(session_for(look, endpoint, without)), **changes}
        try:
            answer = await client.realtime.calls.create(
                sdp=offer, session=cast("Any", session), extra_headers=endpoint.headers
            )
        except openai.APIStatusError as exc:
            said = f"{exc.param} {exc.message}"
            part = refused_part(exc.status_code, said, look.brain, endpoint, without)
            if part is None:
                raise
            log.info("a part of the session was refused", extra={"part": part})
            without |= {part}
        else:
            return answer, without
