"""The widgets of the sidebar's groups: one per setting, with a line that says when a change applies.

Every widget gets its value twice: by its key (see ``bridge.show``) and as its default. The key's value is sent to the browser
with one run only. A browser that is busy may draw a widget by a later run, would take the default, and the next press of
anything would report that as a person's change: the speed went to 0.25 by itself.

Only ``kai.core.capabilities`` decides when a change applies and whether the chosen brain has the setting at all.
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
    """One drawing of the sidebar. Settings are given by their names in the table; each widget shows the talk's value."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.look = bridge.look(talk)
        self.offer = host.app().offer
        self.model = self.offer.model(self.look)
        """The chosen brain's model, which the talk may not use yet."""
        self.is_brain_local = self.offer.is_brain_local(self.look)
        self._relevant = relevant_settings(self.model, self.look.brain)

    def key(self, name: str) -> str:
        """Return the widget key of that setting."""
        return f"look-{name}"

    def take(self, name: str) -> Callable[[], None]:
        """Return the callback for a change of that setting's widget."""
        return lambda: bridge.take_look(self.talk, name, self.key(name))

    def reason(self, name: str) -> str:
        """Return why the chosen brain ignores this setting; empty if it uses it."""
        if name in self._relevant:
            return ""
        if self.is_missing(name):
            return texts.SETTING_MISSING.format(brain=family_of(self.model).name)
        return WORDS[name].idle

    def explain(self, name: str, words: str = "") -> None:
        """Draw the line under a control: what it is and when a change applies, or why it cannot be used."""
        reason, when = self.reason(name), applies(self.model, name)
        explain(reason or words or WORDS[name].help, "" if reason or when is None else when.value)

    def is_missing(self, name: str) -> bool:
        """Return whether the chosen brain does not have this setting at all."""
        return applies(self.model, name) is None

    def names_of(self, group: str) -> list[str]:
        """Return the settings of that group of the table, in its order."""
        return [name for name, row in SETTINGS.items() if row.group == group]

    def head(self, words: str, name: str) -> None:
        """Draw a group's heading, with the tag of the setting that the group is about."""
        when = applies(self.model, name)
        group(words, "" if when is None else when.value)

    def draw(self, name: str) -> None:
        """Draw that setting with the widget for its kind of value."""
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
        """Return the options of a setting; for the effort, those that the chosen model has."""
        efforts = [effort.value for effort in family_of(self.model).efforts] if name == "effort" else []
        return efforts or list(WORDS[name].options)

    def _widget(self, name: str, shown: object) -> dict[str, Any]:
        """Return the arguments that every widget of a setting takes, and make it show that value."""
        bridge.show(self.key(name), shown)
        return {
            "label": WORDS[name].label,
            "key": self.key(name),
            "on_change": self.take(name),
            "disabled": bool(self.reason(name)),
        }

    def _one_of(self, name: str, chosen: str = "") -> tuple[dict[str, Any], str]:
        """Return the arguments of a widget with options, and the option that it shows: ``chosen``, or else what is set."""
        options, words = self._options(name), WORDS[name].options
        chosen = chosen or str(value_of(self.look, name))
        shown = chosen if chosen in options else options[0]
        names = {"options": options, "format_func": lambda option: words[option]}
        return {**self._widget(name, shown), **names}, shown

    def pick(self, name: str, chosen: str = "", words: str = "", *, is_label_hidden: bool = False) -> None:
        """Draw a choice of one of a few options, side by side."""
        self.pick_alone(name, chosen, is_label_hidden=is_label_hidden)
        self.explain(name, words)

    def pick_alone(self, name: str, chosen: str = "", *, is_label_hidden: bool = True) -> None:
        """Draw such a choice without a line under it."""
        visibility = "collapsed" if is_label_hidden else "visible"
        widget, shown = self._one_of(name, chosen)
        st.segmented_control(**widget, default=shown, label_visibility=visibility, width="stretch")

    def choose(self, name: str) -> None:
        """Draw a choice of one option from a list."""
        widget, shown = self._one_of(name)
        st.selectbox(**widget, index=widget["options"].index(shown))
        self.explain(name)

    def choose_or_type(self, name: str, options: Sequence[str], default: str, words: str = "") -> None:
        """Draw a choice of one option from a list, or of any other name."""
        chosen = str(value_of(self.look, name) or default)
        names = list(dict.fromkeys((*options, chosen)))
        widget = self._widget(name, chosen)
        st.selectbox(**widget, options=names, index=names.index(chosen), accept_new_options=True)
        self.explain(name, words)

    def slide(self, name: str) -> None:
        """Draw a slider for a number between its bounds, in steps."""
        bounds, value = SETTINGS[name].bounds, value_of(self.look, name)
        assert bounds is not None, "only a number has a slider"
        # Streamlit requires the same type for all four numbers.
        kind, shown = type(value), bounds.hold(value)
        st.slider(
            **self._widget(name, shown),
            value=shown,
            min_value=kind(bounds.least),
            max_value=kind(bounds.most),
            step=kind(bounds.step),
            format=WORDS[name].unit,
        )
        self.explain(name)

    def switch(self, name: str) -> None:
        """Draw a switch for a setting that is on or off."""
        is_on = bool(value_of(self.look, name))
        st.toggle(**self._widget(name, is_on), value=is_on)
        self.explain(name)

    def write(self, name: str, *, example: str = "") -> None:
        """Draw a field for a line of text."""
        shown = str(value_of(self.look, name))
        st.text_input(
            **self._widget(name, shown),
            value=shown,
            max_chars=SETTINGS[name].limit_chars,
            placeholder=example or WORDS[name].example,
        )
        self.explain(name)

    def tick(self, name: str, options: Sequence[str]) -> None:
        """Draw a choice of any of a few options, all of them if nothing was chosen; nothing if there are no options."""
        if not options:
            return
        chosen, words = value_of(self.look, name), WORDS[name].options
        shown = [o for o in options if chosen is None or o in chosen]
        st.pills(
            **self._widget(name, shown),
            default=shown,
            options=options,
            selection_mode="multi",
            format_func=lambda option: words.get(option, option.replace("_", " ")),
        )
        self.explain(name)


def group(words: str, tag: str = "") -> None:
    """Draw a group's heading, with a tag that says when a change applies."""
    st.html(f'<div class="kai-help"><h2 class="kai-group">{html.escape(words)}</h2> {_tag(tag)}</div>')


def _tag(tag: str) -> str:
    if not tag:
        return ""
    title = html.escape(texts.TAG_WORDS[tag])
    return f'<span class="kai-tag" data-tag="{html.escape(tag)}" title="{title}">{html.escape(tag)}</span>'


def explain(words: str, tag: str) -> None:
    """Draw the line under a control: what it is, and when a change applies. No tag means that it cannot be used now."""
    if not tag:
        st.html(f'<p class="kai-help is-idle"><span>{html.escape(words)}</span></p>')
        return
    st.html(f'<p class="kai-help"><span>{html.escape(words)}</span> {_tag(tag)}</p>')
