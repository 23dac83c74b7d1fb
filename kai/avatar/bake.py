"""From a style to everything that a frame needs, in two steps; `kai.avatar.cache` keeps the result of both on disk.

`bake_shape` takes seconds and knows no colour: shadows, hair, cloth. `bake_colours` paints it, in a fraction of that time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from kai.avatar.bake_cloth import LitGarment, Stage, bake_stages, light_garment, make_garment
from kai.avatar.bake_eyes import Eyeball, bake_eyeball
from kai.avatar.bake_hair import Hair, Mane, bake_mane, colour_hair, hair_cover
from kai.avatar.bake_light import Surface, bake_surface
from kai.avatar.bake_skin import Paint, bake_paint
from kai.avatar.camera import Camera, make_camera
from kai.avatar.colour import make_tone_table
from kai.avatar.lights import Lights, make_lights
from kai.avatar.rig import Rig, load_rig
from kai.avatar.style import Hairstyle, Style

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Head:
    """The moving mesh, as in `kai.avatar.rig.Rig`, without what only the bake needs."""

    positions: Array
    triangles: tuple[Array, ...]
    all_triangles: Array
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


@dataclass(frozen=True, slots=True)
class Shape:
    """A head with its hair and clothes at one picture size, without colours."""

    camera: Camera
    surface: Surface
    mane: Mane
    cloth: LitGarment


def bake(style: Style, width_px: int, height_px: int, supersample: float) -> Baked:
    """The character of a style. Raises `WeightsError` when its mesh is missing or not the known one."""
    rig = load_rig(style.mesh)
    return bake_colours(rig, bake_shape(rig, style.hairstyle, width_px, height_px, supersample), style)


def bake_shape(rig: Rig, hairstyle: Hairstyle, width_px: int, height_px: int, supersample: float) -> Shape:
    """What takes long and has no colour."""
    camera = make_camera(width_px, height_px, supersample)
    garment = make_garment(rig)
    return Shape(
        camera,
        bake_surface(rig),
        bake_mane(rig, garment, hairstyle, camera),
        light_garment(rig, garment),
    )


def bake_colours(rig: Rig, shape: Shape, style: Style) -> Baked:
    """The shape in the style's colours; ``shape`` is of the style's mesh (as ``rig`` is) and hairstyle."""
    camera, studio = shape.camera, make_lights(style.accent)
    cover = hair_cover(shape.mane, camera)
    return Baked(
        camera=camera,
        lights=studio,
        tone=make_tone_table(),
        head=Head(
            rig.positions,
            rig.triangles,
            rig.all_triangles,
            rig.head_weight,
            rig.eyes,
            rig.shape_names,
            rig.shape_starts,
            rig.shape_vertices,
            rig.shape_moves,
        ),
        surface=shape.surface,
        paint=bake_paint(rig, style, camera, cover),
        hair=colour_hair(shape.mane, style, studio),
        stages=bake_stages(shape.cloth, cover, style, camera, studio),
        eyeball=bake_eyeball(style),
    )
