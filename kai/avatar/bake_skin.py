"""The painted face: skin, lips, brows, teeth, tongue and lashes as textures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kai.avatar import raster
from kai.avatar.camera import DISTANCE, Camera
from kai.avatar.colour import linear_bgr, smoothstep
from kai.avatar.rig import LASHES, LOWER_TEETH, SKIN, TEXTURE_X, TEXTURE_Y, UPPER_TEETH, Rig, hairline_y
from kai.avatar.style import Style
from kai.compat.format import Array

DRAWN_PX = 1024
"""Widths of lines and blurs are told for a sheet this wide."""
_FINER = 2
"""Lines are drawn on a canvas this much larger than the sheet."""
_STROKE_STEPS = 12

_BEARD_HAIRS = 19_000
_BEARD_DEPTH = 0.033
"""Head units, some 4 mm: what a full beard stands out."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a face is painted on: about one texel for each fine pixel, since a finer sheet would show no more."""

    width_px: int
    height_px: int

    @property
    def x(self) -> Array:
        """(1, w) head units of the columns, float32."""
        return np.linspace(*TEXTURE_X, self.width_px, dtype=np.float32)[None]

    @property
    def y(self) -> Array:
        """(h, 1) head units of the rows, float32."""
        return np.linspace(*TEXTURE_Y, self.height_px, dtype=np.float32)[:, None]

    @property
    def zoom(self) -> float:
        """Its width over `DRAWN_PX`."""
        return self.width_px / DRAWN_PX

    def blur(self, picture: Array, sigma: float, sigma_y: float = 0.0) -> Array:
        """The picture blurred by so many texels of a sheet of `DRAWN_PX`."""
        return cv2.GaussianBlur(picture, (0, 0), sigmaX=sigma * self.zoom, sigmaY=sigma_y * self.zoom)

    def lines(self, paths: Sequence[tuple[Array, float]], width_px: float = 2.0) -> Array:
        """(h, w) float32 cover of fine lines: each path is (k, 2) head units and its opacity, 0 to 1."""
        canvas = self._canvas()
        for path, opacity in paths:
            grey, thickness = self._pen(opacity, width_px)
            cv2.polylines(canvas, self._on_canvas(path[None]), False, int(grey), thickness, cv2.LINE_AA, 4)
        return self._drawn(canvas)

    def strokes(self, paths: Array, opacity: Array, width_px: float = 2.0) -> Array:
        """As `lines`, for thousands at once: ``paths`` (n, k, 2), ``opacity`` (n,), of which it keeps a dozen steps."""
        canvas = self._canvas()
        step = np.ceil(opacity * _STROKE_STEPS).astype(int)
        for number in range(1, _STROKE_STEPS + 1):
            grey, thickness = self._pen((number - 0.5) / _STROKE_STEPS, width_px)
            points = self._on_canvas(paths[step == number])
            cv2.polylines(canvas, points, False, int(grey), thickness, cv2.LINE_AA, 4)
        return self._drawn(canvas)

    def _canvas(self) -> Array:
        return np.zeros((self.height_px * _FINER, self.width_px * _FINER), np.uint8)

    def _pen(self, opacity: float, width_px: float) -> tuple[float, int]:
        """A line cannot be thinner than a pixel: it is paler instead."""
        wanted = width_px * self.zoom
        thickness = max(1, round(wanted))
        return 255 * opacity * min(1.0, wanted / thickness), thickness

    def _on_canvas(self, paths: Array) -> list[Array]:
        scale = np.array(
            [self.width_px / (TEXTURE_X[1] - TEXTURE_X[0]), self.height_px / (TEXTURE_Y[0] - TEXTURE_Y[1])]
        )
        at = np.stack([paths[..., 0] - TEXTURE_X[0], TEXTURE_Y[0] - paths[..., 1]], -1)
        return list((at * scale * _FINER * 16).astype(np.int32)[:, :, None])

    def _drawn(self, canvas: Array) -> Array:
        size = (self.width_px, self.height_px)
        return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def make_sheet(camera: Camera) -> Sheet:
    """The sheet for a face of the camera's size."""
    span_x, span_y = TEXTURE_X[1] - TEXTURE_X[0], TEXTURE_Y[0] - TEXTURE_Y[1]
    width = min(1536, round(1.15 * camera.scale_px * span_x))
    return Sheet(width, round(width * span_y / span_x))


