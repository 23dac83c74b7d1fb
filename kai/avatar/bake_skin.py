"""The painted face: skin, lips, brows, teeth, tongue and lashes as textures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar import raster
from kai.avatar.camera import DISTANCE, Camera
from kai.avatar.colour import linear_bgr, smoothstep
from kai.avatar.rig import LASHES, SKIN, TEXTURE_X, TEXTURE_Y, Rig, hairline_y
from kai.avatar.style import Style

Array = NDArray[Any]

WIDTH_PX = 1024
HEIGHT_PX = int(WIDTH_PX * (TEXTURE_Y[0] - TEXTURE_Y[1]) / (TEXTURE_X[1] - TEXTURE_X[0]))


@dataclass(frozen=True, slots=True)
class Paint:
    """Textures of the head.

    ``skin`` (h, w, 3) uint8 holds the square root of the reflectance, ``skin_decode`` (256,) float32 undoes it. ``teeth`` and
    ``tongue`` (h, w, 3), ``lashes`` (h, w, 4) float32 hold reflectance and opacity. ``lash_uv`` (n, 2) float32 replaces the
    rig's for the lashes; ``tint`` (n, 4) float32 multiplies the light at the vertices (the mouth's inside is redder).
    """

    skin: Array
    skin_decode: Array
    teeth: Array
    tongue: Array
    lashes: Array
    lash_uv: Array
    tint: Array


def texture_grid() -> tuple[Array, Array]:
    """x (1, w) and y (h, 1) in head units of the texture's texels."""
    return np.linspace(*TEXTURE_X, WIDTH_PX)[None], np.linspace(*TEXTURE_Y, HEIGHT_PX)[:, None]


def paint_skin(rig: Rig, style: Style) -> Array:
    """(h, w, 3) float64 reflectance of the face, BGR, before the hair's shadow."""
    x, y = texture_grid()
    rng = np.random.RandomState(1)
    skin = np.ones((HEIGHT_PX, WIDTH_PX, 3)) * linear_bgr(style.skin)
    skin *= 1 + (np.array([0.80, 0.72, 1.02]) - 1) * np.clip(style.blush * _blush(x, y), 0, 1)[..., None]
    sockets = 0.20 * _pair(x, y, 0.3, -0.10, 0.17, 0.06) + 0.16 * _pair(x, y, 0.3, 0.09, 0.2, 0.05)
    skin *= 1 - np.array([0.9, 0.95, 0.75]) * np.clip(sockets, 0, 1)[..., None]
    if style.makeup:
        shadow = style.makeup * 0.5 * _pair(x, y, 0.32, 0.075, 0.17, 0.035)
        skin *= 1 - np.array([0.65, 0.85, 0.7]) * np.clip(shadow, 0, 0.9)[..., None]
    skin *= (1 + 0.022 * _unit_noise(rng, 14) + 0.020 * _unit_noise(rng, 1.3))[..., None]
    if style.stubble:
        skin *= 1 - style.stubble * np.array([0.55, 0.62, 0.7]) * _beard(x, y)[..., None]
    skin = _paint_lips(rig, style, skin, rng)
    scalp = _under_hair(x, y)[..., None]
    skin = skin * (1 - scalp) + linear_bgr(style.hair) * 1.3 * scalp
    brows = _brows(style)[..., None]
    return skin * (1 - brows) + linear_bgr(style.brow) * brows


