"""The list of minds under "where it runs": the model servers of this computer, and a form for an address.

A small component that uses ``/api/minds``. It is closed at first and looks for servers only when a person opens it. It needs
no Streamlit run, so changing the mind in the middle of a talk does not make the page flicker.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from kai.ui import address
from kai.ui.component import component_of
from kai.ui.mind_texts import MINDS

CONTAINER: Final = "kai-minds"


def draw() -> None:
    """Draw the list, closed."""
    with st.container(key=CONTAINER):
        minds = component_of("kai_minds", "minds.css", "minds.js", html='<div class="minds"></div>')
        minds(key="minds", data={"url": address.at("/api/minds"), "words": MINDS})
