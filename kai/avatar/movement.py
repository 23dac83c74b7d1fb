"""How far the face moves between two pictures, so that a picture that would look like the last one need not be drawn.

A face at rest breathes, sways, blinks and looks about. Between two blinks it moves by less than a pixel from one picture to
the next, which nobody sees, but drawing, coding and sending that picture costs as much as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

_HEAD: Final = {"headYaw": 0.42, "headPitch": 0.43, "headRoll": 0.62, "headX": 0.39, "breath": 0.009}
"""How far a change of 1 moves what it moves most, as a share of the picture's height; measured by optical flow. These move
the whole head, whose movement is the root of the sum of their squares."""
_PARTS: Final = {
    "eyeBlink": 0.025,
    "gaze": 0.035,
    "mouthSmile": 0.034,
    "mouthPress": 0.019,
    "brow": 0.016,
    "eyeWide": 0.009,
    "eyeSquint": 0.008,
    "cheekSquint": 0.008,
}
"""The same for each part of the face, by the beginning of the parameters' names."""
_OTHER_PARTS: Final = 0.04
"""The same for the jaw and the lips in speech."""


def movement(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return how far what moved most has moved between the parameters of two pictures, as a share of the picture's height."""
    changes = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in before.keys() | after.keys()}
    head = math.hypot(*(changes.pop(name, 0.0) * reach for name, reach in _HEAD.items()))
    return max(head, *(abs(change) * _reach(name) for name, change in changes.items()))


def _reach(name: str) -> float:
    return next((reach for start, reach in _PARTS.items() if name.startswith(start)), _OTHER_PARTS)
