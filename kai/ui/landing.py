"""The Talk page before a talk and after it."""

from __future__ import annotations

import html

import streamlit as st

from kai.core import characters
from kai.core.state import Phase, SessionState
from kai.runtime.hub import Talk
from kai.ui import address, bridge, host, names, texts
from kai.ui.view import elapsed_s


def draw(talk: Talk, state: SessionState) -> None:
    """Draw the landing page, or how the talk ended; nothing while a talk is under way."""
    if state.is_active:
        return
    if state.phase is Phase.CLOSED:
        _draw_ended(talk, state)
    else:
        _draw_first(talk)


def _draw_picture(character: str, size: str = "") -> None:
    name = html.escape(characters.NAMES.get(character, texts.KAI))
    picture = address.at(f"/api/pictures/{html.escape(character)}.jpg")
    st.html(
        f'<div class="kai-still {size}"><img src="{picture}" alt="{name}"></div>',
    )


def _draw_first(talk: Talk) -> None:
    _draw_picture(bridge.look(talk).character)
    offer, look = host.app().offer, bridge.look(talk)
    is_local = offer.is_brain_local(look) and offer.is_face_local(look)
    told = texts.LANDING_FACTS if is_local else texts.LANDING_FACTS_CLOUD
    facts = "".join(f"<li>{html.escape(fact)}</li>" for fact in told)
    st.html(
        f'<div class="kai-words"><h1>{texts.LANDING_TITLE}</h1><p>{texts.LANDING_LEAD}</p></div>',
    )
    with st.container(key="kai-start", horizontal_alignment="center"):
        st.button(texts.START, type="primary", key="start", on_click=bridge.start, args=(talk,))
    st.html(f'<ul class="kai-facts">{facts}</ul><p class="kai-ai">{texts.AI_LINE}</p>')
    problem = host.app().services().problem
    if problem:
        st.warning(problem, icon=":material/warning:")


def _draw_ended(talk: Talk, state: SessionState) -> None:
    _draw_picture(state.look.character, "is-small")
    lasted = texts.ENDED_LASTED.format(duration=texts.duration(elapsed_s(state, state.closed_at_s)))
    why = state.problem.message if state.problem is not None and state.problem.code == "ended" else ""
    st.html(
        f'<div class="kai-words"><h1>{texts.ENDED_TITLE}</h1>'
        f"<p>{html.escape(lasted)} {html.escape(why)}</p></div>",
    )
    with st.container(key="kai-start", horizontal_alignment="center"):
        st.button(texts.START_AGAIN, type="primary", key="start", on_click=bridge.start, args=(talk,))
    with st.container(key="kai-read"), st.expander(texts.READ_AGAIN, expanded=True):
        said = [m for m in state.messages if m.text.strip()]
        if not said:
            st.caption(texts.NOTHING_SAID)
        rows = "".join(
            f'<li data-role="{m.role.value}"><span>{html.escape(names.speaker(m.role.value, m.speaker))}</span>'
            f"<p>{html.escape(m.text)}"
            + (f" <em>{texts.INTERRUPTED}</em>" if m.is_interrupted else "")
            + "</p></li>"
            for m in said
        )
        if rows:
            st.html(f'<ol class="kai-said" aria-label="{texts.CHAT_LABEL}">{rows}</ol>')
