"""The account of a key: avatars, sessions, and their costs. Pure; a callable gives the time."""

from __future__ import annotations

import math
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from kai.wire import liveavatar as wire

SESSIONS_KEPT: Final = 256
AVATARS: Final[dict[str, tuple[str, str]]] = {
    "1c690fe7-23e0-49f9-bfba-14344450285b": ("Kai", "kai"),
    "5a2d4c1e-7f0b-4a57-9d53-0c6b1f2e8a41": ("Mara", "mara"),
    "c3e81f96-2b5d-4f7a-8e19-6d0a9b4c7f52": ("Ade", "ade"),
    "8b6f0d27-4c1e-4d93-a5b8-2f7e61c90a34": ("Ines", "ines"),
    "e47a95b3-90d8-4b26-9c5f-17d3a8f04e6b": ("Emil", "emil"),
    "2f9c7a50-6d14-4e8b-b3a7-91c05e28d76f": ("Vera", "vera"),
    "94d1b6e8-3a72-4c5f-8e06-7b2fa9135dc4": ("Jun", "jun"),
    wire.SANDBOX_AVATAR_ID: ("Wayne", "kai"),
}
"""Name and character by id, with every character of Kai. Only Wayne may be used in the sandbox, as with the real service."""
OWN_AVATAR_ID: Final = "c3e81f96-2b5d-4f7a-8e19-6d0a9b4c7f52"


@dataclass(slots=True)
class Paid:
    """One session of the account, from the issue of its token to its end. Times are seconds since the epoch."""

    id: str
    token: str
    agent_identity: str
    avatar_id: str
    is_sandbox: bool
    quality: str
    encoding: str
    longest_s: int
    made_at_s: float
    socket_key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    started_at_s: float | None = None
    ended_at_s: float | None = None
    end_reason: str = ""
    touched_at_s: float = 0.0

    @property
    def is_running(self) -> bool:
        return self.started_at_s is not None and self.ended_at_s is None

    def duration_s(self, now_s: float) -> float:
        """Return the billed time so far, in seconds."""
        if self.started_at_s is None:
            return 0.0
        return (self.ended_at_s or now_s) - self.started_at_s

    def credits(self, now_s: float) -> int:
        """Return the credits used: one for each begun minute, the first at the start; none in the sandbox."""
        if self.started_at_s is None or self.is_sandbox:
            return 0
        return max(1, math.ceil(self.duration_s(now_s) / 60))


class AccountBook:
    """Sessions and credits. Bound: `SESSIONS_KEPT` sessions; the oldest ended ones are removed."""

    def __init__(self, credits: float, now: Callable[[], float]) -> None:
        self.credits = credits
        self._now = now
        self._sessions: dict[str, Paid] = {}
        self._forgotten_credits = 0

    def mint(self, request: wire.TokenRequest, *, longest_s: int) -> Paid:
        """Create a session that may be started; nothing is billed yet.

        Raises ``ValueError`` with the service's message if it is to last longer than ``longest_s``, or a minute in the
        sandbox.
        """
        session_id = str(uuid.uuid4())
        video = request.video_settings or wire.VideoSettings()
        most_s = min(longest_s, wire.SANDBOX_S) if request.is_sandbox else longest_s
        wanted_s = most_s if request.max_session_duration is None else request.max_session_duration
        if wanted_s > most_s:
            raise ValueError(
                f"max_session_duration ({wanted_s}s) exceeds the maximum allowed ({most_s}s) for your plan"
            )
        paid = Paid(
            id=session_id,
            token="",
            agent_identity=f"agent-{session_id[:8]}",
            avatar_id=request.avatar_id,
            is_sandbox=request.is_sandbox,
            quality=video.quality,
            encoding=video.encoding,
            longest_s=wanted_s,
            made_at_s=self._now(),
        )
        self._sessions[session_id] = paid
        self._forget_old()
        return paid

    def start(self, paid: Paid) -> None:
        paid.started_at_s = paid.touched_at_s = self._now()

    def touch(self, paid: Paid) -> None:
        """Restart the idle timeout, since the client is still there."""
        paid.touched_at_s = self._now()

    def end(self, paid: Paid, reason: str) -> None:
        """End the session; no effect if it has ended already."""
        if paid.is_running:
            paid.ended_at_s = self._now()
            paid.end_reason = reason

    def by_id(self, session_id: str | None) -> Paid | None:
        return self._sessions.get(session_id or "")

    def by_token(self, token: str) -> Paid | None:
        return next((p for p in self._sessions.values() if token and p.token == token), None)

    def all(self) -> list[Paid]:
        """Return all sessions, newest first."""
        return list(reversed(self._sessions.values()))

    def running(self) -> list[Paid]:
        return [paid for paid in self.all() if paid.is_running]

    @property
    def used(self) -> int:
        """Credits used by all sessions so far."""
        now_s = self._now()
        return self._forgotten_credits + sum(paid.credits(now_s) for paid in self._sessions.values())

    @property
    def left(self) -> float:
        return max(0.0, self.credits - self.used)

    def entry(self, paid: Paid) -> wire.SessionEntry:
        """Return the session as an entry of the service's lists."""
        now_s = self._now()
        return wire.SessionEntry(
            id=paid.id,
            created_at=_iso(paid.started_at_s or paid.made_at_s),
            updated_at=_iso(paid.ended_at_s or now_s),
            duration=round(paid.duration_s(now_s), 3),
            is_sandbox=paid.is_sandbox,
            credits_consumed=paid.credits(now_s),
            end_at=None if paid.ended_at_s is None else _iso(paid.ended_at_s),
            end_reason=paid.end_reason or None,
        )

    def _forget_old(self) -> None:
        over = [p for p in self._sessions.values() if not p.is_running][
            : max(0, len(self._sessions) - SESSIONS_KEPT)
        ]
        for paid in over:
            self._forgotten_credits += paid.credits(self._now())
            del self._sessions[paid.id]


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()
