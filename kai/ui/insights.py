"""The Insights page: figures and charts of the kept talks."""

from __future__ import annotations

import html
import math
import re
import time
from typing import Final

import altair as alt
import streamlit as st

from kai.errors import KaiError
from kai.records import statistics
from kai.records.exports import talks_as_csv, turns_as_csv
from kai.records.turn_log import Summary
from kai.records.turns import Turn
from kai.ui import bridge, charts, history, host, past_texts

DAY_S: Final = 86_400.0
MOST_TALKS: Final = 10_000


def draw() -> None:
    """Draw the page."""
    memory = host.app().memory
    if memory.log is None:
        st.title(past_texts.INSIGHTS_TITLE, anchor=False)
        st.warning(memory.problem, icon=":material/warning:")
        return
    memory.flush()
    with st.container(key="kai-insights-head", horizontal=True, vertical_alignment="bottom"):
        with st.container():
            st.title(past_texts.INSIGHTS_TITLE, anchor=False)
            st.caption(past_texts.INSIGHTS_LEAD)
        days = st.segmented_control(
            past_texts.INSIGHTS_RANGE,
            list(past_texts.INSIGHTS_RANGES),
            default=30,
            format_func=lambda d: past_texts.INSIGHTS_RANGES[d],
            key="insights-days",
            label_visibility="collapsed",
        )
    history.draw_notes(memory)
    since_s, owner = time.time() - (days or 30) * DAY_S, bridge.history_owner()
    try:
        found = memory.log.turns(since_wall_s=since_s, owner=owner)
        talks = memory.log.talks(since_wall_s=since_s, owner=owner, limit=MOST_TALKS)
    except KaiError as error:
        st.warning(error.message, icon=":material/warning:")
        return
    turns = [turn for _, turn in found]
    if not turns:
        _draw_empty()
        return
    _draw_figures(turns, talks)
    _draw_charts(turns, talks)
    with st.container(horizontal=True, key="kai-insights-files"):
        _file(past_texts.INSIGHTS_CSV, turns_as_csv(found), "kai-answers.csv")
        _file(past_texts.INSIGHTS_CSV_TALKS, talks_as_csv(talks), "kai-talks.csv")


def _file(label: str, content: str, name: str) -> None:
    st.download_button(
        label,
        content,
        file_name=name,
        mime="text/csv",
        key=f"insights-{name}",
        on_click="ignore",
        icon=":material/download:",
    )


def _draw_empty() -> None:
    st.html(
        f'<div class="kai-empty is-small"><h2>{html.escape(past_texts.INSIGHTS_EMPTY_TITLE)}</h2>'
        f"<p>{html.escape(past_texts.INSIGHTS_EMPTY)}</p></div>"
    )
    with st.container(key="kai-example"):
        st.html(f'<p class="kai-example-tag">{html.escape(past_texts.INSIGHTS_EXAMPLE)}</p>')
        example, talks = example_turns(time.time()), example_talks(time.time())
        _draw_figures(example, talks)
        _draw_charts(example, talks)


def _value(value: str) -> str:
    """Return the HTML of a tile's value; words are smaller than figures."""
    told = html.escape(value)
    return f"<small>{told}</small>" if value == past_texts.INSIGHTS_NOT_YET else told


def _draw_figures(turns: list[Turn], talks: list[Summary]) -> None:
    waits = [turn.wait_ms for turn in turns if turn.wait_ms is not None]
    cut = sum(turn.is_interrupted for turn in turns)
    fps = statistics.percentile([point.fps for point in statistics.seen(turns)], 0.5)
    spent = sum(talk.total_usd for talk in talks)
    figures = (
        (past_texts.INSIGHTS_TALKS, str(len(talks))),
        (past_texts.INSIGHTS_TURNS, str(len(turns))),
        (past_texts.INSIGHTS_WAIT_HALF, _seconds(statistics.middle(waits))),
        (past_texts.INSIGHTS_WAIT_MOST, _seconds(statistics.slow_end(waits))),
        (past_texts.INSIGHTS_INTERRUPTED, f"{cut} ({round(100 * cut / len(turns))}%)"),
        (past_texts.INSIGHTS_FPS, "–" if fps is None else f"{fps:.1f}"),
        (past_texts.INSIGHTS_COST, past_texts.money(spent) if spent else past_texts.INSIGHTS_COST_NONE),
    )
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{_value(value)}</dd></div>" for name, value in figures
    )
    st.html(f'<dl class="kai-figures">{cells}</dl>')
    minds = statistics.minds(turns)
    if minds:
        told = ", ".join(past_texts.answers_of_mind(m.name, m.count, m.tokens_per_s) for m in minds)
        st.caption(past_texts.INSIGHTS_MINDS.format(minds=told))


def _seconds(ms: float | None) -> str:
    return past_texts.INSIGHTS_NOT_YET if ms is None else past_texts.seconds(ms)


def _section(title: str, words: str, chart: alt.Chart | None = None) -> None:
    """Draw a heading, a description and the chart, whose description for screen readers is the same."""
    st.subheader(title, anchor=False)
    st.caption(words)
    if chart is not None:
        _draw_chart(f"{title}. {words}", chart)


def _draw_chart(description: str, chart: alt.Chart) -> None:
    """Draw a chart in a container of its height (``page.css``), so that nothing moves when the chart appears."""
    name = re.sub(r"[^a-z]+", "-", description.lower())[:60]
    with st.container(key=f"kai-chart-{chart['height']}-{name}"):
        st.altair_chart(chart.properties(description=description), theme=None, width="stretch")


