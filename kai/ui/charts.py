"""The charts of the Insights page, in the colours of the theme that the page shows, with direct labels and axes that start at
zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import altair as alt

from kai.records.statistics import STAGES, Day, SeenPoint, Spent, WaitPart, WaitPoint, WaitStage
from kai.ui import past_texts, theme

HEIGHT: Final = 240
TINTS: Final = (0.3, 0.55, 0.8, 1.0)
"""The shares of the accent colour, on the ground, for the parts of one answer."""
EARLY_MS, LATE_MS = -40, 60
"""The offset between sound and picture that nobody notices (EBU R37)."""
GOOD_FPS: Final = 24.5
STEPS: Final = 5
"""An axis ends at a multiple of about a fifth of itself, above the highest mark: by default it may end on it."""
FIGURES_PX: Final = 90
"""The width of the two figures beside a bar, one above the other: a phone has room for no more."""
COLUMN: Final = alt.ExprRef("min(48, 0.7 * bandwidth('x'))")
"""The width of a column: most of its step, but not all of the panel where there is one alone."""

Row = Mapping[str, object]


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _dressed(chart: Any, height: int = HEIGHT) -> alt.Chart:
    """Return the chart in the common style: no frame, a quiet grid, readable labels."""
    colours = theme.palette_now()
    dressed = (
        chart.properties(height=height, background="transparent")
        .configure_view(strokeWidth=0)
        .configure_axis(
            gridColor=colours.line,
            gridOpacity=0.6,
            domainColor=colours.line,
            tickColor=colours.line,
            labelColor=colours.soft,
            titleColor=colours.soft,
            labelFontSize=13,
            titleFontSize=13,
            titleFontWeight="normal",
            labelFont="system-ui, sans-serif",
            titleFont="system-ui, sans-serif",
        )
        .configure_legend(labelColor=colours.ink, labelFontSize=13, labelFont="system-ui, sans-serif")
        .configure_text(font="system-ui, sans-serif", fontSize=13)
    )
    return cast("alt.Chart", dressed)


def wait_chart(points: Sequence[WaitPoint]) -> alt.Chart:
    """Return a chart with one dot per answer, a line at the moving median and a band from there to the moving p95, each from
    where there are enough answers for it, and named at its end."""
    colours = theme.palette_now()
    rows: list[Row] = [
        {
            "n": p.number,
            "s": p.wait_ms / 1000,
            "p50": None if p.p50_ms is None else p.p50_ms / 1000,
            "p95": None if p.p95_ms is None else p.p95_ms / 1000,
            "how": past_texts.INSIGHTS_CUT if p.is_interrupted else past_texts.INSIGHTS_HEARD_OUT,
        }
        for p in points
    ]
    with_middle, with_band = ([row for row in rows if row[name] is not None] for name in ("p50", "p95"))
    x = _answers(rows)

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", title=past_texts.INSIGHTS_SECONDS, scale=alt.Scale(zero=True, nice=STEPS))

    how = [past_texts.INSIGHTS_HEARD_OUT, past_texts.INSIGHTS_CUT]
    dots = (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=46, opacity=0.9)
        .encode(
            x=x,
            y=y("s"),
            color=alt.Color("how:N", legend=None).scale(domain=how, range=[colours.ink, colours.warn]),
            shape=alt.Shape("how:N", legend=None).scale(domain=how, range=["circle", "triangle-up"]),
            tooltip=[
                alt.Tooltip("n:Q", title=past_texts.INSIGHTS_ANSWER),
                alt.Tooltip("s:Q", title=past_texts.INSIGHTS_SECONDS, format=".2f"),
                alt.Tooltip("how:N", title=" "),
            ],
        )
    )
    layers: list[Any] = []
    if with_band:
        layers.append(
            alt.Chart(_data(with_band))
            .mark_area(color=colours.live, opacity=0.22)
            .encode(x=x, y=y("p50"), y2="p95:Q")
        )
    if with_middle:
        layers.append(
            alt.Chart(_data(with_middle))
            .mark_line(color=colours.live, strokeWidth=2.5)
            .encode(x=x, y=y("p50"))
        )
    layers.append(dots)
    # At the end of the line or of the band that each names, on either side of them, and readable over a dot.
    names = (
        ("p50", past_texts.INSIGHTS_P50, colours.live, with_middle, 14),
        ("p95", past_texts.INSIGHTS_P95, colours.soft, with_band, -10),
    )
    for name, label, colour, named, dy in names:
        if named:
            end = alt.Chart(_data(named[-1:])).encode(x=x, y=y(name), text=alt.value(label))
            words: dict[str, Any] = {"align": "right", "dy": dy, "fontWeight": 600}
            layers.append(end.mark_text(**words, stroke=colours.ground, strokeWidth=4, strokeJoin="round"))
            layers.append(end.mark_text(**words, color=colour))
    return _dressed(alt.layer(*layers))


def stage_chart(found: Sequence[WaitStage]) -> alt.Chart:
    """Return a chart with one bar per part of the wait, to its median, a thin bar to its p95, and both figures beside it."""
    colours = theme.palette_now()
    rows: list[Row] = [
        {
            "part": past_texts.INSIGHTS_PARTS[s.name],
            "order": i,
            "p50": s.p50_ms / 1000,
            "p95": (s.p50_ms if s.p95_ms is None else s.p95_ms) / 1000,
            "label": f"p50 {s.p50_ms / 1000:.2f} s"
            + ("" if s.p95_ms is None else f"\np95 {s.p95_ms / 1000:.2f} s"),
        }
        for i, s in enumerate(found)
    ]
    widest = max((s.p95_ms or s.p50_ms for s in found), default=1.0) / 1000
    y = alt.Y(
        "part:N",
        title=None,
        sort=alt.SortField("order"),
        axis=alt.Axis(labelLimit=260, domain=False, ticks=False),
    )
    room = alt.ExprRef(f"max(20, width - {FIGURES_PX})")
    scale = alt.Scale(domain=[0, max(0.1, widest)], range=[0, room], nice=False)
    axis = alt.Axis(grid=False, domain=False, ticks=False, labels=False, title=None)
    base = alt.Chart(_data(rows))
    long = base.mark_bar(color=colours.live, opacity=0.25, height=12, cornerRadius=3).encode(
        x=alt.X("p95:Q", scale=scale, axis=axis), y=y
    )
    short = base.mark_bar(color=colours.live, height=22, cornerRadius=4).encode(
        x=alt.X("p50:Q", scale=scale, axis=axis), y=y
    )
    dy = -8 if any(s.p95_ms is not None for s in found) else 0
    label = base.mark_text(
        align="left", dx=8, dy=dy, lineBreak="\n", lineHeight=15, color=colours.ink
    ).encode(x=alt.X("p95:Q", scale=scale, axis=axis), y=y, text="label:N")
    return _dressed(alt.layer(long, short, label), height=46 * max(1, len(rows)) + 20)


def day_chart(found: Sequence[Day]) -> alt.Chart:
    """Return a chart with one column per day and the interrupted answers at its foot."""
    colours = theme.palette_now()
    rows: list[Row] = []
    for day in found:
        rows.append({"day": day.date, "n": day.interrupted, "what": past_texts.INSIGHTS_CUT, "order": 0})
        rows.append(
            {
                "day": day.date,
                "n": day.answers - day.interrupted,
                "what": past_texts.INSIGHTS_HEARD_OUT,
                "order": 1,
            }
        )
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3, width=COLUMN)
        .encode(
            x=alt.X("day:O", title=None, axis=_days()),
            y=alt.Y(
                "n:Q",
                title=past_texts.INSIGHTS_COUNT,
                axis=alt.Axis(tickMinStep=1, format="d"),
                scale=alt.Scale(nice=STEPS),
            ),
            color=alt.Color("what:N", legend=None).scale(
                domain=[past_texts.INSIGHTS_HEARD_OUT, past_texts.INSIGHTS_CUT],
                range=[colours.live, colours.warn],
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("day:O", title=past_texts.INSIGHTS_DAY),
                alt.Tooltip("what:N", title=" "),
                alt.Tooltip("n:Q", title=past_texts.INSIGHTS_COUNT),
            ],
        )
    )
    return _dressed(chart)


def part_chart(found: Sequence[WaitPart]) -> alt.Chart:
    """Return a chart with one column per answer, its parts stacked in their order."""
    colours = theme.palette_now()
    tints = [theme.mixed(colours.live, colours.ground, share) for share in TINTS]
    there = [name for name in STAGES if any(p.name == name for p in found)]
    names = [past_texts.INSIGHTS_PARTS[name] for name in there]
    rows: list[Row] = [
        {
            "n": p.number,
            "s": p.took_ms / 1000,
            "part": past_texts.INSIGHTS_PARTS[p.name],
            "order": STAGES.index(p.name),
        }
        for p in found
    ]
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(width=COLUMN)
        .encode(
            x=alt.X(
                "n:O",
                title=past_texts.INSIGHTS_ANSWER,
                axis=alt.Axis(labelAngle=0, grid=False, labelOverlap=True, ticks=False),
            ),
            y=alt.Y("s:Q", title=past_texts.INSIGHTS_SECONDS, stack="zero", scale=alt.Scale(nice=STEPS)),
            color=alt.Color(
                "part:N", sort=names, legend=alt.Legend(orient="top", title=None, symbolType="square")
            ).scale(domain=names, range=[tints[STAGES.index(name)] for name in there]),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("n:O", title=past_texts.INSIGHTS_ANSWER),
                alt.Tooltip("part:N", title=" "),
                alt.Tooltip("s:Q", title=past_texts.INSIGHTS_SECONDS, format=".2f"),
            ],
        )
    )
    return _dressed(chart)


def fps_chart(found: Sequence[SeenPoint]) -> alt.Chart:
    """Return a chart with one mark per answer, hollow where the page reported nothing, and a named line at a smooth rate."""
    colours = theme.palette_now()
    rows: list[Row] = [
        {"n": p.number, "fps": p.fps, "is_own": p.is_pages_count, "left": p.dropped} for p in found
    ]
    top = max(30.0, *(p.fps for p in found))
    y = alt.Y("fps:Q", title=past_texts.INSIGHTS_FPS, scale=alt.Scale(domain=[0, top], nice=False))
    base = alt.Chart(_data(rows))
    marks = base.mark_point(size=52, color=colours.live, strokeWidth=2).encode(
        x=_answers(rows),
        y=y,
        fill=alt.condition("datum.is_own", alt.value(colours.live), alt.value("transparent")),
        tooltip=[
            alt.Tooltip("n:Q", title=past_texts.INSIGHTS_ANSWER),
            alt.Tooltip("fps:Q", title=past_texts.INSIGHTS_FPS, format=".1f"),
        ],
    )
    at_good = alt.Chart(_data([{"fps": GOOD_FPS}]))
    good = at_good.mark_rule(color=colours.soft, strokeDash=[4, 4]).encode(y=y)
    name = at_good.mark_text(align="left", dx=6, dy=14, color=colours.soft).encode(
        x=alt.value(0), y=y, text=alt.value(f"{GOOD_FPS:g}: {past_texts.INSIGHTS_FPS_GOOD}")
    )
    return _dressed(alt.layer(good, marks, name))


def late_chart(found: Sequence[SeenPoint]) -> alt.Chart:
    """Return a chart with one mark per answer over the band of offsets that nobody notices."""
    colours = theme.palette_now()
    rows: list[Row] = [{"n": p.number, "ms": p.late_ms} for p in found if p.late_ms is not None]
    told = [p.late_ms for p in found if p.late_ms is not None]
    low, high = min(EARLY_MS - 20, *told), max(LATE_MS + 20, *told)
    y = alt.Y("ms:Q", title=past_texts.INSIGHTS_MS, scale=alt.Scale(domain=[low, high], nice=True))
    band = alt.Chart(_data([{"ms": EARLY_MS, "to": LATE_MS}])).mark_rect(color=colours.live, opacity=0.12)
    marks = (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=52, color=colours.live, opacity=0.95)
        .encode(
            x=_answers(rows),
            y=y,
            tooltip=[
                alt.Tooltip("n:Q", title=past_texts.INSIGHTS_ANSWER),
                alt.Tooltip("ms:Q", title=past_texts.INSIGHTS_MS),
            ],
        )
    )
    return _dressed(alt.layer(band.encode(y=y, y2="to:Q"), marks))


def _answers(rows: Sequence[Row]) -> alt.X:
    """Return the axis of answers, from the first to the last one."""
    numbers = [cast("int", row["n"]) for row in rows]
    first, last = min(numbers, default=1), max(numbers, default=1)
    step = max(1, (last - first) // 8)
    values = list(range(first, last + 1, step))
    return alt.X(
        "n:Q",
        title=past_texts.INSIGHTS_ANSWER,
        axis=alt.Axis(values=values, grid=False, format="d"),
        scale=alt.Scale(domain=[first - 0.5, last + 0.5], nice=False, zero=False),
    )


def _days() -> alt.Axis:
    """Return the axis of days, labelled ``May 3``, followed by the time of day for a talk."""
    words = "utcFormat(toDate(slice(datum.value, 0, 10)), '%b %-d') + slice(datum.value, 10)"
    return alt.Axis(labelAngle=0, grid=False, labelOverlap=True, ticks=False, labelExpr=words)


def spent_chart(found: Sequence[Spent], what: str) -> alt.Chart:
    """Return a chart with one column per day or talk. ``what`` is ``cost_usd`` or ``avatar_min``."""
    colours = theme.palette_now()
    title = past_texts.INSIGHTS_DOLLARS if what == "cost_usd" else past_texts.INSIGHTS_AVATAR
    rows: list[Row] = [{"name": s.name, "sum": getattr(s, what)} for s in found]
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(
            color=colours.live,
            cornerRadiusTopLeft=3,
            cornerRadiusTopRight=3,
            width=COLUMN,
        )
        .encode(
            x=alt.X("name:O", title=None, axis=_days()),
            y=alt.Y("sum:Q", title=title, scale=alt.Scale(zero=True, nice=STEPS)),
            tooltip=[
                alt.Tooltip("name:O", title=" "),
                alt.Tooltip("sum:Q", title=title, format=".4~f"),
            ],
        )
    )
    return _dressed(chart, height=180)
