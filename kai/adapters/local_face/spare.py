"""A warm face that waits at rest, so that a talk begins with a living picture."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Callable

from kai.adapters.local_face.face import LocalFace
from kai.compat.tasks import Tasks
from kai.core.policy.face_facts import FACE_BUSY
from kai.core.state import Look
from kai.errors import FaceError, KaiError

log = logging.getLogger(__name__)

KEEP_S = 600.0
"""A spare waits this long after the last page opened that might want it; then its memory is freed."""
MOST_FACES = max(2, os.cpu_count() or 1)
"""A face that is drawn, coded and shown takes a third of a core, and its browser as much. On two cores the third talk took
the others' pictures down to 16 a second and had none of its own after 40 s, and nobody was told."""

BUSY_S = 5.0
"""The time after which a talk that got no face may ask again."""


class SpareFace:
    """At most one face, prepared when a page opens and taken when a talk begins. Kai's loop only.

    No more than ``most`` of the faces that were taken are drawn at a time; faces that stand by do not count.
    """

    def __init__(
        self, make_face: Callable[[], LocalFace], keep_s: float = KEEP_S, most: int = MOST_FACES
    ) -> None:
        self._make_face = make_face
        self._keep_s = keep_s
        self._most = most
        self._taken: weakref.WeakSet[LocalFace] = weakref.WeakSet()
        self._face: LocalFace | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._closing = Tasks("spare face")
        self._is_closed = False

    def warm(self, look: Look) -> None:
        """Prepare a face, most likely of this look, because a talk may begin soon."""
        if self._is_closed:
            return
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(self._keep_s, self._forget)
        if self._face is None and self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare(look), name="spare face: prepare")

    def take(self) -> LocalFace:
        """Return the spare if one is ready, else a fresh face. It belongs to the caller.

        Raises `FaceError` if this computer draws as many faces as it can.
        """
        drawn = sum(face.is_drawing for face in self._taken)
        if drawn >= self._most:
            raise FaceError(
                f"This computer already draws {drawn} faces, and its processor can do no more. Until one of those talks ends "
                "you see a still picture; the voice and the captions go on.",
                code=FACE_BUSY,
                retry_after_s=BUSY_S,
            )
        face, self._face = self._face, None
        if face is None or not face.is_prepared:
            if face is not None:
                self._close(face)
            face = self._make_face()
        self._taken.add(face)
        return face

    async def aclose(self) -> None:
        """End the spare."""
        self._is_closed = True
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        self._forget()
        await self._closing.wait_ended()

    async def _prepare(self, look: Look) -> None:
        face = self._make_face()
        try:
            await face.prepare(look)
        except KaiError as exc:
            # The talk itself will meet the same error and report it.
            log.info("no spare face", extra={"code": exc.code})
        except asyncio.CancelledError:
            await face.aclose()
            raise
        else:
            self._face = face
        finally:
            self._preparing = None

    def _forget(self) -> None:
        face, self._face = self._face, None
        if face is not None:
            self._close(face)

    def _close(self, face: LocalFace) -> None:
        self._closing.spawn(face.aclose(), "close")
