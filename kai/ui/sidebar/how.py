"""How Kai sounds: voice and speed."""

from __future__ import annotations

import html
from typing import Final

import streamlit as st

from kai.ui import host, texts
from kai.ui.sidebar.panel import Panel, explain, group

MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 1.5


def draw(panel: Panel) -> None:
    """Voice and speed."""
    group(texts.SIDEBAR_HOW)
    names = _local_names() if host.is_local_brain() else dict(texts.VOICE_NAMES)
    voices = list(names)
    chosen = panel.look.voice if panel.look.voice in names else voices[0]
    st.selectbox(
        texts.VOICE,
        voices,
        index=voices.index(chosen),
        format_func=lambda name: names[name],
        key=panel.key("voice"),
        on_change=panel.take("voice"),
        disabled=len(voices) == 1,
    )
    explain(texts.VOICE_HELP, texts.TAG_RESTART)
    if host.is_local_brain():
        _listen(chosen, names[chosen], panel.look.speed)
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


def _local_names() -> dict[str, str]:
    """The engine's voices that are installed; before it is up, the one that is always there."""
    found = {
        voice.id: texts.voice_name(voice.name, voice.sex, voice.accent)
        for voice in host.voices()
        if voice.is_installed
    }
    return found or dict(texts.VOICE_NAMES_LOCAL)


def _listen(voice_id: str, name: str, speed: float) -> None:
    """A player with a sentence by that voice, fetched when it is played; and how to get more voices."""
    known = {voice.id: voice for voice in host.voices()}
    if voice_id in known:
        label = html.escape(texts.LISTEN_TO.format(voice=name))
        st.html(
            f'<audio class="kai-preview" controls controlslist="nodownload noplaybackrate" preload="none" '
            f'aria-label="{label}" title="{label}" '
            f'src="/api/voices/{voice_id}/preview?speed={speed:g}"></audio>'
        )
    missing = [voice.name for voice in known.values() if not voice.is_installed]
    if missing:
        words = texts.MORE_VOICES.format(voices=texts.listed(missing))
        st.html(f'<p class="kai-help">{html.escape(words)}</p>')
        st.code(host.voices_command(), language="sh", wrap_lines=True)
