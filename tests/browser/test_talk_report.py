"""A short talk in a browser, its report saved from the Check page, and what the command prints of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, visitor
from kai.core import journal
from kai.core.state import Role
from kai.records import report
from kai.ui import help_texts, texts
from tests.browser.test_desk import ARTIFACTS

pytestmark = pytest.mark.long


def test_the_report_of_a_talk_is_saved_and_printed(chromium: Path, tmp_path: Path) -> None:
    path = tmp_path / "kai-talk.jsonl"
    with AppProcess(env={"KAI_DATA_DIR": str(tmp_path / "data")}) as app, visitor(chromium) as person:
        app.wait_ready()
        person.open(app.url)
        person.start()
        person.wait_picture(60)
        person.say("What is seven times six?")
        person.wait_line("assistant", 1, 60)
        person.wait_state("Listening", 60)
        person.page.get_by_role("link", name=texts.HELP_PAGE).click()
        person.page.get_by_role("button", name=help_texts.REPORT_SAVE).wait_for()
        person.screenshot(ARTIFACTS / "talk-report.png")
        with person.page.expect_download() as saved:
            person.page.get_by_role("button", name=help_texts.REPORT_SAVE).click()
        saved.value.save_as(path)
    told = report.read(path.read_text("utf-8"))
    *_, last = journal.steps(told.journal, told.state)
    asked, answered = last[2].messages[:2]
    assert (asked.role, asked.text) == (Role.USER, "x x x x x")
    assert answered.role is Role.ASSISTANT
    assert "x" in answered.text
    assert "seven" not in path.read_text("utf-8")
    printed = subprocess.run(
        [sys.executable, "-m", "kai.replay", str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert "Start was pressed" in printed
    assert "the answer was heard to its end" in printed
