"""From a style to everything that a frame needs, in two steps; `kai.avatar.cache` keeps the result of both on disk.

`bake_shape` takes seconds and knows no colour: shadows, hair, cloth. `bake_colours` paints it, in a fraction of that time.
Both take over what the face before has in common with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kai.avatar.bake_cloth import LitGarment, Stage, bake_stages, light_garment, make_garment
from kai.avatar.bake_eyes import Eyeball, bake_eyeball
from kai.avatar.bake_hair import Hair, Mane, bake_mane, colour_hair, hair_cover
from kai.avatar.bake_light import Surface, bake_surface
from kai.avatar.bake_skin import Paint, bake_paint, grow_beard
from kai.avatar.camera import Camera, make_camera
from kai.avatar.colour import make_tone_table
from kai.avatar.lights import Lights, make_lights
from kai.avatar.rig import Rig
from kai.avatar.style import Hairstyle, Style
from kai.compat.format import Array


@dataclass(frozen=True, slots=True)
class Head:
    """The moving mesh, as in `kai.avatar.rig.Rig`, without what only the bake needs."""

    positions: Array
    triangles: tuple[Array, ...]
    all_triangles: Array
    head_weight: Array
    eyes: tuple[Array, Array]
    lips: Array
    """The numbers of the lips' vertices, (n,) int64."""
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


@dataclass(frozen=True, slots=True)
class Made:
    """A face, and what it was made of."""

    style: Style
    shape: Shape
    baked: Baked


_OF_PAINT = (
    "skin",
    "lip",
    "hair",
    "hair_tip",
    "brow",
    "blush",
    "stubble",
    "makeup",
    "beard",
    "age",
    "brow_height",
    "brow_weight",
    "brow_arch",
)
_OF_HAIR = ("hair", "hair_tip", "accent")
_OF_STAGES = ("cloth", "accent", "background_centre", "background_edge")
_OF_EYES = ("iris",)
"""The fields of a style on which each part depends; the mesh and the haircut are the shape's."""


def bake_shape(
    rig: Rig,
    hairstyle: Hairstyle,
    width_px: int,
    height_px: int,
    supersample: float,
    before: Shape | None = None,
) -> Shape:
    """What takes long and has no colour. ``before`` is of the same mesh: from it comes what hair and size do not touch."""
    camera = make_camera(width_px, height_px, supersample)
    garment = make_garment(rig) if before is None else before.cloth.garment
    return Shape(
        camera,
        bake_surface(rig) if before is None else before.surface,
        bake_mane(rig, garment, hairstyle, camera),
        light_garment(rig, garment) if before is None else before.cloth,
    )


def bake_colours(rig: Rig, shape: Shape, style: Style, before: Made | None = None) -> Baked:
    """The shape in the style's colours; ``shape`` is of the style's mesh (as ``rig`` is) and hairstyle.

    From ``before``, where it is of this very shape, come the parts whose colours are the same.
    """
    camera, studio = shape.camera, make_lights(style.accent)
    cover = hair_cover(shape.mane, camera)

    def same(names: tuple[str, ...]) -> Baked | None:
        if before is None or before.shape is not shape:
            return None
        is_same = all(getattr(style, name) == getattr(before.style, name) for name in names)
        return before.baked if is_same else None

    paint, hair, stages, eyes = same(_OF_PAINT), same(_OF_HAIR), same(_OF_STAGES), same(_OF_EYES)
    return Baked(
        camera=camera,
        lights=studio,
        tone=make_tone_table(),
        head=Head(
            grow_beard(rig, style),
            rig.triangles,
            rig.all_triangles,
            rig.head_weight,
            rig.eyes,
            np.flatnonzero(rig.lips > 0.3),
            rig.shape_names,
            rig.shape_starts,
            rig.shape_vertices,
            rig.shape_moves,
        ),
        surface=shape.surface,
        paint=bake_paint(rig, style, camera, cover) if paint is None else paint.paint,
        hair=colour_hair(shape.mane, style, studio) if hair is None else hair.hair,
        stages=bake_stages(shape.cloth, cover, style, camera, studio) if stages is None else stages.stages,
        eyeball=bake_eyeball(style) if eyes is None else eyes.eyeball,
    )
