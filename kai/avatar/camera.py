"""Where the head stands in the picture.

Lengths are head units: 1.125 from the chin to the eyes, x to the picture's right, y up, z towards the viewer, origin between
the eyes' height and 1.2 behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kai.avatar import raster
from kai.errors import ConfigError

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are outside."""

MIN_EDGE_PX, MAX_EDGE_PX = 128, 1920

DISTANCE = 11.0
"""Camera to origin, head units."""

_UNIT_IN_HEIGHTS = 0.31
_EYE_LINE = 0.435
_BOX_GRID_PX = 6
"""The head's box lies on this grid, so that its edges are whole pixels at 1.0x, 1.5x and 2.0x."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera in front of the face; ``width_px`` and so on are the delivered picture's."""

    width_px: int
    height_px: int
    supersample: float
    fine_width_px: int
    fine_height_px: int
    scale_px: float
    centre_x_px: float
    centre_y_px: float
    head_box: Box
    """The part of the fine picture that is drawn anew for every frame."""

    @property
    def out_head_box(self) -> Box:
        """``head_box`` in pixels of the delivered picture."""
        x0, y0, x1, y1 = (round(v / self.supersample) for v in self.head_box)
        return x0, y0, x1, y1

    def project(
        self, points: NDArray[Any], *, zoom: float = 1.0, origin_px: tuple[int, int] = (0, 0)
    ) -> NDArray[Any]:
        """(n, 3) float32: x and y in pixels of the fine picture times ``zoom``, seen from ``origin_px``, and depth z."""
        out = np.empty(points.shape, np.float32)
        raster.project(
            points.astype(np.float32),
            np.float32(self.centre_x_px * zoom - origin_px[0]),
            np.float32(self.centre_y_px * zoom - origin_px[1]),
            np.float32(self.scale_px * zoom),
            np.float32(DISTANCE),
            out,
        )
        return out


def make_camera(width_px: int, height_px: int, supersample: float) -> Camera:
    """The camera of a portrait whose head fills the same share of the height at any picture size.

    Raises `ConfigError` for a size that cannot be drawn: edges are even and from `MIN_EDGE_PX` to `MAX_EDGE_PX`.
    """
    for edge_px in (width_px, height_px):
        if edge_px % 2 or not MIN_EDGE_PX <= edge_px <= MAX_EDGE_PX:
            raise ConfigError(
                f"A face of {width_px}x{height_px} pixels cannot be drawn. Choose even numbers from {MIN_EDGE_PX} to "
                f"{MAX_EDGE_PX}, like 512x512 or 1280x720."
            )
    if width_px < height_px:
        raise ConfigError(
            "The face's picture is as wide as it is high, or wider. Choose 512x512 or 1280x720."
        )
    fine_width, fine_height = round(width_px * supersample), round(height_px * supersample)
    scale = float(np.float32(_UNIT_IN_HEIGHTS * fine_height))
    centre_x, centre_y = fine_width / 2, float(np.float32(fine_height * _EYE_LINE))
    grid = _BOX_GRID_PX
    x0 = max(0, int((centre_x - 1.30 * scale) // grid * grid))
    x1 = min(fine_width, int(-(-(centre_x + 1.30 * scale) // grid) * grid))
    y1 = min(fine_height, int(-(-(centre_y + 2.25 * scale) // grid) * grid))
    return Camera(
        width_px, height_px, supersample, fine_width, fine_height, scale, centre_x, centre_y, (x0, 0, x1, y1)
    )
