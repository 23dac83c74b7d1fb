"""The History page: past talks to search, read, export and delete."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Sequence
from typing import Final

import streamlit as st

from kai.core import characters
from kai.errors import KaiError
from kai.records import local_time
from kai.records.exports import as_json, as_markdown, as_webvtt, costs_as_csv
from kai.records.memory import Memory
from kai.records.turn_log import Summary, TurnLog
from kai.records.turns import TalkRecord, Turn
from kai.ui import address, bridge, host, names, past_texts, replay, texts

PAGE_OF_TALKS: Final = 12
"""How many talks the list shows at first, and adds with each press of More."""


def draw() -> None:
    """Draw the page."""
    memory = host.app().memory
    with st.container(key="kai-history-head", horizontal=True, vertical_alignment="bottom"):
        with st.container():
            st.title(past_texts.HISTORY_TITLE, anchor=False)
            st.caption(past_texts.HISTORY_LEAD)
        if memory.log is not None:
            _draw_keeping(memory)
    if memory.log is None:
        st.warning(memory.problem, icon=":material/warning:")
        return
    draw_notes(memory)
    try:
        _draw_talks(memory, memory.log)
    except KaiError as error:
        st.warning(error.message, icon=":material/warning:")


def draw_notes(memory: Memory) -> None:
    """Draw notes about the keeping of talks: files that were set aside, a full disk, or that keeping is off."""
    for path in memory.asides:
        st.warning(past_texts.HISTORY_SET_ASIDE.format(path=f"`{path.name}`"), icon=":material/inventory_2:")
    if memory.problem:
        st.warning(memory.problem, icon=":material/warning:")
    elif not memory.may_keep_talks:
        st.info(past_texts.HISTORY_OFF_BY_SETTING, icon=":material/history_toggle_off:")
    elif not memory.is_keeping:
        st.info(past_texts.HISTORY_OFF, icon=":material/history_toggle_off:")


def _draw_talks(memory: Memory, log: TurnLog) -> None:
    owner = bridge.history_owner()
    memory.flush()
    search = bridge.history_search()
    me = bridge.history_self()
    found = log.talks(search=search, owner=owner, present_of=me)
    if not found and not search:
        _draw_empty()
        return
    is_reading = bool(bridge.history_choice())
    # A phone shows one of the two columns: the list, or the talk that was chosen from it.
    with st.container(key="kai-history-reading" if is_reading else "kai-history-listing"):
        left, right = st.columns([1, 2], gap="large")
    with left:
        bridge.draw_history_search(past_texts.HISTORY_SEARCH)
        if not found:
            st.caption(past_texts.HISTORY_NOTHING_FOUND)
        shown = found[: bridge.history_shown(PAGE_OF_TALKS)]
        chosen = bridge.history_choice() or (shown[0].id if shown else "")
        with st.container(key="kai-talks"):
            _draw_list(shown, chosen)
            if len(found) > len(shown):
                st.button(
                    past_texts.HISTORY_MORE,
                    key="history-more",
                    on_click=bridge.show_more_history,
                    args=(PAGE_OF_TALKS,),
                    width="stretch",
                )
    with right:
        st.button(
            past_texts.HISTORY_BACK,
            key="history-back",
            icon=":material/arrow_back:",
            on_click=bridge.forget_history_choice,
        )
        record = log.read(chosen, owner, present_of=me) if chosen else None
        if record is not None:
            _draw_record(memory, record, owner)
        elif found:
            st.caption(past_texts.HISTORY_CHOOSE)


def _draw_empty() -> None:
    st.html(
        f'<div class="kai-empty"><img src="{address.at("/api/pictures/kai.jpg")}" alt="">'
        f"<h2>{html.escape(past_texts.HISTORY_EMPTY_TITLE)}</h2><p>{html.escape(past_texts.HISTORY_EMPTY)}</p></div>"
    )


def _draw_list(shown: list[Summary], chosen: str) -> None:
    now_s, day_before, zone = time.time(), "", bridge.time_zone()
    for talk in shown:
        day = past_texts.day(talk.started_wall_s, now_s, zone)
        if day != day_before:
            st.html(f'<h2 class="kai-group">{html.escape(day)}</h2>')
            day_before = day
        words = " ".join(talk.first_words.split()) or past_texts.HISTORY_NO_WORDS
        st.button(
            f"**{past_texts.clock(talk.started_wall_s, zone)}** · {_plain(_length(talk))}  \n{_plain(words[:70])}",
            key=f"talk-{talk.id}",
            type="primary" if talk.id == chosen else "secondary",
            on_click=bridge.choose_history,
            args=(talk.id,),
            width="stretch",
        )


def _length(talk: Summary) -> str:
    """Return the length of a listed talk and, if it cost something, its cost."""
    length = texts.duration(talk.lasted_s) if talk.is_over else past_texts.HISTORY_GOES_ON
    is_paid = talk.cost_usd is not None or talk.avatar_credits
    return f"{length} · {past_texts.money(talk.total_usd)}" if is_paid else length


def _plain(text: str) -> str:
    """Escape a person's words for a Markdown label, so that they show unchanged."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>#:$~|!-+" else c for c in text)


