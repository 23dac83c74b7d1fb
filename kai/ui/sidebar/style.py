"""The looks and the voice of a local character: its colours, its hair and its voice, saved under names."""

from __future__ import annotations

import html
from typing import Final

import streamlit as st

from kai.avatar.style import CHARACTERS, HAIRSTYLES
from kai.core.config import FACE_COLOURS, VOICE_STEPS, FaceStyle
from kai.records.memory import Memory
from kai.records.named import Named
from kai.runtime.hub import Talk
from kai.ui import bridge, host, texts
from kai.ui.bridge import Shelf
from kai.ui.setting_words import STYLES
from kai.ui.sidebar import named

_COLOUR_WIDTH_PX: Final = 65
_GRID_WIDTH_PX: Final = 284
"""Four in a row: a wider popover would cover the face whose style it changes."""
_SLIDER_WIDTH_PX: Final = 132
_OWN_COLOUR: Final = {"background": "background_edge"}
"""Colours that a character keeps under another name."""


def draw(talk: Talk) -> None:
    """Draw a button that opens the style; each control hands its changes to the talk."""
    character = bridge.look(talk).character
    own = CHARACTERS.get(character)
    if own is None:
        return
    style, suffix = bridge.style(talk), f"-{character}"
    with st.popover(texts.STYLE, icon=":material/palette:", width="stretch"):
        with st.container(horizontal=True, gap="xsmall", width=_GRID_WIDTH_PX):
            for name in FACE_COLOURS:
                shown = getattr(style, name) or getattr(own, _OWN_COLOUR.get(name, name))
                bridge.show(f"style-{name}{suffix}", shown)
                st.color_picker(
                    texts.STYLE_COLOURS[name],
                    value=shown,
                    key=f"style-{name}{suffix}",
                    on_change=bridge.take_style,
                    args=(talk, name, f"style-{name}{suffix}"),
                    width=_COLOUR_WIDTH_PX,
                )
        hairstyle = style.hairstyle or own.hairstyle
        bridge.show(f"style-hairstyle{suffix}", hairstyle)
        st.selectbox(
            texts.STYLE_HAIR,
            HAIRSTYLES,
            index=HAIRSTYLES.index(hairstyle),
            format_func=lambda name: texts.HAIRSTYLE_NAMES[name],
            key=f"style-hairstyle{suffix}",
            on_change=bridge.take_style,
            args=(talk, "hairstyle", f"style-hairstyle{suffix}"),
        )
        if host.app().offer.is_brain_local(bridge.look(talk)):
            _draw_voice(talk, style, suffix)
        if bridge.is_home():
            _draw_saved(talk, host.app().memory, style)
        if style != FaceStyle(character):
            st.button(
                texts.STYLE_RESET,
                key="style-reset",
                icon=":material/undo:",
                width="stretch",
                on_click=bridge.show_style,
                args=(talk, FaceStyle(character)),
            )


def _draw_voice(talk: Talk, style: FaceStyle, suffix: str) -> None:
    is_fixed = bridge.local_voice(talk) not in CHARACTERS
    # The sliders are side by side, because the popover has to fit above its button.
    with st.container(horizontal=True, gap="small", width=_GRID_WIDTH_PX):
        for name, label in (
            ("voice_higher", texts.STYLE_VOICE_HIGHER),
            ("voice_livelier", texts.STYLE_VOICE_LIVELIER),
        ):
            steps = int(getattr(style, name))
            bridge.show(f"style-{name}{suffix}", steps)
            st.slider(
                label,
                -VOICE_STEPS,
                VOICE_STEPS,
                value=steps,
                key=f"style-{name}{suffix}",
                on_change=bridge.take_style,
                args=(talk, name, f"style-{name}{suffix}"),
                disabled=is_fixed,
                width=_SLIDER_WIDTH_PX,
            )
    if is_fixed:
        st.html(f'<p class="kai-help is-idle"><span>{html.escape(texts.STYLE_VOICE_FIXED)}</span></p>')


def _draw_saved(talk: Talk, memory: Memory, style: FaceStyle) -> None:
    def is_of_character(one: Named) -> bool:
        return one.value.character == style.character

    shelf = Shelf(
        "style", memory.styles, lambda: bridge.style(talk), lambda style: bridge.show_style(talk, style)
    )
    named.draw(shelf, STYLES, belongs=is_of_character, may_save=style != FaceStyle(style.character))
