"""Lowers Kai's volume at once when somebody speaks over it, at the point where Kai's sound leaves the app.

The brain needs half a second to decide whether the person interrupts or only agrees ("uh-huh"), and its decision takes
further time to take effect at the face. If the person only agreed, Kai is soon as loud as before, and no word is lost.
"""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from kai.compat.format import Pcm
from kai.media.echo import MIN_FOREIGN_SHARE, EchoGate, thinned
from kai.media.loudness import LoudSound
from kai.media.pcm import level_dbfs

DUCKED_GAIN: Final = 0.25
"""12 dB softer: still intelligible, but no longer disturbing the person who speaks."""
WINDOW_MS: Final = 160
HOLD_BLOCKS: Final = 25
"""Kai stays soft for this long (0.5 s) after the person's last sound, so as not to be loud again between two words."""
RISE_BLOCKS: Final = 10
"""The volume returns within 0.2 s, without a jump."""
SOUNDS_FOR_BLOCKS: Final = 45
"""How long (0.9 s) after its playout Kai's sound may still reach the microphone, through two jitter buffers and a room."""


class Ducker:
    """Listens to the microphone and passes Kai's sound on, unchanged or softer. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._echo = EchoGate()
        self._loud = LoudSound()
        self._hold_blocks = 0
        self._silent_blocks = SOUNDS_FOR_BLOCKS
        self._gain = 1.0

    @property
    def is_ducking(self) -> bool:
        """True while somebody speaks over Kai, and for a moment afterwards."""
        return self._hold_blocks > 0

    def push_mic(self, pcm: Pcm) -> None:
        """Take the microphone's next 20 ms, ``(960,)`` int16 at 48 000 Hz, but not while Kai may not hear the person."""
        heard = thinned(pcm)
        level_dbfs_now = level_dbfs(heard)
        with self._lock:
            self._echo.push_mic(heard)
            is_voice = self._loud.push(level_dbfs_now)
            self._hold_blocks = max(0, self._hold_blocks - 1)
            if self._silent_blocks >= SOUNDS_FOR_BLOCKS or not is_voice:
                return
            if self._echo.foreign_share(WINDOW_MS) >= MIN_FOREIGN_SHARE:
                self._hold_blocks = HOLD_BLOCKS

    def play(self, pcm: Pcm) -> Pcm:
        """Return Kai's next 20 ms, ``(960,)`` int16 at 48 000 Hz, at the current volume."""
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
