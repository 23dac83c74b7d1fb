"""What each group of the sidebar is drawn with: one setting, one widget, and the line that says when a change holds.

When it holds, and whether the brain that is chosen has it at all, is asked of ``kai.core.capabilities`` alone.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from kai.core.capabilities import TRANSCRIPTION_MODELS, applies, family_of, relevant_settings
from kai.core.config import SETTINGS, value_of
from kai.runtime.hub import Talk
from kai.ui import bridge, host, texts
from kai.ui.setting_words import SETTINGS as WORDS


class Panel:
    """One drawing of the sidebar. Settings go by their names in the table; each widget shows what the talk has."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.look = bridge.look(talk)
        self.offer = host.app().offer
        self.model = self.offer.model(self.look)
        """The brain that is chosen, which a talk may not have yet."""
        self.is_brain_local = self.offer.is_brain_local(self.look)
        self._relevant = relevant_settings(self.model, self.look.brain)

    # One setting

    def key(self, name: str) -> str:
        """The widget key of the setting of that name."""
        return f"look-{name}"

    def take(self, name: str) -> Callable[[], None]:
        """What a widget does when it was changed."""
        return lambda: bridge.take_look(self.talk, name, self.key(name))

    def reason(self, name: str) -> str:
        """Why the chosen brain does nothing with this setting; empty when it does."""
        if name in self._relevant:
            return ""
        if applies(self.model, name) is None:
            return texts.SETTING_MISSING.format(brain=family_of(self.model).name)
        return WORDS[name].idle

    def explain(self, name: str, words: str = "") -> None:
        """The line under a control: what it is and when a change holds; or why it cannot be used."""
        reason, when = self.reason(name), applies(self.model, name)
        explain(reason or words or WORDS[name].help, "" if reason or when is None else when.value)

    # Widgets

    def draw_group(self, group: str) -> None:
        """Every setting of that group of the table, each by the widget that its kind of value wants."""
        for name, row in SETTINGS.items():
            if row.group == group:
                self.draw(name)

    def draw(self, name: str) -> None:
        """The setting of that name, by the widget that its kind of value wants."""
        if name == "tools":
            self.tick(name, self.offer.tools)
        elif name == "transcription_model":
            self.choose_or_type(name, TRANSCRIPTION_MODELS, TRANSCRIPTION_MODELS[0])
        elif WORDS[name].options:
            self.choose(name)
        elif SETTINGS[name].bounds is not None:
            self.slide(name)
        elif isinstance(value_of(self.look, name), bool):
            self.switch(name)
        else:
            self.write(name)

    def _options(self, name: str) -> list[str]:
        """What can be chosen; of efforts, those that the chosen model has."""
        efforts = [effort.value for effort in family_of(self.model).efforts] if name == "effort" else []
        return efforts or list(WORDS[name].options)

    def _widget(self, name: str, shown: object) -> dict[str, Any]:
        """What every widget of a setting is given; it shows that value."""
        bridge.show(self.key(name), shown)
        return {
            "label": WORDS[name].label,
            "key": self.key(name),
            "on_change": self.take(name),
            "disabled": bool(self.reason(name)),
        }

    def _one_of(self, name: str, chosen: str = "") -> dict[str, Any]:
        """What a widget of options is given; it shows the one that is set, or ``chosen`` where something else decides."""
        options, words = self._options(name), WORDS[name].options
        chosen = chosen or str(value_of(self.look, name))
        shown = chosen if chosen in options else options[0]
        return {**self._widget(name, shown), "options": options, "format_func": lambda option: words[option]}

    def pick(self, name: str, chosen: str = "", words: str = "", *, is_label_hidden: bool = False) -> None:
        """One of a few, side by side."""
        visibility = "collapsed" if is_label_hidden else "visible"
        st.segmented_control(**self._one_of(name, chosen), label_visibility=visibility, width="stretch")
        self.explain(name, words)

    def choose(self, name: str) -> None:
        """One of a list."""
        st.selectbox(**self._one_of(name))
        self.explain(name)

    def choose_or_type(self, name: str, options: Sequence[str], default: str, words: str = "") -> None:
        """One of a list, or any other name."""
        chosen = str(value_of(self.look, name) or default)
        names = list(dict.fromkeys((*options, chosen)))
        st.selectbox(**self._widget(name, chosen), options=names, accept_new_options=True)
        self.explain(name, words)

    def slide(self, name: str) -> None:
        """A number between its bounds, in steps."""
        bounds, value = SETTINGS[name].bounds, value_of(self.look, name)
        assert bounds is not None, "only a number has a slider"
        # Streamlit wants all four of one kind.
        kind = type(value)
        st.slider(
            **self._widget(name, bounds.hold(value)),
            min_value=kind(bounds.least),
            max_value=kind(bounds.most),
            step=kind(bounds.step),
            format=WORDS[name].unit,
        )
        self.explain(name)

    def switch(self, name: str) -> None:
        """On or off."""
        st.toggle(**self._widget(name, bool(value_of(self.look, name))))
        self.explain(name)

    def write(self, name: str, *, example: str = "") -> None:
        """A line of text."""
        st.text_input(
            **self._widget(name, str(value_of(self.look, name))),
            max_chars=SETTINGS[name].limit_chars,
            placeholder=example or WORDS[name].example,
        )
        self.explain(name)

    def tick(self, name: str, options: Sequence[str]) -> None:
        """Any of a few; all of them where nothing was chosen. Where there are none, nothing."""
        if not options:
            return
        chosen, words = value_of(self.look, name), WORDS[name].options
        st.pills(
            **self._widget(name, [o for o in options if chosen is None or o in chosen]),
            options=options,
            selection_mode="multi",
            format_func=lambda option: words.get(option, option.replace("_", " ")),
        )
        self.explain(name)


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
