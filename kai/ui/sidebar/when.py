"""When Kai takes his turn: who decides that a person's turn is over, patience, interruptions, and the numbers behind."""

from __future__ import annotations

import streamlit as st

from kai.core.capabilities import TRANSCRIPTION_MODELS
from kai.ui import texts
from kai.ui.sidebar.panel import Panel, group


def draw(panel: Panel) -> None:
    """Turn taking, patience, interruptions; numbers and hearing in an expander each."""
    group(texts.SIDEBAR_WHEN)
    panel.pick("turn_taking", texts.TURN_TAKING, texts.TURN_TAKING_NAMES, texts.TURN_TAKING_HELP)
    panel.pick("eagerness", texts.PATIENCE, texts.PATIENCE_NAMES, texts.PATIENCE_HELP)
    panel.switch("can_interrupt", texts.INTERRUPTIONS, texts.INTERRUPTIONS_HELP)
    with st.expander(texts.VAD_NUMBERS):
        panel.slide("threshold", texts.THRESHOLD, (0.0, 1.0, 0.05), texts.THRESHOLD_HELP, "%.2f")
        panel.slide("silence_duration_ms", texts.SILENCE, (200, 2000, 50), texts.SILENCE_HELP, "%d ms")
        panel.slide("prefix_padding_ms", texts.PREFIX, (0, 1000, 50), texts.PREFIX_HELP, "%d ms")
        panel.slide("idle_timeout_ms", texts.IDLE, (0, 30_000, 5_000), texts.IDLE_HELP, "%d ms")
    with st.expander(texts.HEARING):
        panel.choose("noise_reduction", texts.NOISE, texts.NOISE_NAMES, texts.NOISE_HELP)
        default = TRANSCRIPTION_MODELS[0]
        panel.choose_or_type(
            "transcription_model",
            texts.TRANSCRIPTION,
            TRANSCRIPTION_MODELS,
            default,
            texts.TRANSCRIPTION_HELP,
        )
        panel.write(
            "transcription_language",
            texts.SPOKEN_LANGUAGE,
            texts.SPOKEN_LANGUAGE_HELP,
            example=texts.SPOKEN_LANGUAGE_EXAMPLE,
            limit_chars=8,
        )
        panel.write(
            "transcription_prompt", texts.RARE_WORDS, texts.RARE_WORDS_HELP, example=texts.RARE_WORDS_EXAMPLE
        )
