"""Calls that pages open themselves through our server: permission, rate limit, and the end of each call with its talk.

Such a call lives in the page and continues without us. It is therefore recorded on disk as soon as it has an id, so that the
next start of the app can hang up the calls that a killed app left.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from kai.compat.recent import Recent
from kai.core.state import Look
from kai.errors import KaiError

log = logging.getLogger(__name__)

TOKEN_S = 30.0
"""The lifetime of a token. A page uses it at once, and a stolen one is soon worthless."""
TOKENS_KEPT = 256
CALLS_PER_MINUTE = 6
HANG_UP_S = 5.0
KIND: Final = "openai-call"
"""The kind of these calls in the records of paid sessions."""

OpenCall = Callable[[str, Look, str], Awaitable[tuple[str, str]]]
"""Posts an offer for that browser: ``(call id, SDP answer)``. Raises ``KaiError``."""
HangUp = Callable[[str], Awaitable[None]]


class CallRecords(Protocol):
    """The records of calls; see `kai.records.paid_sessions.PaidSessions`. Both methods write to disk."""

    def note(self, kind: str, session_id: str) -> None: ...
    def forget(self, kind: str, session_id: str) -> None: ...


class _NoRecords:
    def note(self, kind: str, session_id: str) -> None: ...
    def forget(self, kind: str, session_id: str) -> None: ...


def no_calls() -> CallDesk:
    """Return a desk that refuses every call, for an app whose brain cannot be called by pages."""

    async def refuse(_browser_id: str, _look: Look, _offer: str) -> tuple[str, str]:
        raise KaiError("Here pages talk through Kai's own server only.", code="no-calls")

    async def nothing(_call_id: str) -> None: ...

    return CallDesk(refuse, nothing, _NoRecords())


class CallRefused(KaiError):
    """The call was not opened; ``status`` is the HTTP status to answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Token:
    talk_id: str
    browser_id: str
    expires_at_s: float


class CallDesk:
    """Manages the tokens, the rate limit and the open calls. ``open`` and ``close_of`` on Kai's loop, the rest anywhere."""

    def __init__(
        self,
        open_call: OpenCall,
        hang_up: HangUp,
        records: CallRecords,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_call = open_call
        self._hang_up = hang_up
        self._records = records
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = Recent[str, _Token](TOKENS_KEPT)
        self._opened_at_s = Recent[str, deque[float]](TOKENS_KEPT)
        self._calls: dict[str, str] = {}
        self._openings: dict[asyncio.Task[str], str] = {}

    def issue(self, talk_id: str, browser_id: str) -> str:
        """Return a token for one call by that talk's page, valid for ``TOKEN_S``."""
        value = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[value] = _Token(talk_id, browser_id, self._clock() + TOKEN_S)
        return value

    def spend(self, value: str, browser_id: str) -> str:
        """Invalidate a token and return its talk. Raises ``CallRefused``."""
        with self._lock:
            token = self._tokens.pop(value, None)
            now_s = self._clock()
            if token is None or token.expires_at_s < now_s or token.browser_id != browser_id:
                raise CallRefused(401, "token", "This page's permission has run out. Reload the page.")
            opened = self._opened_at_s.get(browser_id, deque[float](maxlen=CALLS_PER_MINUTE))
            if len(opened) == CALLS_PER_MINUTE and now_s - opened[0] < 60.0:
                raise CallRefused(429, "too-many-calls", "Too many calls in a minute. Wait a moment.")
            opened.append(now_s)
            self._opened_at_s[browser_id] = opened
        return token.talk_id

    async def open(self, talk_id: str, browser_id: str, look: Look, offer: str) -> str:
        """Open a call and return the SDP answer to the page's offer. Raises ``CallRefused``, without a provider's words.

        If the page leaves in the meantime, the call is still recorded and ends with its talk.
        """
        opening = asyncio.create_task(self._open(talk_id, browser_id, look, offer), name="calls: open")
        self._openings[opening] = talk_id
        opening.add_done_callback(self._opened)
        return await asyncio.shield(opening)

    def _opened(self, opening: asyncio.Task[str]) -> None:
        del self._openings[opening]
        if not opening.cancelled():
            opening.exception()  # marks it as retrieved; the caller has it too, unless the page is gone

    async def _open(self, talk_id: str, browser_id: str, look: Look, offer: str) -> str:
        try:
            call_id, answer = await self._open_call(browser_id, look, offer)
        except KaiError as exc:
            log.info("a page's call was refused", extra={"code": exc.code})
            raise CallRefused(502, exc.code, exc.message) from exc
        if call_id:
            with self._lock:
                self._calls[call_id] = talk_id
            try:
                await asyncio.to_thread(self._records.note, KIND, call_id)
            except (KaiError, OSError) as exc:
                await self._close(call_id)
                message = "The call could not be noted on disk, so Kai ended it. Check the disk's free space."
                raise CallRefused(500, "no-record", message) from exc
        log.info("a page opened a call", extra={"call_id": call_id})
        return answer

    def calls_of(self, talk_id: str) -> tuple[str, ...]:
        """Return the calls of that talk that we have not ended."""
        with self._lock:
            return tuple(call for call, talk in self._calls.items() if talk == talk_id)

    async def close_of(self, talk_id: str) -> None:
        """Hang up every call of that talk, including one that is being opened."""
        openings = [opening for opening, talk in self._openings.items() if talk == talk_id]
        await asyncio.gather(*openings, return_exceptions=True)
        await asyncio.gather(*(self._close(call_id) for call_id in self.calls_of(talk_id)))

    async def _close(self, call_id: str) -> None:
        try:
            async with asyncio.timeout(HANG_UP_S):
                await self._hang_up(call_id)
            await asyncio.to_thread(self._records.forget, KIND, call_id)
        except (KaiError, OSError):  # a time-out is an OSError
            # The record is kept, so that the next start of the app tries again.
            log.warning("a page's call could not be hung up", extra={"call_id": call_id})
        with self._lock:
            self._calls.pop(call_id, None)
