"""How much light reaches each vertex of the head, and how it answers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kai.avatar import raster, shadow
from kai.avatar.rig import LASHES, LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH, Rig, triangulate

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Surface:
    """What the shading kernel takes at each vertex: (n,) float32 each; see `kai.avatar.raster.shade`."""

    key_seen: Array
    open_sky: Array
    softness: Array
    gloss: Array


def bake_surface(rig: Rig) -> Surface:
    """Shadows, occlusion, softness and gloss of a head with its mouth shut; the mouth's inside gets depth ramps instead."""
    points = rig.positions.astype(float)
    occluders = triangulate(rig.all_quads[rig.all_parts == SKIN])
    normal = np.zeros(points.shape, np.float32)
    raster.normals(rig.positions, rig.all_triangles, normal)
    normal = normal.astype(float)

    def sky_from(direction: Array) -> Array:
        lifted = points + normal * 0.012
        return shadow.share_seen(
            rig.all_positions, occluders, direction, lifted, resolution_px=300, bias=0.02
        )

    def key_from(direction: Array) -> Array:
        lifted = points + normal * 0.02
        return shadow.share_seen(
            rig.all_positions, occluders, direction, lifted, resolution_px=420, bias=0.03
        )

    open_sky = np.clip(shadow.open_sky(normal, shadow.sphere(64), sky_from) * 1.12, 0, 1)
    key_seen = shadow.key_shadow(0.11, 24, np.random.RandomState(0), key_from)

    # Lips and lid rims touch in the neutral face: without a floor they would be black once they open.
    rims = np.maximum(rig.lips, rig.lids)
    open_sky = np.maximum(open_sky, 0.55 * rims)
    key_seen = np.maximum(key_seen, 0.5 * rims * (normal[:, 2] > -0.2))
    inside = rig.mouth_inside > 0.3
    depth = np.clip((1.47 - points[:, 2]) / 0.30, 0, 1)
    open_sky = np.where(inside, 0.30 * (1 - depth) ** 2 + 0.015, open_sky)
    key_seen = np.where(inside, 0.06 * (1 - depth) ** 2, key_seen)
    for part in (UPPER_TEETH, LOWER_TEETH):
        teeth = rig.vertex_parts == part
        open_sky[teeth] = 0.86 - 0.56 * np.clip((1.42 - points[teeth, 2]) / 0.3, 0, 1)
        key_seen[teeth] = 0.42
    tongue = rig.vertex_parts == TONGUE
    depth = np.clip((1.40 - points[tongue, 2]) / 0.40, 0, 1)
    open_sky[tongue] = 0.40 * (1 - depth) ** 1.3 + 0.03
    key_seen[tongue] = 0.16 * (1 - depth) ** 2
    return Surface(
        key_seen.astype(np.float32),
        open_sky.astype(np.float32),
        np.where(rig.vertex_parts == SKIN, 1.0, 0.3).astype(np.float32),
        _gloss(rig, points).astype(np.float32),
    )


def _gloss(rig: Rig, points: Array) -> Array:
    x, y, _ = points.T
    nose = 0.45 * np.exp(-((x / 0.1) ** 2 + ((y + 0.34) / 0.12) ** 2))
    forehead = 0.25 * np.exp(-((x / 0.35) ** 2 + ((y - 0.4) / 0.25) ** 2))
    gloss = 0.55 + nose + forehead
    gloss = np.where(rig.lips > 0.3, 1.25, gloss)
    gloss = np.where(y < -1, 0.35, gloss)
    part = rig.vertex_parts
    gloss = np.where(part == TONGUE, 1.2, gloss)
    gloss = np.where((part == UPPER_TEETH) | (part == LOWER_TEETH), 1.4, gloss)
    # Brows are matt: a highlight on them would look like dust.
    brows = np.exp(-(((np.abs(x) - 0.33) / 0.24) ** 2 + ((y - 0.19) / 0.08) ** 2))
    return np.where(part == LASHES, 0, gloss * (1 - 0.75 * brows))
