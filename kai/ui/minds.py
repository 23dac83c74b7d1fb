"""Which mind answers: the list under "where it runs", with what runs on this computer and a form for an address.

A small component that talks with ``/api/minds``. It is closed at first, and asks for servers when a person opens it, never
before. No Streamlit run stands between, so a mind is changed in the middle of a talk without a blink.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.components.v2 import component

from kai.ui import address
from kai.ui.mind_texts import MINDS

CONTAINER: Final = "kai-minds"


@cache
def _component() -> Any:
    here = Path(__file__).parent / "desk"
    css, js = ((here / f"minds.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return component("kai_minds", html='<div class="minds"></div>', css=css, js=js)


def draw() -> None:
    """Draw the list, closed."""
    with st.container(key=CONTAINER):
        _component()(key="minds", data={"url": address.at("/api/minds"), "words": MINDS})