def _draw_charts(turns: list[Turn], talks: list[Summary]) -> None:
    waits, stages, parts = statistics.waits(turns), statistics.stages(turns), statistics.parts(turns)
    if waits:
        told = [past_texts.INSIGHTS_WAIT_HELP]
        told.append(
            past_texts.INSIGHTS_TOO_FEW if waits[-1].p50_ms is None else past_texts.INSIGHTS_WAIT_MIDDLE
        )
        told += [past_texts.INSIGHTS_WAIT_BAND] if waits[-1].p95_ms is not None else []
        _section(past_texts.INSIGHTS_WAIT_TITLE, " ".join(told), charts.wait_chart(waits))
    left, right = st.columns(2, gap="large")
    with left:
        if stages:
            _section(
                past_texts.INSIGHTS_STAGES_TITLE, past_texts.INSIGHTS_STAGES_HELP, charts.stage_chart(stages)
            )
        elif waits:
            _section(past_texts.INSIGHTS_STAGES_TITLE, past_texts.INSIGHTS_TOO_FEW)
    with right:
        if parts:
            _section(
                past_texts.INSIGHTS_PARTS_TITLE, past_texts.INSIGHTS_PARTS_HELP, charts.part_chart(parts)
            )
    _draw_seen(statistics.seen(turns), sum(turn.dropped_sound_ms or 0 for turn in turns))
    left, right = st.columns(2, gap="large")
    with left:
        days = statistics.days(turns, bridge.time_zone())
        _section(past_texts.INSIGHTS_DAYS_TITLE, past_texts.INSIGHTS_DAYS_HELP, charts.day_chart(days))
    with right:
        _draw_spent(talks)


def _draw_seen(seen: list[statistics.SeenPoint], dropped_sound_ms: int) -> None:
    if not seen:
        _section(past_texts.INSIGHTS_FPS_TITLE, past_texts.INSIGHTS_NOT_SEEN)
        return
    left, right = st.columns(2, gap="large")
    with left:
        words = [past_texts.INSIGHTS_FPS_HELP]
        if dropped := sum(point.dropped for point in seen):
            words.append(past_texts.INSIGHTS_FPS_DROPPED.format(dropped=dropped))
        if dropped_sound_ms:
            words.append(
                past_texts.INSIGHTS_SOUND_LOST.format(seconds=past_texts.seconds_short(dropped_sound_ms))
            )
        _section(past_texts.INSIGHTS_FPS_TITLE, " ".join(words), charts.fps_chart(seen))
    with right:
        if any(point.late_ms is not None for point in seen):
            _section(past_texts.INSIGHTS_LATE_TITLE, past_texts.INSIGHTS_LATE_HELP, charts.late_chart(seen))


def _draw_spent(talks: list[Summary]) -> None:
    zone = bridge.time_zone()
    by_day, by_talk = statistics.spent_by_day(talks, zone), statistics.spent_by_talk(talks, zone=zone)
    if not by_day:
        _section(past_texts.INSIGHTS_COST_TITLE, past_texts.INSIGHTS_COST_FREE)
        return
    is_exact = all(talk.is_cost_exact for talk in talks if talk.cost_usd is not None)
    words = (
        past_texts.INSIGHTS_COST_HELP
        if is_exact
        else f"{past_texts.INSIGHTS_COST_HELP} {past_texts.INSIGHTS_COST_UNKNOWN}"
    )
    _section(past_texts.INSIGHTS_COST_TITLE, words)
    kinds = [name for name in ("cost_usd", "avatar_min") if any(getattr(s, name) for s in by_day)]
    names = [past_texts.INSIGHTS_COST_DAY, past_texts.INSIGHTS_COST_TALK]
    for name, tab, spent in zip(names, st.tabs(names), (by_day, by_talk), strict=True):
        with tab:
            for kind in kinds:
                title = past_texts.INSIGHTS_DOLLARS if kind == "cost_usd" else past_texts.INSIGHTS_AVATAR
                _draw_chart(
                    f"{past_texts.INSIGHTS_COST_TITLE} {name}: {title}", charts.spent_chart(spent, kind)
                )


def example_talks(now_wall_s: float) -> list[Summary]:
    """Return invented talks to go with ``example_turns``."""
    return [
        Summary(
            id=f"example-{i}",
            started_wall_s=now_wall_s - (3 - i) * DAY_S,
            lasted_s=300.0,
            is_over=True,
            character="kai",
            voice="marin",
            line_count=22,
            first_words="",
            cost_usd=(0.021, 0.034, 0.018, 0.042)[i],
            is_cost_exact=True,
            avatar_s=0.0,
            interrupted=1,
        )
        for i in range(4)
    ]


def example_turns(now_wall_s: float) -> list[Turn]:
    """Return invented turns of four days, the same at each call."""
    turns: list[Turn] = []
    for i in range(44):
        think = 380 + round(140 * math.sin(i * 0.9) ** 2 + 90 * math.sin(i * 2.3))
        voice = 170 + round(60 * math.cos(i * 1.7))
        face = 110 + round(25 * math.sin(i * 3.1))
        slow = 600 if i % 17 == 9 else 0
        end = None if i % 6 == 0 else 300 + round(40 * math.sin(i * 1.3))
        turns.append(
            Turn(
                response_id=f"example-{i}",
                at_wall_s=now_wall_s - (3 - i // 11) * DAY_S,
                is_typed=i % 6 == 0,
                think_ms=think + slow,
                voice_ms=voice,
                face_ms=face,
                wait_ms=(end or 0) + think + slow + voice + face,
                spoken_ms=3200,
                is_interrupted=i % 9 == 4,
                cost_usd=None,
                sent_fps=25.0,
                shown_fps=24.9 - 0.4 * math.sin(i * 0.7) ** 2 - (3.1 if slow else 0.0),
                dropped_pictures=4 if slow else 0,
                picture_late_ms=8 + round(9 * math.sin(i * 1.1)),
                end_ms=end,
            )
        )
    return turns
