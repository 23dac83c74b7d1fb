"""From a style to everything that a frame needs. Slow (seconds); `kai.avatar.cache` keeps the result on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from kai.avatar.bake_cloth import Stage, bake_stages
from kai.avatar.bake_eyes import Eyeball, bake_eyeball
from kai.avatar.bake_hair import Hair, bake_hair
from kai.avatar.bake_light import Surface, bake_surface
from kai.avatar.bake_skin import Paint, bake_paint, paint_skin
from kai.avatar.camera import Camera, make_camera
from kai.avatar.colour import make_tone_table
from kai.avatar.lights import Lights, make_lights
from kai.avatar.rig import Rig, load_rig
from kai.avatar.style import Style

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The moving mesh, as in `kai.avatar.rig.Rig`, without what only the bake needs."""

    positions: Array
    triangles: tuple[Array, ...]
    all_triangles: Array
    uv: Array
    head_weight: Array
    eyes: tuple[Array, Array]
    shape_names: tuple[str, ...]
    shape_starts: Array
    shape_vertices: Array
    shape_moves: Array


@dataclass(frozen=True, slots=True)
class Baked:
    """A character at one picture size, ready to draw. Read-only: one `Baked` may be drawn by several threads."""

    camera: Camera
    lights: Lights
    tone: Array
    head: Head
    surface: Surface
    paint: Paint
    hair: Hair
    stages: tuple[Stage, ...]
    eyeball: Eyeball


def bake(style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
    """The character of a style. Raises `WeightsError` when its mesh is missing or not the known one."""
    return bake_rig(load_rig(style.mesh), style, width_px, height_px, supersample)


def bake_rig(rig: Rig, style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
    """As `bake`, from a mesh that is loaded already."""
    camera = make_camera(width_px, height_px, supersample)
    studio = make_lights(style.accent)
    skin = paint_skin(rig, style)
    hair, hair_cover = bake_hair(rig, style, camera, studio)
    return Baked(
        camera=camera,
        lights=studio,
        tone=make_tone_table(),
        head=Head(
            rig.positions,
            rig.triangles,
            rig.all_triangles,
            rig.uv,
            rig.head_weight,
            rig.eyes,
            rig.shape_names,
            rig.shape_starts,
            rig.shape_vertices,
            rig.shape_moves,
        ),
        surface=bake_surface(rig),
        paint=bake_paint(rig, style, camera, skin, hair_cover),
        hair=hair,
        stages=bake_stages(rig, style, camera, studio),
        eyeball=bake_eyeball(style),
    )
