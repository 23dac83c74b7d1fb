"""The charts, in the theme's colours: plain, labelled directly, zero where it belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import altair as alt

from kai.records.statistics import Day, Stage, WaitPoint
from kai.ui import texts

LIVE: Final = "#35c2c9"
WARN: Final = "#f2b84b"
INK: Final = "#e7edf4"
SOFT: Final = "#a9b4c2"
LINE: Final = "#2b3848"
HEIGHT: Final = 240

Row = Mapping[str, object]


def _data(rows: Sequence[Row]) -> alt.InlineData:
    return alt.InlineData(values=[dict(row) for row in rows])


def _dressed(chart: Any, height: int = HEIGHT) -> alt.Chart:
    """The house's dress: no frame, quiet grid, readable labels."""
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
        .configure_text(font="system-ui, sans-serif", fontSize=13)
    )
    return cast("alt.Chart", dressed)


def wait_chart(points: Sequence[WaitPoint]) -> alt.Chart:
    """A dot an answer, and the moving middle and slow end as a band; the band's ends are named at its end."""
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
    """A bar to the middle of each part of the wait, a thin one to its slow end, the figures beside it."""
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
    """A column a day; the interrupted answers at its foot."""
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
        .mark_bar(
            cornerRadiusTopLeft=3, cornerRadiusTopRight=3, size=min(46, max(6, 480 // max(1, len(found))))
        )
        .encode(
            x=alt.X("day:O", title=None, axis=alt.Axis(labelAngle=0, grid=False, labelOverlap=True)),
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
