"""``/api/recordings/...``: a past talk's sound and its captions, for the History page.

The routes are guarded like those of a talk: a visitor who may read a talk may also hear it. Files are served from disk, in
HTTP ranges.
"""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from kai.errors import KaiError
from kai.records.exports import as_webvtt
from kai.records.memory import Memory, owner_of
from kai.records.recording import Stretch
from kai.records.turns import TalkRecord
from kai.ui import address, names, texts
from kai.ui.host import COOKIE_NAME
from kai.ui.routes import Refused, check_host, find_app, route

_PRIVATE = {"Cache-Control": "private, no-store"}


def sound_url(stretch: Stretch) -> str:
    """Return the URL of the sound of that part of a talk. It contains the length, so that a browser does not use its cached
    copy of a shorter recording."""
    return address.at(f"/api/recordings/{stretch.talk_id}/{stretch.start_ms}.ogg?{stretch.lasts_ms}")


def captions_url(stretch: Stretch) -> str:
    """Return the URL of the captions for that sound."""
    return address.at(f"/api/recordings/{stretch.talk_id}/{stretch.start_ms}.vtt?{stretch.lasts_ms}")


async def sound(request: Request) -> Response:
    """``GET /api/recordings/{talk_id}/{start_ms}.ogg``."""
    memory, record = await asyncio.to_thread(_find, request)
    path = memory.recordings.path_of(record.id, int(request.path_params["start_ms"]))
    if path is None:
        raise Refused(404, "no-recording", texts.ERROR_NO_RECORDING)
    return FileResponse(
        path,
        media_type="audio/ogg",
        headers=_PRIVATE,
        filename=f"kai-{path.name}",
        content_disposition_type="inline",
    )


async def captions(request: Request) -> Response:
    """``GET /api/recordings/{talk_id}/{start_ms}.vtt``: captions, timed from the start of that part."""
    memory, record = await asyncio.to_thread(_find, request)
    start_ms = int(request.path_params["start_ms"])
    stretches = await asyncio.to_thread(memory.recordings.of_talk, record.id)
    stretch = next((s for s in stretches if s.start_ms == start_ms), None)
    if stretch is None:
        raise Refused(404, "no-recording", texts.ERROR_NO_RECORDING)
    text = as_webvtt(record, who=names.speaker, from_ms=start_ms, to_ms=start_ms + stretch.lasts_ms)
    return Response(text, media_type="text/vtt", headers=_PRIVATE)


def _find(request: Request) -> tuple[Memory, TalkRecord]:
    check_host(request)
    memory = find_app().memory
    if memory.log is None:
        raise Refused(503, "starting", texts.ERROR_STARTING)
    me = owner_of(request.cookies.get(COOKIE_NAME, ""))
    owner = None if address.is_bound_to_loopback() else me
    try:
        record = memory.log.read(str(request.path_params["talk_id"]), owner, present_of=me)
    except KaiError as error:
        raise Refused(503, error.code, error.message) from error
    if record is None:
        raise Refused(404, "no-recording", texts.ERROR_NO_RECORDING)
    return memory, record


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        route("/api/recordings/{talk_id}/{start_ms:int}.ogg", sound),
        route("/api/recordings/{talk_id}/{start_ms:int}.vtt", captions),
    ]
