"""The sidebar's group "Where it runs": this computer, a language model behind an address, or OpenAI; and the avatar."""

from __future__ import annotations

import streamlit as st

from kai.core.capabilities import MODELS, family_of
from kai.core.state import SessionState
from kai.ui import bridge, host, minds, texts
from kai.ui.sidebar.panel import Panel, group


def draw(panel: Panel) -> None:
    """Draw the choice of engine or OpenAI with its model, an endpoint, and the avatar's quality, sandbox and credits."""
    group(texts.SIDEBAR_WHERE)
    offer = panel.offer
    if offer.has_cloud_brain:
        if panel.is_brain_local:
            panel.pick("runs", "local", texts.RUNS_HELP_LOCAL)
        else:
            panel.pick("runs", "openai")
    else:
        st.html(f'<p class="kai-help"><span>{texts.RUNS_HERE}</span></p>')
    if panel.is_brain_local:
        for stand_in in host.app().services().engine.stand_ins:
            st.warning(stand_in.problem, icon=":material/warning:")
        if bridge.is_home():
            minds.draw()
    else:
        _draw_model(panel)
    if offer.has_cloud_face and not offer.is_face_local(panel.look):
        _draw_avatar(panel, panel.talk.snapshot())


def _draw_model(panel: Panel) -> None:
    words = texts.MODEL_HELP_RETIRING if family_of(panel.model).is_retiring else ""
    panel.choose_or_type("model", tuple(MODELS), panel.offer.cloud_model, words)


def _draw_avatar(panel: Panel, state: SessionState) -> None:
    gallery = host.app().gallery
    if gallery is None:
        return
    chosen, talk = panel.look.avatar, panel.talk
    qualities = list(texts.QUALITY_NAMES)
    quality = chosen.quality or gallery.defaults.quality
    shown = quality if quality in qualities else qualities[0]
    bridge.show(panel.key("quality"), shown)
    st.selectbox(
        texts.QUALITY,
        qualities,
        index=qualities.index(shown),
        format_func=lambda name: texts.QUALITY_NAMES[name],
        key=panel.key("quality"),
        on_change=bridge.take_avatar,
        args=(talk, "quality", panel.key("quality")),
    )
    panel.explain("avatar", texts.QUALITY_HELP)
    is_sandbox = gallery.defaults.is_sandbox if chosen.is_sandbox is None else chosen.is_sandbox
    bridge.show(panel.key("is_sandbox"), bool(is_sandbox))
    st.toggle(
        texts.SANDBOX,
        value=bool(is_sandbox),
        key=panel.key("is_sandbox"),
        on_change=bridge.take_avatar,
        args=(talk, "is_sandbox", panel.key("is_sandbox")),
    )
    panel.explain("avatar", texts.SANDBOX_HELP)
    account = gallery.shelf().account
    if account is not None:
        words = texts.credits_words(float(account.credits_left), account.minutes_left, state.credits.used)
        st.html(f'<p class="kai-help"><span>{words}</span></p>')
