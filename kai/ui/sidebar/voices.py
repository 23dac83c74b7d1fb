"""The sidebar's "More voices", under "Advanced": files with further voices, each fetched by one press, with its progress."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import streamlit as st

from kai.adapters.engine_status import VoiceFile
from kai.ui import bridge, host, model_texts, texts
from kai.ui.address import is_bound_to_loopback

POLL_S: Final = 1.0
_SPEAKERS: Final = "hibari-"
"""The ids of the files that give a character a speaker of its own begin so."""


def draw() -> None:
    """Draw the files; nothing where the engine has none to offer, or on another computer's page."""
    files = host.app().services().engine.voice_files
    if not files or not is_bound_to_loopback():
        return
    is_moving = any(file.state == "fetching" for file in files)
    st.html(f'<p class="kai-help"><b>{html.escape(texts.MORE_VOICES)}</b></p>')
    st.fragment(_draw_files, run_every=POLL_S if is_moving else None)(is_moving)


def _draw_files(was_moving: bool) -> None:
    files = host.app().services().engine.voice_files
    speakers = [file for file in files if file.id.startswith(_SPEAKERS)]
    _draw_bundle("speakers", texts.VOICES_OWN, speakers)
    for file in files:
        if file not in speakers:
            _draw_bundle(file.id, texts.VOICES_EXTRA.format(voices=file.name), [file])
    if was_moving != any(file.state == "fetching" for file in files):
        st.rerun()


def _draw_bundle(key: str, words: str, files: Sequence[VoiceFile]) -> None:
    """Draw files that are fetched together: what they are, how far they are, and the one press that there is for them."""
    if not files:
        return
    size_bytes = sum(file.bytes for file in files)
    told = texts.VOICES_SIZE.format(size=model_texts.megabytes(size_bytes), licence=files[0].licence)
    problem = next((file.problem for file in files if file.problem), "")
    ids = [file.id for file in files if file.state != "here"]
    if not ids:
        told = texts.VOICES_HERE
    st.html(f'<p class="kai-help"><span>{html.escape(f"{words} {problem or told}")}</span></p>')
    if not ids:
        label, wish, wanted = texts.VOICES_REMOVE, "delete", [file.id for file in files]
    elif any(file.state == "fetching" for file in files):
        done_bytes = sum(file.bytes if file.state == "here" else file.done_bytes for file in files)
        st.progress(min(1.0, done_bytes / size_bytes), text=model_texts.percent(done_bytes, size_bytes))
        label, wish, wanted = model_texts.MODEL_CANCEL, "pause", ids
    else:
        label, wish, wanted = texts.TRY_AGAIN if problem else model_texts.MODEL_FETCH, "fetch", ids
    st.button(label, key=f"voices-{key}", width="stretch", on_click=bridge.change_voices, args=(wanted, wish))
