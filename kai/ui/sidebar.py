"""The sidebar of the Talk page: who speaks, how, and what Kai is told."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Final

import streamlit as st

from kai.ui import bridge, host, presets, texts
from kai.ui.host import Talk
from kai.ui.view import INSTRUCTIONS_LIMIT_CHARS

MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 1.5


def draw(talk: Talk) -> None:
    """Draw the controls; each hands its change to the talk by itself."""
    look = bridge.look(talk)

    suffix = bridge.look_suffix()

    def take(name: str) -> Callable[[], None]:
        return lambda: bridge.take_look(talk, name, f"look-{name}{suffix}")

    with st.sidebar:
        _group(texts.SIDEBAR_WHO)
        _faces(look.character)
        st.segmented_control(
            texts.CHARACTER,
            list(texts.CHARACTER_NAMES),
            default=look.character if look.character in texts.CHARACTER_NAMES else "kai",
            format_func=lambda name: texts.CHARACTER_NAMES[name],
            key=f"look-character{suffix}",
            on_change=take("character"),
            width="stretch",
            label_visibility="collapsed",
        )
        _help(texts.CHARACTER_HELP, texts.TAG_NOW)

        _group(texts.SIDEBAR_HOW)
        names = texts.VOICE_NAMES_LOCAL if host.is_local_brain() else texts.VOICE_NAMES
        voices = list(names)
        st.selectbox(
            texts.VOICE,
            voices,
            index=voices.index(look.voice) if look.voice in voices else 0,
            format_func=lambda name: names[name],
            key=f"look-voice{suffix}",
            on_change=take("voice"),
            disabled=len(voices) == 1,
        )
        _help(texts.VOICE_HELP_LOCAL if len(voices) == 1 else texts.VOICE_HELP, texts.TAG_RESTART)
        st.slider(
            texts.SPEED,
            MIN_SPEED,
            MAX_SPEED,
            value=min(MAX_SPEED, max(MIN_SPEED, look.speed)),
            step=0.05,
            format="%.2f ×",
            key=f"look-speed{suffix}",
            on_change=take("speed"),
        )
        _help(texts.SPEED_HELP, texts.TAG_NEXT_TURN)

        _group(texts.SIDEBAR_WHAT)
        st.text_area(
            texts.INSTRUCTIONS,
            value=look.instructions,
            max_chars=INSTRUCTIONS_LIMIT_CHARS,
            height=104,
            placeholder=texts.INSTRUCTIONS_PLACEHOLDER,
            key=f"look-instructions{suffix}",
            on_change=take("instructions"),
        )
        is_small = host.is_local_brain()
        _help(texts.INSTRUCTIONS_HELP_LOCAL if is_small else texts.INSTRUCTIONS_HELP, texts.TAG_NEXT_TURN)

        memory = host.memory()
        if memory is not None and bridge.is_home():
            _group(texts.SIDEBAR_PRESETS)
            presets.draw(talk, memory)


def _group(words: str) -> None:
    st.html(f'<h2 class="kai-group">{html.escape(words)}</h2>')


def _help(words: str, tag: str) -> None:
    title = html.escape(texts.TAG_WORDS[tag])
    st.html(
        f'<p class="kai-help"><span>{html.escape(words)}</span> '
        f'<span class="kai-tag" data-tag="{html.escape(tag)}" title="{title}">{html.escape(tag)}</span></p>'
    )


def _faces(chosen: str) -> None:
    faces = "".join(
        f'<img src="/api/pictures/{name}.jpg" alt="" data-is-chosen="{str(name == chosen).lower()}">'
        for name in texts.CHARACTER_NAMES
    )
    st.html(f'<div class="kai-faces" aria-hidden="true">{faces}</div>')
