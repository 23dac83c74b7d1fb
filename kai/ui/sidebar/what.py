"""What Kai is told."""

from __future__ import annotations

import streamlit as st

from kai.ui import host, texts
from kai.ui.sidebar.panel import Panel, explain, group
from kai.ui.view import INSTRUCTIONS_LIMIT_CHARS


def draw(panel: Panel) -> None:
    """The instructions."""
    group(texts.SIDEBAR_WHAT)
    st.text_area(
        texts.INSTRUCTIONS,
        value=panel.look.instructions,
        max_chars=INSTRUCTIONS_LIMIT_CHARS,
        height=104,
        placeholder=texts.INSTRUCTIONS_PLACEHOLDER,
        key=panel.key("instructions"),
        on_change=panel.take("instructions"),
    )
    is_small = host.is_local_brain()
    explain(texts.INSTRUCTIONS_HELP_LOCAL if is_small else texts.INSTRUCTIONS_HELP, texts.TAG_NEXT_TURN)
