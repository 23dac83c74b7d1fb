"""The browser that the tests here drive, and what it means when there is none.

A person without a browser gets these tests skipped, with a loud line that counts them; CI, and anybody who sets
KAI_REQUIRE_BROWSER=1, gets failures, so that none is left out unseen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess
from tests.support.chromium import find_chromium
from tests.support.fake_app import app_of_fakes

NO_BROWSER = "no Chromium on this machine: run `make test` as root or with sudo, or set KAI_CHROMIUM"


def is_browser_required() -> bool:
    """Whether a missing browser fails the run instead of leaving tests out."""
    return os.environ.get("CI", "").lower() in {"1", "true"} or os.environ.get("KAI_REQUIRE_BROWSER") == "1"


@pytest.fixture(scope="session", autouse=True)
def chromium() -> Path:
    """Path of the Chromium to start (Playwright's ``executable_path``); every test here needs it."""
    found = find_chromium()
    if found is None:
        if is_browser_required():
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    return found


@pytest.fixture(scope="session")
def fake_app() -> Iterator[AppProcess]:
    """An app whose talks are fakes, for all tests that change nothing that the next one would meet."""
    with app_of_fakes() as process:
        yield process


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly how many tests were left out for want of a browser."""
    left_out = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NO_BROWSER in str(report.longrepr[2])
    ]
    if left_out:
        count = len(left_out)
        noun = "TEST WAS" if count == 1 else "TESTS WERE"
        terminalreporter.section("NO BROWSER", sep="!", red=True, bold=True)
        terminalreporter.line(f"{count} BROWSER {noun} LEFT OUT: {NO_BROWSER}", red=True, bold=True)
