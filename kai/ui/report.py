"""The report of this talk on the Check page: a file with the talk's events, for finding the cause of a fault."""

from __future__ import annotations

from typing import Final

import streamlit as st

import kai
from kai.core.state import Phase
from kai.records import report
from kai.ui import help_texts, page

NAME: Final = "kai-talk.jsonl"


def draw() -> None:
    """Draw the download of the report, once there is a talk."""
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
        # Passed as a function, so that the report is written when the button is pressed, up to that moment.
        write,
        file_name=NAME,
        mime="application/jsonl",
        key="report-save",
        on_click="ignore",
        icon=":material/download:",
    )
