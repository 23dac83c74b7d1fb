"""Kai becomes softer at once when somebody speaks over him, where his sound leaves the app and the microphone comes in.

The brain decides whether it was an interruption or a nod, and takes half a second for that; what it says then has passed the
face by another. Who only nodded hears Kai as loud as before after a moment, and loses no word.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from kai.compat.format import Pcm
from kai.media.echo import MIN_FOREIGN_SHARE, EchoGate, thinned
from kai.media.pcm import level_dbfs

DUCKED_GAIN: Final = 0.25
"""12 dB softer: still understood, and no longer in the person's way."""
AFTER_BLOCKS: Final = 3
"""Something loud for so long (60 ms) may be a voice; a click is not."""
LEAST_DBFS: Final = -45.0
ABOVE_NOISE_DB: Final = 12.0
NOISE_RISES_DB: Final = 0.1
"""A block. What lasts is noise after some seconds, whatever it is; what is softer is it at once."""
WINDOW_MS: Final = 160
HOLD_BLOCKS: Final = 25
"""Kai stays soft for so long (0.5 s) after the person's last sound: between two words he would be loud again."""
RISE_BLOCKS: Final = 10
"""He comes back within 0.2 s, not with a jump."""
SOUNDS_FOR_BLOCKS: Final = 45
"""So long (0.9 s) after it was played Kai's sound may still come in: two jitter buffers and a room."""


class Ducker:
    """Hears the microphone, and passes Kai's sound on: as it is, or softer. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._echo = EchoGate()
        self._noise_dbfs = LEAST_DBFS
        self._loud_blocks = 0
        self._hold_blocks = 0
        self._silent_blocks = SOUNDS_FOR_BLOCKS
        self._gain = 1.0

    @property
    def is_ducking(self) -> bool:
        """Whether somebody speaks over Kai now, or did a moment ago."""
        return self._hold_blocks > 0

    def hear(self, pcm: Pcm) -> None:
        """The microphone's next 20 ms, ``(960,)`` int16 at 48 000 Hz; nothing of what Kai may not hear."""
        heard = thinned(pcm)
        level_dbfs_now = level_dbfs(heard)
        with self._lock:
            self._echo.hear(heard)
            self._noise_dbfs = min(level_dbfs_now, self._noise_dbfs + NOISE_RISES_DB)
            is_loud = level_dbfs_now > max(LEAST_DBFS, self._noise_dbfs + ABOVE_NOISE_DB)
            self._loud_blocks = self._loud_blocks + 1 if is_loud else 0
            self._hold_blocks = max(0, self._hold_blocks - 1)
            if self._silent_blocks >= SOUNDS_FOR_BLOCKS or self._loud_blocks < AFTER_BLOCKS:
                return
            if self._echo.foreign_share(WINDOW_MS) >= MIN_FOREIGN_SHARE:
                self._hold_blocks = HOLD_BLOCKS

    def play(self, pcm: Pcm) -> Pcm:
        """Kai's next 20 ms, ``(960,)`` int16 at 48 000 Hz, as loud as he shall be now."""
        with self._lock:
            self._silent_blocks = 0 if pcm.any() else self._silent_blocks + 1
            before = self._gain
            wanted = DUCKED_GAIN if self._hold_blocks else 1.0
            self._gain = min(wanted, before + (1.0 - DUCKED_GAIN) / RISE_BLOCKS)
            if before != 1.0 or self._gain != 1.0:
                ramp = np.linspace(before, self._gain, len(pcm), dtype=np.float32)
                pcm = (pcm * ramp).astype(np.int16)
            self._echo.play(pcm)
            return pcm
