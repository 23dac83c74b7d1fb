"""Strands of hair as polylines, grown from the scalp over a skull ellipsoid; a haircut is a `Cut`, which is data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from kai.avatar import raster
from kai.avatar.colour import smoothstep
from kai.avatar.rig import SKIN, Rig, hairline_y, triangulate
from kai.avatar.style import Hairstyle
from kai.compat.format import Array

SKULL_CENTRE = np.array([0, 0.28, 0.45])
SKULL_RADII = np.array([0.76, 0.83, 0.99])


@dataclass(frozen=True, slots=True)
class Envelope:
    """What falling hair hangs on below the crown: half widths and half depths of an oval at some heights, top to bottom."""

    heights: tuple[float, ...]
    widths: tuple[float, ...]
    depths: tuple[float, ...]

    def at(self, y: Array) -> tuple[Array, Array]:
        """Half width and half depth at heights ``y``."""
        up = self.heights[::-1]
        return np.interp(y, up, self.widths[::-1]), np.interp(y, up, self.depths[::-1])


@dataclass(frozen=True, slots=True)
class Cut:
    """A haircut. Lengths are head units; ``plan`` says how each strand grows."""

    strands: int
    segments: int
    plan: Callable[[Growth, np.random.RandomState], Growth]
    clumps: int
    clumping: float
    """How far the tips of a clump come together, 0 to 1."""
    hairline_blend: float = 0.10
    """Height over which the hair thins out towards the hairline."""
    recede: float = 0.0
    """How far the hairline is drawn back over the temples."""
    forward: float = 0.0
    """How far down the forehead the hair begins, under the usual line."""
    is_cropped: bool = False
    """Too short to be combed: it stands as it grows."""
    envelope: Envelope | None = None
    """Of hair that falls past the ears."""
    parting_x: float = 0.0
    layer_jitter: float = 0.15
    """Disorder of the painter's sequence: more of it looks fluffier."""

    @property
    def falls(self) -> bool:
        return self.envelope is not None


@dataclass(frozen=True, slots=True)
class Growth:
    """How each of s strands grows; arrays are (s,) or (s, 3)."""

    roots: Array
    above_hairline: Array
    phase: Array
    """A number that varies slowly over the scalp, so that neighbours behave alike."""
    on_top: Array
    length: Array
    comb: Array
    lift: Array
    layer: Array
    offset: Array
    width: float = 0.0105
    curl: float = 0.1
    wave: float = 0.0
    peak: float = 0.5
    """Where along a strand its bulge is highest, 0 to 1."""
    end_y: float | Array = -99.0


@dataclass(frozen=True, slots=True)
class Strands:
    """``points`` (s, k + 1, 3) in head units, and what the painter needs of the roots.

    ``clump`` (s,) is the number of the strand that leads the clump.
    """

    points: Array
    above_hairline: Array
    clump: Array
    width: float


def grow(rig: Rig, hairstyle: Hairstyle, rng: np.random.RandomState) -> Strands:
    """The strands of a hairstyle."""
    cut = CUTS[hairstyle]
    roots, normal = _roots(rig, cut, rng)
    plan = cut.plan(_start(roots, cut), rng)
    guide = _guides(plan, cut, rng)
    if cut.is_cropped:
        points, is_stray = _grow_cropped(plan, normal, cut, rng), _sticks_out_at_ear(plan)
    else:
        points = _grow_combed(plan, normal, cut, guide, rng)
        points = _gather(points, guide, cut, rng)
        points = _kept_off_face(points, cut, rng) if cut.falls else points
        is_stray = _crosses_face(points, cut) if cut.falls else _sticks_out_at_ear(plan)
    points[is_stray] = points[is_stray, :1]  # a strand without length is not drawn
    return Strands(points, plan.above_hairline, guide, plan.width)


def recession(x: Array, cut: Cut) -> Array:
    """How much higher than usual the hairline stands at ``x``."""
    side = np.abs(x)
    back = cut.recede * smoothstep(0.12, 0.40, side) * smoothstep(0.80, 0.58, side)
    return back - cut.forward * smoothstep(0.62, 0.38, side)


def parting(z: Array, cut: Cut) -> Array:
    """Where the hair parts at depth ``z``: nobody draws it with a ruler."""
    return cut.parting_x + 0.010 * np.sin(23 * z) + 0.006 * np.sin(61 * z + 1)


