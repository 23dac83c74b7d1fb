"""The Check and help page: the checkup, what runs where, privacy, troubleshooting by symptom, and versions."""

import streamlit as st

from kai.ui import check_texts, checkup, first_session, help_texts, report

st.title(help_texts.TITLE)
st.markdown(help_texts.LEAD)
checkup.draw()
first_session.draw()
report.draw()
for heading, body in help_texts.SECTIONS:
    st.header(heading, anchor=False)
    st.markdown(body)
st.header(help_texts.TROUBLE_HEADING, anchor=False)
for symptom, cure in help_texts.TROUBLE:
    with st.expander(symptom):
        st.markdown(cure)
st.header(check_texts.CHECK_VERSIONS_HEADING, anchor=False)
st.markdown(checkup.versions())
st.markdown(check_texts.CHECK_LICENCES)
