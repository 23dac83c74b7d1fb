"""OpenAI's client for one endpoint, with the proxy in front of it, if any."""

from __future__ import annotations

from typing import Any

import openai

from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.talk import CALL_S
from kai.compat import http
from kai.errors import BrainError, ConfigError


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