def _start(roots: Array, cut: Cut) -> Growth:
    x, y, z = roots.T
    none = np.zeros(len(roots))
    return Growth(
        roots=roots,
        above_hairline=y - hairline_y(z) - recession(x, cut),
        phase=np.sin(x * 17 + z * 9) + np.sin(y * 13 - z * 15 + x * 5),
        on_top=smoothstep(0.45, 0.78, y),
        length=none,
        comb=np.zeros((len(roots), 3)),
        lift=none,
        layer=none,
        offset=none,
    )


def _sticks_out_at_ear(plan: Growth) -> Array:
    x, y, _ = plan.roots.T
    return (y < 0.10) & (np.abs(x) > 0.58)


def _over_face(x: Array, y: Array) -> tuple[Array, Array]:
    """The height of the hairline over places on the face, and how far from the middle the curtain of the hair hangs there."""
    forehead_z = 0.45 + 0.98 * np.sqrt(np.clip(1 - (x / 0.80) ** 2 - ((y - 0.2) / 1.0) ** 2, 0, 1))
    return hairline_y(forehead_z), 0.42 + 0.24 * smoothstep(0.50, -0.15, y)


def _kept_off_face(points: Array, cut: Cut, rng: np.random.RandomState) -> Array:
    """Strands that would hang into the forehead, led along the hairline instead, each at a height of its own; and those that
    would hang into the cheeks, led beside them."""
    kept = points.copy()
    x, y, z = np.moveaxis(points, -1, 0)
    hairline, curtain_x = _over_face(x, y)
    least_y = hairline - cut.forward + 0.12 * (rng.rand(len(points), 1) - 0.2)
    on_forehead = smoothstep(-0.06, 0.06, curtain_x - np.abs(x)) * smoothstep(0.10, 0.24, y) * (z > 0.5)
    kept[..., 1] = y + on_forehead * np.clip(least_y - y, 0, None)
    on_cheek = smoothstep(0.34, 0.05, y) * smoothstep(-1.0, -0.85, y) * smoothstep(0.45, 0.55, z)
    missing = np.clip(curtain_x + 0.03 - np.abs(x), 0, 0.30)
    kept[..., 0] = x + np.sign(x) * on_cheek * missing
    return kept


def _crosses_face(points: Array, cut: Cut) -> Array:
    """(s,) bool: strands that leave the hair and lie alone on the forehead or the cheek."""
    x, y, z = np.moveaxis(points, -1, 0)
    hairline, curtain_x = _over_face(x, y)
    is_low = hairline - y > cut.forward + 0.07
    # At the temples hair may come down from the forehead.
    edge_x = curtain_x - 0.04 * smoothstep(0.10, 0.36, y)
    return ((z > 0.5) & (np.abs(x) < edge_x) & is_low & (y > -0.9)).any(1)


def _roots(rig: Rig, cut: Cut, rng: np.random.RandomState) -> tuple[Array, Array]:
    points, quads = rig.all_positions, rig.all_quads[rig.all_parts == SKIN]
    x, y, z = points[quads].mean(1).T
    ear = (np.abs(x) > 0.70) & (z > 0.25) & (z < 0.66) & (y < 0.12)
    scalp = quads[(y > hairline_y(z) + recession(x, cut)) & (y > -0.75) & (np.abs(x) < 0.80) & ~ear]
    edge_a, edge_b = points[scalp[:, 1]] - points[scalp[:, 0]], points[scalp[:, 3]] - points[scalp[:, 0]]
    area = np.linalg.norm(np.cross(edge_a, edge_b), axis=1)
    normal = np.zeros((len(points), 3), np.float32)
    raster.normals(points.astype(np.float32), triangulate(quads), normal)
    cx, cy, cz = points[scalp].mean(1).T
    above = cy - hairline_y(cz) - recession(cx, cut)
    thin_edge = 0.40 + 0.60 * smoothstep(0, cut.hairline_blend, above)
    # Hair combed back shows its roots: a thin edge of it would look like a comb.
    weight = area * (thin_edge if cut.falls or cut.is_cropped else 1.0 + 0.5 * np.exp(-((above / 0.07) ** 2)))
    if cut.falls:
        # Hair is combed away from the parting on both sides: without more of it there the scalp would show.
        weight = weight * (1 + 2.4 * np.exp(-(((cx - cut.parting_x) / 0.06) ** 2)))
    corners = scalp[rng.choice(len(scalp), cut.strands, p=weight / weight.sum())]
    u, v = rng.rand(cut.strands, 1), rng.rand(cut.strands, 1)
    roots = (
        points[corners[:, 0]] * (1 - u) * (1 - v)
        + points[corners[:, 1]] * u * (1 - v)
        + points[corners[:, 2]] * u * v
        + points[corners[:, 3]] * (1 - u) * v
    )
    roots = roots + rng.normal(0, 1, (cut.strands, 3)) * np.array([0.012, 0.012, 0])
    return roots, normal[corners[:, 0]].astype(float)


