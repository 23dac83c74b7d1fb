"""The sidebar of the Talk page, with one module per group. What a person changes often is always there; the rest is under
Advanced."""

from __future__ import annotations

import streamlit as st

from kai.runtime.hub import Talk
from kai.ui import bridge, host
from kai.ui.sidebar import advanced, documents, how, presets, what, when, where, who
from kai.ui.sidebar.panel import Panel


def draw(talk: Talk) -> None:
    """Draw the controls; each control hands its changes to the talk."""
    panel = Panel(talk)
    with st.sidebar:
        memory = host.app().memory
        if bridge.is_home():
            presets.draw(talk, memory)
        who.draw(panel)
        how.draw(panel)
        what.draw(panel)
        if bridge.is_home():
            documents.draw(panel, memory.documents)
        when.draw(panel)
        where.draw(panel)
        advanced.draw(panel)
