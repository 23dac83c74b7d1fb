"""One request to the local engine's private routes, as every part of the app sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from kai.compat import http
from kai.errors import EngineError


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """The URL of a running engine, and the key to it, which is made for this run and known to nobody else."""

    realtime_url: str
    key: str = field(repr=False)


async def ask_engine(
    address: EngineAddress,
    method: str,
    path: str,
    *,
    timeout_s: float,
    body: Mapping[str, object] | None = None,
    content: bytes | None = None,
) -> bytes:
    """Send a request, with ``body`` as JSON or with ``content`` as it is, and return the answer's content.

    Raises ``EngineError``: with the code "engine-lost" if no answer comes, and with "engine-<status>" and the engine's own
    words if it refuses.
    """
    url = f"{address.realtime_url.removesuffix('/v1')}{path}"
    headers = {"Authorization": f"Bearer {address.key}"}
    try:
        async with http.async_client(url, timeout=timeout_s) as client:
            answer = await client.request(method, url, json=body, content=content, headers=headers)
    except httpx.HTTPError as exc:
        raise EngineError(
            "The local engine does not answer. Try again in a moment.", code="engine-lost"
        ) from exc
    if answer.is_error:
        raise EngineError(_words_of(answer), code=f"engine-{answer.status_code}", is_retryable=False)
    return answer.content


def _words_of(answer: httpx.Response) -> str:
    try:
        body: Any = answer.json()
        return str(body["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"The local engine refused ({answer.status_code})."
