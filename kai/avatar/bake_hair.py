"""Hair as flat pictures with depth: drawn once, strand by strand, then turned with the head by warping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar import hair_growth, lights, raster
from kai.avatar.camera import DISTANCE, Box, Camera
from kai.avatar.colour import linear_bgr, make_tone_table, tone_map
from kai.avatar.hair_growth import SKULL_CENTRE, SKULL_RADII, Strands
from kai.avatar.lights import Lights
from kai.avatar.rig import SKIN, Rig, triangulate
from kai.avatar.style import Hairstyle, Style

Array = NDArray[Any]

_ZOOM = 2
"""Strands are drawn this much larger than the fine picture."""
_DEPTH_CELL_PX = 3


@dataclass(frozen=True, slots=True)
class Sprite:
    """A part of the hair: ``picture`` (h, w, 4) uint8 BGRA premultiplied, for ``box`` of the fine picture, and where each
    pixel lies in head units: ``x``, ``y``, ``z`` (h, w) float32."""

    box: Box
    picture: Array
    x: Array
    y: Array
    z: Array


@dataclass(frozen=True, slots=True)
class Hair:
    """The hair in front of the head, and behind the neck where there is any."""

    front: Sprite
    back: Sprite | None


def bake_hair(rig: Rig, style: Style, camera: Camera, studio: Lights) -> tuple[Hair, Array]:
    """The hair, and the front hair's opacity over the whole fine picture, (fine h, fine w) float32."""
    rng = np.random.RandomState(7)
    strands = hair_growth.grow(rig, style.hairstyle, rng)
    canvas = _Canvas(camera, has_back=style.hairstyle == "bob")
    head_depth = canvas.draw_scalp(rig, style)
    colours = tone_map(_shade(strands, style, studio, rng), make_tone_table())
    middle = strands.points[:, hair_growth.SEGMENTS[style.hairstyle] // 2]
    jitter = 0.15 * rng.randn(len(middle)) * (style.hairstyle != "buzz")
    order = np.argsort(middle.dot(np.array([0, 0.25, 1])) + jitter)
    widths = _widths(strands, style.hairstyle, camera, rng)
    canvas.draw(
        strands, colours, widths, order, head_depth, back_below=0.12 if style.hairstyle == "bob" else -99
    )
    front = canvas.shrink(canvas.front)
    back = canvas.shrink(canvas.back) if style.hairstyle == "bob" else None
    hair = Hair(
        _make_sprite(front, canvas.front_z, camera),
        None if back is None else _make_sprite(back, canvas.back_z, camera),
    )
    return hair, front[..., 3].astype(np.float32) / 255


def _widths(strands: Strands, hairstyle: Hairstyle, camera: Camera, rng: np.random.RandomState) -> Array:
    edge = np.clip(strands.above_hairline / (0.22 if hairstyle == "bob" else 0.12), 0, 1)
    varied = strands.width * camera.scale_px * _ZOOM * rng.uniform(0.5, 1.0, len(edge))
    return (varied * (0.40 + 0.60 * edge)).astype(np.float32)


def _shade(strands: Strands, style: Style, studio: Lights, rng: np.random.RandomState) -> Array:
    """(s, k, 3) linear light of the segments, after Kajiya and Kay: light depends on the angle to the strand."""
    points = strands.points
    count, segments = len(points), points.shape[1] - 1
    tangent = np.diff(points, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-9
    view = np.array([0, 0, 1.0])
    half = lights.KEY + view
    along_key = tangent @ lights.KEY
    along_half = tangent @ (half / np.linalg.norm(half))
    outward = ((points[:, 1:] + points[:, :-1]) / 2 - SKULL_CENTRE) / SKULL_RADII
    outward = outward / np.linalg.norm(outward, axis=2)[..., None] / SKULL_RADII
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    wrap = np.clip((outward @ lights.KEY) * 0.6 + 0.45, 0.05, 1)
    sky = outward[..., 1] * 0.5 + 0.5
    diffuse = np.sqrt(np.clip(1 - along_key**2, 0, 1))
    sharp = np.clip(1 - along_half**2, 0, 1) ** 22
    broad = np.clip(1 - (along_half + 0.12) ** 2, 0, 1) ** 9
    rim = (
        np.clip((outward @ lights.RIM) * 0.8 + 0.2, 0, 1) * np.clip(1 - np.abs(outward[..., 2]), 0, 1) ** 1.5
    )
    varied = rng.normal(1, 0.16, count)[:, None] * (1 + 0.10 * np.sin(strands.clump * 2.5))[:, None]
    t = np.clip(np.linspace(0, 1, segments)[None] * (1.6 if style.hairstyle == "bob" else 1), 0, 1)
    root, tip = linear_bgr(style.hair), linear_bgr(style.hair_tip)
    mix = np.clip(t * 0.55 + 0.22 * rng.randn(count, 1) + 0.18, 0, 1)[..., None]
    base = (root * (1 - mix) + tip * mix) * varied[..., None]
    depth = np.clip(0.35 + 0.65 * t**0.6, 0, 1)
    light = base * ((diffuse * wrap * 1.25 + 0.30 * sky + 0.12) * depth)[..., None]
    shine = 0.10 * sharp[..., None] * np.array([0.8, 0.92, 1.0]) + 0.55 * broad[..., None] * tip
    light += shine * (wrap * depth)[..., None]
    accent = studio.colours[2] / studio.colours[2].max()
    return light + (rim * 0.22)[..., None] * (0.5 * tip + 0.10 * accent)


class _Canvas:
    """The enlarged pictures on which strands are drawn."""

    def __init__(self, camera: Camera, *, has_back: bool) -> None:
        self.camera = camera
        width, height = camera.fine_width_px * _ZOOM, camera.fine_height_px * _ZOOM
        self.front = np.zeros((height, width, 4), np.float32)
        self.back = np.zeros((height, width, 4) if has_back else (1, 1, 4), np.float32)
        cells = (camera.fine_height_px // _DEPTH_CELL_PX + 2, camera.fine_width_px // _DEPTH_CELL_PX + 2)
        self.front_z = np.zeros(cells, np.float32)
        self.back_z = np.zeros(cells, np.float32)

    def draw_scalp(self, rig: Rig, style: Style) -> Array:
        """Fills the scalp in a dark shade, so that no skin shines through; gives the head's depth picture."""
        depth = np.full(self.front.shape[:2], -1e9, np.float32)
        points = self.camera.project(rig.all_positions, zoom=_ZOOM)
        raster.fill_depth(points, triangulate(rig.all_quads[rig.all_parts == SKIN]), depth)
        scalp = np.full(depth.shape, -1e9, np.float32)
        raster.fill_depth(points, triangulate(rig.scalp_quads), scalp)
        is_scalp = (scalp > -1e8) & (scalp >= depth - 0.02)
        colour = tone_map(linear_bgr(style.hair) * 0.55, make_tone_table())
        soft = cv2.GaussianBlur(is_scalp.astype(np.float32), (0, 0), 1.2 * _ZOOM) * is_scalp
        self.front[..., :3] = colour * soft[..., None]
        self.front[..., 3] = 255 * soft
        step = _DEPTH_CELL_PX * _ZOOM
        coarse = np.where(is_scalp, scalp + 3, 0)[::step, ::step]
        self.front_z[: coarse.shape[0], : coarse.shape[1]] = coarse
        return depth

    def draw(
        self,
        strands: Strands,
        colours: Array,
        widths: Array,
        order: Array,
        head_depth: Array,
        *,
        back_below: float,
    ) -> None:
        count, joints, _ = strands.points.shape
        points = self.camera.project(strands.points.reshape(-1, 3), zoom=_ZOOM).reshape(count, joints, 3)
        raster.draw_strands(
            points,
            colours.astype(np.float32),
            widths,
            order.astype(np.int64),
            self.front,
            self.back,
            head_depth,
            self.front_z,
            self.back_z,
            _DEPTH_CELL_PX * _ZOOM,
            np.float32(back_below),
        )

    def shrink(self, canvas: Array) -> Array:
        size = (self.camera.fine_width_px, self.camera.fine_height_px)
        small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
        return np.clip(small + 0.5, 0, 255).astype(np.uint8)


def _make_sprite(picture: Array, nearest_z: Array, camera: Camera) -> Sprite:
    rows, columns = np.where(picture[..., 3] > 0)
    margin = int(0.17 * camera.scale_px)
    bx0, by0, bx1, by1 = camera.head_box
    box = (
        max(bx0, int(columns.min()) - margin),
        max(by0, int(rows.min()) - margin),
        min(bx1, int(columns.max()) + margin),
        min(by1, int(rows.max()) + margin),
    )
    x0, y0, x1, y1 = box
    z = _fill_holes(nearest_z, camera)[y0:y1, x0:x1]
    grid_x, grid_y = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
    unproject = (DISTANCE - z) / (DISTANCE - 1) / camera.scale_px
    return Sprite(
        box,
        np.ascontiguousarray(picture[y0:y1, x0:x1]),
        ((grid_x - camera.centre_x_px) * unproject).astype(np.float32),
        ((camera.centre_y_px - grid_y) * unproject).astype(np.float32),
        z.astype(np.float32),
    )


def _fill_holes(nearest_z: Array, camera: Camera) -> Array:
    """(fine h, fine w) depth without holes, from cells that hold z plus 3, or 0 where there is no hair."""
    known = (nearest_z > 0).astype(np.float32)

    def spread(values: Array) -> Array:
        return cv2.GaussianBlur(values, (0, 0), 4) + 1e-6 * cv2.GaussianBlur(values, (0, 0), 40)

    z = spread(nearest_z) / np.maximum(spread(known), 1e-12) - 3
    fine = cv2.resize(z, None, fx=_DEPTH_CELL_PX, fy=_DEPTH_CELL_PX, interpolation=cv2.INTER_LINEAR)
    fine = fine[: camera.fine_height_px, : camera.fine_width_px]
    missing_rows = max(0, camera.fine_height_px - fine.shape[0])
    missing_columns = max(0, camera.fine_width_px - fine.shape[1])
    return np.pad(fine, ((0, missing_rows), (0, missing_columns)), "edge")
