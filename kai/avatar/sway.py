"""Hair that turns with the head: a flat picture with depth, warped."""

from __future__ import annotations

import cv2
import numpy as np

from kai.avatar import raster
from kai.avatar.bake_hair import CELL_PX, Sprite
from kai.avatar.camera import DISTANCE
from kai.compat.format import Array


def lay_swayed(
    picture: Array,
    sprite: Sprite,
    rotation: Array,
    shift: Array,
    pivot: Array,
    scale_px: float,
    corner: tuple[int, int],
    *,
    is_smooth: bool,
) -> None:
    """Draw the sprite over the picture, whose corner is at ``corner`` of the fine picture, as seen when the head is turned.

    An inverse warp to first order, good to about 12 degrees. Displacements are computed at the corners of cells of `CELL_PX`,
    since depth is smooth over a dozen pixels. ``is_smooth`` is as in `kai.avatar.raster.lay_moved`.
    """
    dx, dy = _displacement(sprite, rotation, shift, pivot, scale_px)
    # Inverse lookup: a pixel was displaced by the field at its source, which the field at its target approximates. Look the
    # field up there once more.
    columns = np.arange(dx.shape[1], dtype=np.float32)[None] - dx / CELL_PX
    rows = np.arange(dx.shape[0], dtype=np.float32)[:, None] - dy / CELL_PX
    right = cv2.remap(dx, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    down = cv2.remap(dy, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x0, y0 = sprite.box[0] - corner[0], sprite.box[1] - corner[1]
    below, hair = (pixels.view(np.uint32)[..., 0] for pixels in (picture, sprite.picture))
    raster.lay_moved(below, hair, sprite.occupied, right, down, CELL_PX, x0, y0, is_smooth)


def _displacement(
    sprite: Sprite, rotation: Array, shift: Array, pivot: Array, scale_px: float
) -> tuple[Array, Array]:
    """Return how far, in fine pixels to the right and down, the turn moves the corners of the sprite's cells."""
    x, y, z = sprite.x, sprite.y, sprite.z
    px, py, pz = x - pivot[0], y - pivot[1], z - pivot[2]
    r = rotation
    turned_x = r[0, 0] * px + r[0, 1] * py + r[0, 2] * pz + (pivot[0] + shift[0])
    turned_y = r[1, 0] * px + r[1, 1] * py + r[1, 2] * pz + (pivot[1] + shift[1])
    turned_z = r[2, 0] * px + r[2, 1] * py + r[2, 2] * pz + pivot[2]
    # Hair on the shoulders does not follow the head.
    follows = np.clip((y + 2.0) / 1.1, 0, 1)
    turned_x, turned_y, turned_z = (
        v + (w - v) * follows for v, w in ((x, turned_x), (y, turned_y), (z, turned_z))
    )
    scale = np.float32(scale_px * (DISTANCE - 1))
    before, after = scale / (np.float32(DISTANCE) - z), scale / (np.float32(DISTANCE) - turned_z)
    return turned_x * after - x * before, y * before - turned_y * after
