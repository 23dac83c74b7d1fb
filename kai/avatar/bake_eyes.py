"""An eyeball: a finely meshed ball cap and a painted iris, used for both eyes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kai.avatar.colour import linear_bgr, smoothstep
from kai.avatar.style import Style
from kai.compat.format import Array

_TEXTURE_PX = 512
_SPOKES, _RINGS = 36, 40
_IRIS, _PUPIL = 0.545, 0.205


@dataclass(frozen=True, slots=True)
class Eyeball:
    """``cap`` (n, 3) float32 on the unit ball looking along z, ``triangles``, ``uv`` and ``texture`` (h, w, 3) float32."""

    cap: Array
    triangles: Array
    uv: Array
    texture: Array


def bake_eyeball(style: Style) -> Eyeball:
    """The eyeball in the style's iris colour."""
    cap, triangles = _cap()
    uv = np.stack([cap[:, 0] * 0.5 + 0.5, 0.5 - cap[:, 1] * 0.5], 1)
    return Eyeball(cap.astype(np.float32), triangles, uv.astype(np.float32), _texture(style))


def _cap() -> tuple[Array, Array]:
    tilt = np.radians(78) * np.linspace(0, 1, _RINGS)[1:, None]
    turn = np.linspace(0, 2 * np.pi, _SPOKES + 1)[:-1][None]
    rings = np.stack(
        np.broadcast_arrays(np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)), -1
    ).reshape(-1, 3)
    points = np.vstack([[0, 0, 1.0], rings])
    spoke = np.arange(_SPOKES)
    after = (spoke + 1) % _SPOKES
    triangles = [np.stack([np.zeros(_SPOKES, int), 1 + spoke, 1 + after], 1)]
    for ring in range(_RINGS - 2):
        a, b = 1 + ring * _SPOKES + spoke, 1 + ring * _SPOKES + after
        c, d = a + _SPOKES, b + _SPOKES
        triangles.append(np.stack([np.stack([a, c, d], 1), np.stack([a, d, b], 1)], 1).reshape(-1, 3))
    return points, np.ascontiguousarray(np.vstack(triangles).astype(np.int32))


def _texture(style: Style) -> Array:
    n = _TEXTURE_PX
    rows, columns = np.mgrid[0:n, 0:n]
    x, y = (columns - n / 2 + 0.5) / (n / 2), -(rows - n / 2 + 0.5) / (n / 2)
    radius, angle = np.sqrt(x * x + y * y), np.arctan2(y, x)
    rng = np.random.RandomState(3)
    white = np.ones((n, n, 3)) * np.array([0.56, 0.61, 0.66])
    white *= (1 - 0.30 * smoothstep(0.50, 1, radius))[..., None]
    white *= 1 - np.array([0.34, 0.36, 0.14]) * smoothstep(0.5, 0.95, np.abs(x))[..., None]
    fibres = np.zeros((n, n))
    for frequency in (13, 23, 37, 53, 71):
        fibres += np.sin(angle * frequency + rng.rand() * 6 + 2.2 * np.sin(radius * 11 + rng.rand() * 6))
    across = np.clip((radius - _PUPIL) / (_IRIS - _PUPIL), 0, 1)[..., None]
    colour = linear_bgr(style.iris)
    # A paler, warmer ruff round the pupil, streaks outwards, a dark limbal ring, and light that pools at the bottom.
    ruff = np.exp(-(((across - 0.16) / 0.16) ** 2))
    iris = colour * (1.25 + 0.42 * fibres[..., None] / 2.2 * (0.35 + 0.65 * across))
    iris = iris * (1 - 0.35 * ruff) + (colour * 1.5 + np.array([0.01, 0.035, 0.06])) * 0.55 * ruff
    iris = np.clip(iris, 0, None) * (0.62 + 1.05 * smoothstep(0.25, -0.75, y)[..., None])
    iris = iris * (1 - 0.86 * smoothstep(0.70, 1.0, across))
    iris = iris * (1 - 0.97 * smoothstep(_PUPIL + 0.02, _PUPIL - 0.015, radius)[..., None])
    is_iris = smoothstep(_IRIS + 0.018, _IRIS - 0.018, radius)[..., None]
    return (white * (1 - is_iris) + iris * is_iris).astype(np.float32)
