"""The bars of a part of the bench: a measured figure, its limit, and whether the limit was kept.

A part's function ``bars`` makes them from the figures that its ``run`` returned, so that they can be judged again from a
file. A figure that could not be measured misses its bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

COUNTED: Final = " of "


class Direction(Enum):
    """The side of its limit on which a figure has to be."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure and its limit, both in ``unit``; ``measured`` is ``None`` if there was nothing to measure."""

    name: str
    measured: float | None
    limit: float
    direction: Direction
    unit: str = ""

    @property
    def is_held(self) -> bool:
        """True when the figure was measured and is at its limit or on the right side of it."""
        if self.measured is None:
            return False
        if self.direction is Direction.AT_MOST:
            return self.measured <= self.limit
        return self.measured >= self.limit

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Bar:
        """Return the bar that ``as_json`` wrote; whether it is held is judged again."""
        direction = Direction(kept["direction"])
        return cls(kept["name"], kept["measured"], kept["limit"], direction, kept["unit"])

    def as_json(self) -> dict[str, Any]:
        """Return the bar for the file of figures."""
        return {
            "name": self.name,
            "measured": self.measured,
            "limit": self.limit,
            "direction": self.direction.value,
            "unit": self.unit,
            "is_held": self.is_held,
        }


def at_most(name: str, measured: float | None, limit: float, unit: str = "") -> Bar:
    """Return a bar that a larger figure misses."""
    return Bar(name, measured, limit, Direction.AT_MOST, unit)


def at_least(name: str, measured: float | None, limit: float, unit: str = "") -> Bar:
    """Return a bar that a smaller figure misses."""
    return Bar(name, measured, limit, Direction.AT_LEAST, unit)


def percent_of(counted: str) -> float:
    """Return ``"9 of 12"`` as a percentage, 75.0. Raises `ValueError` for another text, `ZeroDivisionError` for "0 of 0"."""
    part, whole = counted.split(COUNTED)
    return 100 * int(part) / int(whole)


def table(bars: Sequence[Bar]) -> list[str]:
    """Return the bars as lines of a table, each with ``held`` or ``missed``."""
    rows = [
        (
            "held" if bar.is_held else "missed",
            bar.name,
            "not measured" if bar.measured is None else _told(bar.measured, bar.unit),
            f"{bar.direction.value} {_told(bar.limit, bar.unit)}",
        )
        for bar in bars
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def judged(figures: Mapping[str, Any], bars: Sequence[Bar]) -> dict[str, Any]:
    """Return the figures together with their bars, for the file."""
    return {**figures, "bars": [bar.as_json() for bar in bars]} if bars else dict(figures)


def _told(value: float, unit: str) -> str:
    return f"{round(value, 3):g} {unit}".rstrip()
