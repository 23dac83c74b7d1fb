"""Tells a voice near the microphone from the room around it, by level alone."""

from __future__ import annotations

from typing import Final

LEAST_DBFS: Final = -45.0
ABOVE_NOISE_DB: Final = 12.0
NOISE_RISES_DB: Final = 0.1
"""The rise per block. A lasting sound counts as noise after some seconds; a softer one lowers the noise level at once."""
VOICE_BLOCKS: Final = 3
"""A loud sound of this length (60 ms) may be a voice; a click is shorter."""


class LoudSound:
    """Follows one microphone, block by block of 20 ms."""

    def __init__(self) -> None:
        self._noise_dbfs = LEAST_DBFS
        self._loud_blocks = 0

    def push(self, dbfs: float) -> bool:
        """Take the next block's level; return whether it is part of a sound that may be a voice."""
        self._noise_dbfs = min(dbfs, self._noise_dbfs + NOISE_RISES_DB)
        is_loud = dbfs > max(LEAST_DBFS, self._noise_dbfs + ABOVE_NOISE_DB)
        self._loud_blocks = self._loud_blocks + 1 if is_loud else 0
        return self._loud_blocks >= VOICE_BLOCKS