def _guides(plan: Growth, cut: Cut, rng: np.random.RandomState) -> Array:
    """(s,) int: for each strand the one that leads its clump, never one from across the parting."""
    leaders = rng.choice(len(plan.roots), cut.clumps, replace=False)
    side = np.where(plan.roots[:, :1] > parting(plan.roots[:, 2:], cut), 2.0, 0.0)
    places = np.hstack([plan.roots, side])
    lead = places[leaders]
    # The square of the distance, less what is the same for all leaders of a place.
    return leaders[((lead**2).sum(1) - 2 * places @ lead.T).argmin(1)]


def _gather(points: Array, guide: Array, cut: Cut, rng: np.random.RandomState) -> Array:
    """Strands drawn towards the leader of their clump, more at the tip than at the root, some more than others."""
    count, joints, _ = points.shape
    t = np.linspace(0, 1, joints)[None, :, None]
    # Short hair at the sides lies smooth; gathered it would look like a hedge.
    free = 1.0 if cut.falls else smoothstep(0.3, 0.7, points[:, 0, 1])[:, None, None]
    keenness = cut.clumping * free * rng.uniform(0.35, 1.0, (count, 1, 1))
    beside = (points[:, :1] - points[guide, :1]) * (1 - 0.5 * t)
    return points + keenness * t**1.3 * (points[guide] + beside * 0.55 - points)


# ------------------------------------------------------------------ how each cut is combed


def _plan_quiff(base: Growth, rng: np.random.RandomState) -> Growth:
    x, y, z = base.roots.T
    count, top, phase, parting_x = len(x), base.on_top, base.phase, CUTS["quiff"].parting_x
    front = smoothstep(0.35, 1.25, z) * top
    length = 0.13 + top * (0.60 + 0.26 * front) + 0.08 * smoothstep(0.2, 0.5, y)
    length = length * rng.uniform(0.78, 1.08, count)
    length = np.clip(length * (0.45 + 0.55 * smoothstep(0, 0.07, base.above_hairline)), 0.05, None)
    right = x > parting_x
    over_top = np.stack(
        [
            np.where(right, 0.55, -1.0) * (1.0 - 0.15 * front),
            0.25 * front,
            np.where(right, -0.9, -0.62 + 0.25 * front),
        ],
        1,
    )
    down_side = np.stack([0.05 * np.sign(x), np.full(count, -0.8), np.full(count, -0.7)], 1)
    comb = over_top * top[:, None] + down_side * (1 - top[:, None])
    volume = 0.010 + 0.085 * top + 0.15 * front * smoothstep(parting_x + 0.20, parting_x - 0.30, x)
    # Beyond the parting the hair lies close, or it would stand there like a second tuft.
    close = 1 - 0.85 * smoothstep(parting_x - 0.20, parting_x + 0.06, x)
    lift = volume * close * (1 - 0.55 * smoothstep(0.35, 0.72, np.abs(x)))
    comb[:, 0] += 0.16 * np.sin(phase * 2.6)
    comb[:, 2] += 0.16 * np.cos(phase * 2.3 + 1)
    offset = 0.004 + 0.085 * top * rng.rand(count) * (0.4 + 0.6 * front) + 0.012 * rng.rand(count)
    layer = 0.12 * np.sin(phase * 1.7)
    return replace(base, length=length, comb=comb, lift=lift, layer=layer, offset=offset, peak=0.42)


def _plan_swept(base: Growth, rng: np.random.RandomState) -> Growth:
    """Combed back from the forehead, short at the sides: a man who has worn it like this for thirty years."""
    x, y, z = base.roots.T
    count, top, phase = len(x), base.on_top, base.phase
    front = smoothstep(0.55, 1.25, z) * top
    length = 0.10 + 0.62 * top + 0.10 * smoothstep(0.2, 0.5, y)
    length = length * rng.uniform(0.8, 1.08, count)
    length = np.clip(length * (0.35 + 0.65 * smoothstep(0, 0.08, base.above_hairline)), 0.04, None)
    back = np.stack([0.30 * x + 0.22, 0.55 * front, np.full(count, -1.0)], 1)
    down_side = np.stack([0.04 * np.sign(x), np.full(count, -0.7), np.full(count, -0.8)], 1)
    comb = back * top[:, None] + down_side * (1 - top[:, None])
    comb[:, 0] += 0.14 * np.sin(phase * 2.6)
    lift = (0.012 + 0.075 * top + 0.085 * front) * (1 - 0.5 * smoothstep(0.40, 0.72, np.abs(x)))
    offset = 0.004 + 0.055 * top * rng.rand(count) + 0.012 * rng.rand(count)
    layer = 0.10 * np.sin(phase * 1.7)
    return replace(
        base, length=length, comb=comb, lift=lift, layer=layer, offset=offset, peak=0.36, curl=0.04
    )


