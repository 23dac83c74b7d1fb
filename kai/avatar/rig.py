"""The head as data: a subdivided bust with 52 ARKit face shapes, eyes, teeth, tongue and lashes.

The mesh files (``data/<name>.npz``) derive from the MakeHuman base mesh and its face shapes, which are CC0; see
``data/LICENSE-CC0.md``.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kai.avatar.colour import smoothstep
from kai.compat.format import Array
from kai.errors import WeightsError

DATA_DIR = Path(__file__).parent / "data"

SHA256 = {
    "ade.npz": "2f287e3d97f6aae132ad3febb3cd8b12a57b7fc015ccfdfce978c86f4858e3bc",
    "emil.npz": "16904935db8db01a43f6d0530249246a9b78e7885056c586662ca3f9c746f766",
    "ines.npz": "a7b348ac8cd3cc690c57b09cb9f1255ad66c7385770c843906cd73c26180affe",
    "jun.npz": "a772eb3196907e112a1cda47b9b9f30c20942c2f89872eb9d8205f793800afe7",
    "kai.npz": "faf1cc81c91c68a9a37114bfbfc5c73ed3231ee533f11715f1fe9b8e3dc9f457",
    "mara.npz": "92b3fdf7fa2a8353ce7ae1f52babf7c51f63d65e9489247466bf45ab5b3d679e",
    "vera.npz": "96d8e32d97b5158de1032abd7c1454822511605b31c78bfd42dcdf61b4fcaec0",
    "visemes.npz": "0d62b0167c66c2d898ac1df1521f95daa8648e7cf3e0593dc744de9ef0830ac5",
}

SKIN, UPPER_TEETH, LOWER_TEETH, TONGUE, LASHES = range(5)
"""Part numbers of the mesh."""

PIVOT = np.array([0, -0.85, 0.25], np.float32)
"""The point about which the head turns, head units."""

TEXTURE_X = (-1.3, 1.3)
TEXTURE_Y = (1.35, -2.1)
"""The textures lie on the neutral face like a slide from the front: left and right, top and bottom edge in head units."""


def load_data(name: str, data_dir: Path = DATA_DIR) -> dict[str, Array]:
    """The arrays of a data file whose SHA-256 is the known one; raises `WeightsError` otherwise. No pickles are read."""
    path = data_dir / name
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise WeightsError(f"The face's file {name} is missing. Check out the project again.") from exc
    if hashlib.sha256(raw).hexdigest() != SHA256[name]:
        raise WeightsError(
            f"The face's file {name} is not the one that Kai knows. Check out the project again."
        )
    with np.load(io.BytesIO(raw), allow_pickle=False) as npz:
        return {key: npz[key] for key in npz.files}


@dataclass(frozen=True, slots=True)
class Rig:
    """A head in head units (see `kai.avatar.camera`), all arrays read-only by agreement.

    ``all_*`` is the whole bust, for shadows, hair and cloth; the rest is what is drawn for every frame: ``positions`` (n, 3)
    float32, triangles (m, 3) int32 per part, and the face shapes as sparse moves: shape ``i`` moves vertices
    ``shape_vertices[shape_starts[i]:shape_starts[i + 1]]`` by the same rows of ``shape_moves`` (k, 3) float32.
    """

    all_positions: Array
    all_quads: Array
    all_parts: Array
    scalp_quads: Array
    positions: Array
    triangles: tuple[Array, ...]
    all_triangles: Array
    vertex_parts: Array
    lips: Array
    mouth_inside: Array
    lids: Array
    uv: Array
    head_weight: Array
    """How far a vertex follows the head's turn: 1 on the head, 0 at the foot of the neck; (n,) float32."""
    eyes: tuple[Array, Array]
    """Centre x, y, z and radius of the left and the right eyeball."""
    shape_names: tuple[str, ...]
    shape_starts: Array
    shape_vertices: Array
    shape_moves: Array


def hairline_y(z: Any) -> Array:
    """Height of the hairline at depth ``z``, the same on both sides."""
    depths = [-0.6, 0.25, 0.42, 0.6, 0.72, 0.85, 1.0, 1.15, 1.3, 1.6]
    heights = [-0.62, -0.40, 0.10, 0.06, -0.02, 0.27, 0.46, 0.56, 0.635, 0.66]
    return np.interp(z, depths, heights)


def triangulate(quads: Array) -> Array:
    """(2 m, 3) int32, C order, from (m, 4) quads; both halves of a quad side by side, as they share vertices and pixels."""
    halves = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], 1)
    return np.ascontiguousarray(halves.reshape(-1, 3).astype(np.int32))


