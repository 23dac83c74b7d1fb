"""Who speaks: the face."""

from __future__ import annotations

import streamlit as st

from kai.ui import texts
from kai.ui.sidebar.panel import Panel, explain, group


def draw(panel: Panel) -> None:
    """The characters, by picture."""
    group(texts.SIDEBAR_WHO)
    chosen = panel.look.character
    _draw_faces(chosen)
    st.segmented_control(
        texts.CHARACTER,
        list(texts.CHARACTER_NAMES),
        default=chosen if chosen in texts.CHARACTER_NAMES else "kai",
        format_func=lambda name: texts.CHARACTER_NAMES[name],
        key=panel.key("character"),
        on_change=panel.take("character"),
        width="stretch",
        label_visibility="collapsed",
    )
    explain(texts.CHARACTER_HELP, texts.TAG_NOW)


def _draw_faces(chosen: str) -> None:
    faces = "".join(
        f'<img src="/api/pictures/{name}.jpg" alt="" data-is-chosen="{str(name == chosen).lower()}">'
        for name in texts.CHARACTER_NAMES
    )
    st.html(f'<div class="kai-faces" aria-hidden="true">{faces}</div>')
