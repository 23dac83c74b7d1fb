"""A talk with Kai in Firefox: started, typed, interrupted, on another page, after a reload, stopped."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess
from tests.support.strangers import leave_out, python_with, seen_by

CLIENT = Path(__file__).parents[1] / "support" / "firefox_client.py"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_talk_in_firefox(tmp_path: Path) -> None:
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        leave_out("there is no Firefox (Debian: `apt install firefox-esr`)")
    python = python_with("marionette_driver==3.7.1")
    with AppProcess() as app:
        app.wait_ready()
        seen = seen_by(python, CLIENT, firefox, app.url, str(tmp_path), within_s=300)
    assert seen["script_errors"] == []
    assert seen["pictures_a_second"] > 15
    assert "It is" in seen["time_told"] or "clock" in seen["time_told"]
    assert seen["energy_of_speech"] > 0.001
    assert seen["interrupted"]
    assert seen["pictures_on_another_page"] > 10
    assert seen["lines_after_reload"] == 4