@dataclass(frozen=True, slots=True)
class Paint:
    """Textures of the head.

    ``skin`` (h, w, 3) uint8 holds the square root of the reflectance, ``skin_decode`` (256,) float32 undoes it. ``teeth`` and
    ``tongue`` (h, w, 3), ``lashes`` (h, w, 4) float32 hold reflectance and opacity. ``uv`` (n, 2) float32 are places on
    them; ``tint`` (n, 4) float32 multiplies the light at the vertices (the mouth's inside is redder).
    """

    skin: Array
    skin_decode: Array
    teeth: Array
    tongue: Array
    lashes: Array
    uv: Array
    tint: Array


def paint_skin(rig: Rig, style: Style, sheet: Sheet) -> Array:
    """(h, w, 3) float32 reflectance of the face, BGR, before the hair's shadow."""
    x, y = sheet.x, sheet.y
    rng = np.random.RandomState(1)
    skin = np.empty((sheet.height_px, sheet.width_px, 3), np.float32)
    skin[:] = linear_bgr(style.skin)

    def darken(share: Array, b: float, g: float, r: float) -> None:
        """Multiplies by 1 where the share is 0, by 1 minus these where it is 1."""
        for channel, loss in enumerate((b, g, r)):
            skin[..., channel] *= 1 - np.float32(loss) * share

    darken(np.clip(style.blush * _blush(x, y), 0, 1), 0.20, 0.28, -0.02)
    sockets = 0.20 * _pair(x, y, 0.3, -0.10, 0.17, 0.06) + 0.16 * _pair(x, y, 0.3, 0.09, 0.2, 0.05)
    darken(np.clip(sockets, 0, 1), 0.9, 0.95, 0.75)
    if style.makeup:
        shadow = style.makeup * 0.5 * _pair(x, y, 0.32, 0.075, 0.17, 0.035)
        darken(np.clip(shadow, 0, 0.9), 0.65, 0.85, 0.7)
    skin *= (1 + 0.022 * _unit_noise(sheet, rng, 14) + 0.032 * _unit_noise(sheet, rng, 1.2))[..., None]
    darken(_lid_lines(rig, style, sheet), 0.62, 0.60, 0.46)
    if style.age:
        darken(style.age * _age_lines(x, y), 0.50, 0.46, 0.34)
    if style.stubble:
        darken(style.stubble * _beard(x, y), 0.55, 0.62, 0.7)
    lips = _lips(rig, sheet)
    if style.beard:
        _paint_beard(style, skin, lips, sheet)
    _lay(skin, lips * 0.88, linear_bgr(style.lip), 1 + 0.05 * _unit_noise(sheet, rng, 1.2, 6))
    _lay(skin, _under_hair(x, y), linear_bgr(style.hair) * 1.3)
    _lay(skin, _brows(style, sheet), linear_bgr(style.brow))
    return skin


def _lay(skin: Array, cover: Array, colour: Array, light: Array | float = 1.0) -> None:
    """A colour laid over the skin, in place; ``cover`` and ``light`` (h, w)."""
    for channel in range(3):
        part = skin[..., channel]
        part += (np.float32(colour[channel]) * light - part) * cover


def bake_paint(rig: Rig, style: Style, camera: Camera, hair_cover: Array) -> Paint:
    """The textures; ``hair_cover`` (fine h, fine w) float32 is the front hair's opacity, which throws a contact shadow."""
    sheet = make_sheet(camera)
    shaded = paint_skin(rig, style, sheet)
    _shade_under_hair(shaded, hair_cover, camera, sheet)
    dither = np.random.RandomState(0).randint(0, 256, shaded.shape, np.uint8).astype(np.float32) / 256
    dithered = np.sqrt(np.clip(shaded, 0, 1)) * 255 + dither
    return Paint(
        skin=np.ascontiguousarray(np.clip(dithered, 0, 255).astype(np.uint8)),
        skin_decode=((np.arange(256) / 255.0) ** 2).astype(np.float32),
        teeth=_teeth(),
        tongue=np.ones((4, 4, 3), np.float32) * np.array([0.23, 0.22, 0.56], np.float32),
        lashes=_to_screen(_lashes(has_makeup=style.makeup > 0), camera),
        uv=_lay_out(rig),
        tint=_mouth_tint(rig, style),
    )


