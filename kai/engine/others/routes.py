"""The engine's private routes for other minds.

``/kai/servers`` lists model servers, ``/kai/mind`` chooses a mind, and ``/kai/mind/trial`` tries one. ``PUT`` and trials take
``{"base_url", "model", "api_key"}``. No response contains the key.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.others.choice import Choice
from kai.engine.others.servers import PORTS, find_servers
from kai.engine.others.trial import describe, try_endpoint
from kai.wire.realtime import ClientMistake, JsonObject

URL_VARIABLE: Final = "KAI_MIND_BASE_URL"
MODEL_VARIABLE: Final = "KAI_MIND_MODEL"
KEY_VARIABLE: Final = "KAI_MIND_API_KEY"
MAX_CHARS: Final = 2_000
EXAMPLE: Final = "http://127.0.0.1:11434/v1"

ReadBody = Callable[[Request], Awaitable[JsonObject]]
"""Returns the JSON body of a request with the app's own key; raises what the engine answers with a refusal."""


def endpoint_of(body: Mapping[str, object]) -> ChatEndpoint:
    """Return the endpoint that a body names. Raises `ClientMistake`."""
    base_url, model = text_in(body, "base_url"), text_in(body, "model")
    try:
        address = urlsplit(base_url)
        is_whole = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or not base_url.isprintable():
        raise ClientMistake(
            f"The address of a mind begins with http:// or https://, as {EXAMPLE} does.", "base_url"
        )
    if not model:
        raise ClientMistake("'model' is the name by which the server knows its model.", "model")
    return ChatEndpoint(base_url, model, text_in(body, "api_key"))


def endpoint_of_environment() -> ChatEndpoint | None:
    """Return the endpoint that the environment names, if any, for an engine without an app. Raises `ClientMistake`."""
    if not os.environ.get(URL_VARIABLE):
        return None
    named = {"base_url": URL_VARIABLE, "model": MODEL_VARIABLE, "api_key": KEY_VARIABLE}
    return endpoint_of({name: os.environ.get(variable, "") for name, variable in named.items()})


def mind_routes(choice: Choice, read_body: ReadBody) -> list[Route]:
    """Return the routes for an engine with that choice."""

    async def mind(request: Request) -> Response:
        body = await read_body(request)
        if request.method == "PUT":
            await choice.choose(endpoint_of(body))
        elif request.method == "DELETE":
            await choice.clear()
        return JSONResponse(choice.to_json())

    async def trial(request: Request) -> Response:
        endpoint, server = await describe(endpoint_of(await read_body(request)))
        client = ChatClient(endpoint)
        try:
            return JSONResponse((await try_endpoint(client, endpoint, server)).to_json())
        finally:
            await client.close()

    async def servers(request: Request) -> Response:
        await read_body(request)
        wanted = request.query_params.get("ports", "").split(",")
        further = {int(port): "" for port in wanted if port.isdecimal() and 0 < int(port) < 65536}
        found = await find_servers({**further, **PORTS})
        return JSONResponse({"servers": [asdict(server) for server in found]})

    return [
        Route("/kai/servers", servers, methods=["GET"]),
        Route("/kai/mind", mind, methods=["GET", "PUT", "DELETE"]),
        Route("/kai/mind/trial", trial, methods=["POST"]),
    ]


def text_in(body: Mapping[str, object], name: str) -> str:
    """Return a body's text of that name, or "" without one. Raises `ClientMistake`."""
    value: Any = body.get(name) or ""
    if not isinstance(value, str) or len(value) > MAX_CHARS:
        raise ClientMistake(f"Invalid value for '{name}': it is a text.", name)
    return value.strip()
