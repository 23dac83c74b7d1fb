"""A list of named values in the sidebar: pick one, or save the present value under a name, duplicate it, delete it."""

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
    """Draw the list of the entries that ``belongs`` accepts, and a popover to save the present value. ``more`` draws the rest
    of the popover, given the name that was picked or saved last. Without a label, the contents need no popover."""
    names, picked, last = bridge.names_on(shelf, belongs)
    if words.keep and may_save:
        with st.container(
            horizontal=True, gap="small", vertical_alignment="bottom", key=f"kai-row-{shelf.key}"
        ):
            _draw_pick(shelf, words, names, picked)
            # Its words are there for screen readers and as a tooltip; the style shows the icon alone.
            with st.popover(words.keep, icon=words.icon, help=words.keep, key=f"kai-keep-{shelf.key}"):
                _draw_keeping(shelf, words, last, more)
        return
    _draw_pick(shelf, words, names, picked)
    if may_save:
        _draw_keeping(shelf, words, last, more)


def _draw_pick(shelf: Shelf, words: ShelfWords, names: list[str], picked: str) -> None:
    if names or words.none:
        bridge.show(shelf.pick_key, picked or None)
        st.selectbox(
            words.label,
            names,
            index=names.index(picked) if picked in names else None,
            placeholder=words.pick if names else words.none,
            key=shelf.pick_key,
            disabled=not names,
            on_change=bridge.pick_named,
            args=(shelf,),
            label_visibility="collapsed" if words.is_label_hidden else "visible",
        )


def _draw_keeping(shelf: Shelf, words: ShelfWords, last: str, more: Callable[[str], None] | None) -> None:
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
