"""The formats of sound and pictures that modules exchange: array types, rates, and the block of live sound.

Every package shares these, including the engine, so they are defined in the lowest layer and nowhere else.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""An array of any shape and dtype. The docstring where it is used says which."""

Pcm = NDArray[np.int16]
"""``(samples,)`` int16, mono. The rate depends on the place: 24 000 Hz towards a face, 48 000 Hz at the browser."""

Float32 = NDArray[np.float32]
"""float32. Sound is ``(samples,)`` in [-1, 1], mono."""

Picture = NDArray[np.uint8]
"""``(height * 3 // 2, width)`` uint8, planar I420 (BT.601, limited range), as ``av.VideoFrame.from_ndarray`` takes it."""

LIVE_HZ: Final = 48_000
"""The rate of sound in calls, rooms and the page: the RTP clock of Opus at any bandwidth (RFC 7587)."""
SPEECH_HZ: Final = 24_000
"""The rate of speech that brains and voices produce and faces take."""
HEARING_HZ: Final = 16_000
"""The rate of speech for recognisers."""
VIDEO_HZ: Final = 90_000
"""The RTP clock of video (RFC 6184, RFC 7741)."""

BLOCK_SAMPLES: Final = 960
"""The length of a block of live sound: 20 ms at `LIVE_HZ`."""
BLOCK_MS: Final = 20
BLOCK_S: Final = BLOCK_SAMPLES / LIVE_HZ

SILENCE: Final[Pcm] = np.zeros(BLOCK_SAMPLES, np.int16)
"""A block of silence. It is read-only because all callers share it."""
SILENCE.flags.writeable = False
