"""The local LiveAvatar's HTTP and WebSocket routes: the service's, and ours (``/kai/...``), by which tests make it fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import kai.avatar
from kai.avatar.hearing import VisemeNet, load_net
from kai.engine.access import Denied, Guard, answer_denied
from kai.engine.liveavatar.account import AVATARS, OWN_AVATAR_ID, AccountBook, Paid
from kai.engine.liveavatar.faults import Faults, script_of
from kai.engine.liveavatar.replaying import Replay, shaped
from kai.engine.liveavatar.room import joiner_of
from kai.engine.liveavatar.session import LiteSession
from kai.engine.liveavatar.tokens import TokenSigner
from kai.errors import ConfigError, ProtocolError
from kai.wire import liveavatar as wire

MAX_BODY_BYTES: Final = 1 << 20
CLIENT_IDENTITY: Final = "client"
V1_PATH: Final = "/rtc/v1"
PAGE_SIZE: Final = 20
END_S: Final = 5.0
_PREVIEWS: Final = Path(kai.avatar.__file__).parent / "data"


class ServiceRefused(Denied):
    """Raised for a request that is answered by an error of the service."""

    def __init__(self, status: int, number: int, message: str, retry_after_s: float | None = None) -> None:
        headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}
        body = wire.envelope(None, number=number, message=message)
        super().__init__(JSONResponse(body, status_code=status, headers=headers))


class LiveAvatarServer:
    """All sessions of one process. ``run_key`` is the only accepted key; without one any key is that is not ``bad...``."""

    def __init__(
        self, *, run_key: str | None = None, faults: Faults | None = None, replay: Replay | None = None
    ) -> None:
        self._run_key = run_key
        self._replay = replay
        self.faults = faults or Faults()
        self._tokens = TokenSigner()
        self._account = AccountBook(self.faults.credits, time.time)
        self._sessions: dict[str, LiteSession] = {}
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._net: VisemeNet | None = None

    def application(self) -> Starlette:
        """Return the ASGI application that serves these sessions."""
        return Starlette(
            routes=[
                Route("/v1/sessions/token", self._mint, methods=["POST"]),
                Route("/v1/sessions/start", self._start, methods=["POST"]),
                Route("/v1/sessions/stop", self._stop, methods=["POST"]),
                Route("/v1/sessions/keep-alive", self._keep_alive, methods=["POST"]),
                Route("/v1/sessions", self._list),
                Route("/v1/sessions/{session_id}", self._read),
                Route("/v1/avatars/public", self._public_avatars),
                Route("/v1/avatars", self._own_avatars),
                Route("/v1/voices", self._voices),
                Route("/v1/users/credits", self._credits),
                Route("/previews/{name}.jpg", self._preview),
                WebSocketRoute("/v1/sessions/{session_id}/control", self._control),
                WebSocketRoute("/rtc", self._join),
                WebSocketRoute(V1_PATH, self._join),
                Route(V1_PATH, self._no_v1),
                Route("/rtc/validate", self._validate),
                Route("/rtc/v1/validate", self._validate),
                Route("/kai/faults", self._set_faults, methods=["PUT"]),
                Route("/kai/replay", self._set_replay, methods=["PUT"]),
                Route("/kai/act", self._act, methods=["POST"]),
                Route("/kai/script", self._play, methods=["POST"]),
                Route("/kai/bill", self._bill),
            ],
            middleware=[
                Middleware(Guard),
                Middleware(
                    CORSMiddleware,
                    allow_origin_regex=".*",
                    allow_methods=["GET", "POST"],
                    allow_headers=["*"],
                    allow_credentials=True,  # HeyGen's web SDK sends requests with credentials
                ),
            ],
            exception_handlers={Denied: answer_denied},
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncGenerator[None]:
        del app
        try:
            yield
        finally:
            closing = [session.end(wire.EndReason.SERVER_ERROR) for session in self._sessions.values()]
            if closing:
                await asyncio.wait(closing, timeout=END_S)
            await asyncio.to_thread(self._drawing.shutdown, wait=True, cancel_futures=True)

    # Sessions

    async def _mint(self, request: Request) -> Response:
        recorded = self._recorded("/v1/sessions/token")
        self._admit(request)
        await self._refuse_if_told("token")
        body = await _body(request)
        try:
            wanted = wire.decode_request(wire.TokenRequest, body)
        except ProtocolError as exc:
            return _unprocessable(exc.message)
        if recorded is not None:
            # The service accepted it, but its avatars and plan differ from ours.
            ours = wire.SANDBOX_AVATAR_ID if wanted.is_sandbox else OWN_AVATAR_ID
            wanted = replace(wanted, avatar_id=ours, max_session_duration=None)
        if wanted.mode != "LITE":
            return _unprocessable("mode: only LITE is served here")
        if wanted.avatar_id not in AVATARS:
            return _unprocessable("avatar_id: there is no such avatar")
        if wanted.is_sandbox and wanted.avatar_id != wire.SANDBOX_AVATAR_ID:
            return _unprocessable("avatar_id: not in the sandbox")
        video = wanted.video_settings
        if video is not None and (
            video.quality not in wire.QUALITIES or video.encoding not in wire.ENCODINGS
        ):
            return _unprocessable("video_settings: unknown quality or encoding")
        try:
            paid = self._account.mint(wanted, longest_s=self.faults.max_session_s)
        except ValueError as exc:
            raise ServiceRefused(400, 4000, str(exc)) from exc
        paid.token = self._tokens.sign({"sub": paid.id, "start_session_data": {"mode": "LITE"}})
        grant = wire.encode_body(wire.TokenGrant(session_id=paid.id, session_token=paid.token))
        return _as_recorded(grant, recorded) or _ok(grant)

    async def _start(self, request: Request) -> Response:
        paid = self._account.by_token(_bearer(request))
        if paid is None or self._tokens.read(paid.token) is None:
            raise ServiceRefused(401, 4001, "Unauthorized")
        await self._refuse_if_told("start")
        recorded = self._recorded("/v1/sessions/start")
        if paid.started_at_s is not None:
            raise ServiceRefused(400, 4002, "Session was started already")
        if len(self._account.running()) >= self.faults.max_concurrent:
            raise ServiceRefused(403, wire.CONCURRENCY_CODE, "Session concurrency limit reached")
        if self._account.left < 1 and not paid.is_sandbox:
            raise ServiceRefused(402, 4020, "Insufficient credits")
        self._account.start(paid)
        if self._net is None:
            self._net = await asyncio.to_thread(load_net)
        session = LiteSession(
            paid, self._account, self.faults, net=self._net, drawing=self._drawing, replay=self._replay
        )
        self._sessions[paid.id] = session
        session.begin()
        base = f"ws://{request.headers['host']}"
        grant = wire.StartGrant(
            session_id=paid.id,
            livekit_url=base,
            livekit_client_token=self._room_token(paid, CLIENT_IDENTITY),
            livekit_agent_token=self._room_token(paid, paid.agent_identity),
            max_session_duration=paid.longest_s,
            ws_url=None
            if self.faults.has_no_ws_url
            else f"{base}/v1/sessions/{paid.id}/control?key={paid.socket_key}",
        )
        body = dict(wire.encode_body(grant))
        if self.faults.shapes == "loose":
            del body["session_id"]
            body["max_session_duration"] = float(paid.longest_s)
        return _as_recorded(body, recorded) or _ok(body, status=201)

    def _room_token(self, paid: Paid, identity: str) -> str:
        grants = {"room": f"room-{paid.id}", "roomJoin": True, "canPublish": True, "canSubscribe": True}
        return self._tokens.sign({"sub": identity, "name": identity, "video": grants})

    async def _stop(self, request: Request) -> Response:
        paid, body = await self._addressed(request)
        await self._refuse_if_told("stop")
        try:
            reason = wire.EndReason(body.get("reason") or wire.EndReason.USER_CLOSED)
        except ValueError:
            return _unprocessable("reason: unknown")
        session = self._sessions.get(paid.id)
        if session is not None:
            session.end(reason)
        return _ok(None)

    async def _keep_alive(self, request: Request) -> Response:
        paid, _ = await self._addressed(request)
        await self._refuse_if_told("keep-alive")
        if not paid.is_running:
            raise ServiceRefused(400, 4006, "Session is not running")
        self._account.touch(paid)
        return _ok(None)

    async def _addressed(self, request: Request) -> tuple[Paid, dict[str, Any]]:
        """Return the session that a request addresses, by its token or by key and id, and the request's body."""
        body = await _body(request)
        token = _bearer(request)
        if token:
            paid = self._account.by_token(token)
            if paid is None:
                raise ServiceRefused(401, 4001, "Unauthorized")
            return paid, body
        self._admit(request)
        paid = self._account.by_id(body.get("session_id"))
        if paid is None:
            raise ServiceRefused(404, 4004, "Session not found")
        return paid, body

    async def _list(self, request: Request) -> Response:
        self._admit(request)
        await self._refuse_if_told("list")
        kind = request.query_params.get("type")
        if kind not in ("active", "historic"):
            return _unprocessable("type: active or historic")
        wanted = [
            p
            for p in self._account.all()
            if p.started_at_s is not None and p.is_running == (kind == "active")
        ]
        return _page(request, [wire.encode_body(self._account.entry(paid)) for paid in wanted])

    async def _read(self, request: Request) -> Response:
        self._admit(request)
        paid = self._account.by_id(request.path_params["session_id"])
        if paid is None:
            raise ServiceRefused(404, 4004, "Session not found")
        return _ok(wire.encode_body(self._account.entry(paid)))

    # Catalogues and account

    async def _public_avatars(self, request: Request) -> Response:
        ready = [self._avatar(request, avatar_id) for avatar_id in AVATARS if avatar_id != OWN_AVATAR_ID]
        old = wire.Avatar(id="00000000-0000-4000-8000-000000000001", name="Old", is_expired=True)
        return _page(request, [wire.encode_body(avatar) for avatar in (*ready, old)])

    async def _own_avatars(self, request: Request) -> Response:
        self._admit(request)
        unready = wire.Avatar(id="00000000-0000-4000-8000-000000000002", name="New", status="DEPLOYING")
        avatars = (self._avatar(request, OWN_AVATAR_ID), unready)
        return _page(request, [wire.encode_body(avatar) for avatar in avatars])

    def _avatar(self, request: Request, avatar_id: str) -> wire.Avatar:
        name, character = AVATARS[avatar_id]
        url = f"{request.url.scheme}://{request.headers['host']}/previews/{character}.jpg"
        return wire.Avatar(id=avatar_id, name=name, preview_url=url)

    async def _voices(self, request: Request) -> Response:
        self._admit(request)
        return _page(request, [])

    async def _credits(self, request: Request) -> Response:
        self._admit(request)
        await self._refuse_if_told("credits")
        return _ok({"credits_left": f"{self._account.left:.2f}"})

    async def _preview(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {character for _, character in AVATARS.values()}:
            return Response(status_code=404)
        return FileResponse(_PREVIEWS / f"{name}.jpg")

    # Sockets

    async def _control(self, websocket: WebSocket) -> None:
        session = self._sessions.get(websocket.path_params["session_id"])
        if (
            session is None
            or not session.paid.is_running
            or websocket.query_params.get("key") != session.paid.socket_key
        ):
            await websocket.send_denial_response(PlainTextResponse("no such session", status_code=403))
            return
        if self._replay is not None and self._replay.refuses_socket():
            await websocket.send_denial_response(PlainTextResponse("as recorded", status_code=403))
            return
        await websocket.accept()
        await session.converse(websocket)

    async def _join(self, websocket: WebSocket) -> None:
        is_v1 = websocket.url.path == V1_PATH
        if is_v1 and self.faults.has_no_v1:
            await websocket.send_denial_response(PlainTextResponse("404 page not found", status_code=404))
            return
        named = self._room_of(websocket)
        if named is None:
            await websocket.send_denial_response(PlainTextResponse("invalid token", status_code=401))
            return
        session, identity = named
        try:
            joiner = joiner_of(identity, websocket.query_params, is_v1=is_v1)
        except (ValueError, OSError, EOFError):
            await websocket.send_denial_response(PlainTextResponse("bad join request", status_code=400))
            return
        await websocket.accept()
        await session.room.serve(websocket, joiner)

    def _room_of(self, request: Request | WebSocket) -> tuple[LiteSession, str] | None:
        token = request.query_params.get("access_token") or _bearer(request)
        claims = self._tokens.read(token)
        video = (claims or {}).get("video") or {}
        session = self._sessions.get(str(video.get("room", "")).removeprefix("room-"))
        if claims is None or not video.get("roomJoin") or session is None or not session.paid.is_running:
            return None
        return session, str(claims["sub"])

    async def _no_v1(self, request: Request) -> Response:
        del request
        return PlainTextResponse("404 page not found", status_code=404)

    async def _validate(self, request: Request) -> Response:
        if "/v1/" in request.url.path and self.faults.has_no_v1:
            return PlainTextResponse("404 page not found", status_code=404)
        if self._room_of(request) is None:
            return PlainTextResponse("invalid token", status_code=401)
        return PlainTextResponse("success")

    # For tests

    async def _set_faults(self, request: Request) -> Response:
        """Set all fault switches: those that the body does not name get their defaults."""
        self._admit(request)
        try:
            self.faults = Faults().with_changes(await _body(request))
        except ConfigError as exc:
            return _unprocessable(exc.message)
        self._account.credits = self._account.used + self.faults.credits
        for session in self._sessions.values():
            session.change_faults(self.faults)
        return _ok(None)

    async def _set_replay(self, request: Request) -> Response:
        """Replay the recording in the body from its beginning; an empty body ends the replay."""
        self._admit(request)
        text = (await request.body()).decode()
        try:
            self._replay = Replay(text) if text else None
            switches = {} if self._replay is None else self._replay.switches
            self.faults = self.faults.with_changes(switches)
        except (ConfigError, ProtocolError) as exc:
            return _unprocessable(exc.message)
        return _ok(None)

    async def _act(self, request: Request) -> Response:
        self._admit(request)
        try:
            script = script_of({"steps": [{"after_s": 0, **await _body(request)}]})
        except ConfigError as exc:
            return _unprocessable(exc.message)
        for session in self._running():
            await session.act(script[0].act)
        return _ok(None)

    async def _play(self, request: Request) -> Response:
        self._admit(request)
        try:
            script = script_of(await _body(request))
        except ConfigError as exc:
            return _unprocessable(exc.message)
        for session in self._running():
            session.play(script)
        return _ok([{"act": step.act, "after_s": step.after_s} for step in script])

    async def _bill(self, request: Request) -> Response:
        """Answer with the costs, the received commands and the holes in the speech of all sessions, for assertions."""
        self._admit(request)
        sessions = [
            {
                **wire.encode_body(self._account.entry(paid)),
                "is_running": paid.is_running,
                "commands": self._sessions[paid.id].commands if paid.id in self._sessions else [],
                "holes": self._sessions[paid.id].holes if paid.id in self._sessions else 0,
            }
            for paid in self._account.all()
            if paid.started_at_s is not None
        ]
        return _ok(
            {
                "credits_used": self._account.used,
                "running": len(self._account.running()),
                "sessions": sessions,
            }
        )

    # Inside

    def _recorded(self, path: str) -> dict[str, Any] | None:
        """Return the recorded answer to this call, if one is replayed. Raises `Denied` for a recorded refusal."""
        answer = None if self._replay is None else self._replay.answer(path)
        if answer is None:
            return None
        status, body = answer
        if status >= 400:
            raise Denied(JSONResponse(body, status_code=status))
        return {"status": status, "body": body}

    def _running(self) -> list[LiteSession]:
        return [session for session in self._sessions.values() if session.paid.is_running]

    def _admit(self, request: Request) -> None:
        key = request.headers.get("x-api-key", "")
        is_right = (
            key == self._run_key if self._run_key is not None else bool(key) and not key.startswith("bad")
        )
        if not is_right:
            raise ServiceRefused(401, 4001, "Invalid API key")

    async def _refuse_if_told(self, call: str) -> None:
        faults = self.faults
        if faults.reply_delay_s:
            await asyncio.sleep(faults.reply_delay_s)
        if faults.refuse == call and faults.refuse_times > 0:
            self.faults = faults.with_changes({"refuse_times": faults.refuse_times - 1})
            raise ServiceRefused(
                faults.refuse_status, faults.refuse_number, faults.refuse_message, faults.refuse_retry_after_s
            )


def _as_recorded(own: Mapping[str, Any], recorded: dict[str, Any] | None) -> Response | None:
    """Return our answer in the shape of the recorded one, if there is one."""
    if recorded is None:
        return None
    return JSONResponse(shaped(wire.envelope(own), recorded["body"]), status_code=recorded["status"])


def _ok(data: object, *, status: int = 200) -> Response:
    return JSONResponse(wire.envelope(data), status_code=status)


def _page(request: Request, entries: list[Any]) -> Response:
    try:
        page = max(1, int(request.query_params.get("page", "1")))
        size = min(100, max(1, int(request.query_params.get("page_size", str(PAGE_SIZE)))))
    except ValueError:
        return _unprocessable("page: a number")
    rest = entries[(page - 1) * size :]
    following = f"?page={page + 1}" if len(rest) > size else None
    return _ok({"count": len(entries), "next": following, "previous": None, "results": rest[:size]})


def _unprocessable(message: str) -> Response:
    return JSONResponse(
        {"detail": [{"loc": ["body"], "msg": message, "type": "value_error"}]}, status_code=422
    )


def _bearer(request: Request | WebSocket) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _body(request: Request) -> dict[str, Any]:
    data = await request.body()
    if len(data) > MAX_BODY_BYTES:
        raise ServiceRefused(413, 4130, "The body is too large")
    try:
        value: object = json.loads(data) if data else {}
    except ValueError:
        raise ServiceRefused(400, 4000, "The body is not JSON") from None
    if not isinstance(value, dict):
        raise ServiceRefused(400, 4000, "The body is not an object")
    return cast("dict[str, Any]", value)
