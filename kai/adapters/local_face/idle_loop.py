"""The pre-rendered loop that is the picture until the live face is ready."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar.rig import DATA_DIR
from kai.errors import WeightsError

Frame = NDArray[np.uint8]


class IdleLoop:
    """Plays ``data/idle-<mesh>.mp4`` forwards and backwards without end. Frames are decoded when they are first shown."""

    def __init__(self, mesh: str, width_px: int, height_px: int) -> None:
        path = DATA_DIR / f"idle-{mesh}.mp4"
        try:
            self._file: Any = av.open(str(path))
        except (OSError, ValueError) as exc:
            raise WeightsError(
                f"The face's file {path.name} is missing. Check out the project again."
            ) from exc
        self._decoder: Iterator[Any] | None = self._file.decode(video=0)
        self._size = (width_px, height_px)
        self._frames: list[Frame] = []
        self._next = 0
        self._step = 1

    def next_frame(self) -> Frame:
        """Return the next frame, ``(height * 3 // 2, width)`` uint8 I420; do not change it."""
        if self._decoder is not None:
            decoded = next(self._decoder, None)
            if decoded is not None:
                self._frames.append(self._fit(decoded))
                self._next = len(self._frames) - 1
                return self._frames[-1]
            self.close()
            self._step = -1
        last = len(self._frames) - 1
        if not 0 <= self._next + self._step <= last:
            self._step = -self._step
        self._next = min(max(self._next + self._step, 0), last)
        return self._frames[self._next]

    def close(self) -> None:
        """Close the file; decoded frames can still be played."""
        self._decoder = None
        self._file.close()

    def _fit(self, decoded: Any) -> Frame:
        if (decoded.width, decoded.height) == self._size:
            return decoded.to_ndarray(format="yuv420p")
        width, height = self._size
        edge = min(width, height)
        square = cv2.resize(decoded.to_ndarray(format="bgr24"), (edge, edge), interpolation=cv2.INTER_AREA)
        # The loop is square: a wide picture shows it in the middle, with its edges extended.
        left, top = (width - edge) // 2, (height - edge) // 2
        picture = cv2.copyMakeBorder(
            square, top, height - edge - top, left, width - edge - left, cv2.BORDER_REPLICATE
        )
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
