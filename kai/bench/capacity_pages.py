"""Whole talks at once on this machine: pages in one Chromium whose microphones speak without a pause.

A part of ``python -m kai.bench capacity``. The browsers stand on the same cores, as in a demo at one computer, and their own
share is told.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil

from kai.bench.asked import THOUGHT, asked
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.driver import AppProcess, Visitor, visitor, write_mic
from kai.bench.talk import Cpu, find_chromium

PAGES: Final = (1, 2, 3)
WATCH_S: Final = 15.0
SETTLE_MS: Final = 6_000
TOLD_S: Final = 5.0
TOLD: Final = "still picture"
"""Words of the message to a talk whose face this computer cannot draw."""
PICTURE_S: Final = 20.0
BREATH_S: Final = 0.4


def run() -> dict[str, Any]:
    """Return, for each number of pages, each page's pictures a second and the cores of every part."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        said = [part for question in asked(THOUGHT) for part in (question.path, BREATH_S)]
        mic = write_mic(Path(folder) / "mic.wav", said)
        for count in PAGES:
            figures[f"{count}_pages"] = _talks(count, mic)
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: two talks look well beside each other, and one too many is told so."""
    return [
        at_least(
            "two pages at once, pictures a second of the slower",
            min(figures["2_pages"]["pictures_a_second"]),
            20,
        ),
        at_most(
            "three pages: until the third is told, or has a picture",
            figures["3_pages"]["last_page_knows_after_s"],
            TOLD_S,
            "s",
        ),
    ]


def _talks(count: int, mic: Path) -> dict[str, Any]:
    speaking = (f"--use-file-for-fake-audio-capture={mic}",)
    with AppProcess() as app, visitor(find_chromium(), flags=speaking) as person:
        app.wait_ready()
        people = [person, *(person.new_tab() for _ in range(count - 1))]
        knows_s: float | None = None
        for each in people:
            each.open(app.url)
            each.start()
            begun_s = time.monotonic()
            with contextlib.suppress(TimeoutError):
                each.wait(
                    lambda each=each: _has_picture(each) or _is_told(each),
                    PICTURE_S,
                    "a picture or words",
                    100,
                )
                knows_s = round(time.monotonic() - begun_s, 1)
        person.page.wait_for_timeout(SETTLE_MS)
        cpu, before, begun_s = Cpu(app), [_pictures(each) for each in people], time.monotonic()
        browser_s = _browser_s()
        person.page.wait_for_timeout(WATCH_S * 1000)
        passed_s = time.monotonic() - begun_s
        after = [_pictures(each) for each in people]
        return {
            "pictures_a_second": [
                round((now - then) / passed_s, 1) for then, now in zip(before, after, strict=True)
            ],
            "told": [_is_told(each) for each in people],
            "last_page_knows_after_s": knows_s,
            "cpu_percent": cpu.percent(),
            "browser_percent": round(100 * (_browser_s() - browser_s) / passed_s, 1),
        }


def _has_picture(person: Visitor) -> bool:
    video = person.video()
    return video is not None and video.width > 0 and video.current_time_s > 0 and video.frames > 5


def _pictures(person: Visitor) -> int:
    video = person.video()
    return 0 if video is None else video.frames


def _is_told(person: Visitor) -> bool:
    return TOLD in person.page.locator("body").inner_text()


def _browser_s() -> float:
    """Return the CPU time of all processes of the browsers that this process has started."""
    used_s = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "chrom" in process.name():
                times = process.cpu_times()
                used_s += times.user + times.system
    return used_s
