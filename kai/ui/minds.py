"""The list of minds under "where it runs": the model servers of this computer, and a form for an address.

A small component that uses ``/api/minds``. It is closed at first and looks for servers only when a person opens it. It needs
no Streamlit run, so changing the mind in the middle of a talk does not make the page flicker.
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
