"""The sidebar's group for the voice: which one, a preview of it, and its speed."""

from __future__ import annotations

import time
from dataclasses import replace

import streamlit as st

from kai.core.capabilities import engine_voice
from kai.core.state import Look
from kai.errors import KaiError
from kai.ui import address, bridge, host, texts
from kai.ui.setting_words import SETTINGS as WORDS
from kai.ui.sidebar.panel import Panel, explain, group


def draw(panel: Panel) -> None:
    """Draw voice and speed."""
    group(texts.SIDEBAR_HOW)
    if panel.is_brain_local:
        _draw_local(panel)
    else:
        _draw_cloud(panel)
    panel.slide("speed")


def _draw_local(panel: Panel) -> None:
    """Draw the engine's voices. The voice follows the character unless the person keeps one."""
    names = _local_names()
    voice = bridge.local_voice(panel.talk)
    chosen = voice if voice in names else next(iter(names))
    key = panel.key("voice")
    bridge.show(key, chosen)
    st.selectbox(
        WORDS["voice"].label,
        list(names),
        index=list(names).index(chosen),
        format_func=lambda name: names[name],
        key=key,
        on_change=bridge.take_local_voice,
        args=(panel.talk, key),
        label_visibility="collapsed",
    )
    _draw_preview(chosen, names[chosen], panel.look)
    is_kept = panel.look.keeps_voice
    keep_key = panel.key("keeps_voice")
    bridge.show(keep_key, is_kept)
    st.toggle(
        texts.VOICE_KEEP,
        value=is_kept,
        key=keep_key,
        on_change=bridge.keep_local_voice,
        args=(panel.talk, keep_key),
    )
    panel.explain("voice", texts.VOICE_KEEP_HELP if is_kept else texts.VOICE_COMES_HELP)


def _local_names() -> dict[str, str]:
    """Return the engine's installed voices; before the engine is up, those that always exist."""
    found = {
        voice.id: texts.voice_name(voice.name, voice.sex, voice.accent)
        for voice in host.app().services().engine.voices
        if voice.is_installed
    }
    return found or dict(texts.VOICE_NAMES_LOCAL)


def _draw_preview(voice_id: str, name: str, look: Look) -> None:
    """Draw a button that plays a sentence in that voice, in the look's style and speed."""
    if not any(voice.id == voice_id for voice in host.app().services().engine.voices):
        return
    told = texts.LISTEN_TO.format(voice=name)
    if _draw_listen(told):
        source = address.at(f"/api/voices/{engine_voice(look)}/preview?speed={look.speed:g}")
        # With the time in it, every press makes a new element, which plays from the start.
        st.html(f'<audio autoplay src="{source}" data-pressed="{time.monotonic_ns()}"></audio>')


def _draw_listen(told: str = "") -> bool:
    """Draw the button and return whether it was pressed. ``told`` is its tooltip."""
    return st.button(
        texts.VOICE_LISTEN,
        key="voice-listen",
        icon=":material/volume_up:",
        width="stretch",
        help=told or None,
    )


def _draw_cloud(panel: Panel) -> None:
    """Draw the cloud's voices. A button plays a sentence in the chosen one and first shows what its recording costs."""
    panel.choose("voice")
    names = WORDS["voice"].options
    look = panel.look if panel.look.voice in names else replace(panel.look, voice=next(iter(names)))
    previews = host.app().previews
    if previews is None:
        return
    kept = previews.kept(look)
    is_pressed = _draw_listen()
    usd = previews.cost_usd(look)
    if kept is not None:
        explain(texts.VOICE_LISTEN_KEPT, "")
    elif usd is None:
        explain(texts.VOICE_LISTEN_COSTS_SOME, "")
    else:
        explain(texts.VOICE_LISTEN_COSTS.format(cost=texts.dollars(usd)), "")
    if not is_pressed:
        return
    try:
        with st.spinner(texts.VOICE_RECORDING):
            sound = kept if kept is not None else bridge.record_voice(look)
    except KaiError as error:
        st.warning(error.message, icon=":material/warning:")
    else:
        st.audio(sound, format="audio/wav", autoplay=True)
