"""``GET /api/voices/{id}/preview``: a sentence by a voice of the local engine, as a WAV file, for the sidebar."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kai.errors import KaiError
from kai.ui import texts
from kai.ui.routes import Refused, find_app, find_browser

CALL_S: Final = 40.0
_VOICE_ID: Final = re.compile(r"[a-z]{1,20}(:[+-][0-3]:[+-][0-3])?")
_STATUS: Final = {"engine-404": 404, "engine-409": 409}


async def _preview(request: Request) -> Response:
    try:
        return await _served(request)
    except Refused as refused:
        return refused.response()


async def _served(request: Request) -> Response:
    find_browser(request)
    app = find_app()
    voice_id = request.path_params["voice_id"]
    if not _VOICE_ID.fullmatch(voice_id):
        raise Refused(404, "no-voice", texts.ERROR_NO_VOICE)
    try:
        speed = min(1.5, max(0.5, float(request.query_params.get("speed", "1"))))
    except ValueError:
        raise Refused(400, "speed", texts.ERROR_WISH) from None
    try:
        future = app.hub.submit(app.preview_voice(voice_id, speed))
        async with asyncio.timeout(CALL_S):
            sound = await asyncio.wrap_future(future)
    except KaiError as error:
        raise Refused(_STATUS.get(error.code, 503), error.code, error.message) from error
    except TimeoutError as error:
        raise Refused(504, "timeout", texts.ERROR_STARTING) from error
    return Response(sound, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [Route("/api/voices/{voice_id}/preview", _preview, methods=["GET"])]
