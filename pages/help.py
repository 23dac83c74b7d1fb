"""How Kai works: what runs where, privacy, troubleshooting by symptom."""

import streamlit as st

from kai.ui import help_texts

st.title(help_texts.TITLE)
st.markdown(help_texts.LEAD)
for heading, body in help_texts.SECTIONS:
    st.header(heading)
    st.markdown(body)
st.header(help_texts.TROUBLE_HEADING)
for symptom, cure in help_texts.TROUBLE:
    with st.expander(symptom):
        st.markdown(cure)
