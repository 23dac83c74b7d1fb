"""Hair as flat pictures with depth: drawn once, strand by strand, then turned with the head by warping.

Strands are drawn without a colour: a pixel of a `Mane` says how much of the root's colour, of the tip's, of white and of the
accent comes from it. So another colour needs no drawing; see `colour_hair`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from kai.avatar import hair_growth, lights, raster
from kai.avatar.bake_cloth import Garment
from kai.avatar.camera import DISTANCE, Box, Camera
from kai.avatar.colour import linear_bgr, make_tone_table, smoothstep, tone_map
from kai.avatar.hair_growth import CUTS, SKULL_CENTRE, SKULL_RADII, Cut, Strands
from kai.avatar.lights import Lights
from kai.avatar.rig import SKIN, Rig, triangulate
from kai.avatar.style import Hairstyle, Style
from kai.compat.format import Array

_ZOOM = 2
"""Strands are drawn this much larger than the fine picture."""
_DEPTH_CELL_PX = 3
CELL_PX = 8
"""The hair's depth, and what comes of it, is known at every eighth pixel."""
_HIDDEN_MARGIN = 0.26
"""Head units inside the head's outline from where on hair behind it can never be seen."""
_SOFT_HAIRLINE = 0.030
"""Head units over which hair fades out on the forehead."""
_PARTS = 4
_ROOT, _TIP, _WHITE, _ACCENT = range(_PARTS)


@dataclass(frozen=True, slots=True)
class Lock:
    """A part of the hair without its colour, for ``box`` of the fine picture.

    ``shares`` (h, w, 4) float16: light of the root's colour, the tip's, white and the accent; ``opacity`` (h, w) uint8. Of
    cells of `CELL_PX`: ``x``, ``y``, ``z`` (rows + 1, columns + 1) float32, where their corners lie in head units, and
    ``occupied`` (rows, columns) uint8, whether there is any hair in the cell or next to it.
    """

    box: Box
    shares: Array
    opacity: Array
    occupied: Array
    x: Array
    y: Array
    z: Array


@dataclass(frozen=True, slots=True)
class Mane:
    """The hair in front of the head, and behind the neck where there is any."""

    front: Lock
    back: Lock | None


@dataclass(frozen=True, slots=True)
class Sprite:
    """A part of the hair in its colour: ``picture`` (h, w, 4) uint8 BGRA premultiplied; the rest as in `Lock`."""

    box: Box
    picture: Array
    occupied: Array
    x: Array
    y: Array
    z: Array


@dataclass(frozen=True, slots=True)
class Hair:
    """The hair in front of the head, and behind the neck where there is any."""

    front: Sprite
    back: Sprite | None


