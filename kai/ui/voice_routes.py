"""``GET /api/voices/{id}/preview``: a sentence by a voice of the local engine, as a WAV file, for the sidebar."""

from __future__ import annotations

import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kai.ui import texts
from kai.ui.routes import Refused, find_app, find_browser, on_kais_loop, route

CALL_S: Final = 40.0
_VOICE_ID: Final = re.compile(r"[a-z]{1,20}(:[+-][0-3]:[+-][0-3])?")
_STATUS: Final = {"engine-404": 404, "engine-409": 409}


async def _preview(request: Request) -> Response:
    find_browser(request)
    app = find_app()
    voice_id = request.path_params["voice_id"]
    if not _VOICE_ID.fullmatch(voice_id):
        raise Refused(404, "no-voice", texts.ERROR_NO_VOICE)
    try:
        speed = min(1.5, max(0.5, float(request.query_params.get("speed", "1"))))
    except ValueError:
        raise Refused(400, "speed", texts.ERROR_WISH) from None
    sound = await on_kais_loop(app, app.preview_voice(voice_id, speed), CALL_S, _STATUS)
    return Response(sound, media_type="audio/wav", headers={"Cache-Control": "private, max-age=3600"})


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [route("/api/voices/{voice_id}/preview", _preview)]
