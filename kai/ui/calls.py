"""``POST /api/openai-call``: a page opens its own call to the brain, SDP offer in, SDP answer out, without seeing a key.

A page first asks ``POST /api/talks/{id}/call-token`` for a token, which works once, within half a minute. Kai, not the page,
sets the session. Errors are JSON.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.lending.calls import TOKEN_S, CallRefused
from kai.ui.host import COOKIE_NAME
from kai.ui.routes import Refused, check_host, find_app, find_talk, read_body, route

OFFER_LIMIT_BYTES: Final = 64 * 1024
NOT_SDP: Final = "Send an SDP offer (application/sdp)."
TOO_LARGE: Final = "The offer is too large."
NO_ORIGIN: Final = "Only a page of Kai's own may do this."
NO_TALK: Final = "This talk is over. Start a new one."


async def call_token(request: Request) -> Response:
    """``POST /api/talks/{id}/call-token``: gives the talk's own page a token for one call."""
    _check_own_page(request)
    talk = find_talk(request)
    token = find_app().calls.issue(talk.id, talk.browser_id)
    headers = {"Cache-Control": "no-store"}
    return JSONResponse({"token": token, "expiresInS": TOKEN_S}, 201, headers)


async def openai_call(request: Request) -> Response:
    """``POST /api/openai-call`` with ``Authorization: Bearer <token>``."""
    _check_own_page(request)
    offer = await _offer(request)
    app = find_app()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    browser_id = request.cookies.get(COOKIE_NAME, "")
    try:
        talk_id = app.calls.spend(token.strip() if scheme.lower() == "bearer" else "", browser_id)
        talk = app.hub.find(talk_id, browser_id)
        if talk is None:
            raise Refused(404, "no-talk", NO_TALK)
        work = app.calls.open(talk_id, browser_id, talk.snapshot().look, offer)
        answer = await asyncio.wrap_future(app.hub.submit(work))
    except CallRefused as refused:
        raise Refused(refused.status, refused.code, refused.message) from refused
    return Response(answer, 201, {"Cache-Control": "no-store"}, media_type="application/sdp")


def _check_own_page(request: Request) -> None:
    check_host(request)
    if request.headers.get("origin") is None:
        raise Refused(403, "origin", NO_ORIGIN)


async def _offer(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/sdp":
        raise Refused(415, "not-sdp", NOT_SDP)
    try:
        offer = (await read_body(request, OFFER_LIMIT_BYTES, TOO_LARGE)).decode()
    except UnicodeDecodeError:
        raise Refused(400, "not-sdp", NOT_SDP) from None
    if not offer.startswith("v=0"):
        raise Refused(400, "not-sdp", NOT_SDP)
    return offer


def routes() -> list[Route]:
    """Return the routes of this module."""
    return [
        route("/api/talks/{talk_id}/call-token", call_token, "POST"),
        route("/api/openai-call", openai_call, "POST"),
    ]
