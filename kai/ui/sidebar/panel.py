"""What each group of the sidebar is drawn with: one setting, one widget, and the line that says when a change holds.

When it holds, and whether the brain that is chosen has it at all, is asked of ``kai.core.capabilities`` alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import streamlit as st

from kai.core.capabilities import applies, family_of, relevant_settings
from kai.runtime.hub import Talk
from kai.ui import bridge, host, texts


class Panel:
    """One drawing of the sidebar. Settings go by their names in ``Look`` and ``BrainConfig``."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.look = bridge.look(talk)
        self.offer = host.app().offer
        self.model = self.offer.model(self.look)
        """The brain that is chosen, which a talk may not have yet."""
        self.is_brain_local = self.offer.is_brain_local(self.look)
        self._relevant = relevant_settings(self.model, self.look.brain)
        self._suffix = bridge.look_suffix()

    # -------------------------------------------------------------- one setting

    def key(self, name: str) -> str:
        """The widget key of the setting of that name."""
        return f"look-{name}{self._suffix}"

    def take(self, name: str) -> Callable[[], None]:
        """What a widget does when it was changed."""
        return lambda: bridge.take_look(self.talk, name, self.key(name))

    def value(self, name: str) -> Any:
        """What is chosen; an enum's word."""
        owner = self.look if hasattr(self.look, name) else self.look.brain
        return getattr(owner, name)

    def reason(self, name: str) -> str:
        """Why the chosen brain does nothing with this setting; empty when it does."""
        if name in self._relevant:
            return ""
        if applies(self.model, name) is None:
            return texts.SETTING_MISSING.format(brain=family_of(self.model).name)
        return texts.SETTING_IDLE.get(name, texts.SETTING_IDLE["threshold"])

    def explain(self, name: str, words: str) -> None:
        """The line under a control: what it is and when a change holds; or why it cannot be used."""
        reason, when = self.reason(name), applies(self.model, name)
        explain(reason or words, "" if reason or when is None else when.value)

    # -------------------------------------------------------------- widgets

    def pick(self, name: str, label: str, options: Mapping[str, str], words: str) -> None:
        """One of a few, side by side."""
        chosen = str(self.value(name))
        st.segmented_control(
            label,
            list(options),
            default=chosen if chosen in options else next(iter(options)),
            format_func=lambda option: options[option],
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
            width="stretch",
        )
        self.explain(name, words)

    def choose(self, name: str, label: str, options: Mapping[str, str], words: str) -> None:
        """One of a list."""
        chosen, names = str(self.value(name)), list(options)
        st.selectbox(
            label,
            names,
            index=names.index(chosen) if chosen in options else 0,
            format_func=lambda option: options[option],
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)

    def choose_or_type(self, name: str, label: str, options: Sequence[str], default: str, words: str) -> None:
        """One of a list, or any other name."""
        chosen = str(self.value(name) or default)
        names = list(dict.fromkeys((*options, chosen)))
        st.selectbox(
            label,
            names,
            index=names.index(chosen),
            key=self.key(name),
            on_change=self.take(name),
            accept_new_options=True,
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)

    def slide(
        self, name: str, label: str, bounds: tuple[float, float, float], words: str, unit: str = "%g"
    ) -> None:
        """A number between two bounds, in steps: (least, most, step)."""
        least, most, step = bounds
        # Streamlit wants all four of one kind.
        kind = type(step)
        st.slider(
            label,
            kind(least),
            kind(most),
            value=kind(min(most, max(least, self.value(name)))),
            step=step,
            format=unit,
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)

    def switch(self, name: str, label: str, words: str) -> None:
        """On or off."""
        st.toggle(
            label,
            value=bool(self.value(name)),
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)

    def write(self, name: str, label: str, words: str, *, example: str = "", limit_chars: int = 200) -> None:
        """A line of text."""
        st.text_input(
            label,
            value=str(self.value(name)),
            max_chars=limit_chars,
            placeholder=example,
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)

    def tick(self, name: str, label: str, options: Mapping[str, str], words: str) -> None:
        """Any of a few; all of them where nothing was chosen."""
        chosen = cast("tuple[str, ...] | None", self.value(name))
        st.pills(
            label,
            list(options),
            selection_mode="multi",
            default=[o for o in options if chosen is None or o in chosen],
            format_func=lambda option: options[option],
            key=self.key(name),
            on_change=self.take(name),
            disabled=bool(self.reason(name)),
        )
        self.explain(name, words)


def group(words: str) -> None:
    """A group's heading."""
    st.html(f'<h2 class="kai-group">{html.escape(words)}</h2>')


def explain(words: str, tag: str) -> None:
    """The line under a control: what it is, and when a change holds. Without a tag it cannot be used now."""
    if not tag:
        st.html(f'<p class="kai-help is-idle"><span>{html.escape(words)}</span></p>')
        return
    title = html.escape(texts.TAG_WORDS[tag])
    st.html(
        f'<p class="kai-help"><span>{html.escape(words)}</span> '
        f'<span class="kai-tag" data-tag="{html.escape(tag)}" title="{title}">{html.escape(tag)}</span></p>'
    )
