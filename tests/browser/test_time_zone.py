"""A page in Asia/Tokyo asks an app whose computer lives by UTC for the time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kai.bench.driver import AppProcess, visitor
from kai.ui import texts


@pytest.mark.long
@pytest.mark.timeout(240)
def test_kai_tells_the_time_where_the_person_is(chromium: Path) -> None:
    with AppProcess(env={"TZ": "UTC"}) as app, visitor(chromium) as person:
        app.wait_ready()
        devtools = person.context.new_cdp_session(person.page)
        devtools.send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
        person.open(app.url)
        person.start()
        person.wait_state(texts.LISTENING, 60)
        person.say("What time is it?")
        answer = person.wait_line("assistant", 1, 40)
        (told,) = re.findall(r"\d{1,2}:\d\d [ap]m", answer)
        now = datetime.now(ZoneInfo("Asia/Tokyo"))
        near = [now - timedelta(minutes=minutes) for minutes in range(3)]
        assert told in [f"{at.hour % 12 or 12}:{at:%M} {'am' if at.hour < 12 else 'pm'}" for at in near]