def bake_paint(rig: Rig, style: Style, camera: Camera, skin: Array, hair_cover: Array) -> Paint:
    """The textures; ``hair_cover`` (fine h, fine w) float32 is the front hair's opacity, which throws a contact shadow."""
    shaded = _with_hair_shadow(skin, hair_cover, camera)
    zoom = min(1.0, 1.15 * camera.scale_px * (TEXTURE_X[1] - TEXTURE_X[0]) / WIDTH_PX)
    small = cv2.resize(shaded, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    dithered = np.sqrt(np.clip(small, 0, 1)) * 255 + np.random.RandomState(0).uniform(0, 1, small.shape)
    lash_uv = _lash_uv(rig)
    return Paint(
        skin=np.ascontiguousarray(np.clip(dithered, 0, 255).astype(np.uint8)),
        skin_decode=((np.arange(256) / 255.0) ** 2).astype(np.float32),
        teeth=_teeth(),
        tongue=np.ones((4, 4, 3), np.float32) * np.array([0.20, 0.19, 0.52], np.float32),
        lashes=_lashes(has_makeup=style.makeup > 0),
        lash_uv=lash_uv,
        tint=_mouth_tint(rig, style),
    )


def _spot(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return np.exp(-(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2))


def _pair(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return _spot(x, y, cx, cy, rx, ry) + _spot(x, y, -cx, cy, rx, ry)


def _unit_noise(rng: np.random.RandomState, blur_px: float, blur_y_px: float = 0) -> Array:
    noise = cv2.GaussianBlur(rng.randn(HEIGHT_PX, WIDTH_PX), (0, 0), sigmaX=blur_px, sigmaY=blur_y_px)
    return noise / noise.std()


def _blush(x: Array, y: Array) -> Array:
    cheeks = 0.75 * _pair(x, y, 0.43, -0.33, 0.22, 0.18)
    nose, chin = 0.55 * _spot(x, y, 0, -0.38, 0.12, 0.12), 0.25 * _spot(x, y, 0, -1.0, 0.2, 0.15)
    return (
        cheeks
        + nose
        + chin
        + 0.25 * _pair(x, y, 0.3, 0.06, 0.2, 0.09)
        + 0.3 * _pair(x, y, 0.82, -0.2, 0.12, 0.3)
    )


def _beard(x: Array, y: Array) -> Array:
    band = smoothstep(-0.42, -0.62, y) * smoothstep(-1.3, -1.05, y)
    not_lips = np.clip(1.05 - _spot(x, y, 0, -0.62, 0.30, 0.13) * 1.1, 0, 1)
    sides = np.clip(smoothstep(0.15, 0.35, np.abs(x)) + smoothstep(-0.5, -0.56, y), 0, 1)
    return np.clip(band * not_lips * sides, 0, 1)


def _paint_lips(rig: Rig, style: Style, skin: Array, rng: np.random.RandomState) -> Array:
    lips = cv2.GaussianBlur(_seen_from_front(rig, np.clip(rig.lips * 1.4 - 0.2, 0, 1)), (0, 0), 2.2)
    cover = lips[..., None] * 0.88
    lines = _unit_noise(rng, 1.2, 6)[..., None]
    return skin * (1 - cover) + linear_bgr(style.lip) * (1 + 0.05 * lines) * cover


def _seen_from_front(rig: Rig, value: Array) -> Array:
    """(h, w) picture of a value at the vertices, nearest surface first, in the texture's frame."""
    points = np.stack([rig.uv[:, 0] * WIDTH_PX, rig.uv[:, 1] * HEIGHT_PX, rig.positions[:, 2]], 1)
    depth = np.full((HEIGHT_PX, WIDTH_PX), -1e9, np.float32)
    picture = np.zeros((HEIGHT_PX, WIDTH_PX, 4), np.uint8)
    light = np.zeros((len(value), 4), np.float32)
    light[:, :3] = value[:, None]
    linear = np.clip(np.arange(2049) / 512 * 255, 0, 255).astype(np.uint8)
    white = np.ones((4, 4, 3), np.float32)
    raster.fill(
        points.astype(np.float32),
        rig.triangles[SKIN],
        light,
        rig.uv,
        white,
        linear,
        picture,
        depth,
        np.float32(0),
        False,
        False,
    )
    return picture[:, :, 0].astype(float) / 255


def _under_hair(x: Array, y: Array) -> Array:
    z = 0.45 + 0.98 * np.sqrt(np.clip(1 - (x / 0.80) ** 2 - ((y - 0.2) / 1.0) ** 2, 0, 1))
    return 0.92 * smoothstep(0.02, 0.17, y - hairline_y(z)) * (np.abs(x) < 0.9)


def _brows(style: Style) -> Array:
    """(h, w) cover of the brows, drawn hair by hair at twice the texture's size."""
    zoom, subpixels = 2, 16
    canvas = np.zeros((HEIGHT_PX * zoom, WIDTH_PX * zoom), np.uint8)
    rng = np.random.RandomState(5)
    to_px = np.array(
        [WIDTH_PX / (TEXTURE_X[1] - TEXTURE_X[0]), HEIGHT_PX / (TEXTURE_Y[0] - TEXTURE_Y[1])]
    ) * (zoom * subpixels)
    for side in (-1, 1):
        for _ in range(300):
            t = rng.beta(1.1, 1.25)
            arch = (
                0.080 * math.sin(min(1, t * 1.28) * math.pi * 0.62) - 0.115 * max(0, t - 0.62) / 0.38 * 0.62
            )
            half_width = 0.036 if t < 0.45 else 0.036 * (1 - 0.72 * (t - 0.45) / 0.55)
            if t < 0.08:
                half_width *= 0.75
            offset = rng.uniform(-1, 1) * half_width
            x0, y0 = 0.125 + 0.43 * t, 0.165 + style.brow_height + arch + offset - 0.012
            is_upper = offset > 0
            degrees = 78 - 70 * min(1, t * 1.6) - 28 * t * is_upper + rng.normal(0, 7)
            angle = math.radians(degrees - 18 * is_upper + 10 * (offset < 0))
            length = (0.075 - 0.02 * t) * rng.uniform(0.7, 1.1)
            steps = np.arange(5) / 4
            bend = angle - math.radians(22) * steps
            xs, ys = x0 + length * steps * np.cos(bend), y0 + length * steps * np.sin(bend)
            line = np.stack([side * xs - TEXTURE_X[0], TEXTURE_Y[0] - ys], 1) * to_px
            grey = int(rng.uniform(90, 205) * min(1, 0.45 + t * 3))
            cv2.polylines(canvas, [line.astype(np.int32).reshape(-1, 1, 2)], False, grey, 2, cv2.LINE_AA, 4)
    hairs = cv2.resize(canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA).astype(float) / 255
    soft = cv2.GaussianBlur(hairs, (0, 0), 5) * 0.55
    return np.clip(hairs * 1.05 + soft * 0.6, 0, 0.96)


def _with_hair_shadow(skin: Array, cover: Array, camera: Camera) -> Array:
    x, y = texture_grid()
    # The forehead lies about 1.1 towards the camera: there one head unit is this many fine pixels.
    unit_px = camera.scale_px * (DISTANCE - 1) / (DISTANCE - 1.1)
    columns = np.repeat(x * unit_px + camera.centre_x_px, HEIGHT_PX, 0).astype(np.float32)
    rows = np.repeat(camera.centre_y_px - y * unit_px, WIDTH_PX, 1).astype(np.float32)
    scale = camera.scale_px
    cast = cv2.remap(
        cover,
        (columns - 0.035 * scale).astype(np.float32),
        (rows - 0.055 * scale).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    contact = cv2.remap(cover, columns, (rows - 0.01 * scale).astype(np.float32), cv2.INTER_LINEAR)
    shadow = cv2.GaussianBlur(cast, (0, 0), 16) * 0.55 + cv2.GaussianBlur(contact, (0, 0), 6) * 0.35
    dark = np.clip(shadow, 0, 0.8)[..., None] * np.array([0.80, 0.74, 0.62])
    return np.ascontiguousarray((skin.astype(np.float32) * (1 - dark)).astype(np.float32))


def _teeth() -> Array:
    xs = np.linspace(*TEXTURE_X, 1024)
    gaps = np.zeros(1024)
    for edge in (0, 0.062, 0.112, 0.165, 0.21, 0.25):
        gaps = np.maximum(gaps, np.exp(-(((np.abs(xs) - edge) / 0.0045) ** 2)))
    across = (1 - 0.22 * gaps) * (1 - 0.88 * smoothstep(0.10, 0.24, np.abs(xs)))
    ivory = np.ones((256, 1024, 3)) * np.array([0.80, 0.90, 0.95])
    return (ivory * across[None, :, None]).astype(np.float32)


def _lash_uv(rig: Rig) -> Array:
    """Along the lid, and from the lid (v 0.5) to the lash's tip, upper lashes in the lower half of the texture."""
    uv = rig.uv.copy()
    lashes = np.where(rig.vertex_parts == LASHES)[0]
    points = rig.positions[lashes]
    skin = rig.positions[rig.vertex_parts == SKIN]
    near = skin[(np.abs(skin[:, 1]) < 0.5) & (skin[:, 2] > 0.3)]
    reach = np.array([np.linalg.norm(near - p, axis=1).min() for p in points])
    for side in (-1, 1):
        eye_y = rig.eyes[0 if side > 0 else 1][1]
        for is_upper in (False, True):
            mine = (np.sign(points[:, 0]) == side) & ((points[:, 1] > eye_y) == is_upper)
            low, high = np.percentile(reach[mine], (6, 97))
            tip = np.clip((reach[mine] - low) / (high - low), 0, 1)
            uv[lashes[mine], 0] = (np.abs(points[mine, 0]) - 0.12) / 0.40
            uv[lashes[mine], 1] = (tip * 0.98 + 1) * 0.5 if is_upper else tip * 0.49
    return uv


def _lashes(*, has_makeup: bool) -> Array:
    """(256, 1024, 4): lower lashes in the upper half, upper ones in the lower half, roots at the middle and the top."""
    ink = np.zeros((256, 1024), np.uint8)
    rng = np.random.RandomState(8)
    for i in range(46):
        x0 = 20 + i * 980 / 46 + rng.uniform(-6, 6)
        lean = (i / 46 - 0.35) * 70
        points = [(x0 + lean * (q / 8) ** 1.4, 130 + 118 * (q / 8) * rng.uniform(0.93, 1)) for q in range(9)]
        for q in range(8):
            start, end = (tuple(int(v * 8) for v in points[q + k]) for k in (0, 1))
            cv2.line(ink, start, end, 255, max(2, int(15 * (1 - q / 8) + 3)), cv2.LINE_AA, 3)
    for i in range(34):
        x0 = 20 + i * 980 / 34 + rng.uniform(-8, 8)
        lean = (i / 34 - 0.4) * 50
        cv2.line(ink, (int(x0), 0), (int(x0 + lean), int(80 * rng.uniform(0.7, 1))), 90, 3, cv2.LINE_AA)
    cover = cv2.GaussianBlur(ink, (0, 0), sigmaX=3.5, sigmaY=5).astype(np.float32) / 255 * 1.1
    v = np.arange(256)[:, None]
    u = np.linspace(0, 1, 1024)[None]
    is_upper = v >= 128
    cover[128:] *= 1.0 if has_makeup else 0.8
    cover = np.where(is_upper & (v > (250 if has_makeup else 205)), cover * 0.35, cover)
    line = np.where(is_upper, smoothstep(172 if has_makeup else 160, 138, v), 0.34 * smoothstep(26, 4, v))
    cover = np.maximum(cover, line)
    ends = np.where(is_upper, smoothstep(1.0, 0.93, u), smoothstep(0.80, 0.62, u) * smoothstep(0.05, 0.2, u))
    texture = np.zeros((256, 1024, 4), np.float32)
    texture[..., :3] = [0.010, 0.008, 0.008]
    texture[..., 3] = np.clip(cover * ends * (1 if has_makeup else 0.9), 0, 1)
    return np.ascontiguousarray(texture)


def _mouth_tint(rig: Rig, style: Style) -> Array:
    tint = np.ones((len(rig.positions), 4), np.float32)
    inside = rig.mouth_inside[:, None]
    tint[:, :3] = (1 - inside) + inside * (np.array([0.10, 0.09, 0.30]) / linear_bgr(style.lip))
    return tint