def _plan_falling(
    base: Growth,
    rng: np.random.RandomState,
    *,
    cut: Cut,
    end_y: float,
    end_spread: float,
    lift: float,
    wave: float,
    curl: float,
    thickness: float,
) -> Growth:
    x, _, z = base.roots.T
    count, top, phase = len(x), base.on_top, base.phase
    front = smoothstep(0.55, 1.2, z)
    side = np.where(x > parting(z, cut), 1.0, -1.0)
    # Behind the crown hair is combed back, not aside, or the parting would show as a notch in the outline.
    crown = smoothstep(0.72, 0.40, z) * top
    aside = side * (1.15 * top * (1 - 0.85 * crown) + 0.12) + 0.5 * crown * x
    # At the hairline it lies close: hair that rises there bares the skin on which it grows.
    close = 0.15 + 0.85 * smoothstep(0.02, 0.30, base.above_hairline)
    comb = np.stack([aside, -0.22 - 0.75 * (1 - top), -0.16 - 0.50 * front - 0.8 * crown], 1)
    comb[:, 0] += 0.07 * np.sin(phase * 2.6)
    return replace(
        base,
        length=np.full(count, 2.5 - end_y),
        comb=comb,
        lift=(lift + 0.10 * top) * (1 - 0.4 * crown) * close,
        layer=0.08 * np.sin(phase * 1.7),
        offset=0.012 + (0.018 + (0.05 + thickness) * rng.rand(count)) * (0.3 + 0.7 * close),
        width=0.0115,
        curl=curl,
        wave=wave,
        peak=0.30,
        # Ends of several lengths: one length would look cut with a ruler.
        end_y=end_y + end_spread * rng.beta(1.2, 2.4, count) - 0.05 * np.sin(phase),
    )


def _plan_bob(base: Growth, rng: np.random.RandomState) -> Growth:
    return _plan_falling(
        base,
        rng,
        cut=CUTS["bob"],
        end_y=-1.02,
        end_spread=0.20,
        lift=0.06,
        wave=0.012,
        curl=0.05,
        thickness=0.04,
    )


def _plan_long(base: Growth, rng: np.random.RandomState) -> Growth:
    return _plan_falling(
        base,
        rng,
        cut=CUTS["long"],
        end_y=-2.10,
        end_spread=0.80,
        lift=0.06,
        wave=0.070,
        curl=0.10,
        thickness=0.14,
    )


def _plan_buzz(base: Growth, rng: np.random.RandomState) -> Growth:
    count = len(base.roots)
    length = (0.036 + 0.03 * rng.rand(count) + 0.035 * base.on_top) * (
        0.4 + 0.6 * smoothstep(0, 0.08, base.above_hairline)
    )
    return replace(base, length=length, comb=rng.normal(0, 0.7, (count, 3)), width=0.012, curl=0.9)


CUTS: Mapping[Hairstyle, Cut] = MappingProxyType(
    {
        "quiff": Cut(19_000, 16, _plan_quiff, clumps=420, clumping=0.42, parting_x=0.54),
        "swept": Cut(17_000, 14, _plan_swept, clumps=420, clumping=0.36, recede=0.10, parting_x=-9.0),
        "bob": Cut(
            17_000,
            32,
            _plan_bob,
            clumps=300,
            clumping=0.55,
            hairline_blend=0.16,
            forward=0.05,
            envelope=Envelope(
                heights=(0.40, 0.05, -0.35, -0.65, -0.90, -1.15),
                widths=(0.865, 0.895, 0.915, 0.895, 0.80, 0.70),
                depths=(0.93, 0.95, 0.95, 0.90, 0.80, 0.70),
            ),
            parting_x=-0.22,
        ),
        "long": Cut(
            20_000,
            40,
            _plan_long,
            clumps=520,
            clumping=0.40,
            hairline_blend=0.16,
            forward=0.06,
            envelope=Envelope(
                heights=(0.40, 0.05, -0.35, -0.80, -1.25, -1.70, -2.20),
                widths=(0.865, 0.900, 0.925, 0.930, 0.900, 0.88, 0.84),
                depths=(0.93, 0.94, 0.93, 0.92, 0.95, 1.05, 1.12),
            ),
            parting_x=0.14,
        ),
        "buzz": Cut(26_000, 4, _plan_buzz, clumps=300, clumping=0.0, is_cropped=True, layer_jitter=0.0),
    }
)


