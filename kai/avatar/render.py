"""Draws a picture of the face from parameters.

Parameters are a mapping from names to numbers; a missing one is 0 (``breath``: 0.5). The names are the 52 ARKit face shapes
(0 to 1), ``headYaw``, ``headPitch``, ``headRoll`` (radians; keep yaw within 0.2), ``headX``, ``headY`` (head units),
``gazeX``, ``gazeY`` (radians, relative to the head) and ``breath`` (0 to 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar import lights, raster
from kai.avatar.bake import Baked
from kai.avatar.camera import DISTANCE
from kai.avatar.colour import smoothstep
from kai.avatar.rig import LASHES, LOWER_TEETH, PIVOT, SKIN, TONGUE, UPPER_TEETH
from kai.avatar.sway import lay_swayed
from kai.compat.format import Array

Params = Mapping[str, float]

_NO_BIAS = np.float32(0)
_EDGE_STEP, _EDGE_CONTRAST = np.float32(0.014), np.float32(20)
"""In head units, a lid is about twice as far in front of the eyeball; and in grey steps of the three channels together."""
_LIP_STEP, _LIP_CONTRAST = np.float32(0.0015), np.float32(42)
"""Shut lips lie close to each other, and the line between them is dark."""
_LASH_BIAS = np.float32(0.03)
"""Lashes are drawn this much nearer than they are, so that they do not sink into the lids."""


def frame(baked: Baked, params: Params, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Return the face as ``(height * 3 // 2, width)`` uint8 I420 (BT.601, limited range), in ``out`` if it is given."""
    return cv2.cvtColor(picture(baked, params), cv2.COLOR_BGRA2YUV_I420, dst=out)  # pyright: ignore


def picture(baked: Baked, params: Params) -> NDArray[np.uint8]:
    """Return the face as ``(height, width, 4)`` uint8 BGRA."""
    camera = baked.camera
    fine, depth, out = _stage(baked, params.get("breath", 0.5))
    rotation, shift = _head_motion(params)
    _draw_hair(baked, "back", fine, rotation, shift)
    _draw_head(baked, params, fine, depth, rotation, shift)
    _draw_hair(baked, "front", fine, rotation, shift)
    left, top, right, bottom = camera.out_head_box
    if camera.supersample == 1:
        out[top:bottom, left:right] = fine
    else:
        method = cv2.INTER_AREA if camera.supersample == 2 else cv2.INTER_LINEAR
        out[top:bottom, left:right] = cv2.resize(fine, (right - left, bottom - top), interpolation=method)
    return out


def _stage(baked: Baked, breath: float) -> tuple[Array, Array, Array]:
    """Return copies of the picture without a head at this point of the breath, blended from the two nearest phases."""
    stages = baked.stages
    place = min(max(breath, 0.0), 1.0) * (len(stages) - 1)
    low = min(int(place), len(stages) - 2)
    share = place - low
    a, b = stages[low], stages[low + 1]
    nearest = b if share > 0.5 else a
    still = a.still_rows
    out_still = int(still / baked.camera.supersample)
    fine, whole = np.empty_like(a.fine), np.empty_like(a.whole)
    fine[:still], whole[:out_still] = a.fine[:still], a.whole[:out_still]
    cv2.addWeighted(a.fine[still:], 1 - share, b.fine[still:], share, 0, dst=fine[still:])
    cv2.addWeighted(a.whole[out_still:], 1 - share, b.whole[out_still:], share, 0, dst=whole[out_still:])
    return fine, nearest.depth.copy(), whole


def _head_motion(params: Params) -> tuple[Array, Array]:
    yaw, pitch, roll = (params.get(name, 0.0) for name in ("headYaw", "headPitch", "headRoll"))
    cy, sy = math.cos(yaw), math.sin(yaw)
    cp, sp = math.cos(pitch), math.sin(pitch)
    cr, sr = math.cos(roll), math.sin(roll)
    rotation = (
        np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    )
    lifted = params.get("headY", 0.0) + 0.018 * (params.get("breath", 0.5) - 0.5)
    shift = np.array([params.get("headX", 0.0), lifted, 0])
    return rotation.astype(np.float32), shift.astype(np.float32)


def _blend(baked: Baked, params: Params) -> Array:
    head = baked.head
    weights = np.array([params.get(name, 0.0) for name in head.shape_names], np.float32)
    points = np.empty_like(head.positions)
    raster.blend_shapes(
        head.positions,
        head.shape_starts,
        head.shape_vertices,
        head.shape_moves,
        np.nonzero(weights)[0],
        weights,
        points,
    )
    return points


def _draw_hair(baked: Baked, which: str, fine: Array, rotation: Array, shift: Array) -> None:
    sprite = baked.hair.front if which == "front" else baked.hair.back
    if sprite is None:
        return
    corner = baked.camera.head_box[:2]
    is_smooth = which == "front"
    lay_swayed(fine, sprite, rotation, shift, PIVOT, baked.camera.scale_px, corner, is_smooth=is_smooth)


