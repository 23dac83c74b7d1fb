"""Clock times of past talks in the time zone of the person's browser, which may differ from the server's."""

from __future__ import annotations

from datetime import datetime, tzinfo


def local_time(wall_s: float, zone: tzinfo | None) -> datetime:
    """Return the clock time in ``zone`` at ``wall_s`` (seconds since the epoch). ``None`` is this computer's zone."""
    return datetime.fromtimestamp(wall_s, zone).astimezone(zone)


def clock(wall_s: float, zone: tzinfo | None, *, has_seconds: bool = False) -> str:
    """Return the time of day as Kai says it, by the clock of ``zone``: ``4:51 pm``, or ``4:51:07 pm``."""
    at = local_time(wall_s, zone)
    seconds = f":{at.second:02d}" if has_seconds else ""
    return f"{(at.hour + 11) % 12 + 1}:{at.minute:02d}{seconds} {'am' if at.hour < 12 else 'pm'}"


def day(wall_s: float, zone: tzinfo | None) -> str:
    """Return the day as Kai says it, by the calendar of ``zone``: ``November 30, 2026``."""
    at = local_time(wall_s, zone)
    return f"{at:%B} {at.day}, {at.year}"
