"""The charts of the Insights page, in the theme's colours, with direct labels and axes that start at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import altair as alt

from kai.records.statistics import STAGES, Day, Part, SeenPoint, Spent, Stage, WaitPoint
from kai.ui import texts

LIVE: Final = "#35c2c9"
WARN: Final = "#f2b84b"
INK: Final = "#e7edf4"
SOFT: Final = "#a9b4c2"
LINE: Final = "#2b3848"
HEIGHT: Final = 240
TINTS: Final = ("#1f7f87", "#35c2c9", "#a5e6e9")
"""The accent colour, darker and lighter, for the parts of one answer."""
EARLY_MS, LATE_MS = -40, 60
"""The offset between sound and picture that nobody notices (EBU R37)."""
GOOD_FPS: Final = 24.5
COLUMN: Final = alt.RelativeBandSize(0.7)

Row = Mapping[str, object]


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _dressed(chart: Any, height: int = HEIGHT) -> alt.Chart:
    """Return the chart in the common style: no frame, a quiet grid, readable labels."""
    dressed = (
        chart.properties(height=height, background="transparent")
        .configure_view(strokeWidth=0)
        .configure_axis(
            gridColor=LINE,
            gridOpacity=0.6,
            domainColor=LINE,
            tickColor=LINE,
            labelColor=SOFT,
            titleColor=SOFT,
            labelFontSize=13,
            titleFontSize=13,
            titleFontWeight="normal",
            labelFont="system-ui, sans-serif",
            titleFont="system-ui, sans-serif",
        )
        .configure_legend(labelColor=INK, labelFontSize=13, labelFont="system-ui, sans-serif")
        .configure_text(font="system-ui, sans-serif", fontSize=13)
    )
    return cast("alt.Chart", dressed)


def wait_chart(points: Sequence[WaitPoint]) -> alt.Chart:
    """Return a chart with one dot per answer and a band from the moving median to the moving p95, labelled at its end."""
    rows: list[Row] = [
        {
            "n": p.number,
            "s": p.wait_ms / 1000,
            "p50": p.p50_ms / 1000,
            "p95": p.p95_ms / 1000,
            "how": texts.INSIGHTS_CUT if p.is_interrupted else texts.INSIGHTS_HEARD_OUT,
        }
        for p in points
    ]
    step = max(1, len(rows) // 8)
    x = alt.X(
        "n:Q", title=texts.INSIGHTS_ANSWER, axis=alt.Axis(tickMinStep=step, grid=False, format="d")
    ).scale(domain=[1, max(2, len(rows)) * 1.06])

    def y(name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", title=texts.INSIGHTS_SECONDS, scale=alt.Scale(zero=True, nice=True))

    base = alt.Chart(_data(rows))
    band = base.mark_area(color=LIVE, opacity=0.22).encode(x=x, y=y("p50"), y2="p95:Q")
    middle = base.mark_line(color=LIVE, strokeWidth=2.5).encode(x=x, y=y("p50"))
    dots = base.mark_point(filled=True, size=46, opacity=0.9).encode(
        x=x,
        y=y("s"),
        color=alt.Color("how:N", legend=None).scale(
            domain=[texts.INSIGHTS_HEARD_OUT, texts.INSIGHTS_CUT], range=[INK, WARN]
        ),
        shape=alt.Shape("how:N", legend=None).scale(
            domain=[texts.INSIGHTS_HEARD_OUT, texts.INSIGHTS_CUT], range=["circle", "triangle-up"]
        ),
        tooltip=[
            alt.Tooltip("n:Q", title=texts.INSIGHTS_ANSWER),
            alt.Tooltip("s:Q", title=texts.INSIGHTS_SECONDS, format=".2f"),
            alt.Tooltip("how:N", title=" "),
        ],
    )
    last = alt.Chart(_data(rows[-1:]))
    low = last.mark_text(align="left", dx=8, dy=4, color=LIVE).encode(x=x, y=y("p50"), text=alt.value("p50"))
    high = last.mark_text(align="left", dx=8, dy=-4, color=SOFT).encode(
        x=x, y=y("p95"), text=alt.value("p95")
    )
    return _dressed(alt.layer(band, middle, dots, low, high))


def stage_chart(found: Sequence[Stage]) -> alt.Chart:
    """Return a chart with one bar per part of the wait, to its median, a thin bar to its p95, and both figures."""
    rows: list[Row] = [
        {
            "part": texts.INSIGHTS_STAGES[s.name],
            "order": i,
            "p50": s.p50_ms / 1000,
            "p95": s.p95_ms / 1000,
            "label": f"p50 {s.p50_ms / 1000:.2f} s · p95 {s.p95_ms / 1000:.2f} s",
        }
        for i, s in enumerate(found)
    ]
    widest = max((s.p95_ms for s in found), default=1.0) / 1000
    y = alt.Y(
        "part:N",
        title=None,
        sort=alt.SortField("order"),
        axis=alt.Axis(labelLimit=260, domain=False, ticks=False),
    )
    scale = alt.Scale(domain=[0, max(0.1, widest) * 1.75], nice=False)
    axis = alt.Axis(grid=False, domain=False, ticks=False, labels=False, title=None)
    base = alt.Chart(_data(rows))
    long = base.mark_bar(color=LIVE, opacity=0.25, height=12, cornerRadius=3).encode(
        x=alt.X("p95:Q", scale=scale, axis=axis), y=y
    )
    short = base.mark_bar(color=LIVE, height=22, cornerRadius=4).encode(
        x=alt.X("p50:Q", scale=scale, axis=axis), y=y
    )
    label = base.mark_text(align="left", dx=8, color=INK).encode(
        x=alt.X("p95:Q", scale=scale, axis=axis), y=y, text="label:N"
    )
    return _dressed(alt.layer(long, short, label), height=46 * max(1, len(rows)) + 20)


def day_chart(found: Sequence[Day]) -> alt.Chart:
    """Return a chart with one column per day and the interrupted answers at its foot."""
    rows: list[Row] = []
    for day in found:
        rows.append({"day": day.date, "n": day.interrupted, "what": texts.INSIGHTS_CUT, "order": 0})
        rows.append(
            {
                "day": day.date,
                "n": day.answers - day.interrupted,
                "what": texts.INSIGHTS_HEARD_OUT,
                "order": 1,
            }
        )
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadiusTopLeft=3, cornerRadiusTopRight=3, width=COLUMN)
        .encode(
            x=alt.X("day:O", title=None, axis=_days()),
            y=alt.Y("n:Q", title=texts.INSIGHTS_COUNT, axis=alt.Axis(tickMinStep=1, format="d")),
            color=alt.Color("what:N", legend=None).scale(
                domain=[texts.INSIGHTS_HEARD_OUT, texts.INSIGHTS_CUT], range=[LIVE, WARN]
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("day:O", title=texts.INSIGHTS_DAY),
                alt.Tooltip("what:N", title=" "),
                alt.Tooltip("n:Q", title=texts.INSIGHTS_COUNT),
            ],
        )
    )
    return _dressed(chart)


def part_chart(found: Sequence[Part]) -> alt.Chart:
    """Return a chart with one column per answer, its parts stacked in their order."""
    names = [texts.INSIGHTS_PARTS[name] for name in STAGES]
    rows: list[Row] = [
        {
            "n": p.number,
            "s": p.took_ms / 1000,
            "part": texts.INSIGHTS_PARTS[p.name],
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
                title=texts.INSIGHTS_ANSWER,
                axis=alt.Axis(labelAngle=0, grid=False, labelOverlap=True, ticks=False),
            ),
            y=alt.Y("s:Q", title=texts.INSIGHTS_SECONDS, stack="zero"),
            color=alt.Color(
                "part:N", sort=names, legend=alt.Legend(orient="top", title=None, symbolType="square")
            ).scale(domain=names, range=list(TINTS)),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("n:O", title=texts.INSIGHTS_ANSWER),
                alt.Tooltip("part:N", title=" "),
                alt.Tooltip("s:Q", title=texts.INSIGHTS_SECONDS, format=".2f"),
            ],
        )
    )
    return _dressed(chart)


def fps_chart(found: Sequence[SeenPoint]) -> alt.Chart:
    """Return a chart with one mark per answer, hollow where the page reported nothing, and a line at a smooth rate."""
    rows: list[Row] = [
        {"n": p.number, "fps": p.fps, "is_own": p.is_pages_count, "left": p.dropped} for p in found
    ]
    top = max(30.0, *(p.fps for p in found))
    y = alt.Y("fps:Q", title=texts.INSIGHTS_FPS, scale=alt.Scale(domain=[0, top], nice=False))
    base = alt.Chart(_data(rows))
    marks = base.mark_point(size=52, color=LIVE, strokeWidth=2).encode(
        x=_answers(len(rows)),
        y=y,
        fill=alt.condition("datum.is_own", alt.value(LIVE), alt.value("transparent")),
        tooltip=[
            alt.Tooltip("n:Q", title=texts.INSIGHTS_ANSWER),
            alt.Tooltip("fps:Q", title=texts.INSIGHTS_FPS, format=".1f"),
        ],
    )
    good = alt.Chart(_data([{"fps": GOOD_FPS}])).mark_rule(color=SOFT, strokeDash=[4, 4]).encode(y=y)
    return _dressed(alt.layer(good, marks))


def late_chart(found: Sequence[SeenPoint]) -> alt.Chart:
    """Return a chart with one mark per answer over the band of offsets that nobody notices."""
    rows: list[Row] = [{"n": p.number, "ms": p.late_ms} for p in found if p.late_ms is not None]
    told = [p.late_ms for p in found if p.late_ms is not None]
    low, high = min(EARLY_MS - 20, *told), max(LATE_MS + 20, *told)
    y = alt.Y("ms:Q", title=texts.INSIGHTS_MS, scale=alt.Scale(domain=[low, high], nice=True))
    band = alt.Chart(_data([{"ms": EARLY_MS, "to": LATE_MS}])).mark_rect(color=LIVE, opacity=0.12)
    marks = (
        alt.Chart(_data(rows))
        .mark_point(filled=True, size=52, color=LIVE, opacity=0.95)
        .encode(
            x=_answers(found[-1].number),
            y=y,
            tooltip=[
                alt.Tooltip("n:Q", title=texts.INSIGHTS_ANSWER),
                alt.Tooltip("ms:Q", title=texts.INSIGHTS_MS),
            ],
        )
    )
    return _dressed(alt.layer(band.encode(y=y, y2="to:Q"), marks))


def _answers(last: int) -> alt.X:
    return alt.X(
        "n:Q",
        title=texts.INSIGHTS_ANSWER,
        axis=alt.Axis(tickMinStep=max(1, last // 8), grid=False, format="d"),
        scale=alt.Scale(domain=[0, max(2, last) + 1], nice=False),
    )


def _days() -> alt.Axis:
    """Return the axis of days, labelled ``3 May``, followed by the time of day for a talk."""
    words = "utcFormat(toDate(slice(datum.value, 0, 10)), '%-d %b') + slice(datum.value, 10)"
    return alt.Axis(labelAngle=0, grid=False, labelOverlap=True, ticks=False, labelExpr=words)


def spent_chart(found: Sequence[Spent], what: str) -> alt.Chart:
    """Return a chart with one column per day or talk. ``what`` is ``cost_usd`` or ``avatar_min``."""
    title = texts.INSIGHTS_DOLLARS if what == "cost_usd" else texts.INSIGHTS_AVATAR
    rows: list[Row] = [{"name": s.name, "sum": getattr(s, what)} for s in found]
    chart = (
        alt.Chart(_data(rows))
        .mark_bar(
            color=LIVE,
            cornerRadiusTopLeft=3,
            cornerRadiusTopRight=3,
            width=COLUMN,
        )
        .encode(
            x=alt.X("name:O", title=None, axis=_days()),
            y=alt.Y("sum:Q", title=title, scale=alt.Scale(zero=True)),
            tooltip=[
                alt.Tooltip("name:O", title=" "),
                alt.Tooltip("sum:Q", title=title, format=".4~f"),
            ],
        )
    )
    return _dressed(chart, height=180)