def _draw_record(memory: Memory, record: TalkRecord, owner: str | None) -> None:
    zone = bridge.time_zone()
    title = past_texts.HISTORY_TITLE_OF.format(
        day=f"{past_texts.day(record.started_wall_s, 0, zone)}, {past_texts.clock(record.started_wall_s, zone)}"
    )
    facts = _facts(record)
    st.header(title, anchor=False)
    st.caption(_plain(facts))
    with st.container(key="kai-history-files", horizontal=True):
        name = f"kai-{local_time.local_time(record.started_wall_s, zone):%Y-%m-%d-%H%M}"
        markdown = as_markdown(
            record,
            title=title,
            facts=facts,
            who=names.speaker,
            interrupted=texts.INTERRUPTED,
            notes={turn.response_id: _note(turn) for turn in record.turns},
            zone=zone,
        )
        _file(past_texts.HISTORY_EXPORT_MARKDOWN, markdown, f"{name}.md", "text/markdown")
        _file(past_texts.HISTORY_EXPORT_JSON, as_json(record), f"{name}.json", "application/json")
        _file(
            past_texts.HISTORY_EXPORT_WEBVTT, as_webvtt(record, who=names.speaker), f"{name}.vtt", "text/vtt"
        )
        if record.costs:
            _file(past_texts.HISTORY_EXPORT_COSTS, costs_as_csv(record), f"{name}-costs.csv", "text/csv")
        with st.popover(past_texts.HISTORY_DELETE, icon=":material/delete:"):
            st.write(past_texts.HISTORY_DELETE_THIS)
            st.button(
                past_texts.HISTORY_DELETE_YES,
                key=f"delete-{record.id}",
                on_click=bridge.delete_history,
                args=(memory, record.id, owner),
            )
    replay.draw(memory.stretches(record.id), address.at(f"/api/pictures/{record.character}.jpg"))
    search = bridge.history_search()
    st.html(_said(record, search))
    if search:
        replay.go_to_hit(record.id, search)
    if record.costs:
        st.html(_costs(record))
    if record.turns:
        st.html(_times(record))


def _facts(record: TalkRecord) -> str:
    count = len(record.lines)
    cuts = sum(turn.is_interrupted for turn in record.turns)
    facts = [
        texts.duration(record.lasted_s) if record.is_over else past_texts.HISTORY_GOES_ON,
        past_texts.HISTORY_ONE_LINE if count == 1 else past_texts.HISTORY_LINES.format(count=count),
        *([past_texts.HISTORY_CUTS.format(count=cuts)] if cuts else []),
        characters.NAMES.get(record.character, record.character),
        past_texts.talk_cost(
            record.cost_usd,
            is_exact=record.is_cost_exact,
            avatar_s=record.avatar_s,
            avatar_credits=record.avatar_credits,
        ),
    ]
    return " · ".join(facts)


def _file(label: str, content: str, name: str, mime: str) -> None:
    st.download_button(
        label,
        content,
        file_name=name,
        mime=mime,
        key=f"file-{mime}-{name}",
        on_click="ignore",
        icon=":material/download:",
        help=past_texts.HISTORY_EXPORT_HELP,
    )


def _note(turn: Turn) -> str:
    """Return an answer's figures in words: its wait, how long it was heard, its mind and its cost."""
    notes: list[str] = []
    if turn.wait_ms is not None:
        notes.append(past_texts.HISTORY_ANSWERED.format(seconds=f"{turn.wait_ms / 1000:.1f}"))
    if turn.spoken_ms is not None:
        notes.append(past_texts.HISTORY_SPOKE.format(seconds=f"{turn.spoken_ms / 1000:.1f}"))
    if turn.mind:
        notes.append(past_texts.mind(turn.mind, turn.tokens_per_s))
    if turn.cost_usd is not None:
        notes.append(past_texts.HISTORY_COST.format(cost=past_texts.money(turn.cost_usd)))
    return " · ".join(notes)


