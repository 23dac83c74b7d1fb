"""A page in Asia/Tokyo asks an app whose computer lives by UTC for the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, visitor
from kai.ui import texts
from tests.support.clock import is_now_in


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
        assert is_now_in(answer, "Asia/Tokyo"), answer
