"""A few frames in memory that two processes share.

The memory is an anonymous file whose descriptor the child inherits. It has no name that could be left behind, and it is freed
with the last process that holds it. (Python 3.11's named shared memory is destroyed by the first child that ends.)
"""

from __future__ import annotations

import mmap
import os
import tempfile

import numpy as np
from numpy.typing import NDArray

SLOTS = 4
_HEAD_BYTES = 4096


def open_memory(width_px: int, height_px: int) -> int:
    """Return the descriptor of an anonymous file that holds the ring; the caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kai-face", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _HEAD_BYTES + SLOTS * frame_bytes(width_px, height_px))
    return descriptor


def frame_bytes(width_px: int, height_px: int) -> int:
    """Return the size of an I420 frame in bytes."""
    return width_px * height_px * 3 // 2


class FrameRing:
    """Frames by number; number ``n`` is in slot ``n % SLOTS`` until ``n + SLOTS`` takes its place."""

    def __init__(self, descriptor: int, width_px: int, height_px: int) -> None:
        size = frame_bytes(width_px, height_px)
        self._map = mmap.mmap(descriptor, _HEAD_BYTES + SLOTS * size)
        self._numbers = np.frombuffer(self._map, np.uint64, SLOTS * 2).reshape(SLOTS, 2)
        frames = np.frombuffer(self._map, np.uint8, SLOTS * size, _HEAD_BYTES)
        self._frames = frames.reshape(SLOTS, height_px * 3 // 2, width_px)

    def begin_write(self, sequence: int) -> NDArray[np.uint8]:
        """Return the slot for frame ``sequence`` (from 1), ``(height * 3 // 2, width)`` uint8; then call `end_write`."""
        self._numbers[sequence % SLOTS, 0] = sequence
        return self._frames[sequence % SLOTS]

    def end_write(self, sequence: int) -> None:
        """Mark the frame as complete."""
        self._numbers[sequence % SLOTS, 1] = sequence

    def read(self, sequence: int) -> NDArray[np.uint8] | None:
        """Return a copy of the frame, or ``None`` if a later one has taken its place meanwhile."""
        slot = sequence % SLOTS
        if self._numbers[slot, 1] != sequence:
            return None
        frame = self._frames[slot].copy()
        return frame if self._numbers[slot, 0] == sequence else None

    def close(self) -> None:
        """Free the memory. The ring cannot be used afterwards."""
        del self._numbers, self._frames
        self._map.close()
