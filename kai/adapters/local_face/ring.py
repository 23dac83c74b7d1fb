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


def open_memory(most_px: int) -> int:
    """Return the descriptor of an anonymous file that holds a ring of frames of up to that size; the caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("kai-face", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, _HEAD_BYTES + SLOTS * frame_bytes(most_px))
    return descriptor


def frame_bytes(size_px: int) -> int:
    """Return the size of a square I420 frame in bytes."""
    return size_px * size_px * 3 // 2


class FrameRing:
    """Frames by number; number ``n`` is in slot ``n % SLOTS`` until ``n + SLOTS`` takes its place. Each has its own size."""

    def __init__(self, descriptor: int, most_px: int) -> None:
        slot_bytes = frame_bytes(most_px)
        self._map = mmap.mmap(descriptor, _HEAD_BYTES + SLOTS * slot_bytes)
        self._numbers = np.frombuffer(self._map, np.uint64, SLOTS * 3).reshape(SLOTS, 3)
        frames = np.frombuffer(self._map, np.uint8, SLOTS * slot_bytes, _HEAD_BYTES)
        self._frames = frames.reshape(SLOTS, slot_bytes)

    def begin_write(self, sequence: int, size_px: int) -> NDArray[np.uint8]:
        """Return the slot for frame ``sequence`` (from 1), ``(size * 3 // 2, size)`` uint8; then call `end_write`."""
        slot = sequence % SLOTS
        self._numbers[slot, 0] = sequence
        self._numbers[slot, 2] = size_px
        return self._frame(slot, size_px)

    def end_write(self, sequence: int) -> None:
        """Mark the frame as complete."""
        self._numbers[sequence % SLOTS, 1] = sequence

    def read(self, sequence: int) -> NDArray[np.uint8] | None:
        """Return a copy of the frame, or ``None`` if a later one has taken its place meanwhile."""
        slot = sequence % SLOTS
        if self._numbers[slot, 1] != sequence:
            return None
        frame = self._frame(slot, int(self._numbers[slot, 2])).copy()
        return frame if self._numbers[slot, 0] == sequence else None

    def _frame(self, slot: int, size_px: int) -> NDArray[np.uint8]:
        return self._frames[slot, : frame_bytes(size_px)].reshape(size_px * 3 // 2, size_px)

    def close(self) -> None:
        """Free the memory. The ring cannot be used afterwards."""
        del self._numbers, self._frames
        self._map.close()
