"""A past talk's sound on the History page: the browser's own player with captions, and the current line highlighted; and the
way to the line that a search has found."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.components.v2 import component

from kai.records.recording import Stretch
from kai.ui import past_texts, recordings, texts

_HTML: Final = '<div class="replay"></div>'


@cache
def _component() -> Any:
    here = Path(__file__).parent / "desk"
    css, js = ((here / f"replay.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return component("kai_replay", html=_HTML, css=css, js=js)


@cache
def _hit_component() -> Any:
    js = (Path(__file__).parent / "desk" / "hit.js").read_text("utf-8")
    return component("kai_hit", html="", js=js)


def go_to_hit(talk_id: str, search: str) -> None:
    """Bring the first marked word of that talk into view."""
    _hit_component()(key="history-hit", data={"hit": f"{talk_id}: {search}"})


def draw(stretches: list[Stretch], picture: str) -> None:
    """Draw a player for each part of the talk whose sound is kept; nothing if there is none. ``picture`` is the address of
    the face that spoke."""
    if not stretches:
        return
    parts = [
        {
            "sound": recordings.sound_url(stretch),
            "captions": recordings.captions_url(stretch),
            "startMs": stretch.start_ms,
            "label": past_texts.HISTORY_SOUND_PART.format(
                start=texts.stopwatch(stretch.start_ms / 1000), length=texts.duration(stretch.lasts_ms / 1000)
            ),
        }
        for stretch in stretches
    ]
    words = {
        "title": past_texts.HISTORY_SOUND,
        "player": past_texts.HISTORY_SOUND_OF,
        "save": past_texts.HISTORY_SOUND_SAVE,
        "captions": past_texts.HISTORY_EXPORT_WEBVTT,
        "sides": past_texts.HISTORY_SOUND_WHERE,
    }
    with st.container(key="kai-replay"):
        _component()(
            key=f"replay-{stretches[0].talk_id}", data={"parts": parts, "words": words, "picture": picture}
        )
