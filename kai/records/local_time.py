"""Clock times of past talks in the time zone of the person's browser, which may differ from the server's."""

from __future__ import annotations

from datetime import datetime, tzinfo


def local_time(wall_s: float, zone: tzinfo | None) -> datetime:
    """Return the clock time in ``zone`` at ``wall_s`` (seconds since the epoch). ``None`` is this computer's zone."""
    return datetime.fromtimestamp(wall_s, zone).astimezone(zone)