def _marked(text: str, search: str) -> str:
    """Return the text as HTML, with every found word of the search marked."""
    words = sorted({word for word in search.split() if word}, key=len, reverse=True)
    if not words:
        return html.escape(text)
    parts = re.split("(" + "|".join(map(re.escape, words)) + ")", text, flags=re.IGNORECASE)
    return "".join(
        f"<mark>{html.escape(part)}</mark>" if i % 2 else html.escape(part) for i, part in enumerate(parts)
    )


def _said(record: TalkRecord, search: str = "") -> str:
    turns = {turn.response_id: turn for turn in record.turns}
    rows: list[str] = []
    zone = bridge.time_zone()
    for line in record.lines:
        turn = turns.pop(line.response_id, None) if line.response_id else None
        note = _note(turn) if turn is not None else ""
        notes = [past_texts.clock(line.at_wall_s, zone), *([note] if note else [])]
        cut = f" <em>{texts.INTERRUPTED}</em>" if line.is_interrupted else ""
        who = html.escape(names.speaker(line.role, line.speaker))
        rows.append(
            f'<li data-role="{html.escape(line.role)}" data-start="{line.start_ms}" data-end="{line.end_ms}">'
            f"<span>{who}</span>"
            f"<p>{_marked(line.text, search)}{cut}<small>{html.escape(' · '.join(notes))}</small></p></li>"
        )
    return (
        f'<ol class="kai-said is-history" aria-label="{html.escape(texts.CHAT_LABEL)}">{"".join(rows)}</ol>'
    )


def _costs(record: TalkRecord) -> str:
    """Return a closed ``<details>`` with what the talk has cost, and why: by leg, and answer by answer."""
    texts_of = {line.response_id: line.text for line in record.lines if line.response_id}
    rows = [
        (
            past_texts.HISTORY_LEGS[cost.leg],
            past_texts.cost_why(cost.why, texts_of.get(cost.response_id, ""), cost.credits),
            past_texts.money(cost.usd),
        )
        for cost in record.costs
    ]
    total = (past_texts.HISTORY_COST_ALL, "", past_texts.money(sum(cost.usd for cost in record.costs)))
    return _table(past_texts.HISTORY_COSTS, past_texts.HISTORY_COSTS_HEAD, [*rows, total])


def _times(record: TalkRecord) -> str:
    """Return a closed ``<details>`` with each answer's times and cost."""
    rows = [
        (
            local_time.clock(turn.at_wall_s, bridge.time_zone(), has_seconds=True),
            past_texts.seconds(turn.wait_ms),
            past_texts.seconds(turn.end_ms),
            past_texts.seconds(turn.think_ms),
            past_texts.seconds(turn.voice_ms),
            past_texts.seconds(turn.face_ms),
            past_texts.seconds_short(turn.spoken_ms),
            past_texts.HISTORY_YES if turn.is_interrupted else past_texts.HISTORY_NO,
            past_texts.money(turn.cost_usd),
            past_texts.mind(turn.mind or "", turn.tokens_per_s),
        )
        for turn in record.turns
    ]
    return _table(past_texts.HISTORY_TIMES, past_texts.HISTORY_TIMES_HEAD, rows)


def _table(title: str, names: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a closed ``<details>`` with a table."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in names)
    rows = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    name = html.escape(title)
    return (
        f'<details class="kai-times"><summary>{name}</summary><div role="region" aria-label="{name}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _draw_keeping(memory: Memory) -> None:
    owner = bridge.history_owner()
    preferences = memory.preferences.value
    with st.popover(past_texts.HISTORY_KEEPING, icon=":material/tune:"):
        st.toggle(
            past_texts.HISTORY_KEEP,
            value=memory.is_keeping,
            key="history-keep",
            disabled=not memory.may_keep_talks,
            on_change=bridge.change_history_keeping,
            args=(memory,),
        )
        days = sorted({*past_texts.HISTORY_DAYS, preferences.history_days})
        st.selectbox(
            past_texts.HISTORY_KEEP_FOR,
            days,
            index=days.index(preferences.history_days),
            format_func=lambda d: past_texts.HISTORY_DAYS.get(d, f"{d}"),
            key="history-days",
            on_change=bridge.change_history_days,
            args=(memory,),
        )
        size_mb = memory.recordings.size_bytes() / 1e6
        if size_mb:
            st.caption(past_texts.HISTORY_SOUND_SIZE.format(size=f"{max(0.1, size_mb):.1f}"))
        with st.expander(past_texts.HISTORY_DELETE_ALL):
            st.write(past_texts.HISTORY_DELETE_ALL_SURE)
            st.button(
                past_texts.HISTORY_DELETE_YES,
                key="delete-all",
                on_click=bridge.delete_history,
                args=(memory, None, owner),
            )
