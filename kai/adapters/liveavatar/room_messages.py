"""What the room's process says to the app over a socket pair: a head of fixed length, then the content. Little-endian; both
ends are of one build. Times are of the monotonic clock, which processes of one computer share.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_HEAD: Final = struct.Struct("<BHHIddd")
HEAD_BYTES: Final = _HEAD.size
MOST_BYTES: Final = 4096 * 4096 * 3 // 2
"""No picture is larger; a longer message is a broken stream."""


class Kind(IntEnum):
    """``JOINED`` and ``FAILED`` answer the opening; ``FAILED`` and ``GONE`` have the trouble's code as content. ``AVATAR``
    tells by its first time whether the avatar has left (1) or is there (0)."""

    JOINED = 1
    FAILED = 2
    SOUND = 3
    PICTURE = 4
    PLAYS = 5
    FRESH = 6
    AVATAR = 7
    GONE = 8


@dataclass(frozen=True, slots=True)
class Head:
    """``length`` bytes follow. ``rows`` and ``width`` are a picture's; what the times mean depends on the kind."""

    kind: Kind
    length: int = 0
    rows: int = 0
    width: int = 0
    times_s: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def encode(self) -> bytes:
        return _HEAD.pack(self.kind, self.rows, self.width, self.length, *self.times_s)


def decode(data: bytes | bytearray) -> Head:
    """The head in `HEAD_BYTES` bytes. Raises `ValueError` for a broken stream."""
    kind, rows, width, length, *times_s = _HEAD.unpack(data)
    if length > MOST_BYTES or (kind == Kind.PICTURE and rows * width != length):
        raise ValueError("a message of the room's process has a wrong length")
    return Head(Kind(kind), length, rows, width, (times_s[0], times_s[1], times_s[2]))
