"""``GET /api/model`` returns the content of the language model's strip; ``POST`` fetches the model or stops fetching."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.app import App
from kai.errors import KaiError
from kai.ui import model_texts, texts
from kai.ui.address import is_bound_to_loopback
from kai.ui.model import WISHES, strip
from kai.ui.routes import Refused, find_app, find_browser, read_json

CALL_S: Final = 10.0


async def _model(request: Request) -> Response:
    try:
        find_browser(request)
        app = find_app()
        is_home = is_bound_to_loopback()
        if request.method == "POST":
            wish = (await read_json(request)).get("wish")
            if wish not in WISHES:
                raise Refused(400, "wish", texts.ERROR_WISH)
            if not is_home:
                raise Refused(403, "home", model_texts.ERROR_MODEL_HOME)
            await _change(app, str(wish))
        shown = strip(app.services().engine.model, is_home=is_home)
    except Refused as refused:
        return refused.response()
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


async def _change(app: App, wish: str) -> None:
    try:
        async with asyncio.timeout(CALL_S):
            await asyncio.wrap_future(app.hub.submit(app.change_model(wish)))
    except KaiError as error:
        status = 404 if error.code == "engine-404" else 503
        raise Refused(status, error.code, error.message) from error
    except TimeoutError as error:
        raise Refused(504, "timeout", texts.ERROR_STARTING) from error


def routes() -> list[Route]:
    """Return the route of this module."""
    return [Route("/api/model", _model, methods=["GET", "POST"])]
