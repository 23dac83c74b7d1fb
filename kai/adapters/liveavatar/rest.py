"""LiveAvatar's REST calls with httpx: each is tried once, and each failure has a message for people."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, TypeVar

import httpx

from kai.adapters.liveavatar.troubles import ADVICE, explain, trouble
from kai.compat import http
from kai.errors import ConfigError, FaceError, ProtocolError
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

T = TypeVar("T")

BASE_URL: Final = "https://api.liveavatar.com"
CALL_S: Final = 15.0
STOP_S: Final = 5.0
OWN_STOP_S: Final = 3.0
PAGE_SIZE: Final = 100
MOST_PAGES: Final = 20
LONGER_THAN_ANY_PLAN_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """The account's key and the service's address. ``base_url`` differs only for the local server."""

    api_key: str = field(repr=False)
    base_url: str = BASE_URL


def filmed_first(avatars: Iterable[wire.Avatar]) -> list[wire.Avatar]:
    """Return a list's avatars with the filmed ones before those made from a photo, whose picture may not be 16:9."""
    return sorted(avatars, key=lambda avatar: avatar.type != "VIDEO")


class LiveAvatarApi:
    """One client of the service. Every method raises `FaceError` on failure. Kai's loop only."""

    def __init__(self, account: Account) -> None:
        self._key = {"X-API-KEY": account.api_key}
        self._base_url = account.base_url
        self._http: httpx.AsyncClient | None = None
        self._stopping: set[asyncio.Future[None]] = set()

    async def mint(self, request: wire.TokenRequest) -> wire.TokenGrant:
        """Return a session's id and token; nothing is billed yet. If the plan does not allow the requested length, ask once
        more without one, since the answer to the start names the plan's. First wait, at most `OWN_STOP_S`, for sessions of
        this app that are being stopped, because they count until then."""
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=OWN_STOP_S)
        try:
            return await self._mint(request)
        except FaceError as exc:
            if exc.code != "avatar-too-long" or request.max_session_duration is None:
                raise
        log.info("the plan allows no session of that length")
        return await self._mint(replace(request, max_session_duration=None))

    async def _mint(self, request: wire.TokenRequest) -> wire.TokenGrant:
        data = await self._call("POST", "/v1/sessions/token", self._key, wire.encode_body(request))
        return _read(wire.TokenGrant, data)

    async def start(self, grant: wire.TokenGrant) -> wire.StartGrant:
        """Start the session, which begins billing. Never retried automatically, since each success is billed."""
        bearer = {"Authorization": f"Bearer {grant.session_token}"}
        return _read(wire.StartGrant, await self._call("POST", "/v1/sessions/start", bearer, {}))

    async def stop(self, session_id: str, reason: wire.EndReason = wire.EndReason.USER_CLOSED) -> None:
        """Stop the session by key and id, which also works for sessions of earlier processes. A session that the service does
        not know is ignored."""
        body = wire.encode_body(wire.SessionRequest(session_id=session_id, reason=reason.value))
        stopping = asyncio.get_running_loop().create_future()
        self._stopping.add(stopping)
        try:
            await self._call("POST", "/v1/sessions/stop", self._key, body, within_s=STOP_S)
        except FaceError as exc:
            if exc.code != "avatar-unusable":
                raise
        finally:
            self._stopping.discard(stopping)
            stopping.set_result(None)

    async def keep_alive(self, session_id: str) -> None:
        """Postpone the session's idle time-out."""
        body = wire.encode_body(wire.SessionRequest(session_id=session_id))
        await self._call("POST", "/v1/sessions/keep-alive", self._key, body)

    async def session(self, session_id: str) -> wire.SessionEntry:
        """Return one session's entry: why it ended and what it cost."""
        return _read(wire.SessionEntry, await self._call("GET", f"/v1/sessions/{session_id}", self._key))

    async def own_avatars(self) -> tuple[wire.Avatar, ...]:
        """Return the account's own avatars, usable or not."""
        return await self._pages(wire.Avatar, "/v1/avatars?", self._key)

    async def public_avatars(self) -> tuple[wire.Avatar, ...]:
        """Return the public avatars, usable or not."""
        return await self._pages(wire.Avatar, "/v1/avatars/public?", {})

    async def first_avatar(self) -> str | None:
        """Return the id of the first avatar that can be used now, the account's own before public ones."""
        for avatars in (await self.own_avatars(), await self.public_avatars()):
            for avatar in filmed_first(avatars):
                if avatar.is_usable:
                    return avatar.id
        return None

    async def credits_left(self) -> Decimal:
        """Return the account's credits; also a free way to test a key."""
        data = await self._call("GET", "/v1/users/credits", self._key)
        try:
            return wire.decode_credits(data)
        except ProtocolError as exc:
            raise trouble("avatar-server") from exc

    async def plan_length_s(self, avatar_id: str) -> float | None:
        """Return how long the account's plan lets a session with that avatar last; ``None`` if the service does not say.

        A token is free, and the refusal of one for a session longer than any plan allows names the plan's length.
        """
        wanted = wire.TokenRequest(avatar_id=avatar_id, max_session_duration=LONGER_THAN_ANY_PLAN_S)
        try:
            await self._mint(wanted)
        except FaceError as exc:
            if isinstance(exc.__cause__, wire.Refusal):
                return exc.__cause__.longest_s
            raise
        return None

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def _pages(self, cls: type[T], path: str, headers: Mapping[str, str]) -> tuple[T, ...]:
        entries: list[T] = []
        for page in range(1, MOST_PAGES + 1):
            data = await self._call("GET", f"{path}&page={page}&page_size={PAGE_SIZE}", headers)
            try:
                more, has_next = wire.decode_page(cls, data)
            except ProtocolError as exc:
                raise trouble("avatar-server") from exc
            entries += more
            if not has_next:
                break
        return tuple(entries)

    async def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: object = None,
        *,
        within_s: float = CALL_S,
    ) -> object:
        try:
            reply = await self._client().request(
                method, path, headers=dict(headers), json=body, timeout=within_s
            )
        except httpx.TransportError as exc:
            log.info(
                "LiveAvatar call failed", extra={"path": path.partition("?")[0], "kind": type(exc).__name__}
            )
            is_tls = isinstance(exc.__cause__, ssl.SSLError) or "CERTIFICATE" in str(exc)
            if not is_tls and (advice := http.advice_on_proxy(self._base_url)):
                raise FaceError(f"LiveAvatar cannot be reached. {advice}", code="avatar-unreachable") from exc
            raise trouble("avatar-tls" if is_tls else "avatar-unreachable") from exc
        try:
            return wire.open_envelope(reply.status_code, reply.content, reply.headers.get("retry-after"))
        except wire.Refusal as exc:
            log.info(
                "LiveAvatar refused",
                extra={"path": path.partition("?")[0], "status": exc.status, "number": exc.number},
            )
            raise explain(exc) from exc
        except ProtocolError as exc:
            raise trouble("avatar-server") from exc

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            try:
                self._http = http.async_client(self._base_url, timeout=CALL_S, base_url=self._base_url)
            except ConfigError as exc:
                raise FaceError(exc.message, code="avatar-unreachable", is_retryable=False) from exc
        return self._http


def ask_account(account: Account, question: Callable[[LiveAvatarApi], Awaitable[T]], *, within_s: float) -> T:
    """Return the answer to one question, using a separate client. For threads without a loop. Raises `FaceError`."""

    async def ask() -> T:
        api = LiveAvatarApi(account)
        try:
            async with asyncio.timeout(within_s):
                return await question(api)
        except TimeoutError as exc:
            raise FaceError(ADVICE["avatar-unreachable"][0], code="timeout") from exc
        finally:
            await api.aclose()

    return asyncio.run(ask())


def _read(cls: type[T], data: object) -> T:
    try:
        return wire.decode_answer(cls, data)
    except ProtocolError as exc:
        raise trouble("avatar-server") from exc
