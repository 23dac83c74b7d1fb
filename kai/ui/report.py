"""The report of this talk, on the Check page: a file that tells what happened, for whoever looks into a fault."""

from __future__ import annotations

from typing import Final

import streamlit as st

import kai
from kai.core.state import Phase
from kai.records import report
from kai.ui import help_texts, page

NAME: Final = "kai-talk.jsonl"


def draw() -> None:
    """Draw the offer, once there is a talk to tell of."""
    talk = page.this_talk()
    if talk.snapshot().phase is Phase.IDLE:
        return
    st.header(help_texts.REPORT_HEADING, anchor=False)
    st.markdown(help_texts.REPORT_LEAD)
    has_words = st.checkbox(help_texts.REPORT_WORDS, key="report-words")

    def write() -> str:
        state, journal = talk.session.journal()
        return report.write(state, journal, {"Kai": kai.__version__}, has_words=has_words)

    st.download_button(
        help_texts.REPORT_SAVE,
        # Written when the button is pressed: the talk goes on.
        write,
        file_name=NAME,
        mime="application/jsonl",
        key="report-save",
        on_click="ignore",
        icon=":material/download:",
    )
