"""Colours and curves shared by the bake and the renderer. All light arithmetic is linear, channel order BGR."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]

HEX_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

TONE_STEPS = 512
"""Steps of the tone table for one unit of linear light; the table covers 0 to 4."""


def linear_bgr(hex_colour: str) -> Floats:
    """Linear light of an sRGB colour such as ``#35c2c9``: (3,) float64, BGR, 0 to 1."""
    digits = hex_colour.lstrip("#")
    srgb = np.array([int(digits[i : i + 2], 16) for i in (4, 2, 0)], float) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def smoothstep(start: float, end: float, x: Any) -> Floats:
    """0 before ``start``, 1 after ``end`` (either may be the larger), a smooth cubic between; shape of ``x``."""
    t = np.clip((x - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def make_tone_table() -> NDArray[np.uint8]:
    """(2049,) uint8: linear light 0 to 4 in 1/512 steps -> display value, with a filmic shoulder above 0.55."""
    light = np.arange(4 * TONE_STEPS + 1) / TONE_STEPS
    shoulder = np.where(light < 0.55, light, 0.55 + 0.45 * (1 - np.exp(-(light - 0.55) / 0.45)))
    srgb = np.where(
        shoulder <= 0.0031308,
        shoulder * 12.92,
        1.055 * np.power(np.maximum(shoulder, 1e-9), 1 / 2.4) - 0.055,
    )
    return np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)


def tone_map(linear: Floats, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Display values of linear light, same shape, uint8."""
    return table[np.clip((np.nan_to_num(linear) * TONE_STEPS).astype(int), 0, len(table) - 1)]
