"""Access control of the engine: keys, and the Host and Origin of a request."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from kai.compat.recent import Recent
from kai.wire.session_object import SessionConfig

MAX_SECRETS: Final = 256
KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
_OURS: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_OUR_ORIGIN: Final = re.compile(rf"https?://{_OURS.pattern}", re.IGNORECASE)


def refusal(
    status: int, message: str, *, code: str | None, param: str | None = None, retry_after: str = ""
) -> JSONResponse:
    """Return an error response in the reference's form."""
    kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
    if status >= 500:
        kind = "server_error"
    body = {"error": {"message": message, "type": kind, "code": code, "param": param}}
    # An immediate retry helps with none of these errors.
    headers = {"x-should-retry": "false", **({"Retry-After": retry_after} if retry_after else {})}
    return JSONResponse(body, status_code=status, headers=headers)


class Denied(Exception):
    """Raised for a request that is answered by `response` and not handled any further."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def answer_denied(_request: Request, exc: Exception) -> Response:
    """Return the answer to a request that was `Denied`."""
    assert isinstance(exc, Denied)
    return exc.response


class Keys:
    """The keys that the engine accepts: the key of this run, or any key (standalone), and short-lived client secrets.

    Bound: `MAX_SECRETS` secrets; a new one then replaces the oldest. A standalone engine refuses a key that begins with
    ``bad``, so that clients can test the refusal.
    """

    def __init__(self, run_key: str | None) -> None:
        self._run_key = run_key
        self._secrets = Recent[str, tuple[float, SessionConfig | None]](MAX_SECRETS)

    def admits(self, key: str) -> bool:
        """Return whether the engine accepts `key` now."""
        if key in self._secrets:
            return self._secrets[key][0] > time.time()
        if self._run_key is None:
            return bool(key) and not key.startswith("bad")
        return hmac.compare_digest(key.encode(), self._run_key.encode())

    def is_run_key(self, key: str) -> bool:
        """Return whether `key` is the key of this run (standalone: any key), not a secret that was made for a client."""
        return key not in self._secrets and self.admits(key)

    def mint(self, seconds: int, session: SessionConfig | None) -> tuple[str, int]:
        """Return a new client secret for sessions like `session`, and the Unix time at which it expires."""
        value, expires_at = f"ek_{secrets.token_hex(24)}", time.time() + seconds
        self._secrets[value] = (expires_at, session)
        return value, int(expires_at)

    def session_of(self, key: str) -> SessionConfig | None:
        """Return the session that a client secret was made for, if it has one."""
        return self._secrets[key][1] if key in self._secrets else None


def key_of(headers: Headers) -> str:
    """Return the key of a request from ``Authorization`` or, from a browser, a WebSocket subprotocol; "" without one."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    offered = [protocol.strip() for protocol in headers.get("sec-websocket-protocol", "").split(",")]
    return next((p.removeprefix(KEY_SUBPROTOCOL) for p in offered if p.startswith(KEY_SUBPROTOCOL)), "")


class Guard:
    """Refuses every request that was not meant for this computer, before any other code handles it.

    A foreign Host means DNS rebinding: a page resolved its own name to 127.0.0.1. A foreign Origin means a page of another
    site.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        response = None
        if not _OURS.fullmatch(headers.get("host", "")):
            response = refusal(
                403, "The engine answers to 127.0.0.1 and localhost only.", code="foreign_host"
            )
        elif origin is not None and not _OUR_ORIGIN.fullmatch(origin):
            response = refusal(403, "The engine answers pages of this computer only.", code="foreign_origin")
        if response is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, send)
