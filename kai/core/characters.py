"""The names of the characters. Kai is the product and its first character; whoever is on the stage goes by its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kai.core.config import Look

DEFAULT_NAME: Final = "Kai"
NAMES: Final[Mapping[str, str]] = {
    "kai": DEFAULT_NAME,
    "mara": "Mara",
    "ade": "Ade",
    "ines": "Ines",
    "emil": "Emil",
    "vera": "Vera",
    "jun": "Jun",
}


def name_of(look: Look) -> str:
    """Return the name of the look's character, which the page shows and the voice says."""
    return NAMES.get(look.character, DEFAULT_NAME)