def bake_mane(rig: Rig, garment: Garment, hairstyle: Hairstyle, camera: Camera) -> Mane:
    """The hair of a style, drawn."""
    rng = np.random.RandomState(7)
    cut = CUTS[hairstyle]
    strands = hair_growth.grow(rig, hairstyle, rng)
    if cut.falls:
        strands = _laid_on(strands, garment)
    canvas = _Canvas(camera, has_back=cut.falls)
    head_depth = canvas.draw_scalp(rig)
    cloth_depth = canvas.depth_of(garment.points, garment.triangles)
    middle = strands.points[:, cut.segments // 2]
    jitter = cut.layer_jitter * rng.randn(len(middle))
    order = np.argsort(middle.dot(np.array([0, 0.25, 1])) + jitter)
    shares = _shade(strands, cut, rng)
    widths = _widths(strands, cut, camera, rng)
    canvas.draw(
        strands, shares, widths, order, (head_depth, cloth_depth), back_below=0.12 if cut.falls else -99
    )
    canvas.soften_hairline(head_depth)
    if cut.falls:
        canvas.back *= _outside(head_depth, camera)[..., None]
    front = _make_lock(canvas.front, canvas.front_z, camera)
    return Mane(front, _make_lock(canvas.back, canvas.back_z, camera) if cut.falls else None)


def _outside(head_depth: Array, camera: Camera) -> Array:
    """(h, w) float32: 0 deep inside the head's outline, above the collar; 1 where hair behind the head may be seen."""
    is_head = (head_depth > -1e8).astype(np.uint8)
    is_head[round(_ZOOM * (camera.centre_y_px + 1.2 * camera.scale_px)) :] = 0
    small = cv2.resize(is_head, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_NEAREST)
    radius = max(1, round(_HIDDEN_MARGIN * camera.scale_px * _ZOOM / 4))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    deep = cv2.erode(small, kernel, borderValue=0)
    size = head_depth.shape[::-1]
    return 1 - cv2.resize(deep, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)


def colour_hair(mane: Mane, style: Style, studio: Lights) -> Hair:
    """The hair in the style's colours."""
    accent = studio.colours[2] / studio.colours[2].max()
    palette = np.stack(
        [linear_bgr(style.hair), linear_bgr(style.hair_tip), np.array([0.8, 0.92, 1.0]), accent]
    ).astype(np.float32)
    table = make_tone_table()

    def colour(lock: Lock) -> Sprite:
        seen = tone_map(lock.shares.astype(np.float32) @ palette, table)
        opacity = lock.opacity[..., None]
        shown = (seen.astype(np.uint16) * opacity + 127) // 255
        picture = np.dstack([shown.astype(np.uint8), opacity])
        return Sprite(lock.box, np.ascontiguousarray(picture), lock.occupied, lock.x, lock.y, lock.z)

    return Hair(colour(mane.front), None if mane.back is None else colour(mane.back))


def hair_cover(mane: Mane, camera: Camera) -> Array:
    """The front hair's opacity over the whole fine picture, (fine h, fine w) float32."""
    cover = np.zeros((camera.fine_height_px, camera.fine_width_px), np.float32)
    x0, y0, x1, y1 = mane.front.box
    cover[y0:y1, x0:x1] = mane.front.opacity.astype(np.float32) / 255
    return cover


def _laid_on(strands: Strands, garment: Garment) -> Strands:
    """Strands whose front parts lie on the garment instead of in it."""
    cells, half, low, high = 200, 1.6, -2.6, -0.9
    points = np.stack(
        [
            (garment.points[:, 0] + half) / (2 * half) * cells,
            (garment.points[:, 1] - low) / (high - low) * cells,
            garment.points[:, 2],
        ],
        1,
    )
    surface = np.full((cells, cells), -1e9, np.float32)
    raster.fill_depth(points.astype(np.float32), garment.triangles, surface)
    surface = cv2.GaussianBlur(np.maximum(surface, -0.6), (0, 0), 5)
    moved = strands.points.copy()
    x, y, z = np.moveaxis(moved, -1, 0)
    column = np.clip((x + half) / (2 * half) * cells, 0, cells - 1).astype(int)
    row = np.clip((y - low) / (high - low) * cells, 0, cells - 1).astype(int)
    rests = (z > 0.12) & (y < high) & (y > low)
    lowest = surface[row, column] + 0.05 + 0.05 * np.abs(np.sin(strands.clump * 1.3))[:, None]
    moved[..., 2] = np.where(rests & (z < lowest), z + (lowest - z) * smoothstep(high, high - 0.4, y), z)
    return replace(strands, points=moved)


def _widths(strands: Strands, cut: Cut, camera: Camera, rng: np.random.RandomState) -> Array:
    edge = np.clip(strands.above_hairline / (0.22 if cut.falls else 0.12), 0, 1)
    varied = strands.width * camera.scale_px * _ZOOM * rng.uniform(0.5, 1.0, len(edge))
    return (varied * (0.28 + 0.72 * edge)).astype(np.float32)


def _shade(strands: Strands, cut: Cut, rng: np.random.RandomState) -> Array:
    """(s, k + 1, 4) float32 light at the joints by colour, after Kajiya and Kay: light depends on the angle to the strand."""
    points = strands.points.astype(np.float32)
    count, segments = len(points), points.shape[1] - 1
    tangent = np.diff(points, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + np.float32(1e-9)
    key = lights.KEY.astype(np.float32)
    half = key + np.array([0, 0, 1], np.float32)
    along_key = tangent @ key
    along_half = tangent @ (half / np.linalg.norm(half))
    middle = (points[:, 1:] + points[:, :-1]) / 2
    outward = (middle - SKULL_CENTRE.astype(np.float32)) / (SKULL_RADII**2).astype(np.float32)
    outward /= np.linalg.norm(outward, axis=2, keepdims=True)
    wrap = np.clip((outward @ key) * 0.6 + 0.45, 0.05, 1)
    sky = outward[..., 1] * 0.5 + 0.5
    diffuse = np.sqrt(np.clip(1 - along_key**2, 0, 1))
    sharp = np.clip(1 - along_half**2, 0, 1) ** 22
    broad = np.clip(1 - (along_half + 0.12) ** 2, 0, 1) ** 9
    rim = np.clip((outward @ lights.RIM.astype(np.float32)) * 0.8 + 0.2, 0, 1)
    rim = rim * np.clip(1 - np.abs(outward[..., 2]), 0, 1) ** 1.5
    of_clump = rng.normal(0, 0.13, count)[strands.clump]
    varied = (rng.normal(1, 0.13, count) + of_clump)[:, None]
    t = np.clip(np.linspace(0, 1, segments)[None] * (1.6 if cut.falls else 1), 0, 1)
    mix = np.clip(t * 0.55 + 0.18 * rng.randn(count, 1) + 0.18 + of_clump[:, None], 0, 1)
    seen = _seen_through_hair(middle)
    depth = np.clip(0.40 + 0.60 * t**0.6, 0, 1) * (0.38 + 0.62 * seen)
    lit = varied * (diffuse * wrap * 1.30 + 0.32 * sky + 0.13) * depth
    shine = wrap * depth * seen
    shares = np.empty((count, segments, _PARTS), np.float32)
    shares[..., _ROOT] = lit * (1 - mix)
    shares[..., _TIP] = lit * mix + 0.55 * broad * shine + 0.11 * rim
    shares[..., _WHITE] = 0.10 * sharp * shine
    shares[..., _ACCENT] = 0.022 * rim
    # A joint takes the mean of the segments that meet there: with a colour for each segment, strands that begin side by side,
    # as along a parting, would show as bands.
    return np.concatenate([shares[:, :1], (shares[:, 1:] + shares[:, :-1]) / 2, shares[:, -1:]], 1)


def _seen_through_hair(points: Array) -> Array:
    """(s, k) share of the key light that comes through the hair before it: it fades with the depth under the outermost."""
    cells = 160
    right = np.cross([0, 1.0, 0], lights.KEY)
    right /= np.linalg.norm(right)
    view = np.stack([right, np.cross(lights.KEY, right), lights.KEY], 1)
    across, up, towards = np.moveaxis(points @ view.astype(np.float32), -1, 0)
    column = np.clip((across + 1.7) / 3.4 * cells, 0, cells - 1).astype(int)
    row = np.clip((up + 2.2) / 4.0 * cells, 0, cells - 1).astype(int)
    nearest = np.full((cells, cells), -9.0, np.float32)
    np.maximum.at(nearest, (row.ravel(), column.ravel()), towards.ravel())
    smooth = cv2.blur(np.maximum(nearest, cv2.dilate(nearest, np.ones((3, 3))) - 0.04), (3, 3))
    under = np.clip(smooth[row, column] - towards - 0.035, 0, None)
    return np.exp(-under / 0.10)


class _Canvas:
    """The enlarged pictures on which strands are drawn."""

    def __init__(self, camera: Camera, *, has_back: bool) -> None:
        self.camera = camera
        width, height = camera.fine_width_px * _ZOOM, camera.fine_height_px * _ZOOM
        self.front = np.zeros((height, width, _PARTS + 1), np.float32)
        self.back = np.zeros((height, width, _PARTS + 1) if has_back else (1, 1, _PARTS + 1), np.float32)
        cells = (camera.fine_height_px // _DEPTH_CELL_PX + 2, camera.fine_width_px // _DEPTH_CELL_PX + 2)
        self._scalp = np.zeros((height, width), np.float32)
        self.front_z = np.zeros(cells, np.float32)
        self.back_z = np.zeros(cells, np.float32)

    def soften_hairline(self, head_depth: Array) -> None:
        """Fades front hair on the face by how little of it there is around: a lone strand would look like a scar."""
        on_face = ((head_depth > -1e8) & (self._scalp == 0)).astype(np.float32)
        sigma = _SOFT_HAIRLINE * self.camera.scale_px * _ZOOM
        around = cv2.GaussianBlur(self.front[..., _PARTS], (0, 0), sigma)
        kept = 1 - cv2.GaussianBlur(on_face, (0, 0), sigma / 2) * (1 - smoothstep(0.20, 0.80, around))
        self.front *= kept.astype(np.float32)[..., None]

    def depth_of(self, points: Array, triangles: Array) -> Array:
        """A depth picture of a surface, as large as the canvas."""
        depth = np.full(self.front.shape[:2], -1e9, np.float32)
        raster.fill_depth(self.camera.project(points, zoom=_ZOOM), triangles, depth)
        return depth

    def draw_scalp(self, rig: Rig) -> Array:
        """Lays a dark shade on the scalp, so that no skin shines through; gives the head's depth picture."""
        depth = self.depth_of(rig.all_positions, triangulate(rig.all_quads[rig.all_parts == SKIN]))
        scalp = self.depth_of(rig.all_positions, triangulate(rig.scalp_quads))
        is_scalp = (scalp > -1e8) & (scalp >= depth - 0.02)
        self._scalp = cv2.GaussianBlur(is_scalp.astype(np.float32), (0, 0), 1.2 * _ZOOM) * is_scalp
        step = _DEPTH_CELL_PX * _ZOOM
        coarse = np.where(is_scalp, scalp + 3, 0)[::step, ::step]
        self.front_z[: coarse.shape[0], : coarse.shape[1]] = coarse
        return depth

    def draw(
        self,
        strands: Strands,
        shares: Array,
        widths: Array,
        order: Array,
        depths: tuple[Array, Array],
        *,
        back_below: float,
    ) -> None:
        count, joints, _ = strands.points.shape
        points = self.camera.project(strands.points.reshape(-1, 3), zoom=_ZOOM).reshape(count, joints, 3)
        raster.draw_strands(
            points,
            shares,
            widths,
            order.astype(np.int64),
            self.front,
            self.back,
            *depths,
            self.front_z,
            self.back_z,
            _DEPTH_CELL_PX * _ZOOM,
            np.float32(back_below),
        )
        # The scalp is under all of it.
        seen = (1 - self.front[..., _PARTS]) * self._scalp
        self.front[..., _ROOT] += 0.66 * seen
        self.front[..., _TIP] += 0.28 * seen
        self.front[..., _PARTS] += seen


def _make_lock(canvas: Array, nearest_z: Array, camera: Camera) -> Lock:
    size = (camera.fine_width_px, camera.fine_height_px)
    small = np.dstack(
        [cv2.resize(canvas[..., k], size, interpolation=cv2.INTER_AREA) for k in range(_PARTS + 1)]
    )
    opacity = np.clip(small[..., _PARTS] * 255 + 0.5, 0, 255).astype(np.uint8)
    rows, columns = np.where(opacity > 0)
    margin = int(0.17 * camera.scale_px)
    bx0, by0, bx1, by1 = camera.head_box
    box = (
        max(bx0, int(columns.min()) - margin),
        max(by0, int(rows.min()) - margin),
        min(bx1, int(columns.max()) + margin),
        min(by1, int(rows.max()) + margin),
    )
    x0, y0, x1, y1 = box
    part = small[y0:y1, x0:x1]
    # One corner more than there are cells, on both axes.
    grid_x, grid_y = np.meshgrid(np.arange(x0, x1 + CELL_PX, CELL_PX), np.arange(y0, y1 + CELL_PX, CELL_PX))
    z = _fill_holes(nearest_z, camera)
    z = z[np.minimum(grid_y, z.shape[0] - 1), np.minimum(grid_x, z.shape[1] - 1)]
    unproject = (DISTANCE - z) / (DISTANCE - 1) / camera.scale_px
    return Lock(
        box,
        (part[..., :_PARTS] / np.maximum(part[..., _PARTS:], 1e-4)).astype(np.float16),
        np.ascontiguousarray(opacity[y0:y1, x0:x1]),
        _occupied(opacity[y0:y1, x0:x1]),
        ((grid_x - camera.centre_x_px) * unproject).astype(np.float32),
        ((camera.centre_y_px - grid_y) * unproject).astype(np.float32),
        z.astype(np.float32),
    )


def _occupied(opacity: Array) -> Array:
    """(rows, columns) uint8: 1 for each cell in which, or next to which, there is hair."""
    height, width = opacity.shape
    padded = np.pad(opacity > 0, ((0, -height % CELL_PX), (0, -width % CELL_PX)))
    cells = padded.reshape(padded.shape[0] // CELL_PX, CELL_PX, -1, CELL_PX).any((1, 3))
    return cv2.dilate(np.asarray(cells, np.uint8), np.ones((3, 3), np.uint8))


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
