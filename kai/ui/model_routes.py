"""``GET /api/model`` returns the content of the language model's strip; ``POST`` fetches the model or stops fetching."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.ui import model_texts, texts
from kai.ui.address import is_bound_to_loopback
from kai.ui.model import WISHES, strip
from kai.ui.routes import Refused, find_app, find_browser, on_kais_loop, read_json, route

CALL_S: Final = 10.0


async def _model(request: Request) -> Response:
    find_browser(request)
    app = find_app()
    is_home = is_bound_to_loopback()
    if request.method == "POST":
        wish = (await read_json(request)).get("wish")
        if wish not in WISHES:
            raise Refused(400, "wish", texts.ERROR_WISH)
        if not is_home:
            raise Refused(403, "home", model_texts.ERROR_MODEL_HOME)
        await on_kais_loop(app, app.change_model(str(wish)), CALL_S, {"engine-404": 404})
    shown = strip(app.services().engine.model, is_home=is_home)
    return JSONResponse(shown, headers={"Cache-Control": "no-store"})


def routes() -> list[Route]:
    """Return the route of this module."""
    return [route("/api/model", _model, "GET", "POST")]
