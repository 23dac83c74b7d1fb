"""How much light reaches each vertex of the head, and how it answers to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kai.avatar import raster, shadow
from kai.avatar.colour import smoothstep
from kai.avatar.rig import LASHES, LOWER_TEETH, SKIN, TONGUE, UPPER_TEETH, Rig, triangulate
from kai.compat.format import Array


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
    neck = _under_chin(rig, points)
    key_seen = key_seen * (1 - 0.62 * neck)
    open_sky = open_sky * (1 - 0.42 * neck)
    inside = rig.mouth_inside > 0.3
    depth = np.clip((1.47 - points[:, 2]) / 0.30, 0, 1)
    open_sky = np.where(inside, 0.30 * (1 - depth) ** 2 + 0.015, open_sky)
    key_seen = np.where(inside, 0.06 * (1 - depth) ** 2, key_seen)
    for part in (UPPER_TEETH, LOWER_TEETH):
        teeth = rig.vertex_parts == part
        # The lower row stands in the shade of the upper one.
        share = 0.92 if part == UPPER_TEETH else 0.44
        open_sky[teeth] = share * (0.86 - 0.56 * np.clip((1.42 - points[teeth, 2]) / 0.3, 0, 1))
        key_seen[teeth] = 0.58 * share
    tongue = rig.vertex_parts == TONGUE
    depth = np.clip((1.40 - points[tongue, 2]) / 0.40, 0, 1)
    groove = 1 - 0.32 * np.exp(-((points[tongue, 0] / 0.022) ** 2))
    open_sky[tongue] = (0.46 * (1 - depth) ** 1.6 + 0.03) * groove
    key_seen[tongue] = 0.20 * (1 - depth) ** 2 * groove
    return Surface(
        key_seen.astype(np.float32),
        open_sky.astype(np.float32),
        np.where(rig.vertex_parts == SKIN, 1.0, 0.3).astype(np.float32),
        _gloss(rig, points).astype(np.float32),
    )


def _under_chin(rig: Rig, points: Array) -> Array:
    """(n,) how deep a point of the neck lies in the soft shadow of the chin, 0 to 1.

    The key light comes from the side, so that the shadow it throws misses half of the neck. In a room full of light there is
    always some shade under a chin; without it the head seems to float in front of the neck.
    """
    x, y, z = points.T
    behind_jaw = smoothstep(1.12, 0.86, z + 0.18 * np.abs(x))
    below_jaw = smoothstep(-0.86, -1.12, y - 0.32 * np.abs(x))
    towards_collar = 1 - 0.55 * smoothstep(-1.15, -1.75, y)
    return behind_jaw * below_jaw * towards_collar * (rig.vertex_parts == SKIN)


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
    brows = np.clip(1.8 * np.exp(-(((np.abs(x) - 0.33) / 0.27) ** 2 + ((y - 0.21) / 0.10) ** 2)), 0, 1)
    return np.where(part == LASHES, 0, gloss * (1 - 0.95 * brows))
