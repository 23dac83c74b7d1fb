"""Kai's own components: small pages in the page, whose files are in the folder ``desk``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

FOLDER = Path(__file__).parent / "desk"


@cache
def component_of(name: str, *files: str, html: str = "") -> Any:
    """Return the component of that name, made of these files: its page (or ``html``), its styles and its scripts.

    Streamlit takes a component's script as one text, so its parts cannot import others."""

    def joined(suffix: str) -> str:
        return "\n".join((FOLDER / file).read_text("utf-8") for file in files if file.endswith(suffix))

    return component(name, html=html or joined(".html"), css=joined(".css") or None, js=joined(".js"))
