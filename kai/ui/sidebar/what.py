"""The sidebar's group for the persona: named ones, and the instructions."""

from __future__ import annotations

import streamlit as st

from kai.core.config import SETTINGS
from kai.records.memory import Memory
from kai.ui import bridge, host, texts
from kai.ui.bridge import Shelf
from kai.ui.setting_words import PERSONAS
from kai.ui.setting_words import SETTINGS as WORDS
from kai.ui.sidebar import named
from kai.ui.sidebar.panel import Panel, group


def draw(panel: Panel) -> None:
    """Draw personas and instructions."""
    group(texts.SIDEBAR_WHAT)
    if bridge.is_home():
        _draw_personas(panel, host.app().memory)
    words = WORDS["instructions"]
    bridge.show(panel.key("instructions"), panel.look.instructions)
    st.text_area(
        words.label,
        value=panel.look.instructions,
        max_chars=SETTINGS["instructions"].limit_chars,
        height=76,
        placeholder=words.example,
        key=panel.key("instructions"),
        on_change=panel.take("instructions"),
        label_visibility="collapsed",
    )
    is_small = host.app().is_small_mind_alone(panel.look)
    panel.explain("instructions", texts.INSTRUCTIONS_HELP_LOCAL if is_small else "")


def _draw_personas(panel: Panel, memory: Memory) -> None:
    def take(instructions: str) -> None:
        bridge.change_look(panel.talk, instructions=instructions)

    shelf = Shelf("persona", memory.personas, lambda: bridge.look(panel.talk).instructions, take)
    named.draw(shelf, PERSONAS)
