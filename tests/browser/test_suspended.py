"""The page's processes stand still for a while, as a suspended tab's or a phone's in a pocket: the same page goes on."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import texts
from tests.support.fake_app import app_of_fakes

STOPPED_S = 25.0
"""Longer than the page's three tries to connect, so that Kai has given it up by then."""


@pytest.fixture(scope="module")
def app() -> Iterator[AppProcess]:
    with app_of_fakes() as process:
        yield process


@pytest.fixture
def person(app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        somebody.open(app.url)
        yield somebody


def renderers() -> list[psutil.Process]:
    """The processes that run pages, of the browser that this test started."""
    found: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "--type=renderer" in process.cmdline():
                found.append(process)
    return found


def is_moving(person: Visitor) -> bool:
    """Whether the page shows new pictures."""
    before = person.video()
    person.page.wait_for_timeout(500)
    now = person.video()
    return now is not None and now.frames > (0 if before is None else before.frames)


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_a_page_that_stood_still_sees_and_hears_kai_again_without_a_reload(person: Visitor) -> None:
    person.start()
    person.wait_picture()
    person.wait_state(texts.LISTENING)
    loaded_at = person.page.evaluate("performance.timeOrigin")
    stopped = renderers()
    assert stopped
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    time.sleep(STOPPED_S)
    for process in stopped:
        process.send_signal(signal.SIGCONT)
    # A real tab is told that it is seen again; a headless one was never hidden.
    person.page.evaluate("document.dispatchEvent(new Event('resume'))")
    person.wait(lambda: is_moving(person), 30.0, "a moving picture")
    person.say("Are you there?")
    person.wait_line("assistant", 1)
    assert person.page.evaluate("performance.timeOrigin") == loaded_at
