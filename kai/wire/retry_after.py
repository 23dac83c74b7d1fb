"""HTTP's ``Retry-After`` (RFC 9110, 10.2.3): how long a server asks its client to wait."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite


def parse_retry_after(value: str | None, now_s: float | None = None) -> float | None:
    """Return the seconds to wait, or ``None`` if the header is absent or invalid.

    The header holds seconds or a date. A date needs ``now_s``, the wall clock in seconds since the epoch.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None if now_s is None else _until(value, now_s)
    return max(0.0, seconds) if isfinite(seconds) else None


def _until(date: str, now_s: float) -> float | None:
    try:
        due = parsedate_to_datetime(date)
    except ValueError:
        return None
    # RFC 9110: a date without a zone is in UTC.
    due = due if due.tzinfo is not None else due.replace(tzinfo=UTC)
    return max(0.0, due.timestamp() - now_s)
