"""``/api/minds``: which mind answers, which others exist, and a person's wishes about them.

``GET`` returns the state of the chosen mind and searches nothing. ``POST`` takes a wish: ``find`` looks for servers on this
computer, ``try`` asks one question, ``choose`` switches to a mind, ``own`` goes back to Kai's own; ``files`` and ``file``
concern models to fetch. Only this computer's own pages may use the route.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.adapters.other_minds import Json, MindDesk, OtherMind
from kai.errors import KaiError
from kai.ui import model_texts, texts
from kai.ui.address import is_bound_to_loopback
from kai.ui.mind_texts import NEEDS_ADDRESS
from kai.ui.routes import Refused, find_app, find_browser, on_kais_loop, read_json, route

CALL_S: Final = 210.0
MAX_CHARS: Final = 1_000
_FILE_ID: Final = re.compile(r"[a-z0-9.-]{1,60}")
FILE_WISHES: Final = frozenset({"fetch", "pause", "delete", "on"})


async def _minds(request: Request) -> Response:
    find_browser(request)
    app = find_app()
    if app.minds is None:
        raise Refused(404, "no-minds", texts.ERROR_WISH)
    if not is_bound_to_loopback():
        raise Refused(403, "home", model_texts.ERROR_MODEL_HOME)
    body = await read_json(request) if request.method == "POST" else {"wish": "status"}
    told = await on_kais_loop(app, _do(app.minds, body), CALL_S, {"engine-400": 400})
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


async def _do(minds: MindDesk, body: dict[str, Any]) -> Json:
    match body.get("wish"):
        case "status":
            return {"chosen": await minds.status()}
        case "find":
            servers, chosen = await asyncio.gather(minds.find(), minds.status())
            return {"servers": servers, "chosen": chosen}
        case "try":
            return {"trial": await minds.try_it(_mind_of(body))}
        case "choose":
            return {"chosen": await minds.choose(_mind_of(body))}
        case "files":
            return {"files": await minds.files()}
        case "file":
            model_id, do = (str(body.get(name))[:MAX_CHARS] for name in ("id", "do"))
            if do not in FILE_WISHES or not _FILE_ID.fullmatch(model_id):
                raise KaiError(texts.ERROR_WISH, code="engine-400")
            files = await minds.change_file(model_id, do)
            return {"files": files, "chosen": await minds.status()}
        case "own":
            return {"chosen": await minds.choose(OtherMind())}
        case _:
            raise KaiError(texts.ERROR_WISH, code="engine-400")


def _mind_of(body: dict[str, Any]) -> OtherMind:
    """Return the mind that the request describes. Raises ``KaiError``."""
    given = [body.get(name) or "" for name in ("url", "model", "key")]
    if not all(isinstance(value, str) and len(value) <= MAX_CHARS for value in given):
        raise KaiError(texts.ERROR_WISH, code="engine-400")
    url, model, key = (value.strip() for value in given)
    if not url:
        raise KaiError(NEEDS_ADDRESS, code="engine-400")
    return OtherMind(url, model, SecretStr(key))


def routes() -> list[Route]:
    """Return the route of this module."""
    return [route("/api/minds", _minds, "GET", "POST")]
