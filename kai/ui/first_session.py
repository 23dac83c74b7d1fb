"""The part of the Check page that tests the paid services themselves: its cost, one button, and the results."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st

from kai.live.report import FILE_NAME, Row
from kai.ui import checkup, first_texts, host

if TYPE_CHECKING:
    from kai.live.session import FirstSession

POLL_S = 1.0


def draw() -> None:
    """Draw cost, button and rows; nothing if no key is set."""
    session = host.app().first_session
    if session is None or not session.has_services:
        return
    st.header(first_texts.FIRST_HEADING, anchor=False)
    st.markdown(first_texts.FIRST_LEAD)
    is_running = session.progress().is_running
    is_paid = False
    if session.has_avatar:
        is_paid = st.toggle(first_texts.FIRST_OWN_AVATAR, key="first-own-avatar", disabled=is_running)
    st.markdown(session.cost(is_sandbox=not is_paid))
    st.button(
        first_texts.FIRST_BEGIN,
        key="first-begin",
        icon=":material/labs:",
        disabled=is_running,
        on_click=session.begin,
        kwargs={"is_sandbox": not is_paid},
    )
    st.fragment(_draw_progress, run_every=POLL_S if is_running else None)(session, is_running)


def _draw_progress(session: FirstSession, was_running: bool) -> None:
    told = session.progress()
    if was_running and not told.is_running:
        st.rerun()  # the button can be pressed again
    if told.is_running:
        st.html(f'<p class="kai-verdict" role="status">{html.escape(first_texts.FIRST_RUNNING)}</p>')
    if told.rows:
        st.html(checkup.list_of_rows(first_texts.FIRST_HEADING, [_row(row) for row in told.rows]))
    if told.problem:
        st.warning(told.problem)
    if told.is_running or not (told.rows or told.problem):
        return
    st.markdown(first_texts.first_over(told.spent_usd, sum(row.is_different for row in told.rows)))
    st.download_button(
        first_texts.FIRST_RECORDING,
        session.recorded,
        FILE_NAME,
        "application/jsonl",
        icon=":material/download:",
    )


def _row(row: Row) -> str:
    level = "amber" if row.is_different else "green" if row.is_as_assumed else "unused"
    word = first_texts.FIRST_LEVELS[level]
    fix = first_texts.first_fix(" or ".join(row.assumed), row.code) if row.is_different else ""
    return checkup.row(level, word, row.name, row.seen, fix)
