"""The desk that lends avatar sessions to clients that show the avatar themselves (a browser, a script).

Such a client gets the addresses and tokens of the room and of the control socket, but never the API key. Its sessions are
recorded, limited and stopped like our own: the client must keep them alive, and they end with the app.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kai.adapters.liveavatar.face import KIND, AvatarChoice, PaidRecords
from kai.adapters.liveavatar.rest import LiveAvatarApi
from kai.compat.tasks import Tasks
from kai.errors import FaceError
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

TICKET_S: Final = 60.0
MOST_TICKETS: Final = 256
MOST_A_BROWSER: Final = 1
MOST_AT_ONCE: Final = 4
STARTS_A_MINUTE: Final = 6
KEEP_ALIVE_WITHIN_S: Final = 150.0
"""A client that is silent for this long is gone. The service itself would wait two minutes or more."""
POLL_S: Final = 5.0


@dataclass(slots=True)
class _Lent:
    browser_id: str
    talk_id: str
    """The talk of the page that shows the session; empty for other clients."""
    started_s: float
    seen_s: float


class AvatarDesk:
    """Lends avatar sessions. Kai's loop only. Raises `FaceError`, also with the codes ``avatar-not-yours`` and
    ``avatar-ticket``."""

    def __init__(
        self,
        api: LiveAvatarApi,
        choice: AvatarChoice,
        records: PaidRecords,
        *,
        limit_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._choice = choice
        self._records = records
        self._limit_s = limit_s
        self._clock = clock
        self._tickets: dict[str, tuple[str, float]] = {}
        self._lent: dict[str, _Lent] = {}
        self._starts: deque[float] = deque(maxlen=STARTS_A_MINUTE)
        self._tasks = Tasks("avatar desk")

    def open(self) -> None:
        """Start to watch the lent sessions."""
        self._tasks.spawn(self._watch_lent(), "watch")

    def ticket(self, browser_id: str) -> str:
        """Return a ticket for one start by that browser within a minute."""
        now_s = self._clock()
        self._tickets = {t: entry for t, entry in self._tickets.items() if entry[1] > now_s}
        while len(self._tickets) >= MOST_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = (browser_id, now_s + TICKET_S)
        return ticket

    async def start(
        self, browser_id: str, ticket: str, avatar_id: str = "", talk_id: str = ""
    ) -> wire.StartGrant:
        """Start a session for that browser, or for its page of that talk, after stopping its previous one."""
        owner, until_s = self._tickets.pop(ticket, ("", 0.0))
        now_s = self._clock()
        if not secrets.compare_digest(owner, browser_id) or until_s <= now_s:
            raise FaceError(
                "This page is too old to start an avatar. Load it again.",
                code="avatar-ticket",
                is_retryable=False,
            )
        if len(self._starts) == STARTS_A_MINUTE and now_s - self._starts[0] < 60:
            raise FaceError("Too many starts. Wait a minute, then try again.", code="avatar-rate-limit")
        self._starts.append(now_s)
        mine = [session_id for session_id, lent in self._lent.items() if lent.browser_id == browser_id]
        for session_id in mine[: len(mine) - MOST_A_BROWSER + 1]:
            await self._stop(session_id, wire.EndReason.USER_CLOSED)
        if len(self._lent) >= MOST_AT_ONCE:
            raise FaceError("Too many avatars are on. Stop one, then try again.", code="avatar-concurrency")
        return await self._start(browser_id, avatar_id, talk_id)

    async def _start(self, browser_id: str, avatar_id: str, talk_id: str) -> wire.StartGrant:
        choice = self._choice
        token = await replace(choice, avatar_id=avatar_id or choice.avatar_id).mint(self._api)
        try:
            await asyncio.to_thread(self._records.note, KIND, token.session_id)
            grant = await self._api.start(token)
        except BaseException:
            with contextlib.suppress(FaceError):
                await self._api.stop(token.session_id)
                await asyncio.to_thread(self._records.forget, KIND, token.session_id)
            raise
        now_s = self._clock()
        self._lent[token.session_id] = _Lent(browser_id, talk_id, now_s, now_s)
        return grant

    async def keep_alive(self, browser_id: str, session_id: str) -> None:
        """Keep a session alive, because its client is still there."""
        lent = self._of(browser_id, session_id)
        lent.seen_s = self._clock()
        await self._api.keep_alive(session_id)

    async def stop(self, browser_id: str, session_id: str) -> None:
        """Stop a session, because its client has finished. A session that has already ended is ignored."""
        if session_id in self._lent:
            self._of(browser_id, session_id)
            await self._stop(session_id, wire.EndReason.USER_CLOSED)

    async def page_left(self, browser_id: str, talk_id: str) -> None:
        """Stop the sessions of that browser's page of that talk, because the page has left."""
        for session_id, lent in list(self._lent.items()):
            if (lent.browser_id, lent.talk_id) == (browser_id, talk_id):
                await self._stop(session_id, wire.EndReason.USER_DISCONNECTED)

    def _of(self, browser_id: str, session_id: str) -> _Lent:
        lent = self._lent.get(session_id)
        if lent is None or not secrets.compare_digest(lent.browser_id, browser_id):
            raise FaceError(
                "There is no such avatar session of this browser.",
                code="avatar-not-yours",
                is_retryable=False,
            )
        return lent

    async def _stop(self, session_id: str, reason: wire.EndReason) -> None:
        self._lent.pop(session_id, None)
        await self._api.stop(session_id, reason)
        await asyncio.to_thread(self._records.forget, KIND, session_id)

    async def stop_overdue(self) -> None:
        """Stop the sessions that nobody keeps alive and those that have lasted too long."""
        now_s = self._clock()
        for session_id, lent in list(self._lent.items()):
            is_idle = now_s - lent.seen_s > KEEP_ALIVE_WITHIN_S
            if is_idle or now_s - lent.started_s > self._limit_s:
                reason = wire.EndReason.IDLE_TIMEOUT if is_idle else wire.EndReason.MAX_DURATION_REACHED
                try:
                    await self._stop(session_id, reason)
                except FaceError as exc:
                    log.warning("a lent avatar session could not be stopped", extra={"code": exc.code})

    async def _watch_lent(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.stop_overdue()

    async def aclose(self) -> None:
        """Stop every lent session."""
        await self._tasks.aclose()
        stopping = [
            self._stop(session_id, wire.EndReason.USER_DISCONNECTED) for session_id in list(self._lent)
        ]
        await asyncio.gather(*stopping, return_exceptions=True)
