"""The theme's colours, as ``.streamlit/config.toml`` has them, for what Streamlit does not colour itself.

Streamlit shows the dark or the light half of the theme as the browser wishes, but gives the colours to components alone, as
variables that begin with ``--st-``. The page's own CSS gets the same variables here, by the same wish of the browser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

import streamlit as st
from streamlit import config

HALVES: Final = ("dark", "light")
_NAMES: Final = (
    "primaryColor",
    "backgroundColor",
    "secondaryBackgroundColor",
    "textColor",
    "linkColor",
    "borderColor",
    *(f"{name}{part}" for name in ("yellow", "red", "green") for part in ("Color", "BackgroundColor")),
)


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one half of the theme, as ``#rrggbb``."""

    live: str
    warn: str
    ink: str
    ground: str
    line: str

    @property
    def soft(self) -> str:
        """Quiet words: the ink, mixed with a third of the ground."""
        return mixed(self.ink, self.ground, 0.68)


def mixed(first: str, second: str, share: float) -> str:
    """Return the colour that has that share of the first one and the rest of the second."""
    channels = (
        round(int(first[i : i + 2], 16) * share + int(second[i : i + 2], 16) * (1 - share)) for i in (1, 3, 5)
    )
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def palette(half: str) -> Palette:
    """Return the colours of that half, ``dark`` or ``light``."""
    names = ("primaryColor", "yellowColor", "textColor", "backgroundColor", "borderColor")
    return Palette(*(_colour(half, name) for name in names))


def palette_now() -> Palette:
    """Return the colours in which this run's page is shown."""
    return palette("light" if st.context.theme.type == "light" else "dark")


@cache
def css() -> str:
    """Return the style that gives the whole document Streamlit's own colour variables, dark unless the browser wishes for
    light."""
    dark, light = (_variables(half) for half in HALVES)
    return (
        f":root {{ color-scheme: dark; {dark} }}"
        f" @media (prefers-color-scheme: light) {{ :root {{ color-scheme: light; {light} }} }}"
    )


def _variables(half: str) -> str:
    colours = " ".join(f"--st-{_kebab(name)}: {_colour(half, name)};" for name in _NAMES)
    return f"{colours} --kai-side: {_colour(half, 'sidebar.backgroundColor')};"


def _kebab(name: str) -> str:
    return re.sub(r"(?=[A-Z])", "-", name).lower()


def _colour(half: str, name: str) -> str:
    return str(config.get_option(f"theme.{half}.{name}"))
