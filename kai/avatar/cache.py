"""Baked characters on disk, so that a face is ready 0.5 s after the start instead of 5 s.

A file's name depends on everything that went into it: the bake's source, the mesh, the versions of the libraries, the style
and the size. The file holds plain arrays and a description in JSON (no pickle); it is written under another name and then
moved into place. The folder may be deleted at any time. Only the newest `MIXED_KEPT` styles that a person mixed are kept, and
files of other builds are removed after `OTHER_BUILDS_KEPT_S`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numba
import numpy as np

from kai.avatar import bake as bake_module
from kai.avatar import bake_cloth, bake_eyes, bake_hair, bake_light, bake_skin, camera, lights
from kai.avatar.bake import Baked, Made, Shape, bake_colours, bake_shape
from kai.avatar.rig import SHA256, Rig, load_rig
from kai.avatar.style import CHARACTERS, Hairstyle, Style
from kai.compat.files import cache_root, replacing

MIXED_KEPT = 6
OTHER_BUILDS_KEPT_S = 14 * 86_400.0

Kept = TypeVar("Kept", Baked, Shape)

_log = logging.getLogger(__name__)

_SOURCES = (
    "bake",
    "bake_cloth",
    "bake_eyes",
    "bake_hair",
    "bake_light",
    "bake_skin",
    "camera",
    "colour",
    "hair_growth",
    "lights",
    "raster",
    "rig",
    "shadow",
)

_CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        bake_module.Baked,
        bake_module.Head,
        bake_module.Shape,
        bake_cloth.Garment,
        bake_cloth.LitGarment,
        bake_cloth.Stage,
        bake_eyes.Eyeball,
        bake_hair.Hair,
        bake_hair.Lock,
        bake_hair.Mane,
        bake_hair.Sprite,
        bake_light.Surface,
        bake_skin.Paint,
        camera.Camera,
        lights.Lights,
    )
}


def baked_path(style: Style, width_px: int, height_px: int, supersample: float) -> Path:
    """Return the file of the character of this style and size, whether or not it exists."""
    kind = style.mesh if style in CHARACTERS.values() else f"mixed-{style.mesh}"
    return _path(kind, style.mesh, style, width_px, height_px, supersample)


def shape_path(mesh: str, hairstyle: Hairstyle, width_px: int, height_px: int, supersample: float) -> Path:
    """Return the file of a head with this hair, before it gets its colours, whether or not it exists."""
    return _path(f"shape-{mesh}-{hairstyle}", mesh, hairstyle, width_px, height_px, supersample)


def _path(kind: str, mesh: str, what: object, width_px: int, height_px: int, supersample: float) -> Path:
    digest = hashlib.sha256()
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    versions = (np.__version__, numba.__version__, cv2.__version__)
    digest.update(repr((SHA256[f"{mesh}.npz"], versions, what, width_px, height_px, supersample)).encode())
    return cache_root() / "faces" / f"{kind}-{width_px}x{height_px}-{digest.hexdigest()[:20]}.npz"


def load_or_bake(style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
    """Return the character, from disk if possible, else baked now and kept for the next time. A new head or haircut takes
    seconds, new colours a fraction of that.

    An unreadable or unwritable disk costs only time. Raises `WeightsError` for a missing or unknown mesh.
    """
    return Workbench().load_or_bake(style, width_px, height_px, supersample)


class Workbench:
    """Bakes one face after another: it holds the last one, and bakes only what differs in the next.

    One thread at a time. It holds about 60 MB.
    """

    def __init__(self) -> None:
        self._rig: tuple[str, Rig] | None = None
        self._shape: tuple[Path, str, Shape] | None = None
        self._made: Made | None = None

    def load_or_bake(self, style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
        """See the function of the same name."""
        path = baked_path(style, width_px, height_px, supersample)
        baked = _load_or_make(path, Baked, lambda: self._bake(style, width_px, height_px, supersample))
        if path.name.startswith("mixed-"):
            _forget_old(path)
        return baked

    def lay_out(self, style: Style, width_px: int, height_px: int, supersample: float) -> None:
        """Prepare what another colour or haircut of this face will need, as far as that costs no more than a colour."""
        if shape_path(style.mesh, style.hairstyle, width_px, height_px, supersample).exists():
            self._bake(style, width_px, height_px, supersample)

    def _bake(self, style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
        if self._rig is None or self._rig[0] != style.mesh:
            self._rig = (style.mesh, load_rig(style.mesh))
        rig = self._rig[1]
        kept = shape_path(style.mesh, style.hairstyle, width_px, height_px, supersample)
        last = self._shape
        if last is None or last[0] != kept:
            before = last[2] if last is not None and last[1] == style.mesh else None
            shape = _load_or_make(
                kept,
                Shape,
                lambda: bake_shape(rig, style.hairstyle, width_px, height_px, supersample, before),
            )
            self._shape = last = (kept, style.mesh, shape)
        baked = bake_colours(rig, last[2], style, self._made)
        self._made = Made(style, last[2], baked)
        return baked


def _load_or_make(path: Path, kind: type[Kept], make: Callable[[], Kept]) -> Kept:
    try:
        return _load(path, kind)
    except FileNotFoundError:
        pass
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as exc:
        _log.warning("a kept face cannot be read and is baked anew", extra={"reason": type(exc).__name__})
    made = make()
    try:
        store(made, path)
        for old in path.parent.glob("*.npz"):
            # Reading does not touch a file, so another build that is in use may have to bake again once a fortnight.
            if path.stat().st_mtime - old.stat().st_mtime > OTHER_BUILDS_KEPT_S:
                old.unlink(missing_ok=True)
    except OSError as exc:
        _log.warning("a baked face cannot be kept", extra={"reason": type(exc).__name__})
    return made


def _forget_old(path: Path) -> None:
    """Keep only the styles that were requested last."""
    try:
        path.touch()
        mixed = sorted(path.parent.glob("mixed-*.npz"), key=lambda p: p.stat().st_mtime)
        for old in mixed[:-MIXED_KEPT]:
            old.unlink(missing_ok=True)
    except OSError as exc:
        _log.debug("old faces cannot be forgotten", extra={"reason": type(exc).__name__})


def store(made: Baked | Shape, path: Path) -> None:
    """Write a character; readers see the old file or the whole new one. Raises `OSError`."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    description = json.dumps(_describe(made, arrays)).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, description=np.frombuffer(description, np.uint8), **arrays)


