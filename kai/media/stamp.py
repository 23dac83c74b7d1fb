"""Test marks: a time in the picture and a click in the sound, with which a browser can measure their synchrony.

With test marks on, every frame carries the media time that it shows, in milliseconds modulo 2^32, and the sound has a click
at each whole second of the same time. The media time is the CLOCK_MONOTONIC time at which the matching sound leaves the app.

The stamp is one row of 40 blocks, each ``width // 40`` wide and 16 high, at the left edge of the last 16 rows of the luma
plane: the 32 bits of the time, highest first, then the exclusive or of the time's four bytes as 8 bits. White (235) is 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK_HEIGHT_PX = 16
BLOCKS = 40
_WHITE, _BLACK = 235, 16
CLICK_HZ = 2_000
CLICK_SAMPLES = 240
"""At 48 000 Hz: 5 ms."""


def put_stamp(luma: NDArray[np.uint8], media_ms: int) -> None:
    """Write the time into the last rows of a (height, width) luma plane."""
    value = media_ms & 0xFFFFFFFF
    check = (value ^ value >> 8 ^ value >> 16 ^ value >> 24) & 0xFF
    bits = [(value << 8 | check) >> (BLOCKS - 1 - i) & 1 for i in range(BLOCKS)]
    row = np.where(np.array(bits, bool), _WHITE, _BLACK).astype(np.uint8)
    width = luma.shape[1] // BLOCKS
    luma[-BLOCK_HEIGHT_PX:, : BLOCKS * width] = np.repeat(row, width)[None]


def read_stamp(luma: NDArray[np.uint8]) -> int | None:
    """Return the time in a (height, width) luma plane, or ``None`` if there is none or it is damaged."""
    width = luma.shape[1] // BLOCKS
    middle = luma[-BLOCK_HEIGHT_PX + 4 : -4, : BLOCKS * width].astype(float)
    levels = middle.reshape(-1, BLOCKS, width)[:, :, width // 4 : -(width // 4)].mean((0, 2))
    number = 0
    for level in levels:
        number = number << 1 | int(level > (_WHITE + _BLACK) / 2)
    value, check = number >> 8, number & 0xFF
    expected = (value ^ value >> 8 ^ value >> 16 ^ value >> 24) & 0xFF
    return value if check == expected else None


def add_click(block: NDArray[np.int16], at_s: float, rate_hz: int) -> None:
    """Add the click of a whole second, or the part of it that is in the block, to a block that begins at ``at_s``."""
    times = at_s + np.arange(len(block)) / rate_hz
    since = times - np.floor(times)
    clicking = since < CLICK_SAMPLES / rate_hz
    if clicking.any():
        tone = 9000 * np.sin(2 * np.pi * CLICK_HZ * since[clicking])
        block[clicking] = np.clip(block[clicking] + tone, -32768, 32767).astype(np.int16)
