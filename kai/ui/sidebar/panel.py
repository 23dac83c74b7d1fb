"""What each group of the sidebar is drawn with: the chosen look, keys, and the line that says when a control holds."""

from __future__ import annotations

import html
from collections.abc import Callable

import streamlit as st

from kai.ui import bridge, texts
from kai.ui.host import Talk


class Panel:
    """One drawing of the sidebar."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.look = bridge.look(talk)
        self._suffix = bridge.look_suffix()

    def key(self, name: str) -> str:
        """The widget key of the setting of that name."""
        return f"look-{name}{self._suffix}"

    def take(self, name: str) -> Callable[[], None]:
        """What a widget does when it was changed."""
        return lambda: bridge.take_look(self.talk, name, self.key(name))


def group(words: str) -> None:
    """A group's heading."""
    st.html(f'<h2 class="kai-group">{html.escape(words)}</h2>')


def explain(words: str, tag: str) -> None:
    """The line under a control: what it is, and when a change is in force."""
    title = html.escape(texts.TAG_WORDS[tag])
    st.html(
        f'<p class="kai-help"><span>{html.escape(words)}</span> '
        f'<span class="kai-tag" data-tag="{html.escape(tag)}" title="{title}">{html.escape(tag)}</span></p>'
    )
