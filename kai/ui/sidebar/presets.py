"""Presets in the sidebar: pick, save, delete, export and import."""

from __future__ import annotations

import re

import streamlit as st

from kai.core import characters
from kai.core.state import Look
from kai.records.memory import Memory
from kai.records.preferences import PRESET_LIMIT_BYTES, preset_of
from kai.runtime.hub import Talk
from kai.ui import bridge, past_texts, texts
from kai.ui.bridge import Shelf
from kai.ui.setting_words import PRESETS, SETTINGS
from kai.ui.sidebar import named
from kai.ui.sidebar.panel import group


def draw(talk: Talk, memory: Memory) -> None:
    """Draw the presets with their controls, and the way back to what Kai brings."""
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="kai-presets-head",
    ):
        group(texts.SIDEBAR_PRESETS)
        st.button(
            texts.START_FRESH,
            key="start-fresh",
            icon=":material/restart_alt:",
            type="tertiary",
            help=texts.START_FRESH_HELP,
            on_click=bridge.start_fresh,
            args=(talk,),
        )
    for aside in memory.asides_of_settings:
        st.warning(past_texts.HISTORY_SET_ASIDE.format(path=aside), icon=":material/warning:")
    shelf = Shelf(
        "preset", memory.presets, lambda: bridge.look(talk), lambda look: bridge.set_look(talk, look)
    )

    def draw_files(last: str) -> None:
        name = last or texts.PRESET_UNNAMED
        st.download_button(
            texts.PRESET_EXPORT,
            preset_of(name, bridge.look(talk)).model_dump_json(indent=1),
            file_name=f"kai-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'preset'}.json",
            mime="application/json",
            key="preset-export",
            width="stretch",
            on_click="ignore",
        )
        key = f"preset-import{bridge.upload_suffix()}"
        st.file_uploader(
            texts.PRESET_IMPORT,
            type="json",
            key=key,
            max_upload_size=max(1, PRESET_LIMIT_BYTES // 1_000_000),
            on_change=bridge.import_preset,
            args=(shelf, key, imported),
        )

    named.draw(shelf, PRESETS, draw_files)


def imported(name: str, look: Look) -> str:
    """Return what came with an imported preset."""
    settings = [
        characters.NAMES.get(look.character, look.character),
        texts.PRESET_SPEED.format(speed=SETTINGS["speed"].unit % look.speed),
        SETTINGS["turn_taking"].options[look.brain.turn_taking.value],
        texts.PRESET_WITH_INSTRUCTIONS if look.instructions else texts.PRESET_NO_INSTRUCTIONS,
    ]
    return texts.PRESET_IMPORTED.format(name=name, settings=", ".join(settings))