def _spot(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return np.exp(-(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2))


def _pair(x: Array, y: Array, cx: float, cy: float, rx: float, ry: float) -> Array:
    return _spot(x, y, cx, cy, rx, ry) + _spot(x, y, -cx, cy, rx, ry)


def _unit_noise(sheet: Sheet, rng: np.random.RandomState, blur: float, blur_y: float = 0) -> Array:
    """(h, w) float32 noise of deviation 1, as coarse as the blur (in texels of a sheet of `DRAWN_PX`)."""
    # What is coarse anyway is made small and enlarged: it looks the same and costs little.
    step = max(1, int(blur * sheet.zoom / 3))
    rows, columns = sheet.height_px // step + 1, sheet.width_px // step + 1
    noise = rng.standard_normal((rows, columns)).astype(np.float32)
    noise = sheet.blur(noise, blur / step, blur_y / step)
    noise = cv2.resize(noise, (sheet.width_px, sheet.height_px), interpolation=cv2.INTER_LINEAR)
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


def _lid_lines(rig: Rig, style: Style, sheet: Sheet) -> Array:
    """(h, w) darkness of the crease over each eye, of the fold under it and of the lid's own edge."""
    x, y = sheet.x, sheet.y
    dark = np.zeros((sheet.height_px, sheet.width_px), np.float32)
    lashes = rig.positions[rig.vertex_parts == LASHES]
    for eye in rig.eyes:
        cx, cy, radius = float(eye[0]), float(eye[1]), float(eye[3])
        mine = lashes[(np.sign(lashes[:, 0]) == np.sign(cx)) & (lashes[:, 1] > cy)]
        outward = np.sign(cx)
        across = np.clip((x - cx) * outward / radius, -1.6, 1.8)
        # Roots of the upper lashes: the inmost of them at each place along the lid.
        places = (mine[:, 0] - cx) * outward / radius
        bins = np.linspace(-0.85, 1.1, 9)
        edge = [
            mine[np.abs(places - b) < 0.2, 1].min() if (np.abs(places - b) < 0.2).any() else np.nan
            for b in bins
        ]
        known = np.isfinite(edge)
        curve = np.polyval(np.polyfit(bins[known], np.asarray(edge)[known], 2), across)
        width = smoothstep(-1.25, -0.55, across) * smoothstep(1.75, 0.95, across)
        crease = curve + 0.052 + 0.020 * style.age - 0.018 * np.clip(across, 0, 2)
        sharp = np.exp(-(((y - crease) / 0.0085) ** 2)) + 0.55 * np.exp(
            -(((y - crease - 0.012) / 0.026) ** 2)
        )
        under = cy - 0.155 * (radius / 0.145) + 0.05 * across**2
        fold = np.exp(-(((y - under) / (0.012 + 0.010 * style.age)) ** 2)) * (0.14 + 0.30 * style.age)
        dark += width * (0.50 * sharp + fold * smoothstep(1.3, 0.6, np.abs(across)))
    return np.clip(dark, 0, 0.85)


def _age_lines(x: Array, y: Array) -> Array:
    """(h, w) depth of the lines of the forehead, of the corners of the eyes, and from the nose to the mouth."""
    side = np.abs(x)
    dark = np.zeros((y.size, x.size), np.float32)
    for k, height in enumerate((0.36, 0.455, 0.545)):
        line = height + 0.012 * np.sin(7 * x + 2 * k) - 0.10 * x**2
        length = smoothstep(0.42 - 0.05 * k, 0.22, side)
        dark += 0.34 * length * np.exp(-(((y - line) / 0.0085) ** 2))
    for slope in (-0.55, -0.15, 0.28):
        along = side - 0.50
        ray = 0.035 + slope * along
        length = smoothstep(0.0, 0.03, along) * smoothstep(0.17, 0.08, along)
        dark += 0.40 * length * np.exp(-(((y - ray) / 0.007) ** 2))
    t = np.clip((-0.36 - y) / 0.30, 0, 1)
    fold = 0.185 + 0.17 * t**0.8
    dark += (
        0.42
        * smoothstep(-0.34, -0.42, y)
        * smoothstep(-0.72, -0.58, y)
        * np.exp(-(((side - fold) / 0.014) ** 2))
    )
    frown = np.exp(-(((side - 0.055) / 0.008) ** 2)) * smoothstep(0.10, 0.16, y) * smoothstep(0.30, 0.22, y)
    return np.clip(dark + 0.30 * frown, 0, 0.8)


def _full_beard(x: Array, y: Array) -> Array:
    """(h, w) where a full beard grows: lip, chin and jaw, and a strip before the ears."""
    side = np.abs(x)
    jaw = smoothstep(-0.28, -0.52, y + 0.66 * np.clip(0.62 - side, 0, 0.45))
    cheek = smoothstep(0.54, 0.64, side - 0.10 * np.clip(y, 0, 1)) * smoothstep(0.34, 0.10, y)
    lip_side = side + 0.55 * np.clip(y + 0.57, 0, 1)
    lip = smoothstep(-0.455, -0.50, y) * smoothstep(0.33, 0.25, lip_side) * smoothstep(-0.72, -0.66, y)
    # The ears begin 0.72 from the middle, where they do not hang over the jaw; below the jaw's outline lies the neck.
    not_ear = np.maximum(smoothstep(0.71, 0.67, side), smoothstep(-0.46, -0.56, y))
    not_neck = smoothstep(1.22, 0.90, (x / 0.70) ** 2 + (np.minimum(y + 0.45, 0) / 0.69) ** 2)
    return np.clip(np.maximum(np.maximum(jaw, cheek), lip), 0, 1) * not_ear * not_neck


def grow_beard(rig: Rig, style: Style) -> Array:
    """(n, 3) float32 the rig's positions, the skin under a beard as far out as the beard is thick; at the lips not at all."""
    if not style.beard:
        return rig.positions
    normal = np.zeros_like(rig.positions)
    raster.normals(rig.positions, np.ascontiguousarray(rig.triangles[SKIN]), normal)
    x, y, z = rig.positions.T
    # Behind the strip before the ears lies the ear's own front, which must stay where it is.
    thick = _full_beard(x, y) * smoothstep(-0.30, -0.50, y) * (z > 0.2) * (rig.vertex_parts == SKIN)
    at_lips = np.exp(-(((x / 0.36) ** 2 + ((y + 0.62) / 0.15) ** 2) ** 2))
    thick = thick * (1 - at_lips) * (1 - np.clip(rig.lips * 1.4, 0, 1))
    return (rig.positions + normal * (_BEARD_DEPTH * style.beard * thick)[:, None]).astype(np.float32)


def _paint_beard(style: Style, skin: Array, lips: Array, sheet: Sheet) -> None:
    """A beard over the skin, in place: a dark ground, then three layers of hair, each with its shadow on what is below."""
    x, y = sheet.x, sheet.y
    where = _full_beard(x, y) * np.clip(1 - 1.6 * sheet.blur(lips, 3), 0, 1)
    rng = np.random.RandomState(21)
    chance = where.ravel().astype(float) ** 1.2
    chosen = rng.choice(where.size, _BEARD_HAIRS, p=chance / chance.sum())
    row, column = np.divmod(chosen, sheet.width_px)
    px, py, full = x[0, column], y[row, 0], where.ravel()[chosen]
    on_lip = (py > -0.68) & (np.abs(px) < 0.36)
    lean = np.where(on_lip, 1.3, 0.42) * np.sign(px) * np.minimum(1, np.abs(px) / 0.22)
    # Neighbours lie together: slow waves turn whole tufts.
    tuft = 0.20 * np.sin(23 * px + 9 * py) + 0.16 * np.sin(41 * py - 17 * px)
    angle = np.arctan2(-1.0, lean) + tuft + rng.normal(0, 0.14, _BEARD_HAIRS)
    steps = np.arange(4)[None] / 3
    bent = angle[:, None] + rng.normal(0, 0.16, (_BEARD_HAIRS, 1)) * steps
    # At the beard's border hairs are short and thin, so that it ends in skin and not in a line.
    length = rng.uniform(0.035, 0.062, _BEARD_HAIRS) * np.where(on_lip, 0.75, 1.0) * (0.4 + 0.6 * full)
    reach = length[:, None] * steps
    paths = np.stack([px[:, None] + reach * np.cos(bent), py[:, None] + reach * np.sin(bent)], -1)
    opacity = rng.uniform(0.5, 0.95, _BEARD_HAIRS) * (0.35 + 0.65 * full)
    roots, tips = linear_bgr(style.hair), linear_bgr(style.hair_tip)
    _lay(skin, sheet.blur(where, 9) ** 1.3 * 0.80 * style.beard, roots * 0.40)
    tones = (roots * 0.55, roots * 0.75 + tips * 0.18, roots * 0.25 + tips * 0.75)
    for first, end, tone in zip((0.0, 0.42, 0.76), (0.42, 0.76, 1.0), tones, strict=True):
        part = slice(int(first * _BEARD_HAIRS), int(end * _BEARD_HAIRS))
        drawn = sheet.strokes(paths[part], opacity[part], 1.4)
        shadow = sheet.blur(np.roll(drawn, (1, 1), (0, 1)), 1.0)
        _lay(skin, np.clip(0.75 * style.beard * shadow, 0, 1), roots * 0.20)
        _lay(skin, np.clip(1.15 * style.beard * drawn, 0, 1), tone)


def _lips(rig: Rig, sheet: Sheet) -> Array:
    """(h, w) cover of the lips."""
    return sheet.blur(_seen_from_front(rig, np.clip(rig.lips * 1.4 - 0.2, 0, 1), sheet), 2.2)


def _seen_from_front(rig: Rig, value: Array, sheet: Sheet) -> Array:
    """(h, w) picture of a value at the vertices, nearest surface first, in the texture's frame."""
    points = np.stack([rig.uv[:, 0] * sheet.width_px, rig.uv[:, 1] * sheet.height_px, rig.positions[:, 2]], 1)
    depth = np.full((sheet.height_px, sheet.width_px), -1e9, np.float32)
    picture = np.zeros((sheet.height_px, sheet.width_px, 4), np.uint8)
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
    return picture[:, :, 0].astype(np.float32) / 255


def _under_hair(x: Array, y: Array) -> Array:
    z = 0.45 + 0.98 * np.sqrt(np.clip(1 - (x / 0.80) ** 2 - ((y - 0.2) / 1.0) ** 2, 0, 1))
    return 0.92 * smoothstep(0.02, 0.17, y - hairline_y(z)) * (np.abs(x) < 0.9)


def _brows(style: Style, sheet: Sheet) -> Array:
    """(h, w) cover of the brows, drawn hair by hair.

    A brow begins thin and upright at the nose and is fullest at a third of its length; from there its hairs lie down.
    """
    rng = np.random.RandomState(5)
    count = 460
    half = 0.020 + 0.030 * style.brow_weight
    paths: list[Array] = []
    opacities: list[Array] = []
    for side in (-1, 1):
        t = rng.beta(1.15, 1.2, count)
        across = rng.uniform(-1, 1, count)
        arch = np.sin(np.minimum(1, t * 1.28) * math.pi * 0.62) - 0.60 * np.clip((t - 0.60) / 0.40, 0, 1)
        height = (0.045 + 0.050 * style.brow_arch) * arch + 0.020 * (1 - style.brow_arch) * t
        full = np.interp(t, [0, 0.10, 0.34, 0.62, 1], [0.62, 0.86, 1, 0.74, 0.16])
        x0 = 0.108 + 0.455 * t
        y0 = 0.158 + style.brow_height + height + across * half * full - 0.5 * half
        above = across > 0
        degrees = np.interp(t, [0, 0.12, 0.4, 1], [84, 58, 24, -26]) - 16 * above + 12 * ~above
        angle = np.radians(degrees + rng.normal(0, 6, count))
        length = (0.050 + 0.030 * style.brow_weight) * (1 - 0.35 * t) * rng.uniform(0.7, 1.1, count)
        steps = np.arange(5)[None] / 4
        bend = angle[:, None] - math.radians(20) * steps
        reach = length[:, None] * steps
        xs, ys = x0[:, None] + reach * np.cos(bend), y0[:, None] + reach * np.sin(bend)
        paths.append(np.stack([side * xs, ys], -1))
        soft_end = np.interp(t, [0, 0.14, 0.62, 1], [0.30, 1, 1, 0.50])
        opacities.append(rng.uniform(0.30, 0.72, count) * soft_end)
    drawn = sheet.strokes(np.concatenate(paths), np.concatenate(opacities), 1.7)
    return np.clip(drawn * 0.95 + sheet.blur(drawn, 3.5) * (0.55 + 0.25 * style.brow_weight), 0, 0.95)


def _shade_under_hair(skin: Array, cover: Array, camera: Camera, sheet: Sheet) -> None:
    """The hair's shadow on the face, in place."""
    # The forehead lies about 1.1 towards the camera: there one head unit is this many fine pixels.
    unit_px = camera.scale_px * (DISTANCE - 1) / (DISTANCE - 1.1)
    columns = np.repeat(sheet.x * unit_px + camera.centre_x_px, sheet.height_px, 0).astype(np.float32)
    rows = np.repeat(camera.centre_y_px - sheet.y * unit_px, sheet.width_px, 1).astype(np.float32)
    scale = np.float32(camera.scale_px)
    across, up, near = np.float32(0.035) * scale, np.float32(0.055) * scale, np.float32(0.01) * scale
    cast = cv2.remap(cover, columns - across, rows - up, cv2.INTER_LINEAR)
    contact = cv2.remap(cover, columns, rows - near, cv2.INTER_LINEAR)
    dark = np.clip(sheet.blur(cast, 16) * 0.55 + sheet.blur(contact, 6) * 0.35, 0, 0.8)
    for channel, loss in enumerate((0.80, 0.74, 0.62)):
        skin[..., channel] *= 1 - np.float32(loss) * dark


def _teeth() -> Array:
    """(128, 1024, 3): from the gum (v 0) to the biting edge (v 1), across the mouth as the skin's sheet is."""
    x = np.abs(np.linspace(*TEXTURE_X, 1024))[None]
    v = np.linspace(0, 1, 128)[:, None]
    edges = np.array([0, 0.062, 0.112, 0.165, 0.21, 0.25, 0.29])
    apart = np.abs(x[..., None] - edges)
    to_gap = apart.min(-1)
    width = np.interp(x, edges, np.r_[np.diff(edges), 0.04])
    light = 1 - 0.13 * np.exp(-((to_gap / 0.005) ** 2)) - 0.07 * np.exp(-((to_gap / 0.016) ** 2))
    # Corners of the biting edge are round, the edge itself lets light through, necks are a little darker.
    round_corner = smoothstep(0.016, 0.0, to_gap) * smoothstep(0.80, 1.0, v)
    light = light * (1 - 0.55 * round_corner) * (1 - 0.10 * smoothstep(0.86, 1.0, v))
    light = light * (0.88 + 0.12 * smoothstep(0.15, 0.5, v))
    light = light * (1 - 0.90 * smoothstep(0.07, 0.24, x))
    ivory = np.array([0.86, 0.94, 0.98])
    gum_line = 0.26 - 0.10 * np.clip(1 - to_gap / (width / 2 + 1e-6), 0, 1) ** 2
    is_gum = smoothstep(gum_line + 0.05, gum_line - 0.03, v)[..., None]
    gum = np.array([0.26, 0.28, 0.58]) * (1 - 0.86 * smoothstep(0.10, 0.25, x))[..., None]
    return (ivory * light[..., None] * (1 - is_gum) + gum * is_gum).astype(np.float32)


def _lay_out(rig: Rig) -> Array:
    """(n, 2) float32 places on the textures: the rig's own on the skin, those of teeth and lashes from their forms.

    Lashes: along the lid, and from the lid (v 0.5) to the lash's tip, upper ones in the lower half. Teeth: from gum to edge.
    """
    uv = rig.uv.copy()
    for part, is_upper in ((UPPER_TEETH, True), (LOWER_TEETH, False)):
        teeth = np.where(rig.vertex_parts == part)[0]
        height = rig.positions[teeth, 1]
        share = (height - height.min()) / (height.max() - height.min())
        uv[teeth, 1] = 1 - share if is_upper else share
    lashes = np.where(rig.vertex_parts == LASHES)[0]
    points = rig.positions[lashes]
    skin = rig.positions[rig.vertex_parts == SKIN]
    near = skin[(np.abs(skin[:, 1]) < 0.5) & (skin[:, 2] > 0.3)]
    apart = (points**2).sum(1)[:, None] - 2 * points @ near.T + (near**2).sum(1)
    reach = np.sqrt(np.maximum(apart.min(1), 0))
    for side in (-1, 1):
        eye_y = rig.eyes[0 if side > 0 else 1][1]
        for is_upper in (False, True):
            mine = (np.sign(points[:, 0]) == side) & ((points[:, 1] > eye_y) == is_upper)
            low, high = np.percentile(reach[mine], (6, 97))
            tip = np.clip((reach[mine] - low) / (high - low), 0, 1)
            across = np.abs(points[mine, 0])
            uv[lashes[mine], 0] = (across - across.min()) / np.ptp(across)
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
    # Single lashes of this size would look like stakes: they run together, and only the tips are ragged a little.
    cover = cv2.GaussianBlur(ink, (0, 0), sigmaX=13, sigmaY=7).astype(np.float32) / 255
    v = np.arange(256)[:, None]
    u = np.linspace(0, 1, 1024)[None]
    is_upper = v >= 128
    cover[128:] *= 1.0 if has_makeup else 0.8
    cover = np.where(is_upper & (v > (250 if has_makeup else 205)), cover * 0.35, cover)
    line = np.where(is_upper, smoothstep(172 if has_makeup else 160, 138, v), 0.34 * smoothstep(26, 4, v))
    cover = np.maximum(cover, line)
    # At the outer corner the lashes are seen from the side, where they are thinner than a pixel: a row of dots.
    ends = np.where(is_upper, smoothstep(0.99, 0.78, u), smoothstep(0.80, 0.62, u) * smoothstep(0.05, 0.2, u))
    texture = np.zeros((256, 1024, 4), np.float32)
    texture[..., :3] = [0.010, 0.008, 0.008]
    texture[..., 3] = np.clip(cover * ends * (1 if has_makeup else 0.9), 0, 1)
    return np.ascontiguousarray(texture)


def _to_screen(texture: Array, camera: Camera) -> Array:
    """The lashes' texture about as fine as it is seen: a finer one would show as a row of dots."""
    seen_px = 0.40 * camera.scale_px
    zoom = min(1.0, 2.0 * seen_px / texture.shape[1])
    size = (max(16, round(texture.shape[1] * zoom)), max(16, round(texture.shape[0] * min(1.0, zoom * 2))))
    return np.ascontiguousarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA))


def _mouth_tint(rig: Rig, style: Style) -> Array:
    tint = np.ones((len(rig.positions), 4), np.float32)
    inside = rig.mouth_inside[:, None]
    # Of its texture, which is the face's seen from the front, the inside may hit the lips or the skin: it is dark on both.
    dark = np.minimum(np.array([0.10, 0.09, 0.30]) / linear_bgr(style.lip), [0.36, 0.30, 0.62])
    tint[:, :3] = (1 - inside) + inside * dark
    return tint
