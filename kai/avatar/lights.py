"""The studio: a warm key upper left, a cool fill, a rim in the accent colour, sky and ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kai.avatar.colour import linear_bgr


def _unit(*v: float) -> NDArray[Any]:
    a = np.array(v)
    return a / np.linalg.norm(a)


KEY = _unit(-0.62, 0.62, 0.72)
FILL = _unit(0.75, 0.1, 0.6)
RIM = _unit(0.85, 0.45, -0.45)


@dataclass(frozen=True, slots=True)
class Lights:
    """What the shading kernel takes: directions (3, 3) of key, fill, rim; colours (5, 3) BGR with sky and ground; float32."""

    directions: NDArray[Any]
    colours: NDArray[Any]


def make_lights(accent: str) -> Lights:
    """The studio's lights with a rim tinted by ``accent``."""
    tint = linear_bgr(accent)
    colours = np.array(
        [
            np.array([0.91, 0.97, 1.03]) * 1.22,
            np.array([1.05, 0.95, 0.86]) * 0.13,
            (0.30 * tint / tint.max() + 0.70) * 1.45,
            np.array([1.02, 1, 0.98]) * 0.24,
            np.array([0.62, 0.72, 0.85]) * 0.11,
        ],
        np.float32,
    )
    return Lights(np.stack([KEY, FILL, RIM]).astype(np.float32), colours)
