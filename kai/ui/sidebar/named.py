"""A list of named things in the sidebar: one is picked; what is set is saved under a name, duplicated, deleted."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from kai.records.named import NAME_LIMIT_CHARS, Named
from kai.ui import bridge
from kai.ui.bridge import Shelf
from kai.ui.setting_words import ShelfWords


def draw(
    shelf: Shelf,
    words: ShelfWords,
    more: Callable[[str], None] | None = None,
    *,
    belongs: Callable[[Named], bool] = lambda _one: True,
    may_save: bool = True,
) -> None:
    """The list, of which those that ``belong`` are shown, and a popover to keep what is set. ``more`` draws the rest of it,
    given the name that was picked or saved last. Without a label for the popover its contents stand by themselves."""
    names, picked, last = bridge.names_on(shelf, belongs)
    if names or words.none:
        bridge.show(shelf.pick_key, picked or None)
        st.selectbox(
            words.label,
            names,
            index=None,
            placeholder=words.pick if names else words.none,
            key=shelf.pick_key,
            disabled=not names,
            on_change=bridge.pick_named,
            args=(shelf,),
            label_visibility="collapsed" if words.is_label_hidden else "visible",
        )
    if not may_save:
        return
    with st.popover(words.keep, icon=words.icon, width="stretch") if words.keep else st.container():
        bridge.follow(shelf.name_key, last)
        st.text_input(words.name, max_chars=NAME_LIMIT_CHARS, key=shelf.name_key, placeholder=words.example)
        st.button(
            words.save,
            key=f"{shelf.key}-save",
            type="primary",
            width="stretch",
            on_click=bridge.save_named,
            args=(shelf,),
        )
        for verb, label, work in (
            ("duplicate", words.duplicate, bridge.duplicate_named),
            ("delete", words.delete, bridge.delete_named),
        ):
            if label and last:
                st.button(
                    label.format(name=last),
                    key=f"{shelf.key}-{verb}",
                    width="stretch",
                    on_click=work,
                    args=(shelf, last),
                )
        if more is not None:
            more(last)
