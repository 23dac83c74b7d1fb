"""Hair that turns with the head: a flat picture with depth, warped."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar.bake_hair import Sprite
from kai.avatar.camera import DISTANCE

Array = NDArray[Any]

_STEP_PX = 4
"""Displacements are computed at every fourth pixel: depth is smooth over a dozen, and it saves two thirds of the time."""


def sway(sprite: Sprite, rotation: Array, shift: Array, pivot: Array, scale_px: float) -> Array:
    """The sprite's picture as seen when the head is turned: an inverse warp to first order, good to about 12 degrees."""
    height, width = sprite.x.shape
    x, y, z = (v[::_STEP_PX, ::_STEP_PX] for v in (sprite.x, sprite.y, sprite.z))
    dx, dy = _displacement(x, y, z, rotation, shift, pivot, scale_px)
    # What comes to lie here lay there; its displacement is that of there, so look it up once more.
    columns = np.arange(x.shape[1], dtype=np.float32)[None] - dx / _STEP_PX
    rows = np.arange(x.shape[0], dtype=np.float32)[:, None] - dy / _STEP_PX
    edge = cv2.BORDER_REPLICATE
    from_x = _enlarge(cv2.remap(dx, columns, rows, cv2.INTER_LINEAR, borderMode=edge), width, height)
    from_y = _enlarge(cv2.remap(dy, columns, rows, cv2.INTER_LINEAR, borderMode=edge), width, height)
    np.subtract(np.arange(width, dtype=np.float32)[None], from_x, out=from_x)
    np.subtract(np.arange(height, dtype=np.float32)[:, None], from_y, out=from_y)
    return cv2.remap(sprite.picture, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _displacement(
    x: Array, y: Array, z: Array, rotation: Array, shift: Array, pivot: Array, scale_px: float
) -> tuple[Array, Array]:
    """How far, in fine pixels to the right and down, the turn moves points."""
    px, py, pz = x - pivot[0], y - pivot[1], z - pivot[2]
    r = rotation
    turned_x = r[0, 0] * px + r[0, 1] * py + r[0, 2] * pz + (pivot[0] + shift[0])
    turned_y = r[1, 0] * px + r[1, 1] * py + r[1, 2] * pz + (pivot[1] + shift[1])
    turned_z = r[2, 0] * px + r[2, 1] * py + r[2, 2] * pz + pivot[2]
    # What lies on the shoulders stays there.
    follows = np.clip((y + 2.0) / 1.1, 0, 1)
    turned_x, turned_y, turned_z = (
        v + (w - v) * follows for v, w in ((x, turned_x), (y, turned_y), (z, turned_z))
    )
    scale = np.float32(scale_px * (DISTANCE - 1))
    before, after = scale / (np.float32(DISTANCE) - z), scale / (np.float32(DISTANCE) - turned_z)
    return turned_x * after - x * before, y * before - turned_y * after


def _enlarge(field: Array, width: int, height: int) -> Array:
    """A field of every fourth pixel, at every pixel: sample ``i`` lies at pixel ``4 i``."""
    matrix = np.array([[1 / _STEP_PX, 0, 0], [0, 1 / _STEP_PX, 0]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(field, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