# ------------------------------------------------------------------ growth


def _unit(vectors: Array, tiny: float = 0.0) -> Array:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + tiny)


def _grow_cropped(plan: Growth, normal: Array, cut: Cut, rng: np.random.RandomState) -> Array:
    count = len(plan.roots)
    points = np.zeros((count, cut.segments + 1, 3))
    points[:, 0] = plan.roots
    direction = _unit(_unit(plan.comb) + normal * 1.1)
    seed = rng.normal(0, 1, (count, 3)) * plan.curl
    for k in range(cut.segments):
        direction = _unit(direction + seed * 0.2)
        points[:, k + 1] = points[:, k] + direction * (plan.length / cut.segments)[:, None]
    return points


def _grow_combed(plan: Growth, normal: Array, cut: Cut, guide: Array, rng: np.random.RandomState) -> Array:
    count = len(plan.roots)
    points = np.zeros((count, cut.segments + 1, 3))
    points[:, 0] = p = plan.roots.copy()
    comb = _unit(plan.comb)
    direction = _unit(comb + normal * (0.45 if cut.falls else 0.5))
    seed = rng.normal(0, 1, (count, 3)) * plan.curl
    swing = (rng.rand(count) * 2 * np.pi)[guide]
    root_radius = np.linalg.norm((plan.roots - SKULL_CENTRE) / SKULL_RADII, axis=1)
    for k in range(cut.segments):
        t = (k + 1) / cut.segments
        direction = _comb_along_skull(p, direction, comb, seed, plan, t, falls=cut.falls)
        p = p + direction * (plan.length / cut.segments)[:, None]
        p = _pull_to_volume(p, root_radius, plan, t, hug_above_y=0.28 if cut.falls else -0.30)
        if cut.envelope is not None:
            p = _pull_to_envelope(p, plan, cut, cut.envelope)
            ended = points[:, k, 1] < plan.end_y
            p = np.where(ended[:, None], points[:, k], p)
        points[:, k + 1] = p
    return _waved(points, plan.wave, swing) if plan.wave else points


def _waved(points: Array, wave: float, swing: Array) -> Array:
    """Hair that falls in waves, each clump in its own."""
    waved = points.copy()
    y = points[..., 1]
    reach = wave * smoothstep(0.15, -0.9, y)
    place = 7.5 * y + swing[:, None]
    waved[..., 0] += reach * np.sin(place)
    waved[..., 2] += reach * np.cos(place * 0.9)
    return waved


def _comb_along_skull(
    p: Array, direction: Array, comb: Array, seed: Array, plan: Growth, t: float, *, falls: bool
) -> Array:
    q = (p - SKULL_CENTRE) / SKULL_RADII
    outward = _unit(q / np.linalg.norm(q, axis=1, keepdims=True) / SKULL_RADII)
    # The comb leads a falling strand over the crown only; from there its weight does.
    led = comb * (1 - 0.92 * float(smoothstep(0.12, 0.42, t))) if falls else comb
    pull = led + seed * 0.12 * math.sin(t * 5)
    pull[:, 1] -= 0.16 + 0.95 * t if falls else 0.10 + 0.5 * t * (1 - plan.on_top)
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


def _pull_to_envelope(p: Array, plan: Growth, cut: Cut, envelope: Envelope) -> Array:
    """One smooth hull: the ellipsoid above, the envelope below, that keeps out of the face."""
    p = p.copy()
    y = p[:, 1]
    below = smoothstep(0.40, 0.05, y)
    width, depth = envelope.at(y)
    radius = np.hypot(p[:, 0] / (width + plan.offset), (p[:, 2] - 0.34) / (depth + plan.offset))
    factor = 1 + (1 / radius - 1) * 0.5 * below
    p[:, 0] *= factor
    p[:, 2] = 0.34 + (p[:, 2] - 0.34) * factor
    clear = 0.40 + 0.24 * smoothstep(0.50, -0.15, y)
    before_face = smoothstep(0.62, 0.80, p[:, 2]) * smoothstep(0.55, 0.30, y)
    missing = np.clip(clear - np.abs(p[:, 0]), 0, None) * before_face
    p[:, 0] += np.where(plan.roots[:, 0] > cut.parting_x, 1, -1) * missing * 0.35
    return p
