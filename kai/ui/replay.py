"""A past talk's sound on the History page: the browser's own player with captions, and the current line highlighted; and the
way to the line that a search has found."""

from __future__ import annotations

import streamlit as st

from kai.records.recording import Stretch
from kai.ui import past_texts, recordings, texts
from kai.ui.component import component_of


def go_to_hit(talk_id: str, search: str) -> None:
    """Bring the first marked word of that talk into view."""
    component_of("kai_hit", "hit.js")(key="history-hit", data={"hit": f"{talk_id}: {search}"})


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
        component_of("kai_replay", "replay.css", "replay.js", html='<div class="replay"></div>')(
            key=f"replay-{stretches[0].talk_id}", data={"parts": parts, "words": words, "picture": picture}
        )
