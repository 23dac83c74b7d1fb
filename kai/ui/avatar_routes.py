"""``/api/avatar/...``: lends a browser client or script an avatar without the key, and serves gallery and credits.

The routes are guarded like those of a talk: only our own Host and origin, and the cookie of a browser that has opened a page
of ours. A start also needs a ticket, which works once, within a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.errors import FaceError
from kai.ui import address, texts
from kai.ui.routes import Endpoint, Refused, find_app, find_browser, read_json, route

if TYPE_CHECKING:
    from kai.adapters.liveavatar.gallery import Gallery
    from kai.lending.avatars import AvatarDesk

T = TypeVar("T")

CALL_S: Final = 40.0
_STATUS: Final = {
    "avatar-ticket": 403,
    "avatar-not-yours": 404,
    "avatar-rate-limit": 429,
    "avatar-concurrency": 409,
    "avatar-no-credits": 402,
}


Json = dict[str, object]
Handler = Callable[[Request, str, "AvatarDesk"], Coroutine[Any, Any, Json]]


async def _ticket(_request: Request, browser_id: str, desk: AvatarDesk) -> Json:
    return {"ticket": desk.ticket(browser_id)}


async def _start(request: Request, browser_id: str, desk: AvatarDesk) -> Json:
    body = await read_json(request)
    ticket, avatar_id, talk_id = (str(body.get(name, "")) for name in ("ticket", "avatar_id", "talk_id"))
    if talk_id and find_app().hub.find(talk_id, browser_id) is None:
        raise Refused(404, "no-talk", texts.ERROR_NO_TALK)
    grant = await _on_kais_loop(desk.start(browser_id, ticket, avatar_id, talk_id))
    return {
        "session_id": grant.session_id,
        "livekit_url": grant.livekit_url,
        "livekit_token": grant.livekit_client_token,
        "ws_url": grant.ws_url,
        "max_session_duration": grant.max_session_duration,
    }


async def _keep_alive(request: Request, browser_id: str, desk: AvatarDesk) -> Json:
    body = await read_json(request)
    await _on_kais_loop(desk.keep_alive(browser_id, str(body.get("session_id", ""))))
    return {}


async def _stop(request: Request, browser_id: str, desk: AvatarDesk) -> Json:
    body = await read_json(request)
    if "talk_id" in body:
        # The page is closing. The avatar that it was lent is stopped, since no other page can show it; the talk's own avatar
        # is stopped unless a page, perhaps the same one reloaded, opens soon.
        talk_id = str(body["talk_id"])
        talk = find_app().hub.find(talk_id, browser_id)
        if talk is None:
            raise Refused(404, "no-talk", texts.ERROR_NO_TALK)
        talk.page_left()
        await _on_kais_loop(desk.page_left(browser_id, talk_id))
        return {}
    await _on_kais_loop(desk.stop(browser_id, str(body.get("session_id", ""))))
    return {}


async def _gallery(_request: Request, _browser_id: str, _desk: AvatarDesk) -> Json:
    shelf = _gallery_of_app().shelf()
    return {
        "avatars": [
            {
                "id": a.id,
                "name": a.name,
                "is_own": a.is_own,
                "is_1080p": a.is_1080p,
                "preview_url": address.at(f"/api/avatar/previews/{a.id}.jpg") if a.has_preview else None,
            }
            for a in shelf.avatars
        ],
        "is_loading": shelf.is_loading,
        "problem": shelf.problem,
    }


async def _account(_request: Request, _browser_id: str, _desk: AvatarDesk) -> Json:
    shelf = _gallery_of_app().shelf()
    account = shelf.account
    if account is None:
        return {"is_loading": shelf.is_loading, "problem": shelf.problem}
    return {
        "credits_left": str(account.credits_left),
        "minutes_left": account.minutes_left,
        "credits_used": str(account.credits_used),
        "is_loading": False,
        "problem": shelf.problem,
    }


async def preview(request: Request) -> Response:
    """``GET /api/avatar/previews/{id}.jpg``: the picture of an avatar in the gallery, from disk or fetched by us."""
    find_browser(request)
    # The gallery has its own threads, because this loop's threads encode the talks' pictures.
    picture = await asyncio.wrap_future(_gallery_of_app().preview(str(request.path_params["avatar_id"])))
    if picture is None:
        raise Refused(404, "no-picture", texts.ERROR_NO_PICTURE)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _gallery_of_app() -> Gallery:
    gallery = find_app().gallery
    if gallery is None:
        raise Refused(404, "no-avatar", texts.ERROR_NO_AVATAR)
    return gallery


async def _on_kais_loop(work: Coroutine[Any, Any, T]) -> T:
    async with asyncio.timeout(CALL_S):
        return await asyncio.wrap_future(find_app().hub.submit(work))


def guarded(handler: Handler) -> Endpoint:
    """Return the handler behind the guards. Its errors are refusals, without the provider's details."""

    async def answer(request: Request) -> Response:
        browser_id = find_browser(request)
        desk = find_app().desk
        if desk is None:
            raise Refused(404, "no-avatar", texts.ERROR_NO_AVATAR)
        try:
            return JSONResponse(await handler(request, browser_id, desk))
        except FaceError as exc:
            raise Refused(_STATUS.get(exc.code, 502), exc.code, exc.message) from exc
        except TimeoutError as exc:
            raise Refused(504, "avatar-slow", texts.ERROR_AVATAR_SLOW) from exc

    return answer


def routes() -> list[Route]:
    """Return the routes of this module, for ``st.App``."""
    return [
        route("/api/avatar/ticket", guarded(_ticket), "POST"),
        route("/api/avatar/start", guarded(_start), "POST"),
        route("/api/avatar/keep-alive", guarded(_keep_alive), "POST"),
        route("/api/avatar/stop", guarded(_stop), "POST"),
        route("/api/avatar/gallery", guarded(_gallery)),
        route("/api/avatar/account", guarded(_account)),
        route("/api/avatar/previews/{avatar_id}.jpg", preview),
    ]
