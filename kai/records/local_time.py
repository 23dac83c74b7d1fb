"""Clock times of past talks as a person reads them: in the zone of their browser, which may be far from the server's."""

from __future__ import annotations

from datetime import datetime, tzinfo


def local_time(wall_s: float, zone: tzinfo | None) -> datetime:
    """The clock time in ``zone`` at ``wall_s`` (seconds since the epoch); ``None`` is this computer's own zone."""
    return datetime.fromtimestamp(wall_s, zone).astimezone(zone)
