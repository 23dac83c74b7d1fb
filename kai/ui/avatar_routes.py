"""``/api/avatar/...``: an avatar for a browser client or a script of this app, without the key; gallery and credits.

Guarded like the talks' routes: our own Host and origin only, and the cookie of a browser that has a page of ours. A start
needs a ticket besides, which is good once and for a minute.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kai.errors import FaceError
from kai.ui import host, texts
from kai.ui.host import COOKIE_NAME
from kai.ui.routes import Refused, check_host, read_json

CALL_S: Final = 40.0
_STATUS: Final = {
    "avatar-ticket": 403,
    "avatar-not-yours": 404,
    "avatar-rate-limit": 429,
    "avatar-concurrency": 409,
    "avatar-no-credits": 402,
}


class Desk(Protocol):
    """What these routes need of `kai.adapters.liveavatar.desk.AvatarDesk`."""

    async def gallery(self) -> Any: ...
    async def account(self) -> Any: ...
    def ticket(self, browser_id: str) -> str: ...
    async def start(self, browser_id: str, ticket: str, avatar_id: str = "") -> Any: ...
    async def keep_alive(self, browser_id: str, session_id: str) -> None: ...
    async def stop(self, browser_id: str, session_id: str) -> None: ...


class HubWithDesk(Protocol):
    """A hub that can run work on Kai's loop and has a desk, if there is a key."""

    @property
    def avatar_desk(self) -> Desk | None: ...
    def submit(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]: ...


Handler = Callable[[Request, str, Desk], Coroutine[Any, Any, dict[str, Any]]]


async def _ticket(_request: Request, browser_id: str, desk: Desk) -> dict[str, Any]:
    return {"ticket": desk.ticket(browser_id)}


async def _start(request: Request, browser_id: str, desk: Desk) -> dict[str, Any]:
    body = await read_json(request)
    grant = await _on_kais_loop(
        desk.start(browser_id, str(body.get("ticket", "")), str(body.get("avatar_id", "")))
    )
    return {
        "session_id": grant.session_id,
        "livekit_url": grant.livekit_url,
        "livekit_token": grant.livekit_client_token,
        "ws_url": grant.ws_url,
        "max_session_duration": grant.max_session_duration,
    }


async def _keep_alive(request: Request, browser_id: str, desk: Desk) -> dict[str, Any]:
    body = await read_json(request)
    await _on_kais_loop(desk.keep_alive(browser_id, str(body.get("session_id", ""))))
    return {}


async def _stop(request: Request, browser_id: str, desk: Desk) -> dict[str, Any]:
    body = await read_json(request)
    await _on_kais_loop(desk.stop(browser_id, str(body.get("session_id", ""))))
    return {}


async def _gallery(_request: Request, _browser_id: str, desk: Desk) -> dict[str, Any]:
    avatars = await _on_kais_loop(desk.gallery())
    return {"avatars": [{"id": a.id, "name": a.name, "preview_url": a.preview_url} for a in avatars]}


async def _account(_request: Request, _browser_id: str, desk: Desk) -> dict[str, Any]:
    account = await _on_kais_loop(desk.account())
    return {
        "credits_left": str(account.credits_left),
        "minutes_left": account.minutes_left,
        "credits_used": str(account.credits_used),
    }


def _hub() -> HubWithDesk:
    hub = host.current_hub()
    if hub is None:
        raise Refused(503, "starting", texts.ERROR_STARTING)
    return cast("HubWithDesk", hub)


async def _on_kais_loop(work: Coroutine[Any, Any, Any]) -> Any:
    async with asyncio.timeout(CALL_S):
        return await asyncio.wrap_future(_hub().submit(work))


def guarded(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler behind the guards; what is refused, or fails, is said in JSON without the provider's detail."""

    async def answer(request: Request) -> Response:
        try:
            check_host(request)
            browser_id = request.cookies.get(COOKIE_NAME, "")
            if not browser_id:
                raise Refused(403, "no-page", "Open Kai's page in this browser first.")
            desk = getattr(_hub(), "avatar_desk", None)
            if desk is None:
                raise Refused(404, "no-avatar", "This Kai has no cloud avatar: set LIVEAVATAR_API_KEY.")
            return JSONResponse(await handler(request, browser_id, desk))
        except Refused as exc:
            return exc.response()
        except FaceError as exc:
            return Refused(_STATUS.get(exc.code, 502), exc.code, exc.message).response()
        except TimeoutError:
            return Refused(504, "avatar-slow", "LiveAvatar did not answer in time. Try again.").response()

    return answer


def routes() -> list[Route]:
    """All of them, for ``st.App``."""
    return [
        Route("/api/avatar/ticket", guarded(_ticket), methods=["POST"]),
        Route("/api/avatar/start", guarded(_start), methods=["POST"]),
        Route("/api/avatar/keep-alive", guarded(_keep_alive), methods=["POST"]),
        Route("/api/avatar/stop", guarded(_stop), methods=["POST"]),
        Route("/api/avatar/gallery", guarded(_gallery)),
        Route("/api/avatar/account", guarded(_account)),
    ]
