"""What the head stands before and in: the background, the pullover and its collar, at several phases of a breath."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from kai.avatar import raster, shadow
from kai.avatar.camera import DISTANCE, Camera
from kai.avatar.colour import linear_bgr, make_tone_table, smoothstep, tone_map
from kai.avatar.lights import Lights
from kai.avatar.rig import SKIN, Rig, compact, triangulate
from kai.avatar.style import Style
from kai.compat.format import Array

BREATH_PHASES = 6
_RING = 96
_TUBE = 12
_MARGIN_PX = 6
"""Of the fine picture above the cloth, into which its edges and its shadow may reach."""
_SOFT = 4
"""The background is worked out at every fourth pixel."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One phase of a breath without the head: ``fine`` (h, w, 4) uint8 and ``depth`` (h, w) float32 of the camera's head box,
    and ``whole`` (height, width, 4) uint8, the delivered picture. A breath moves nothing in the upper ``still_rows`` rows of
    ``fine``."""

    fine: Array
    depth: Array
    whole: Array
    still_rows: int


@dataclass(frozen=True, slots=True)
class Garment:
    """The pullover and its collar: ``points`` (n, 3), ``triangles`` (m, 3), the collar from ``collar_start`` on."""

    points: Array
    triangles: Array
    collar_start: int


@dataclass(frozen=True, slots=True)
class LitGarment:
    """The garment and the share of key light and of sky that reaches its points; (n,) float32 each."""

    garment: Garment
    key_seen: Array
    open_sky: Array


def light_garment(rig: Rig, garment: Garment) -> LitGarment:
    """Shadows of the head and of the garment itself. Slow."""
    return LitGarment(garment, *_garment_light(rig, garment))


def bake_stages(
    lit: LitGarment, cover: Array, style: Style, camera: Camera, studio: Lights
) -> tuple[Stage, ...]:
    """The stage at `BREATH_PHASES` phases, breathed out to breathed in; ``cover`` (fine h, fine w) is the front hair's
    opacity, which throws a shadow on the shoulders."""
    garment = lit.garment
    background = _background(style, camera)
    knit = _knit(style)
    uv = np.stack([(garment.points[:, 0] + 3) / 6, (garment.points[:, 1] + 4) / 6], 1).astype(np.float32)
    table = make_tone_table()
    shadow_px = 0.05 * camera.scale_px
    cast = cv2.warpAffine(
        cover, np.array([[1, 0, shadow_px], [0, 1, shadow_px]], np.float32), cover.shape[::-1]
    )
    cast = 1 - 0.45 * cv2.GaussianBlur(cast, (0, 0), shadow_px)
    stages: list[Stage] = []
    highest = min(float(camera.project(_breathe(garment.points, b))[:, 1].min()) for b in (0.0, 1.0))
    still_rows = max(0, int(highest) - _MARGIN_PX)
    for phase in range(BREATH_PHASES):
        points = _breathe(garment.points, phase / (BREATH_PHASES - 1))
        light = _shade(points, garment, style, studio, lit.key_seen, lit.open_sky)
        picture = background.copy()
        depth = np.full(picture.shape[:2], -1e9, np.float32)
        raster.fill(
            camera.project(points),
            garment.triangles,
            light,
            uv,
            knit,
            table,
            picture,
            depth,
            np.float32(0),
            False,
            False,
        )
        is_cloth = depth > -1e8
        picture[..., :3][is_cloth] = (picture[..., :3][is_cloth] * cast[is_cloth][:, None]).astype(np.uint8)
        x0, y0, x1, y1 = camera.head_box
        size = (camera.width_px, camera.height_px)
        whole = (
            picture if camera.supersample == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        )
        stages.append(
            Stage(
                np.ascontiguousarray(picture[y0:y1, x0:x1]),
                np.ascontiguousarray(depth[y0:y1, x0:x1]),
                whole,
                still_rows,
            )
        )
    return tuple(stages)


def _neckline(x: Array, z: Array) -> Array:
    return -1.52 - 0.28 * z + 0.25 * (np.clip(np.abs(x), 0, 1.0) / 0.7) ** 2


def make_garment(rig: Rig) -> Garment:
    points = rig.all_positions
    skin = rig.all_quads[rig.all_parts == SKIN]
    x, y, z = points[skin].mean(1).T
    used, quads = compact(skin[(y < _neckline(x, z) + 0.05) & (y > -3.3)], len(points))
    triangles = triangulate(quads)
    cloth = points[used].copy()
    neighbours = _Neighbours(quads, len(cloth))
    at_neck = (cloth[:, 1] > _neckline(cloth[:, 0], cloth[:, 2]) - 0.10)[:, None]
    for _ in range(14):
        mean = neighbours.mean(cloth)
        cloth = np.where(at_neck, cloth * 0.7 + mean * 0.3, cloth * 0.35 + mean * 0.65)
    normal = np.zeros(cloth.shape, np.float32)
    raster.normals(cloth.astype(np.float32), triangles, normal)
    cloth = cloth + normal * 0.07
    for _ in range(4):
        cloth = np.where(at_neck, cloth, cloth * 0.5 + neighbours.mean(cloth) * 0.5)
    collar, collar_quads = _collar(points[np.unique(skin)])
    start = len(cloth)
    return Garment(
        np.vstack([cloth, collar]).astype(np.float32),
        np.ascontiguousarray(np.vstack([triangles, triangulate(collar_quads) + start]).astype(np.int32)),
        start,
    )


class _Neighbours:
    """Means over the vertices that share an edge."""

    def __init__(self, quads: Array, count: int) -> None:
        edges = np.vstack([quads[:, [0, 1]], quads[:, [1, 2]], quads[:, [2, 3]], quads[:, [3, 0]]])
        both = np.unique(np.vstack([edges, edges[:, ::-1]]), axis=0)
        self._from, self._to = both.T
        self._degree = np.bincount(self._from, minlength=count)[:, None]

    def mean(self, values: Array) -> Array:
        count = len(values)
        sums = [np.bincount(self._from, values[self._to, axis], count) for axis in range(3)]
        return np.stack(sums, 1) / self._degree


def _collar(body: Array) -> tuple[Array, Array]:
    """A ribbed tube round the neck, as wide as the neck is at the neckline."""
    angles = np.linspace(0, 2 * np.pi, _RING + 1)[:-1]
    centre_z = 0.14

    def line(x: Array, z: Array) -> Array:
        return -1.50 - 0.28 * z + 0.22 * (np.clip(np.abs(x), 0, 1) / 0.7) ** 2

    near = body[np.abs(body[:, 1] - line(body[:, 0], body[:, 2])) < 0.07]
    around = np.arctan2(near[:, 0], near[:, 2] - centre_z)
    reach = np.hypot(near[:, 0], near[:, 2] - centre_z)
    reach = np.where(reach < 1.0, reach, np.nan)
    apart = np.abs((around[None] - angles[:, None] + np.pi) % (2 * np.pi) - np.pi)
    radius = np.array([np.nanmean(reach[row < 0.22]) for row in apart])
    for _ in range(6):
        radius = (np.roll(radius, 1) + radius * 2 + np.roll(radius, -1)) / 4
    radius = radius + 0.045
    centre_x, ring_z = radius * np.sin(angles), centre_z + radius * np.cos(angles)
    ring = np.stack([centre_x, line(centre_x, ring_z) + 0.03, ring_z], 1)[:, None]
    outward = np.stack([np.sin(angles), np.zeros(_RING), np.cos(angles)], 1)[:, None]
    a = (2 * np.pi * np.arange(_TUBE) / _TUBE)[None, :, None]
    upward = np.array([0, 1, 0])
    points = ring + outward * (0.055 * np.cos(a) - 0.02 * np.sin(a)) + upward * 0.095 * np.sin(a)
    i, j = np.meshgrid(np.arange(_RING), np.arange(_TUBE), indexing="ij")
    after_i, after_j = (i + 1) % _RING, (j + 1) % _TUBE
    quads = np.stack(
        [i * _TUBE + j, after_i * _TUBE + j, after_i * _TUBE + after_j, i * _TUBE + after_j], -1
    ).reshape(-1, 4)
    return points.reshape(-1, 3), quads


def _garment_light(rig: Rig, garment: Garment) -> tuple[Array, Array]:
    points = garment.points
    normal = np.zeros(points.shape, np.float32)
    raster.normals(points, garment.triangles, normal)
    occluders = np.vstack([points.astype(float), rig.all_positions])
    body = triangulate(rig.all_quads[rig.all_parts == SKIN] + len(points))
    triangles = np.ascontiguousarray(np.vstack([garment.triangles, body]).astype(np.int32))

    def key_from(direction: Array) -> Array:
        lifted = points + normal * 0.05
        return shadow.share_seen(occluders, triangles, direction, lifted, resolution_px=420, bias=0.06)

    def sky_from(direction: Array) -> Array:
        lifted = points + normal * 0.03
        return shadow.share_seen(occluders, triangles, direction, lifted, resolution_px=300, bias=0.04)

    # The knit's grain and this shadow share one stream of random numbers, so that a bake is the same every time.
    rng = np.random.RandomState(9)
    rng.randn(512, 512)
    key_seen = shadow.key_shadow(0.14, 20, rng, key_from)
    open_sky = np.clip(shadow.open_sky(normal, shadow.sphere(40), sky_from), 0, 1)
    return key_seen.astype(np.float32), open_sky.astype(np.float32)


def _knit(style: Style) -> Array:
    rows, columns = np.mgrid[0:512, 0:512]
    grain = 0.03 * np.random.RandomState(9).randn(512, 512)
    stitch = 1 + 0.05 * np.sin(columns * np.pi / 2) * np.sin(rows * np.pi / 3) + grain
    return (linear_bgr(style.cloth) * stitch[..., None]).astype(np.float32)


def _breathe(points: Array, breath: float) -> Array:
    moved = points.copy()
    chest = smoothstep(-1.2, -2.2, points[:, 1])
    moved[:, 1] += (breath - 0.5) * 0.045 * smoothstep(-1.3, -1.9, points[:, 1])
    moved[:, 2] += (breath - 0.5) * 0.06 * chest * (points[:, 2] > 0)
    moved[:, 0] *= 1 + (breath - 0.5) * 0.010 * chest
    return moved


def _shade(
    points: Array, garment: Garment, style: Style, studio: Lights, key_seen: Array, open_sky: Array
) -> Array:
    count = len(points)
    normal = np.zeros(points.shape, np.float32)
    raster.normals(points, garment.triangles, normal)
    tint = np.ones((count, 4), np.float32)
    index = np.arange(count) - garment.collar_start
    collar = index >= 0
    tint[collar, :3] *= (1 - 0.16 * ((index[collar] // _TUBE) % 2))[:, None]
    stripe = collar & (index % _TUBE == 1)
    accent = np.clip(linear_bgr(style.accent) / np.maximum(linear_bgr(style.cloth), 0.02), 0, 12)
    tint[stripe, :3] *= accent
    light = np.zeros((count, 4), np.float32)
    raster.shade(
        points,
        normal,
        key_seen,
        open_sky,
        np.full(count, 0.15, np.float32),
        np.full(count, 0.05, np.float32),
        studio.directions,
        studio.colours,
        tint,
        np.float32(DISTANCE),
        light,
    )
    return light


def _background(style: Style, camera: Camera) -> Array:
    """(fine h, fine w, 4) uint8: a soft gradient with a few blurred discs, some in the accent colour."""
    width, height = camera.fine_width_px, camera.fine_height_px
    # All of it is soft, so a quarter of the size is enough to work on.
    small_width, small_height = width // _SOFT + 2, height // _SOFT + 2
    rows, columns = np.mgrid[0:small_height, 0:small_width].astype(np.float32) * _SOFT
    x, y, aspect = columns / width, rows / height, width / height
    centre, edge = linear_bgr(style.background_centre), linear_bgr(style.background_edge)
    t = smoothstep(0, 0.95, np.sqrt(((x - 0.42) * aspect) ** 2 + (y - 0.30) ** 2))[..., None]
    light = centre * (1 - t) + edge * t
    rng = np.random.RandomState(4)
    accent = linear_bgr(style.accent)
    for i in range(6):
        cx, cy, radius = rng.rand() * 1.2 - 0.1, rng.rand() * 0.8, rng.uniform(0.07, 0.17)
        d = np.sqrt(((x - cx) * aspect) ** 2 + (y - cy) ** 2)
        disc = smoothstep(radius, radius * 0.55, d)
        colour = accent if i % 3 == 0 else centre * 2
        light = light + (colour - light) * disc[..., None] * rng.uniform(0.02, 0.07)
    light = cv2.GaussianBlur(light.astype(np.float32), (0, 0), 5 * camera.supersample / _SOFT)
    corners = np.sqrt(((x - 0.5) * aspect) ** 2 + (y - 0.5) ** 2)
    light = light * (1 - 0.28 * smoothstep(0.45, 1.05, corners).astype(np.float32))[..., None]
    matrix = np.array([[1 / _SOFT, 0, 0], [0, 1 / _SOFT, 0]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    full = cv2.warpAffine(light, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    picture = np.full((height, width, 4), 255, np.uint8)
    # One step of noise hides the bands that 8 bits would show in so soft a gradient.
    noise = rng.randint(-1, 2, (height, width, 1), np.int8)
    picture[..., :3] = np.clip(tone_map(full, make_tone_table()).astype(np.int16) + noise, 0, 255)
    return picture