def _draw_head(
    baked: Baked, params: Params, fine: Array, depth: Array, rotation: Array, shift: Array
) -> None:
    head, paint, surface = baked.head, baked.paint, baked.surface
    neutral = _blend(baked, params)
    points, normal = np.empty_like(neutral), np.empty_like(neutral)
    raster.turn(neutral, head.head_weight, rotation, PIVOT, shift, points)
    raster.normals(points, head.all_triangles, normal)
    x0, y0, _, _ = baked.camera.head_box
    seen = baked.camera.project(points, origin_px=(x0, y0))
    light = np.empty((len(points), 4), np.float32)
    raster.shade(
        points,
        normal,
        surface.key_seen,
        surface.open_sky,
        surface.softness,
        surface.gloss,
        baked.lights.directions,
        baked.lights.colours,
        paint.tint,
        np.float32(DISTANCE),
        light,
    )
    parts, tone = head.triangles, baked.tone
    raster.fill_skin(seen, parts[SKIN], light, paint.uv, paint.skin, paint.skin_decode, tone, fine, depth)
    for part in (UPPER_TEETH, LOWER_TEETH):
        raster.fill(
            seen, parts[part], light, paint.uv, paint.teeth, tone, fine, depth, _NO_BIAS, False, False
        )
    raster.fill(seen, parts[TONGUE], light, paint.uv, paint.tongue, tone, fine, depth, _NO_BIAS, True, False)
    gaze = params.get("gazeX", 0.0), params.get("gazeY", 0.0)
    for eye, lid in zip(head.eyes, ("eyeBlinkLeft", "eyeBlinkRight"), strict=True):
        _draw_eye(baked, eye, gaze, params.get(lid, 0.0), fine, depth, rotation, shift)
    _soften_edges(fine, depth, seen, head.lips)
    raster.fill(
        seen, parts[LASHES], light, paint.uv, paint.lashes, tone, fine, depth, _LASH_BIAS, False, True
    )


def _soften_edges(fine: Array, depth: Array, seen: Array, lips: Array) -> None:
    """Smooth the outlines of the head (``seen``: its projected points) and of its parts, in place.

    Hair and lashes are drawn afterwards and have their own soft edges.
    """
    rows = slice(max(0, int(seen[:, 1].min()) - 2), int(seen[:, 1].max()) + 3)
    marks = np.empty_like(depth[rows], np.uint8)
    raster.mark_edges(fine[rows], depth[rows], _EDGE_STEP, _EDGE_CONTRAST, marks)
    left, top = (max(0, int(v)) for v in seen[lips, :2].min(0))
    right, bottom = (int(v) + 2 for v in seen[lips, :2].max(0))
    mouth = (slice(top, bottom), slice(left, right))
    in_rows = (slice(top - rows.start, bottom - rows.start), mouth[1])
    raster.mark_edges(fine[mouth], depth[mouth], _LIP_STEP, _LIP_CONTRAST, marks[in_rows])
    raster.soften_edges(fine[rows], marks)


def _draw_eye(
    baked: Baked,
    eye: Array,
    gaze: tuple[float, float],
    lid_shut: float,
    fine: Array,
    depth: Array,
    rotation: Array,
    shift: Array,
) -> None:
    ball = baked.eyeball
    centre, radius = eye[:3], eye[3]
    yaw, pitch = gaze[0], -gaze[1]
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    look = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    normal = ball.cap @ look.T.astype(np.float32)
    points = normal * np.float32(radius) + centre.astype(np.float32)
    # The shadow of the lids and of the eye's corners, in the head's own frame.
    lid_y = 0.074 * (1 - lid_shut) * (radius / 0.1438)
    above, aside = points[:, 1] - centre[1], np.abs(points[:, 0] - centre[0])
    open_sky = (
        1
        - 0.74 * smoothstep(lid_y - 0.105, lid_y + 0.004, above + 0.10 * aside)
        - 0.20 * smoothstep(-0.02, -0.09, above)
        - 0.34 * smoothstep(0.06, 0.14, aside)
    )
    open_sky = np.clip(open_sky, 0.12, 1)
    turned = (points - PIVOT) @ rotation.T + PIVOT + shift
    normal = normal @ rotation.T
    light = np.zeros((len(points), 4), np.float32)
    light[:, :3] = ((0.62 + 0.45 * np.clip(normal @ lights.KEY, 0, 1)) * open_sky)[:, None]
    # The catchlights depend on the lamps, not on where the eye looks.
    light[:, 3] = (
        1.1 * smoothstep(0.9880, 0.9985, np.clip(normal @ _KEY_GLINT, 0, 1)) * np.clip(open_sky * 1.8, 0, 1)
    )
    light[:, 3] += 0.10 * smoothstep(0.975, 0.999, np.clip(normal @ _FILL_GLINT, 0, 1)) + 0.008
    x0, y0, _, _ = baked.camera.head_box
    seen = baked.camera.project(turned, origin_px=(x0, y0))
    raster.fill(
        seen, ball.triangles, light, ball.uv, ball.texture, baked.tone, fine, depth, _NO_BIAS, True, False
    )


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


_KEY_GLINT = _unit(lights.KEY * np.array([0.54, 0.60, 1]) + np.array([0, 0, 1.0]))
_FILL_GLINT = _unit(lights.FILL * np.array([0.8, 1, 1]) + np.array([0, -0.55, 1.0]))
