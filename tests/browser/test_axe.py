"""axe-core finds no serious or critical issue on any page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import check_texts, past_texts, setting_words, texts
from tests.browser.test_desk import ARTIFACTS
from tests.support.fake_app import app_of_fakes


@pytest.fixture(scope="module")
def app() -> Iterator[AppProcess]:
    with app_of_fakes() as process:
        yield process


def issues(person: Visitor) -> list[tuple[str, str]]:
    """The rule and the first element of what axe-core finds serious or critical."""
    found = Axe().run(person.page).response["violations"]
    return [(v["id"], v["nodes"][0]["html"][:120]) for v in found if v["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("theme", ["dark", pytest.param("light", marks=pytest.mark.long)])
def test_no_page_has_a_serious_issue(
    app: AppProcess, chromium: Path, theme: Literal["dark", "light"]
) -> None:
    found: dict[str, list[tuple[str, str]]] = {}
    with visitor(chromium) as person:
        person.page.emulate_media(color_scheme=theme)
        person.open(app.url)
        person.page.get_by_role("button", name=texts.START).wait_for()
        person.press(setting_words.PRESETS.keep)
        person.page.get_by_text(setting_words.PRESETS.save).wait_for()
        found["landing"] = issues(person)
        person.page.keyboard.press("Escape")
        pages = {
            "history": past_texts.HISTORY_EMPTY_TITLE,
            "insights": past_texts.INSIGHTS_EXAMPLE,
            "help": check_texts.CHECK_NOW,
        }
        for name, words in pages.items():
            person.open(app.url + name)
            person.page.get_by_text(words).first.wait_for()
            person.page.wait_for_timeout(500)
            found[name] = issues(person)
            person.screenshot(ARTIFACTS / f"{name}.png")
        person.open(app.url)
        person.start()
        person.wait_picture()
        person.wait_state(texts.LISTENING)
        found["talk"] = issues(person)
        person.page.keyboard.press("p")
        person.page.locator(".desk.is-presenting").wait_for()
        found["presenter"] = issues(person)
    assert {name: list(of_page) for name, of_page in found.items() if of_page} == {}
