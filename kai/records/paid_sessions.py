"""Records on disk of this computer's running paid sessions (avatars and calls of pages), so that none outlives its owner.

If a session's id is known before the start (an avatar's token contains it), it is recorded before the start, and otherwise
as soon as it is known. Each session has one small file, mode 0600, with its kind and id, the owner's pid, the start of that
process, and the start of the session; never a token or a key. A session whose owner is dead is an orphan, which the next
start of the app stops.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import platformdirs
import psutil

from kai.compat.files import write_private
from kai.errors import KaiError

log = logging.getLogger(__name__)

SAME_START_S: Final = 2.0
_SAFE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class PaidSession:
    """A session at a provider. ``kind`` names the provider; times are seconds since the epoch."""

    kind: str
    id: str
    owner_pid: int
    owner_began_s: float
    started_s: float

    @property
    def is_orphan(self) -> bool:
        """True when the process that started the session is gone."""
        try:
            return abs(psutil.Process(self.owner_pid).create_time() - self.owner_began_s) > SAME_START_S
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False


class PaidSessions:
    """The records in a folder (by default the user's state folder). Any thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(platformdirs.user_state_dir("kai", appauthor=False)) / "paid-sessions"

    def note(self, kind: str, session_id: str) -> None:
        """Record a session of this process. Blocks until the record is on disk."""
        if not _SAFE.fullmatch(kind) or not _SAFE.fullmatch(session_id):
            raise KaiError(
                "The provider gave a session an id that cannot be recorded.", code="bad-session-id"
            )
        record = PaidSession(kind, session_id, os.getpid(), psutil.Process().create_time(), time.time())
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = json.dumps(asdict(record)).encode()
        write_private(self._path(kind, session_id), content, is_durable=True)

    def forget(self, kind: str, session_id: str) -> None:
        """Remove the record of a session that was stopped at the provider."""
        self._path(kind, session_id).unlink(missing_ok=True)

    def all(self) -> tuple[PaidSession, ...]:
        """Return every record. An unreadable file is skipped and logged."""
        found: list[PaidSession] = []
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else ():
            try:
                found.append(PaidSession(**json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                log.warning("a record of a paid session cannot be read", extra={"file": path.name})
        return tuple(found)

    def orphans(self, kind: str) -> tuple[PaidSession, ...]:
        """Return the sessions of that kind whose owner is dead."""
        return tuple(record for record in self.all() if record.kind == kind and record.is_orphan)

    async def reap(self, kind: str, stop: Callable[[str], Awaitable[None]]) -> int:
        """Stop every orphan at its provider with ``stop(id)`` and return how many. A failure is tried again next time.

        ``stop`` raises `KaiError` if the session may still be running, but not if the provider does not know it.
        """
        count = 0
        for record in await asyncio.to_thread(self.orphans, kind):
            try:
                await stop(record.id)
            except KaiError as exc:
                log.warning(
                    "an orphaned session could not be stopped", extra={"kind": kind, "code": exc.code}
                )
                continue
            await asyncio.to_thread(self.forget, kind, record.id)
            count += 1
        if count:
            log.warning("orphaned sessions stopped", extra={"kind": kind, "count": count})
        return count

    def _path(self, kind: str, session_id: str) -> Path:
        return self._folder / f"{kind}-{session_id}.json"
