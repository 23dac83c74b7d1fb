"""How Kai sounds: voice and speed."""

from __future__ import annotations

from typing import Final

import streamlit as st

from kai.ui import host, texts
from kai.ui.sidebar.panel import Panel, explain, group

MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 1.5


def draw(panel: Panel) -> None:
    """Voice and speed."""
    group(texts.SIDEBAR_HOW)
    names = texts.VOICE_NAMES_LOCAL if host.is_local_brain() else texts.VOICE_NAMES
    voices = list(names)
    st.selectbox(
        texts.VOICE,
        voices,
        index=voices.index(panel.look.voice) if panel.look.voice in voices else 0,
        format_func=lambda name: names[name],
        key=panel.key("voice"),
        on_change=panel.take("voice"),
        disabled=len(voices) == 1,
    )
    explain(texts.VOICE_HELP_LOCAL if len(voices) == 1 else texts.VOICE_HELP, texts.TAG_RESTART)
    st.slider(
        texts.SPEED,
        MIN_SPEED,
        MAX_SPEED,
        value=min(MAX_SPEED, max(MIN_SPEED, panel.look.speed)),
        step=0.05,
        format="%.2f ×",
        key=panel.key("speed"),
        on_change=panel.take("speed"),
    )
    explain(texts.SPEED_HELP, texts.TAG_NEXT_TURN)