def compact(quads: Array, vertex_count: int) -> tuple[Array, Array]:
    """The used vertices' indices, and the quads renumbered to them."""
    used = np.unique(quads)
    renumber = np.full(vertex_count, -1)
    renumber[used] = np.arange(len(used))
    return used, renumber[quads]


def _sparse_shapes(moves: Array) -> tuple[Array, Array, Array]:
    touched = [np.nonzero(np.abs(m).max(1) > 2e-4)[0] for m in moves]
    starts = np.r_[0, np.cumsum([len(i) for i in touched])].astype(np.int64)
    values = np.concatenate([m[i] for m, i in zip(moves, touched, strict=True)])
    return (
        starts,
        np.concatenate(touched).astype(np.int32),
        np.ascontiguousarray(values.astype(np.float32)),
    )


def _drop_teeth_into_view(positions: Array, quads: Array, parts: Array) -> Array:
    """The teeth moved down, as they would otherwise never show in E, I and A."""
    moved = positions.copy()
    upper = np.unique(quads[parts == UPPER_TEETH])
    lower = np.unique(quads[parts == LOWER_TEETH])
    moved[upper] = moved[upper] * [0.97, 1, 1] + [0, -0.060, 0.0]
    moved[lower] = moved[lower] * [0.95, 1, 1] + [0, -0.004, 0]
    return moved


def load_rig(mesh: str, data_dir: Path = DATA_DIR) -> Rig:
    """The rig of a mesh (one of `kai.avatar.style.MESHES`); `WeightsError` when its file is missing or not the known one."""
    data = load_data(f"{mesh}.npz", data_dir)
    quads, parts, mask = data["Q"], data["part"], data["mask"]
    left, right = data["eyeL"], data["eyeR"]
    eye_height = (left[1] + right[1]) / 2
    unit = 1.125 / (eye_height - data["chin"])
    origin = np.r_[0, eye_height, left[2] - 1.2 / unit]
    positions = (data["P"].astype(float) - origin) * unit
    moves = data["D"].astype(float) * unit

    x, y, z = positions[quads].mean(1).T
    neckline = -1.52 - 0.28 * z + 0.25 * (x / 0.7) ** 2 - 0.22
    above_hairline = y > hairline_y(z)
    # Skin under the hair, behind the neck and under the collar is never seen, and costs: it is left out.
    under_hair = (y > hairline_y(z) + 0.20) & (y > 0.35)
    skin = (
        (parts == SKIN)
        & ~under_hair
        & (y > np.maximum(neckline, -2.4))
        & ~((z < -0.05) & (y > -0.3))
        & (np.abs(x) < 1.15)
        & ~((np.abs(x) > 0.76) & (y < -1.05))
    )
    scalp = (parts == SKIN) & above_hairline & (y > hairline_y(z) + 0.17) & (y > 0.33) & (z > -0.2)

    kept = skin | (parts > SKIN)
    kept_parts = parts[kept]
    used, kept_quads = compact(quads[kept], len(positions))
    positions = _drop_teeth_into_view(positions, quads, parts)
    drawn = positions[used].astype(np.float32)
    vertex_parts = np.zeros(len(used), int)
    for part in range(5):
        vertex_parts[kept_quads[kept_parts == part].ravel()] = part
    starts, vertices, values = _sparse_shapes(moves[:, used].astype(np.float32))
    on_skin = vertex_parts == SKIN
    neck = drawn[:, 1] < -0.6
    uv = np.stack(
        [
            (drawn[:, 0] - TEXTURE_X[0]) / (TEXTURE_X[1] - TEXTURE_X[0]),
            (TEXTURE_Y[0] - drawn[:, 1]) / (TEXTURE_Y[0] - TEXTURE_Y[1]),
        ],
        1,
    )
    masks = np.clip(mask[used], 0, 1)
    return Rig(
        all_positions=positions,
        all_quads=quads,
        all_parts=parts,
        scalp_quads=quads[scalp],
        positions=drawn,
        triangles=tuple(triangulate(kept_quads[kept_parts == part]) for part in range(5)),
        all_triangles=triangulate(kept_quads),
        vertex_parts=vertex_parts,
        lips=masks[:, 0] * on_skin,
        mouth_inside=masks[:, 1] * on_skin,
        lids=masks[:, 2],
        uv=uv.astype(np.float32),
        head_weight=smoothstep(-1.75, -0.85, drawn[:, 1] + 0.28 * (0.6 - drawn[:, 2]) * neck).astype(
            np.float32
        ),
        eyes=(
            np.r_[(left[:3] - origin) * unit, left[3] * unit],
            np.r_[(right[:3] - origin) * unit, right[3] * unit],
        ),
        shape_names=tuple(str(name) for name in data["names"]),
        shape_starts=starts,
        shape_vertices=vertices,
        shape_moves=values,
    )
