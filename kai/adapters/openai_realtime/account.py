"""Asks an OpenAI-compatible HTTP service about its models: a free request that tests address, network and key."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import httpx2
import openai

from kai.adapters.openai_realtime import faults
from kai.adapters.openai_realtime.client import client_of
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.errors import BrainError


def ask_of_model(endpoint: Endpoint, model: str, *, within_s: float) -> dict[str, object]:
    """Return the service's data about that model, or about all models if it is empty. For threads without a loop.

    Raises ``BrainError`` with the codes ``wrong-key``, ``no-model``, ``rate-limit``, ``timeout``, ``unreachable``, ``proxy``,
    ``address`` and ``server-error``, the HTTP status in ``detail``.
    """
    return asyncio.run(_ask(endpoint, f"/models/{model}" if model else "/models", within_s))


async def _ask(endpoint: Endpoint, path: str, within_s: float) -> dict[str, object]:
    # OpenAI's client requires a key; without a real one the header is left out.
    headers = {} if endpoint.api_key else {"Authorization": openai.Omit()}
    named = replace(endpoint, api_key=endpoint.api_key or "none")
    try:
        async with asyncio.timeout(within_s), client_of(named) as client:
            answer = await client.get(path, cast_to=object, options={"headers": headers})
    except (openai.APIStatusError, openai.APIResponseValidationError) as exc:
        raise _error_of_status(exc.status_code) from exc
    except (openai.OpenAIError, TimeoutError) as exc:
        raise faults.explain(exc, endpoint.base_url) from exc
    except json.JSONDecodeError as exc:
        raise _error_of_status(200) from exc
    except (httpx2.InvalidURL, ValueError) as exc:
        raise BrainError("The address is not a valid URL.", code="address", is_retryable=False) from exc
    if not isinstance(answer, dict):
        # A proxy or a router answered with its own page instead of the service.
        raise _error_of_status(200)
    return answer


def _error_of_status(status: int) -> BrainError:
    match status:
        case 401 | 403:
            return faults.WRONG_KEY.error()
        case 404:
            return BrainError(faults.NO_ACCESS.message, code="no-model", is_retryable=False)
        case 429:
            return faults.RATE_LIMIT.error()
        case _:
            fault = faults.SERVER_ERROR
            return BrainError(fault.message, code=fault.code, detail=str(status))
