"""Statistics of many turns: percentiles, a moving window, counts by day. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from kai.records.local_time import local_time
from kai.records.turn_log import Summary
from kai.records.turns import Turn

WINDOW = 20
"""The number of answers in the moving window."""

MIDDLE_FROM = 5
"""Fewer answers have no middle worth telling."""

SLOW_FROM = 20
"""Of fewer answers, the slowest one in twenty is none of them."""

STAGES = ("end_ms", "think_ms", "voice_ms", "face_ms")

LAST = 40
"""The number of answers in charts that show each one separately."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the percentile ``share`` (0 to 1), linearly interpolated, or ``None`` without values."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def middle(values: Sequence[float]) -> float | None:
    """Return the median, or ``None`` of fewer than ``MIDDLE_FROM`` values."""
    return percentile(values, 0.5) if len(values) >= MIDDLE_FROM else None


def slow_end(values: Sequence[float]) -> float | None:
    """Return the 95th percentile, or ``None`` of fewer than ``SLOW_FROM`` values."""
    return percentile(values, 0.95) if len(values) >= SLOW_FROM else None


@dataclass(frozen=True, slots=True)
class WaitPoint:
    """One answer's wait, and the median and 95th percentile of the last ``WINDOW`` waits including it, each ``None`` while
    there are too few."""

    number: int
    at_wall_s: float
    wait_ms: int
    p50_ms: float | None
    p95_ms: float | None
    is_interrupted: bool


def waits(turns: Sequence[Turn]) -> list[WaitPoint]:
    """Return the answers that somebody waited for, oldest first."""
    points: list[WaitPoint] = []
    last: list[float] = []
    for turn in turns:
        if turn.wait_ms is None:
            continue
        last = [*last, turn.wait_ms][-WINDOW:]
        points.append(
            WaitPoint(
                len(points) + 1,
                turn.at_wall_s,
                turn.wait_ms,
                middle(last),
                slow_end(last),
                turn.is_interrupted,
            )
        )
    return points


@dataclass(frozen=True, slots=True)
class MindCount:
    """The number of a mind's answers, and its median tokens per second if known."""

    name: str
    count: int
    tokens_per_s: float | None


def minds(turns: Sequence[Turn]) -> list[MindCount]:
    """Return the minds that answered, the most frequent first. Answers of a brain with a single mind are not counted."""
    by_name: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.mind:
            by_name.setdefault(turn.mind, []).append(turn)
    found = [
        MindCount(name, len(of), percentile([t.tokens_per_s for t in of if t.tokens_per_s is not None], 0.5))
        for name, of in by_name.items()
    ]
    return sorted(found, key=lambda mind: -mind.count)


@dataclass(frozen=True, slots=True)
class WaitStage:
    """The median of one part of the wait, and its 95th percentile, ``None`` while there are too few answers."""

    name: str
    p50_ms: float
    p95_ms: float | None


def stages(turns: Sequence[Turn]) -> list[WaitStage]:
    """Return the parts of the wait in order, without those of which too few are known."""
    found: list[WaitStage] = []
    for name in STAGES:
        values = [
            value for turn in turns if turn.wait_ms is not None and (value := getattr(turn, name)) is not None
        ]
        p50_ms = middle(values)
        if p50_ms is not None:
            found.append(WaitStage(name, p50_ms, slow_end(values)))
    return found


@dataclass(frozen=True, slots=True)
class Day:
    """The number of answers on one local day (``2026-05-03``)."""

    date: str
    answers: int
    interrupted: int


def days(turns: Sequence[Turn], zone: tzinfo | None = None) -> list[Day]:
    """Return the days with answers, oldest first, by the calendar of ``zone`` (``None``: this computer's)."""
    counted: dict[str, list[int]] = {}
    for turn in turns:
        count = counted.setdefault(f"{local_time(turn.at_wall_s, zone):%Y-%m-%d}", [0, 0])
        count[0] += 1
        count[1] += turn.is_interrupted
    return [Day(date, *counts) for date, counts in sorted(counted.items())]


@dataclass(frozen=True, slots=True)
class WaitPart:
    """One part of one answer's wait. ``number`` numbers the answers as in ``waits``."""

    number: int
    name: str
    took_ms: int


def parts(turns: Sequence[Turn]) -> list[WaitPart]:
    """Return the parts of the last ``LAST`` waits, answer by answer, in order."""
    waited = [turn for turn in turns if turn.wait_ms is not None]
    first = max(0, len(waited) - LAST)
    return [
        WaitPart(first + i + 1, name, took_ms)
        for i, turn in enumerate(waited[first:])
        for name in STAGES
        if (took_ms := getattr(turn, name)) is not None
    ]


@dataclass(frozen=True, slots=True)
class SeenPoint:
    """The pictures of one answer. ``fps`` is the page's own count if it reported one, and otherwise what was sent to it."""

    number: int
    at_wall_s: float
    fps: float
    is_pages_count: bool
    dropped: int
    late_ms: int | None


def seen(turns: Sequence[Turn]) -> list[SeenPoint]:
    """Return the answers whose pictures were counted, oldest first."""
    points: list[SeenPoint] = []
    for turn in turns:
        if turn.sent_fps is None:
            continue
        points.append(
            SeenPoint(
                len(points) + 1,
                turn.at_wall_s,
                turn.sent_fps if turn.shown_fps is None else turn.shown_fps,
                turn.shown_fps is not None,
                turn.dropped_pictures or 0,
                turn.picture_late_ms,
            )
        )
    return points


@dataclass(frozen=True, slots=True)
class Spent:
    """The cost of a day or a talk: all in US dollars, and minutes of a paid face. ``name`` is a local day
    (``2026-05-03``) or the start of a talk (``2026-05-03 14:05``)."""

    name: str
    cost_usd: float
    avatar_min: float


def spent_by_day(talks: Sequence[Summary], zone: tzinfo | None = None) -> list[Spent]:
    """Return the days with paid talks, oldest first, by the calendar of ``zone`` (``None``: this computer's)."""
    days: dict[str, list[float]] = {}
    for talk in talks:
        if talk.total_usd or talk.avatar_s:
            day = days.setdefault(f"{local_time(talk.started_wall_s, zone):%Y-%m-%d}", [0.0, 0.0])
            day[0] += talk.total_usd
            day[1] += talk.avatar_s / 60
    return [Spent(name, *sums) for name, sums in sorted(days.items())]


def spent_by_talk(talks: Sequence[Summary], most: int = LAST, zone: tzinfo | None = None) -> list[Spent]:
    """Return the last ``most`` paid talks, oldest first, by the clock of ``zone`` (``None``: this computer's)."""
    paid = sorted((t for t in talks if t.total_usd or t.avatar_s), key=lambda t: t.started_wall_s)[-most:]
    return [
        Spent(
            f"{local_time(t.started_wall_s, zone):%Y-%m-%d %H:%M}",
            t.total_usd,
            t.avatar_s / 60,
        )
        for t in paid
    ]
