"""The sidebar of the Talk page, a group a module, in the order in which people think: who, how, what, when, where."""

from __future__ import annotations

import streamlit as st

from kai.runtime.hub import Talk
from kai.ui import bridge, host
from kai.ui.sidebar import documents, how, presets, what, when, where, who
from kai.ui.sidebar.panel import Panel


def draw(talk: Talk) -> None:
    """Draw the controls; each hands its change to the talk by itself."""
    panel = Panel(talk)
    with st.sidebar:
        who.draw(panel)
        how.draw(panel)
        what.draw(panel)
        memory = host.app().memory
        if bridge.is_home():
            documents.draw(panel, memory.documents)
        when.draw(panel)
        where.draw(panel)
        if bridge.is_home():
            presets.draw(talk, memory)
