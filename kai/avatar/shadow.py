"""Shadows and ambient occlusion at the vertices, by depth pictures from many directions. Slow; only used in a bake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kai.avatar import lights, raster
from kai.compat.format import Array

_PROBES = ((0, 0), (0.7, 0.3), (-0.4, 0.7), (-0.6, -0.5), (0.4, -0.7))


def share_seen(
    occluders: Array, triangles: Array, direction: Array, points: Array, *, resolution_px: int, bias: float
) -> Array:
    """(n,) share, 0 to 1, of a light from ``direction`` that reaches ``points``, past the occluders."""
    towards = direction / np.linalg.norm(direction)
    up = np.r_[0, 1, 0] if abs(towards[1]) < 0.95 else np.r_[1, 0, 0]
    right = np.cross(up, towards)
    right /= np.linalg.norm(right)
    view = np.stack([right, np.cross(towards, right), towards])
    seen = occluders @ view.T
    asked = points @ view.T
    low, high = seen.min(0), seen.max(0)
    centre = (low + high) / 2
    px_per_unit = resolution_px / 2 / (max((high - low)[:2]) / 2 * 1.02)
    half = resolution_px / 2
    projected = np.stack(
        [
            (seen[:, 0] - centre[0]) * px_per_unit + half,
            (seen[:, 1] - centre[1]) * px_per_unit + half,
            seen[:, 2],
        ],
        1,
    )
    depth = np.full((resolution_px, resolution_px), -1e9, np.float32)
    raster.fill_depth(projected.astype(np.float32), triangles, depth)
    x = np.clip((asked[:, 0] - centre[0]) * px_per_unit + half, 0, resolution_px - 1.01)
    y = np.clip((asked[:, 1] - centre[1]) * px_per_unit + half, 0, resolution_px - 1.01)
    total = np.zeros(len(points))
    for dx, dy in _PROBES:
        row = np.clip(y + dy, 0, resolution_px - 1).astype(int)
        column = np.clip(x + dx, 0, resolution_px - 1).astype(int)
        total += asked[:, 2] > depth[row, column] - bias
    return total / len(_PROBES)


def sphere(count: int) -> Array:
    """(count, 3) directions spread evenly over the sphere."""
    i = np.arange(count) + 0.5
    angle = np.pi * (1 + 5**0.5) * i
    y = 1 - 2 * i / count
    ring = np.sqrt(1 - y * y)
    return np.stack([np.cos(angle) * ring, y, np.sin(angle) * ring], 1)


def open_sky(normal: Array, directions: Array, seen_from: Callable[[Array], Array]) -> Array:
    """(n,) ambient occlusion: the cosine-weighted share of ``directions`` from which ``seen_from`` reports light."""
    light, possible = np.zeros(len(normal)), np.zeros(len(normal)) + 1e-6
    for direction in directions:
        facing = np.clip(normal @ direction, 0, None)
        if facing.max() <= 0:
            continue
        light += facing * seen_from(direction)
        possible += facing
    return light / possible


def key_shadow(
    spread: float, count: int, rng: np.random.RandomState, seen_from: Callable[[Array], Array]
) -> Array:
    """(n,) soft shadow of the key light, taken as ``count`` lights jittered by ``spread``."""
    total: Array | float = 0
    for _ in range(count):
        total = total + seen_from(lights.KEY + rng.normal(0, spread, 3))
    return np.asarray(total) / count
