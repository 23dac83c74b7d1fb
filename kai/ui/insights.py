"""The Insights page: figures and charts of the kept talks."""

from __future__ import annotations

import html
import math
import time
from typing import Final

import streamlit as st

from kai.errors import KaiError
from kai.records import statistics
from kai.records.exports import turns_as_csv
from kai.records.turns import Turn
from kai.ui import bridge, charts, history, host, texts

DAY_S: Final = 86_400.0


def draw() -> None:
    """Draw the page."""
    memory = host.memory()
    if memory is None or memory.log is None:
        st.title(texts.INSIGHTS_TITLE, anchor=False)
        st.warning(memory.problem if memory else texts.HISTORY_NOT_OPEN, icon=":material/warning:")
        return
    memory.flush()
    with st.container(key="kai-insights-head", horizontal=True, vertical_alignment="bottom"):
        with st.container():
            st.title(texts.INSIGHTS_TITLE, anchor=False)
            st.caption(texts.INSIGHTS_LEAD)
        days = st.segmented_control(
            texts.INSIGHTS_RANGE,
            list(texts.INSIGHTS_RANGES),
            default=30,
            format_func=lambda d: texts.INSIGHTS_RANGES[d],
            key="insights-days",
            label_visibility="collapsed",
        )
    history.draw_notes(memory)
    try:
        found = memory.log.turns(
            since_wall_s=time.time() - (days or 30) * DAY_S, owner=bridge.history_owner()
        )
    except KaiError as error:
        st.warning(error.message, icon=":material/warning:")
        return
    turns = [turn for _, turn in found]
    if not turns:
        _draw_empty()
        return
    _draw_figures(turns, talks=len({talk for talk, _ in found}))
    _draw_charts(turns)
    st.download_button(
        texts.INSIGHTS_CSV,
        turns_as_csv(found),
        file_name="kai-answers.csv",
        mime="text/csv",
        key="insights-csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _draw_empty() -> None:
    st.html(
        f'<div class="kai-empty is-small"><h2>{html.escape(texts.INSIGHTS_EMPTY_TITLE)}</h2>'
        f"<p>{html.escape(texts.INSIGHTS_EMPTY)}</p></div>"
    )
    with st.container(key="kai-example"):
        st.html(f'<p class="kai-example-tag">{html.escape(texts.INSIGHTS_EXAMPLE)}</p>')
        example = example_turns(time.time())
        _draw_figures(example, talks=4)
        _draw_charts(example)


def _draw_figures(turns: list[Turn], talks: int) -> None:
    waits = [turn.wait_ms for turn in turns if turn.wait_ms is not None]
    cut = sum(turn.is_interrupted for turn in turns)
    figures = (
        (texts.INSIGHTS_TALKS, str(talks)),
        (texts.INSIGHTS_TURNS, str(len(turns))),
        (texts.INSIGHTS_WAIT_HALF, texts.seconds(statistics.percentile(waits, 0.5))),
        (texts.INSIGHTS_WAIT_MOST, texts.seconds(statistics.percentile(waits, 0.95))),
        (texts.INSIGHTS_INTERRUPTED, f"{cut} ({round(100 * cut / len(turns))} %)"),
    )
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in figures
    )
    st.html(f'<dl class="kai-figures">{cells}</dl>')


def _draw_charts(turns: list[Turn]) -> None:
    waits, stages = statistics.waits(turns), statistics.stages(turns)
    if waits:
        st.subheader(texts.INSIGHTS_WAIT_TITLE, anchor=False)
        st.caption(texts.INSIGHTS_WAIT_HELP)
        st.altair_chart(charts.wait_chart(waits), theme=None, width="stretch")
    left, right = st.columns(2, gap="large")
    with left:
        if stages:
            st.subheader(texts.INSIGHTS_STAGES_TITLE, anchor=False)
            st.caption(texts.INSIGHTS_STAGES_HELP)
            st.altair_chart(charts.stage_chart(stages), theme=None, width="stretch")
    with right:
        st.subheader(texts.INSIGHTS_DAYS_TITLE, anchor=False)
        st.caption(texts.INSIGHTS_DAYS_HELP)
        st.altair_chart(charts.day_chart(statistics.days(turns)), theme=None, width="stretch")


def example_turns(now_wall_s: float) -> list[Turn]:
    """Invented turns of four days, the same at each call."""
    turns: list[Turn] = []
    for i in range(44):
        think = 380 + round(140 * math.sin(i * 0.9) ** 2 + 90 * math.sin(i * 2.3))
        voice = 170 + round(60 * math.cos(i * 1.7))
        face = 110 + round(25 * math.sin(i * 3.1))
        slow = 600 if i % 17 == 9 else 0
        turns.append(
            Turn(
                response_id=f"example-{i}",
                at_wall_s=now_wall_s - (3 - i // 11) * DAY_S,
                is_typed=i % 6 == 0,
                think_ms=think + slow,
                voice_ms=voice,
                face_ms=face,
                wait_ms=think + slow + voice + face,
                spoken_ms=3200,
                is_interrupted=i % 9 == 4,
                cost_usd=None,
            )
        )
    return turns
