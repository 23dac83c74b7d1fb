"""A kept talk as Markdown, JSON or WebVTT captions; turns as CSV."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import tzinfo

from kai.records.local_time import clock
from kai.records.turn_log import Summary
from kai.records.turns import Cost, Line, TalkRecord, Turn

VERSION = 6
"""The version of the JSON. Version 1 had no total costs and no picture counters, version 2 no minds, version 3 no speakers,
version 4 no credits, version 5 no parts of the costs. Up to version 3 a wait began when Kai took the turn to be over, not at
the person's last sound."""

MIN_CAPTION_MS = 1200
"""The minimum duration of a caption, since a typed line has no duration."""


def as_json(record: TalkRecord) -> str:
    """Return all data of the talk except its owner."""
    value = asdict(record)
    del value["owner"]
    return json.dumps({"kai_talk": VERSION, **value}, ensure_ascii=False, indent=2) + "\n"


def as_markdown(
    record: TalkRecord,
    *,
    title: str,
    facts: str,
    who: Callable[[str, str], str],
    interrupted: str,
    notes: Mapping[str, str],
    zone: tzinfo | None = None,
) -> str:
    """Return the talk as readable text. ``who`` names the speaker of a line, ``notes`` are notes to answers by response id,
    and ``zone`` is the time zone of the clock times (``None``: this computer's)."""
    lines = [f"# {title}", "", _markdown(facts), ""]
    told: set[str] = set()
    for line in record.lines:
        cut = f" *({interrupted})*" if line.is_interrupted else ""
        at = clock(line.at_wall_s, zone, has_seconds=True)
        lines += [f"**{who(line.role, line.speaker)}** ({at}): {_markdown(line.text)}{cut}", ""]
        if line.response_id in notes and line.response_id not in told:
            told.add(line.response_id)
            lines += [f"> {_markdown(notes[line.response_id])}", ""]
    return "\n".join(lines)


def _markdown(text: str) -> str:
    for mark in ("\\", "*", "_", "`", "[", "<", "#", "|"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def as_webvtt(
    record: TalkRecord, *, who: Callable[[str, str], str], from_ms: int = 0, to_ms: int | None = None
) -> str:
    """Return captions in the talk's time, ordered by their beginning. A voice span names the speaker (WebVTT, 4.2.2), by
    ``who`` of its role and its character.

    With ``from_ms`` and ``to_ms``, only that part of the talk is included, and times count from its start.
    """
    cues = ["WEBVTT", ""]
    for line in sorted(record.lines, key=lambda line: line.start_ms):
        end_ms = max(line.end_ms, line.start_ms + MIN_CAPTION_MS)
        if end_ms <= from_ms or (to_ms is not None and line.start_ms >= to_ms):
            continue
        text = " ".join(line.text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        name = who(line.role, line.speaker).replace("&", "&amp;").replace(">", "&gt;")
        start = _clock(max(0, line.start_ms - from_ms))
        end = _clock((end_ms if to_ms is None else min(end_ms, to_ms)) - from_ms)
        cues += [f"{start} --> {end}", f"<v {name}>{text}", ""]
    return "\n".join(cues)


def _clock(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def turns_as_csv(turns: Iterable[tuple[str, Turn]]) -> str:
    """Return one row per turn, with a header; times in UTC."""
    names = [f.name for f in fields(Turn) if f.name != "at_wall_s"]
    rows = [(talk_id, _utc(turn.at_wall_s), *(getattr(turn, n) for n in names)) for talk_id, turn in turns]
    return _csv(("talk_id", "at_utc", *names), rows)


def talks_as_csv(talks: Iterable[Summary]) -> str:
    """Return one row per talk, with a header; times in UTC. No words of the talk are included."""
    names = [f.name for f in fields(Summary) if f.name not in ("id", "started_wall_s", "first_words")]
    rows = [(talk.id, _utc(talk.started_wall_s), *(getattr(talk, n) for n in names)) for talk in talks]
    return _csv(("talk_id", "at_utc", *names), rows)


def costs_as_csv(record: TalkRecord) -> str:
    """Return one row per thing that the talk has cost, with a header and the sum in the last row."""
    total = Cost("all", "", sum(c.usd for c in record.costs), sum(c.credits for c in record.costs))
    rows = [(c.leg, c.why, f"{c.usd:.6f}", c.credits, c.response_id) for c in (*record.costs, total)]
    return _csv([f.name for f in fields(Cost)], rows)


def _csv(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([head, *rows])
    return out.getvalue()


def _utc(wall_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall_s))


def read_json(text: str) -> TalkRecord:
    """Return the talk that ``as_json`` wrote. Raises ``ValueError`` if the text is not one."""
    try:
        value = json.loads(text)
        if value.pop("kai_talk") not in range(1, VERSION + 1):
            raise ValueError("not a talk of a version that Kai knows")
        lines = tuple(Line(**line) for line in value.pop("lines"))
        turns = tuple(Turn(**turn) for turn in value.pop("turns"))
        costs = tuple(Cost(**cost) for cost in value.pop("costs", ()))
        return TalkRecord(owner="", lines=lines, turns=turns, costs=costs, **value)
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError("not a talk of Kai's") from exc