def load(path: Path) -> Baked:
    """Read a character. Raises `OSError`, `ValueError`, `KeyError` or `zipfile.BadZipFile` for a bad file."""
    return _load(path, Baked)


def _load(path: Path, kind: type[Kept]) -> Kept:
    with np.load(path, allow_pickle=False) as npz:
        # Copy the arrays: numpy's own allocations are in huge pages, while a reader's buffer is slower to draw from.
        arrays = {name: npz[name].copy(order="K") for name in npz.files}
    made = _build(json.loads(arrays.pop("description").tobytes()), arrays)
    if not isinstance(made, kind):
        raise ValueError("the file holds no baked face")
    return made


def _describe(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """Return ``value`` as JSON, with its arrays moved into ``arrays``."""
    if is_dataclass(value):
        parts = {f.name: _describe(getattr(value, f.name), arrays) for f in fields(value)}
        return {"class": type(value).__name__, "fields": parts}
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, tuple):
        return {"tuple": [_describe(item, arrays) for item in value]}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"a baked face cannot hold a {type(value).__name__}")


def _build(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    match value:
        case {"class": str(name), "fields": dict(parts)}:
            return _CLASSES[name](**{key: _build(part, arrays) for key, part in parts.items()})
        case {"array": str(name)}:
            return arrays[name]
        case {"tuple": list(items)}:
            return tuple(_build(item, arrays) for item in items)
        case _:
            return value
