"""Strands of hair as polylines, grown from the scalp over a skull ellipsoid."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kai.avatar import raster
from kai.avatar.colour import smoothstep
from kai.avatar.rig import SKIN, Rig, hairline_y, triangulate
from kai.avatar.style import Hairstyle

Array = NDArray[Any]

SKULL_CENTRE = np.array([0, 0.28, 0.45])
SKULL_RADII = np.array([0.76, 0.83, 0.99])

STRANDS: dict[Hairstyle, int] = {"quiff": 19000, "bob": 15000, "buzz": 26000}
SEGMENTS: dict[Hairstyle, int] = {"quiff": 16, "bob": 32, "buzz": 4}


@dataclass(frozen=True, slots=True)
class Growth:
    """How each of s strands grows; arrays are (s,) or (s, 3)."""

    roots: Array
    above_hairline: Array
    clump: Array
    on_top: Array
    length: Array
    comb: Array
    lift: Array
    layer: Array
    offset: Array
    width: float
    curl: float
    peak: float
    """Where along a strand its bulge is highest, 0 to 1."""
    end_y: Array
    parting_x: float


@dataclass(frozen=True, slots=True)
class Strands:
    """``points`` (s, k + 1, 3) in head units, and what the painter needs of the roots."""

    points: Array
    above_hairline: Array
    clump: Array
    width: float


def grow(rig: Rig, hairstyle: Hairstyle, rng: np.random.RandomState) -> Strands:
    """The strands of a hairstyle."""
    roots, normal = _roots(rig, hairstyle, rng)
    plan = _plan(roots, hairstyle, rng)
    if hairstyle == "buzz":
        points, is_stray = _grow_short(plan, normal, rng), _sticks_out_at_ear(plan)
    else:
        points = _grow_combed(plan, normal, hairstyle, rng)
        is_stray = _crosses_face(points) & (hairstyle == "bob")
    points[is_stray] = points[is_stray, :1]  # a strand without length is not drawn
    return Strands(points, plan.above_hairline, plan.clump, plan.width)


def _sticks_out_at_ear(plan: Growth) -> Array:
    x, y, _ = plan.roots.T
    return (y < 0.08) & (np.abs(x) > 0.60)


def _crosses_face(points: Array) -> Array:
    """(s,) bool: strands that leave the hair and lie alone on the forehead or the cheek."""
    x, y, z = np.moveaxis(points, -1, 0)
    forehead_z = 0.45 + 0.98 * np.sqrt(np.clip(1 - (x / 0.80) ** 2 - ((y - 0.2) / 1.0) ** 2, 0, 1))
    below_hairline = hairline_y(forehead_z) - y
    curtain_x = 0.42 + 0.24 * smoothstep(0.50, -0.15, y)
    return ((z > 0.5) & (np.abs(x) < curtain_x) & (below_hairline > 0.03)).any(1)


def _roots(rig: Rig, hairstyle: Hairstyle, rng: np.random.RandomState) -> tuple[Array, Array]:
    points, quads = rig.all_positions, rig.all_quads[rig.all_parts == SKIN]
    x, y, z = points[quads].mean(1).T
    ear = (np.abs(x) > 0.70) & (z > 0.25) & (z < 0.66) & (y < 0.12)
    scalp = quads[(y > hairline_y(z)) & (y > -0.75) & (np.abs(x) < 0.80) & ~ear]
    edge_a, edge_b = points[scalp[:, 1]] - points[scalp[:, 0]], points[scalp[:, 3]] - points[scalp[:, 0]]
    area = np.linalg.norm(np.cross(edge_a, edge_b), axis=1)
    normal = np.zeros((len(points), 3), np.float32)
    raster.normals(points.astype(np.float32), triangulate(quads), normal)
    count = STRANDS[hairstyle]
    _, cy, cz = points[scalp].mean(1).T
    thinning = smoothstep(0, 0.16 if hairstyle == "bob" else 0.10, cy - hairline_y(cz))
    weight = area * (0.25 + 0.75 * thinning)
    corners = scalp[rng.choice(len(scalp), count, p=weight / weight.sum())]
    u, v = rng.rand(count, 1), rng.rand(count, 1)
    roots = (
        points[corners[:, 0]] * (1 - u) * (1 - v)
        + points[corners[:, 1]] * u * (1 - v)
        + points[corners[:, 2]] * u * v
        + points[corners[:, 3]] * (1 - u) * v
    )
    roots = roots + rng.normal(0, 1, (count, 3)) * np.array([0.012, 0.012, 0])
    return roots, normal[corners[:, 0]].astype(float)


def _plan(roots: Array, hairstyle: Hairstyle, rng: np.random.RandomState) -> Growth:
    x, y, z = roots.T
    count = len(roots)
    none = np.zeros(count)
    base = Growth(
        roots=roots,
        above_hairline=y - hairline_y(z),
        clump=np.sin(x * 17 + z * 9) + np.sin(y * 13 - z * 15 + x * 5),
        on_top=smoothstep(0.45, 0.78, y),
        length=none,
        comb=np.zeros((count, 3)),
        lift=none,
        layer=none,
        offset=none,
        width=0.0,
        curl=0.0,
        peak=0.5,
        end_y=np.full(count, -99.0),
        parting_x=0.0,
    )
    match hairstyle:
        case "quiff":
            return _plan_quiff(base, rng)
        case "bob":
            return _plan_bob(base, rng)
        case "buzz":
            length = 0.050 + 0.03 * rng.rand(count) + 0.035 * base.on_top
            return replace(base, length=length, comb=rng.normal(0, 0.7, (count, 3)), width=0.012, curl=0.9)


def _plan_quiff(base: Growth, rng: np.random.RandomState) -> Growth:
    x, y, z = base.roots.T
    count, top, clump, parting = len(x), base.on_top, base.clump, 0.34
    front = smoothstep(0.35, 1.25, z) * top
    length = 0.13 + top * (0.60 + 0.26 * front) + 0.08 * smoothstep(0.2, 0.5, y)
    length = length * rng.uniform(0.78, 1.08, count)
    length = np.clip(length * (0.45 + 0.55 * smoothstep(0, 0.07, base.above_hairline)), 0.05, None)
    right = x > parting
    over_top = np.stack(
        [
            np.where(right, 0.75, -1.0) * (1.0 - 0.15 * front),
            0.25 * front,
            np.where(right, -0.8, -0.62 + 0.25 * front),
        ],
        1,
    )
    down_side = np.stack([0.05 * np.sign(x), np.full(count, -0.8), np.full(count, -0.7)], 1)
    comb = over_top * top[:, None] + down_side * (1 - top[:, None])
    volume = 0.010 + 0.085 * top + 0.16 * front * smoothstep(parting + 0.12, parting - 0.25, x)
    lift = volume * (1 - 0.55 * smoothstep(0.35, 0.72, np.abs(x)))
    comb[:, 0] += 0.16 * np.sin(clump * 2.6)
    comb[:, 2] += 0.16 * np.cos(clump * 2.3 + 1)
    offset = 0.004 + 0.085 * top * rng.rand(count) * (0.4 + 0.6 * front) + 0.012 * rng.rand(count)
    return replace(
        base,
        length=length,
        comb=comb,
        lift=lift,
        layer=0.12 * np.sin(clump * 1.7),
        offset=offset,
        width=0.0105,
        curl=0.10,
        peak=0.42,
        parting_x=parting,
    )


def _plan_bob(base: Growth, rng: np.random.RandomState) -> Growth:
    x, _, z = base.roots.T
    count, top, clump, parting = len(x), base.on_top, base.clump, -0.16
    end_y = -1.06 + 0.09 * rng.rand(count) - 0.05 * np.sin(clump)
    front = smoothstep(0.55, 1.2, z)
    comb = np.stack(
        [
            np.where(x > parting, 1.0, -1.0) * (1.15 * top + 0.12),
            -0.22 - 0.75 * (1 - top),
            -0.20 - 0.50 * front,
        ],
        1,
    )
    comb[:, 0] += 0.07 * np.sin(clump * 2.6)
    return replace(
        base,
        length=np.full(count, 3.0),
        comb=comb,
        lift=0.06 + 0.10 * top,
        layer=0.08 * np.sin(clump * 1.7),
        offset=0.03 + 0.09 * rng.rand(count),
        width=0.0125,
        curl=0.05,
        peak=0.30,
        end_y=end_y,
        parting_x=parting,
    )


def _unit(vectors: Array, tiny: float = 0.0) -> Array:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + tiny)


def _grow_short(plan: Growth, normal: Array, rng: np.random.RandomState) -> Array:
    segments = SEGMENTS["buzz"]
    count = len(plan.roots)
    points = np.zeros((count, segments + 1, 3))
    points[:, 0] = plan.roots
    direction = _unit(_unit(plan.comb) + normal * 1.1)
    seed = rng.normal(0, 1, (count, 3)) * plan.curl
    for k in range(segments):
        direction = _unit(direction + seed * 0.2)
        points[:, k + 1] = points[:, k] + direction * (plan.length / segments)[:, None]
    return points


def _grow_combed(plan: Growth, normal: Array, hairstyle: Hairstyle, rng: np.random.RandomState) -> Array:
    segments = SEGMENTS[hairstyle]
    is_bob = hairstyle == "bob"
    count = len(plan.roots)
    points = np.zeros((count, segments + 1, 3))
    points[:, 0] = p = plan.roots.copy()
    comb = _unit(plan.comb)
    direction = _unit(comb + normal * 0.9)
    seed = rng.normal(0, 1, (count, 3)) * plan.curl
    root_radius = np.linalg.norm((plan.roots - SKULL_CENTRE) / SKULL_RADII, axis=1)
    for k in range(segments):
        t = (k + 1) / segments
        direction = _comb_along_skull(p, direction, comb, seed, plan, t, is_bob=is_bob)
        p = p + direction * (plan.length / segments)[:, None]
        p = _pull_to_volume(p, root_radius, plan, t, hug_above_y=0.28 if is_bob else -0.30)
        if is_bob:
            p = _pull_to_bell(p, plan)
            ended = points[:, k, 1] < plan.end_y
            p = np.where(ended[:, None], points[:, k], p)
        points[:, k + 1] = p
    return points


def _comb_along_skull(
    p: Array, direction: Array, comb: Array, seed: Array, plan: Growth, t: float, *, is_bob: bool
) -> Array:
    q = (p - SKULL_CENTRE) / SKULL_RADII
    outward = _unit(q / np.linalg.norm(q, axis=1, keepdims=True) / SKULL_RADII)
    pull = comb + seed * 0.12 * math.sin(t * 5)
    pull[:, 1] -= 0.16 + 0.75 * t if is_bob else 0.10 + 0.5 * t * (1 - plan.on_top)
    tangent = _unit(pull - outward * (pull * outward).sum(1, keepdims=True), 1e-9)
    return _unit(direction * 0.45 + tangent * 0.55)


def _pull_to_volume(p: Array, root_radius: Array, plan: Growth, t: float, *, hug_above_y: float) -> Array:
    if t < plan.peak:
        bulge = math.sin(math.pi * min(1, t / (2 * plan.peak))) ** 0.8
    else:
        bulge = 1 - 0.75 * ((t - plan.peak) / (1 - plan.peak)) ** 1.5
    target = np.maximum(1.0, root_radius * (1 - t) + t) + plan.offset * min(1, t * 3)
    target = target + plan.lift * (1 + plan.layer) * bulge
    q = (p - SKULL_CENTRE) / SKULL_RADII
    radius = np.linalg.norm(q, axis=1)
    pulled = radius + (target - radius) * np.where(p[:, 1] > hug_above_y, 0.55, 0)
    return SKULL_CENTRE + q * (pulled / radius)[:, None] * SKULL_RADII


def _pull_to_bell(p: Array, plan: Growth) -> Array:
    """One smooth envelope: the ellipsoid above, a gently flared bell below that keeps out of the face."""
    p = p.copy()
    y = p[:, 1]
    below = smoothstep(0.40, 0.05, y)
    bell = 1.0 + 0.06 * smoothstep(0.35, -0.45, y) - 0.16 * smoothstep(-0.55, -1.10, y)
    radius = np.sqrt(
        (p[:, 0] / ((0.865 + plan.offset) * bell)) ** 2
        + ((p[:, 2] - 0.34) / ((0.93 + plan.offset) * bell)) ** 2
    )
    factor = 1 + (1 / radius - 1) * 0.5 * below
    p[:, 0] *= factor
    p[:, 2] = 0.34 + (p[:, 2] - 0.34) * factor
    clear = 0.40 + 0.24 * smoothstep(0.50, -0.15, y)
    before_face = smoothstep(0.62, 0.80, p[:, 2]) * smoothstep(0.55, 0.30, y)
    missing = np.clip(clear - np.abs(p[:, 0]), 0, None) * before_face
    p[:, 0] += np.where(plan.roots[:, 0] > plan.parting_x, 1, -1) * missing * 0.35
    return p
