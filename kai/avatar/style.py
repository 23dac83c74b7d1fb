"""A character's looks as data. A style is baked once into pictures and tables; see `kai.avatar.bake`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from kai.avatar.colour import HEX_COLOUR
from kai.errors import ConfigError

Hairstyle = Literal["quiff", "swept", "bob", "long", "buzz"]
HAIRSTYLES: tuple[Hairstyle, ...] = ("quiff", "swept", "bob", "long", "buzz")
MESHES = ("kai", "mara", "ade", "ines", "emil", "vera", "jun")

_COLOURS = (
    "skin",
    "lip",
    "hair",
    "hair_tip",
    "brow",
    "iris",
    "cloth",
    "accent",
    "background_centre",
    "background_edge",
)
CHANGEABLE = ("skin", "lip", "hair", "brow", "iris", "cloth", "accent", "background", "hairstyle")
"""What a person may change about a character; see `restyled`."""

_SHARES = ("blush", "stubble", "makeup", "beard", "age", "brow_weight", "brow_arch")


@dataclass(frozen=True, slots=True)
class Style:
    """One look: a mesh, colours as ``#rrggbb``, and shares from 0 to 1.

    Raises `ConfigError` that names the field when a value cannot be used.
    """

    mesh: str
    skin: str
    lip: str
    hair: str
    hair_tip: str
    brow: str
    iris: str
    cloth: str
    accent: str
    background_centre: str
    background_edge: str
    hairstyle: Hairstyle
    blush: float
    stubble: float = 0.0
    makeup: float = 0.0
    beard: float = 0.0
    """How full the beard is."""
    age: float = 0.0
    """How deep the lines of the face are."""
    brow_height: float = -0.004
    """The height above the usual place, in head units."""
    brow_weight: float = 0.5
    """How thick the brows are."""
    brow_arch: float = 0.5
    """How much the brows are arched; 0 is nearly straight."""

    def __post_init__(self) -> None:
        if self.mesh not in MESHES:
            raise ConfigError(f"There is no face called {self.mesh!r}. Choose one of: {', '.join(MESHES)}.")
        if self.hairstyle not in HAIRSTYLES:
            raise ConfigError(
                f"There is no hairstyle {self.hairstyle!r}. Choose one of: {', '.join(HAIRSTYLES)}."
            )
        for name in _COLOURS:
            value = getattr(self, name)
            if not isinstance(value, str) or not HEX_COLOUR.fullmatch(value):
                raise ConfigError(
                    f"The colour {name!r} is {value!r}. Write it as # and six hex digits, like #35c2c9."
                )
        for name in _SHARES:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(f"{name!r} is {value!r}. Choose a number from 0 to 1.")


CHARACTERS: dict[str, Style] = {
    "kai": Style(
        mesh="kai",
        skin="#dda78a",
        lip="#c4705f",
        hair="#2b1c14",
        hair_tip="#6a452d",
        brow="#22160f",
        iris="#5b3a1c",
        cloth="#2f4a6d",
        accent="#35c2c9",
        background_centre="#42586c",
        background_edge="#16222f",
        hairstyle="quiff",
        blush=0.55,
        stubble=0.12,
        brow_weight=0.85,
        brow_arch=0.25,
    ),
    "mara": Style(
        mesh="mara",
        skin="#e8b698",
        lip="#c9545a",
        hair="#5b2f1a",
        hair_tip="#a5653a",
        brow="#4a2a18",
        iris="#2f4a38",
        cloth="#7a3550",
        accent="#ff9d76",
        background_centre="#735048",
        background_edge="#2b1a1b",
        hairstyle="bob",
        blush=0.8,
        makeup=0.6,
        brow_weight=0.35,
        brow_arch=0.7,
    ),
    "ade": Style(
        mesh="ade",
        skin="#7a4a2f",
        lip="#7d4238",
        hair="#0d0a09",
        hair_tip="#2a201b",
        brow="#0c0908",
        iris="#2f1a0d",
        cloth="#c98a2b",
        accent="#ffd166",
        background_centre="#4f6a58",
        background_edge="#15241d",
        hairstyle="buzz",
        blush=0.3,
        stubble=0.35,
        brow_height=0.02,
        brow_weight=0.9,
        brow_arch=0.3,
    ),
    "ines": Style(
        mesh="ines",
        skin="#c98f68",
        lip="#b4574f",
        hair="#17100d",
        hair_tip="#6b4632",
        brow="#1a110d",
        iris="#6b3f1d",
        cloth="#2e5d54",
        accent="#e8c27a",
        background_centre="#5f594e",
        background_edge="#1f1c18",
        hairstyle="long",
        blush=0.55,
        makeup=0.45,
        brow_weight=0.5,
        brow_arch=0.6,
    ),
    "emil": Style(
        mesh="emil",
        skin="#e2b08f",
        lip="#b9776a",
        hair="#77756f",
        hair_tip="#d6d3cb",
        brow="#565049",
        iris="#3f6d8c",
        cloth="#3c4450",
        accent="#d98c5f",
        background_centre="#565f6b",
        background_edge="#191d23",
        hairstyle="swept",
        blush=0.7,
        beard=0.9,
        age=0.8,
        brow_weight=1.0,
        brow_arch=0.2,
    ),
    "vera": Style(
        mesh="vera",
        skin="#e3b195",
        lip="#b8615c",
        hair="#a09b95",
        hair_tip="#e4e0da",
        brow="#635a54",
        iris="#4a6152",
        cloth="#4b3f63",
        accent="#c9a6e8",
        background_centre="#574d66",
        background_edge="#1b1723",
        hairstyle="bob",
        blush=0.7,
        makeup=0.3,
        age=0.85,
        brow_weight=0.4,
        brow_arch=0.6,
    ),
    "jun": Style(
        mesh="jun",
        skin="#dba78a",
        lip="#a85f52",
        hair="#100d0c",
        hair_tip="#3a2f2a",
        brow="#14100e",
        iris="#2e1c10",
        cloth="#34404c",
        accent="#8cc4dc",
        background_centre="#4c5a5e",
        background_edge="#161d1f",
        hairstyle="swept",
        blush=0.45,
        stubble=0.1,
        brow_weight=0.9,
        brow_arch=0.15,
    ),
}


def character(name: str) -> Style:
    """Return the look of a character by its name. Raises `ConfigError` for an unknown name."""
    try:
        return CHARACTERS[name]
    except KeyError:
        raise ConfigError(
            f"There is no character {name!r}. Choose one of: {', '.join(CHARACTERS)}."
        ) from None


def style_from_mapping(values: dict[str, object]) -> Style:
    """Return a style from untyped values, as received in a message. Raises `ConfigError` for unknown or missing fields."""
    known = {f.name for f in fields(Style)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"A style has no field {unknown[0]!r}. Leave it out.")
    try:
        return Style(**values)  # pyright: ignore[reportArgumentType]  (checked by __post_init__)
    except TypeError as exc:
        raise ConfigError("A style needs all of its colours, its mesh and its hairstyle.") from exc


def restyled(style: Style, changes: Mapping[str, str]) -> Style:
    """Return the style with a person's changes of skin, lip, hair, brow, iris, cloth, accent, background (``#rrggbb``) and
    hairstyle; an empty value changes nothing. Raises `ConfigError` for an unknown name or a bad value."""
    wanted = {name: value for name, value in changes.items() if value}
    unknown = sorted(set(wanted) - set(CHANGEABLE))
    if unknown:
        raise ConfigError(f"A face has no {unknown[0]!r} to change. Choose one of: {', '.join(CHANGEABLE)}.")
    background = wanted.pop("background", "")
    if background:
        wanted |= {"background_edge": background}
    changed = replace(style, **wanted)  # pyright: ignore[reportArgumentType]  (checked by __post_init__)
    if "hair" in wanted:
        changed = replace(changed, hair_tip=lighter(changed.hair, 0.28))
    return replace(changed, background_centre=lighter(background, 0.24)) if background else changed


def lighter(colour: str, share: float) -> str:
    """Return the colour moved by ``share`` towards white."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in parts)
