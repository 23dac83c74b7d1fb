"""The forms in which sound and pictures pass from room to room: kinds of arrays, rates, and the block of live sound.

These are facts that every room shares, the engine too, so they stand on the lowest floor and are named nowhere else.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Any shape and dtype; the docstring where it is used says which."""

Pcm = NDArray[np.int16]
"""``(samples,)`` int16, mono. The rate is told where it is used: 24 000 Hz towards a face, 48 000 Hz at the browser."""

Float32 = NDArray[np.float32]
"""float32; where it is sound, ``(samples,)`` in [-1, 1], mono."""

Picture = NDArray[np.uint8]
"""``(height * 3 // 2, width)`` uint8, planar I420 (BT.601, limited range), as ``av.VideoFrame.from_ndarray`` takes it."""

LIVE_HZ: Final = 48_000
"""Sound of calls, rooms and the page: the clock of Opus in RTP (RFC 7587), whatever its bandwidth."""
SPEECH_HZ: Final = 24_000
"""Speech as brains and voices make it, and as faces take it."""
HEARING_HZ: Final = 16_000
"""Speech as recognisers hear it."""
VIDEO_HZ: Final = 90_000
"""The clock of video in RTP (RFC 6184, RFC 7741)."""

BLOCK_SAMPLES: Final = 960
"""A block of live sound: 20 ms at `LIVE_HZ`."""
BLOCK_MS: Final = 20
BLOCK_S: Final = BLOCK_SAMPLES / LIVE_HZ

SILENCE: Final[Pcm] = np.zeros(BLOCK_SAMPLES, np.int16)
"""A block of silence; it is read-only, since everybody plays the same one."""
SILENCE.flags.writeable = False
