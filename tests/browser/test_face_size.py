"""The face is drawn as large as it is shown, or as a person wishes it.

The face is a stand-in that draws in whatever size is wanted. What the built-in one does with the wish is tested in
`test_local_face_parts`: on a busy computer it may draw smaller than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import setting_words, texts
from tests.browser.test_desk import begin
from tests.browser.test_talk_walk import choose
from tests.support.fake_app import app_of_fakes


@pytest.fixture
def app() -> Iterator[AppProcess]:
    """An app of its own: the choice is kept, and would hold for whoever comes next."""
    with app_of_fakes() as process:
        yield process


def wait_width(person: Visitor, width_px: int) -> None:
    def width() -> int:
        video = person.video()
        return 0 if video is None else video.width

    person.wait(lambda: width() == width_px, 15, f"a picture of {width_px} px")


@pytest.mark.long
def test_a_face_that_is_shown_large_is_drawn_large_unless_a_person_wants_it_otherwise(
    app: AppProcess, chromium: Path
) -> None:
    words = setting_words.SETTINGS["face_size"]
    with visitor(chromium, size=(1280, 720)) as person:
        begin(person, app)
        wait_width(person, 512)
        person.page.set_viewport_size({"width": 1920, "height": 1080})
        wait_width(person, 720)
        person.page.get_by_text(texts.ADVANCED, exact=True).first.click()
        for option, width_px in (("standard", 512), ("high", 720)):
            choose(person, words.label, words.options[option])
            wait_width(person, width_px)
