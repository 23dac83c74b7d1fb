"""What a person changes seldom: patience and pauses, hearing, how an answer is made, and how to get more voices."""

from __future__ import annotations

import html

import streamlit as st

from kai.ui import texts
from kai.ui.sidebar import voices
from kai.ui.sidebar.panel import Panel

_NAMES = ("eagerness", "can_interrupt")
_GROUPS = ("silence", "more", "hearing")


def draw(panel: Panel) -> None:
    """Draw the settings that do something now, and one line that counts those which the chosen brain does not have."""
    with st.expander(texts.ADVANCED):
        names = [*_NAMES, *(name for of in _GROUPS for name in panel.names_of(of))]
        for name in names:
            if not panel.reason(name):
                panel.draw(name)
        if panel.is_brain_local:
            voices.draw()
        missing = sum(panel.is_missing(name) for name in names)
        if missing:
            st.html(f'<p class="kai-help"><span>{html.escape(_more(panel, missing))}</span></p>')


def _more(panel: Panel, count: int) -> str:
    if not panel.is_brain_local:
        return texts.MORE_WITH_MODEL.format(count=count)
    words = texts.MORE_WITH_OPENAI if panel.offer.has_cloud_brain else texts.MORE_WITH_KEY
    return words.format(count=count)
