"""The person's own files, in which the local engine looks for answers: add, list and remove them."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from kai.core.events import HandOverRequested
from kai.errors import KaiError
from kai.records.documents import SUFFIXES, Documents
from kai.ui import bridge, texts
from kai.ui.sidebar.panel import Panel, explain


def draw(panel: Panel, documents: Documents) -> None:
    """Draw a button that opens the files and an uploader for more; a change applies from the next pause on."""
    names = documents.names()
    label = texts.DOCUMENTS_SOME.format(count=len(names)) if names else texts.DOCUMENTS
    with st.popover(label, icon=":material/description:", width="stretch", key="kai-files"):
        _draw(panel, documents, names)


def _draw(panel: Panel, documents: Documents, names: Sequence[str]) -> None:
    given = st.file_uploader(
        texts.DOCUMENTS,
        type=[suffix[1:] for suffix in SUFFIXES],
        accept_multiple_files=True,
        max_upload_size=1,
        key=f"documents{bridge.upload_suffix()}",
    )
    explain(texts.DOCUMENTS_HELP, texts.TAG_NEXT_TURN)
    if given:
        problems = [words for file in given if (words := _add(documents, file.name, file.getvalue()))]
        for words in problems:
            st.warning(words)
        if len(problems) < len(given):
            panel.talk.dispatch(HandOverRequested())
        if not problems:
            bridge.renew_upload()
            st.rerun()
    for name in names:
        label, button = st.columns((4, 1), vertical_alignment="center")
        label.html(f'<p class="kai-help"><span>{html.escape(name)}</span></p>')
        if button.button("×", key=f"document-{name}", help=texts.DOCUMENT_REMOVE.format(name=name)):
            words = _remove(documents, name)
            if words:
                st.warning(words)
            else:
                panel.talk.dispatch(HandOverRequested())
                st.rerun()


def _add(documents: Documents, name: str, content: bytes) -> str:
    """Keep the file. Returns why it could not be kept, or an empty string."""
    try:
        documents.add(name, content)
    except KaiError as error:
        return f"{name}: {error.message}"
    return ""


def _remove(documents: Documents, name: str) -> str:
    try:
        documents.remove(name)
    except KaiError as error:
        return error.message
    return ""
