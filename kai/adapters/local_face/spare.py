"""A warm face that waits at rest, so that a talk begins with a living picture."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import Callable

from kai.adapters.local_face.face import LocalFace
from kai.compat.spare import Spare
from kai.core.policy.face_facts import FACE_BUSY
from kai.core.state import Look
from kai.errors import FaceError

MOST_FACES = max(2, os.cpu_count() or 1)
"""A face that is drawn, coded and shown takes a third of a core, and its browser as much. On two cores the third talk took
the others' pictures down to 16 a second and had none of its own after 40 s, and nobody was told."""

BUSY_S = 5.0
"""The time after which a talk that got no face may ask again."""


class SpareFace:
    """At most one face, prepared when a page opens and taken when a talk begins. Kai's loop only.

    No more than ``most`` of the faces that were taken are drawn at a time; faces that stand by do not count.
    """

    def __init__(self, make_face: Callable[[], LocalFace], most: int = MOST_FACES) -> None:
        self._make_face = make_face
        self._most = most
        self._taken: weakref.WeakSet[LocalFace] = weakref.WeakSet()
        self._spare = Spare[LocalFace]("spare face", LocalFace.aclose, lambda face: face.is_prepared)

    def warm(self, look: Look) -> None:
        """Prepare a face, most likely of this look, because a talk may begin soon."""
        self._spare.warm(lambda: self._prepare(look))

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
        face = self._spare.take() or self._make_face()
        self._taken.add(face)
        return face

    async def aclose(self) -> None:
        """End the spare."""
        await self._spare.aclose()

    async def _prepare(self, look: Look) -> LocalFace:
        face = self._make_face()
        try:
            await face.prepare(look)
        except asyncio.CancelledError:
            await face.aclose()
            raise
        return face
