"""The face is drawn as large as it is shown, or as a person wishes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import setting_words, texts
from tests.browser.test_desk import ARTIFACTS, begin

BAKED_S = 120
"""The larger picture is baked beside the talk when it is wanted for the first time."""


def wait_width(person: Visitor, width_px: int) -> None:
    def width() -> int:
        video = person.video()
        return 0 if video is None else video.width

    person.wait(lambda: width() == width_px, BAKED_S, f"a picture of {width_px} px")


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_face_that_is_shown_large_is_drawn_large_unless_a_person_wants_it_otherwise(chromium: Path) -> None:
    words = setting_words.SETTINGS["face_size"]
    with AppProcess(env={"KAI_MIND": "none"}) as app, visitor(chromium, size=(1280, 720)) as person:
        app.wait_ready()
        begin(person, app)
        wait_width(person, 512)
        person.page.set_viewport_size({"width": 1920, "height": 1080})
        wait_width(person, 720)
        person.screenshot(ARTIFACTS / "face-large.png")
        person.page.get_by_text(texts.ADVANCED, exact=True).first.click()
        for option, width_px in (("standard", 512), ("high", 720)):
            person.page.get_by_role("combobox", name=words.label).click()
            person.page.get_by_role("option", name=words.options[option], exact=True).click()
            wait_width(person, width_px)
