"""Signed tokens (JWT, HS256) of sessions and rooms. The secret lives as long as the process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, cast

LIVES_S: Final = 6 * 3600


class TokenSigner:
    """Signs tokens, and verifies those that it signed."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def sign(self, claims: Mapping[str, object]) -> str:
        """Return a token with these claims, valid for `LIVES_S`."""
        now = int(time.time())
        body = {"iss": "kai", "nbf": now - 10, "exp": now + LIVES_S, **claims}
        head = _pack({"alg": "HS256", "typ": "JWT"}) + "." + _pack(body)
        return head + "." + self._seal(head)

    def read(self, token: str) -> dict[str, Any] | None:
        """Return the claims of a token, or ``None`` if it is not ours or has expired."""
        head, _, seal = token.rpartition(".")
        if not head or not hmac.compare_digest(seal.encode(), self._seal(head).encode()):
            return None
        body = head.partition(".")[2]
        claims = cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
        return claims if claims["exp"] > time.time() else None

    def _seal(self, head: str) -> str:
        return _trim(hmac.new(self._secret, head.encode(), hashlib.sha256).digest())


def _pack(value: Mapping[str, object]) -> str:
    return _trim(json.dumps(value, separators=(",", ":")).encode())


def _trim(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
