"""The messages of the room's process to the app, over a socket pair: a head of fixed length, then the content.

Numbers are little-endian, and both ends are of one build. Times are on the monotonic clock, which all processes of a computer
share.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_HEAD: Final = struct.Struct("<BHHIddd")
HEAD_BYTES: Final = _HEAD.size
MOST_BYTES: Final = 4096 * 4096 * 3 // 2
"""The size of the largest picture; a longer message means a broken stream."""


class Kind(IntEnum):
    """The kind of a message. ``JOINED`` and ``FAILED`` answer the opening; ``FAILED`` and ``GONE`` have the trouble's code as
    content. The first time of ``AVATAR`` is 1 if the avatar has left and 0 if it is there."""

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
    """The head of a message; ``length`` bytes of content follow. ``rows`` and ``width`` are a picture's; the meaning of the
    times depends on the kind."""

    kind: Kind
    length: int = 0
    rows: int = 0
    width: int = 0
    times_s: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def encode(self) -> bytes:
        return _HEAD.pack(self.kind, self.rows, self.width, self.length, *self.times_s)


def decode(data: bytes | bytearray) -> Head:
    """Return the head in `HEAD_BYTES` bytes. Raises `ValueError` for a broken stream."""
    kind, rows, width, length, *times_s = _HEAD.unpack(data)
    if length > MOST_BYTES or (kind == Kind.PICTURE and rows * width != length):
        raise ValueError("a message of the room's process has a wrong length")
    return Head(Kind(kind), length, rows, width, (times_s[0], times_s[1], times_s[2]))
