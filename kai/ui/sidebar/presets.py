"""Presets in the sidebar: pick, save, delete, export and import."""

from __future__ import annotations

import re

import streamlit as st

from kai.records.memory import Memory
from kai.records.preferences import PRESET_LIMIT_BYTES, preset_of
from kai.runtime.hub import Talk
from kai.ui import bridge, texts
from kai.ui.bridge import Shelf
from kai.ui.setting_words import PRESETS
from kai.ui.sidebar import named
from kai.ui.sidebar.panel import group


def draw(talk: Talk, memory: Memory) -> None:
    """Draw the presets with their controls."""
    group(texts.SIDEBAR_PRESETS)
    for aside in memory.asides_of_settings:
        st.warning(texts.HISTORY_SET_ASIDE.format(path=aside), icon=":material/warning:")
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
            args=(shelf, key),
        )

    named.draw(shelf, PRESETS, draw_files)
