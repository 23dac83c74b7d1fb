"""Presets in the sidebar: pick, save, duplicate under another name, delete, export and import."""

from __future__ import annotations

import re

import streamlit as st

from kai.records.memory import Memory
from kai.records.preferences import NAME_LIMIT_CHARS, PRESET_LIMIT_BYTES, preset_of
from kai.runtime.hub import Talk
from kai.ui import bridge, texts
from kai.ui.sidebar.panel import group


def draw(talk: Talk, memory: Memory) -> None:
    """Draw them; each does its work by itself."""
    group(texts.SIDEBAR_PRESETS)
    for aside in memory.asides_of_settings:
        st.warning(texts.HISTORY_SET_ASIDE.format(path=aside), icon=":material/warning:")
    names = [preset.name for preset in memory.presets.value.presets]
    suffix, picked, named = bridge.preset_suffix(), bridge.picked_preset(), bridge.named_preset()
    st.selectbox(
        texts.PRESET,
        names,
        index=names.index(picked) if picked in names else None,
        placeholder=texts.PRESET_PICK if names else texts.PRESET_NONE,
        key=f"preset{suffix}",
        disabled=not names,
        on_change=bridge.pick_preset,
        args=(talk, memory, f"preset{suffix}"),
        label_visibility="collapsed",
    )
    with st.popover(texts.PRESET_KEEP, icon=":material/bookmark:", width="stretch"):
        st.text_input(
            texts.PRESET_NAME,
            value=named,
            max_chars=NAME_LIMIT_CHARS,
            key=f"preset-name{suffix}",
            placeholder=texts.PRESET_NAME_EXAMPLE,
        )
        st.button(
            texts.PRESET_SAVE,
            key="preset-save",
            type="primary",
            width="stretch",
            on_click=bridge.save_preset,
            args=(talk, memory, f"preset-name{suffix}"),
        )
        if named in names:
            st.button(
                texts.PRESET_DELETE.format(name=named),
                key="preset-delete",
                width="stretch",
                on_click=bridge.delete_preset,
                args=(memory,),
            )
        name = named or texts.PRESET_UNNAMED
        st.download_button(
            texts.PRESET_EXPORT,
            preset_of(name, bridge.look(talk)).model_dump_json(indent=1),
            file_name=f"kai-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'preset'}.json",
            mime="application/json",
            key="preset-export",
            width="stretch",
            on_click="ignore",
        )
        st.file_uploader(
            texts.PRESET_IMPORT,
            type="json",
            key=f"preset-import{suffix}",
            max_upload_size=max(1, PRESET_LIMIT_BYTES // 1_000_000),
            on_change=bridge.import_preset,
            args=(talk, memory, f"preset-import{suffix}"),
        )
