"""The sidebar's group "When": how the end of a person's turn is found, patience, interruptions, and the numbers."""

from __future__ import annotations

import streamlit as st

from kai.ui import texts
from kai.ui.sidebar.panel import Panel, group


def draw(panel: Panel) -> None:
    """Draw turn taking, patience and interruptions; numbers and hearing have an expander each."""
    group(texts.SIDEBAR_WHEN)
    panel.pick("turn_taking")
    panel.pick("eagerness")
    panel.switch("can_interrupt")
    with st.expander(texts.VAD_NUMBERS):
        panel.draw_group("silence")
    with st.expander(texts.HEARING):
        panel.draw_group("hearing")
