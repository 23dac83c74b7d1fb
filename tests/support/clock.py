"""What a spoken time of day is held against."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from kai.engine.speech.days import say_time


def is_now_in(said: str, zone: str) -> bool:
    """Whether ``said`` tells one time of day, and that was the time in ``zone`` within the last two minutes.

    The full hours of twelve have names ("noon"), so a pattern of digits alone fails for a minute of every half day.
    """
    now = datetime.now(ZoneInfo(zone))
    near = {say_time(now - timedelta(minutes=minutes)) for minutes in range(3)}
    (told,) = re.findall(r"\d{1,2}:\d\d [ap]m|noon|midnight", said)
    return told in near
