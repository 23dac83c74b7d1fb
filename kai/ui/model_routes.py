"""``GET /api/model``: what the strip of the language model shows. ``POST``: fetch it, from its maker, or stop that."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine
from typing import Any, Final, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.errors import KaiError
from kai.ui import host, texts
from kai.ui.address import is_bound_to_loopback
from kai.ui.host import COOKIE_NAME
from kai.ui.model import WISHES, strip
from kai.ui.routes import Refused, check_host, read_json

CALL_S: Final = 10.0


class HubWithModel(Protocol):
    """A hub that can fetch the local brain's language model."""

    def change_model(self, wish: str) -> Coroutine[Any, Any, None]: ...
    def submit(self, work: Coroutine[Any, Any, None]) -> concurrent.futures.Future[None]: ...


async def _model(request: Request) -> Response:
    try:
        check_host(request)
        if not request.cookies.get(COOKIE_NAME):
            raise Refused(403, "no-page", texts.ERROR_NO_TALK)
        hub = host.current_hub()
        if hub is None:
            raise Refused(503, "starting", texts.ERROR_STARTING)
        is_home = is_bound_to_loopback()
        if request.method == "POST":
            wish = (await read_json(request)).get("wish")
            if wish not in WISHES:
                raise Refused(400, "wish", texts.ERROR_WISH)
            if not is_home:
                raise Refused(403, "home", texts.ERROR_MODEL_HOME)
            await _change(cast("HubWithModel", hub), str(wish))
        shown = strip(hub.services().model, is_home=is_home)
    except Refused as refused:
        return refused.response()
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


async def _change(hub: HubWithModel, wish: str) -> None:
    try:
        async with asyncio.timeout(CALL_S):
            await asyncio.wrap_future(hub.submit(hub.change_model(wish)))
    except KaiError as error:
        status = 404 if error.code == "engine-404" else 503
        raise Refused(status, error.code, error.message) from error
    except TimeoutError as error:
        raise Refused(504, "timeout", texts.ERROR_STARTING) from error


def routes() -> list[Route]:
    """The route of the language model."""
    return [Route("/api/model", _model, methods=["GET", "POST"])]
