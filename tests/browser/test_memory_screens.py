"""History, Insights, Check and help at three sizes, empty and full: pictures to look at, axe-core, and nothing cut off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import check_texts, door_texts, help_texts, past_texts, texts
from kai.ui.password import make_hash
from tests.browser.test_axe import issues
from tests.browser.test_desk import ARTIFACTS
from tests.support import memories
from tests.support.fake_app import app_of_fakes
from tests.ui.test_door_served import ADDRESS, answers, end, start

pytestmark = pytest.mark.long

SIZES = {"1280": (1280, 720), "1024": (1024, 768), "phone": (390, 844)}

CUT_OFF_JS = """
() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const block = document.querySelector('.stMainBlockContainer').getBoundingClientRect();
  const out = [...document.querySelectorAll('.stMainBlockContainer :is(h1, h2, h3, p, button, dd, dt, li, summary, video)')]
    .filter((e) => e.checkVisibility() && !e.closest('.kai-times, .vega-embed, [data-testid="stPopoverBody"]'))
    .map((e) => [e.getBoundingClientRect(), e])
    .filter(([box]) => box.width > 1 && (box.right > block.right + 2 || box.left < block.left - 2))
    .map(([, e]) => e.outerHTML.slice(0, 100));
  return { wide, out };
}
"""


@pytest.fixture(scope="module", params=["empty", "full"])
def app(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, AppProcess]]:
    data = tmp_path_factory.mktemp("data")
    if request.param == "full":
        memories.fill(data, time.time())
    with app_of_fakes(KAI_DATA_DIR=str(data)) as process:
        yield request.param, process


def open_page(person: Visitor, app: AppProcess, page: str, words: str) -> None:
    person.open(f"{app.url}{page}")
    person.page.get_by_text(words, exact=True).first.wait_for()
    person.page.wait_for_timeout(900)


@pytest.mark.parametrize("size", list(SIZES))
def test_pages_of_words_are_whole_and_readable_at_every_size(
    app: tuple[str, AppProcess], chromium: Path, size: str
) -> None:
    kind, process = app
    is_full = kind == "full"
    words = {
        "history": past_texts.HISTORY_LEAD if is_full else past_texts.HISTORY_EMPTY_TITLE,
        "insights": past_texts.INSIGHTS_WAIT_TITLE if is_full else past_texts.INSIGHTS_EMPTY_TITLE,
        "help": help_texts.TITLE,
    }
    serious: dict[str, object] = {}
    cut_off: dict[str, object] = {}

    def look(name: str) -> None:
        person.page.screenshot(path=str(ARTIFACTS / f"{name}-{kind}-{size}.png"), full_page=False)
        serious[name] = issues(person)
        cut_off[name] = person.page.evaluate(CUT_OFF_JS)

    with visitor(chromium, size=SIZES[size]) as person:
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        for page, word in words.items():
            open_page(person, process, page, word)
            look(page)
            if page == "insights":
                person.page.locator(".stMain").evaluate("e => e.scrollTo(0, 1e6)")
                person.page.wait_for_timeout(600)
                look("insights-end")
            if page == "history":
                if is_full:
                    person.page.locator(".st-key-kai-talks button").first.click()
                    person.page.locator(".replay video").wait_for()
                    person.page.wait_for_timeout(500)
                    look("history-talk")
                    person.page.locator(".kai-times summary").click()
                    person.page.locator(".kai-times table").wait_for()
                    person.page.locator(".stMain").evaluate("e => e.scrollTo(0, 1e6)")
                    person.page.wait_for_timeout(300)
                    look("history-times")
                    person.page.locator(".stMain").evaluate("e => e.scrollTo(0, 0)")
                    person.press(past_texts.HISTORY_DELETE)
                    person.page.get_by_text(past_texts.HISTORY_DELETE_THIS).wait_for()
                    person.page.wait_for_timeout(400)
                    look("history-delete")
                    person.page.keyboard.press("Escape")
                    person.page.wait_for_timeout(300)
                    if size == "phone":
                        person.press(past_texts.HISTORY_BACK)
                    box = person.page.get_by_role("textbox", name=past_texts.HISTORY_SEARCH)
                    box.fill("elephant")
                    box.press("Enter")
                    person.page.get_by_text(past_texts.HISTORY_NOTHING_FOUND).wait_for()
                    look("history-nothing-found")
                person.press(past_texts.HISTORY_KEEPING)
                person.page.get_by_text(past_texts.HISTORY_KEEP_FOR).wait_for()
                person.page.wait_for_timeout(400)
                look("history-keeping")
            if page == "help" and is_full:
                person.press(check_texts.CHECK_NOW)
                person.page.locator(".kai-verdict").wait_for(timeout=40_000)
                person.page.locator("[data-check=secure]").wait_for()
                person.page.wait_for_timeout(600)
                look("help-checked")
                person.page.get_by_text(help_texts.TROUBLE[0][0]).click()
                person.page.wait_for_timeout(500)
                look("help-symptom")
    assert {name: found for name, found in serious.items() if found} == {}
    assert {name: found for name, found in cut_off.items() if found != {"wide": 0, "out": []}} == {}


@pytest.mark.parametrize("size", list(SIZES))
def test_the_door_is_plain_and_readable(chromium: Path, tmp_path: Path, size: str) -> None:
    process, port, _ = start(tmp_path, KAI_PASSWORD_HASH=make_hash("correct horse battery"))
    try:
        with visitor(chromium, size=SIZES[size]) as person:
            person.wait(lambda: answers(port), 60, "the app")
            person.open(f"http://{ADDRESS}:{port}/")
            person.page.get_by_label(door_texts.DOOR_PASSWORD).fill("wrong one")
            person.press(door_texts.DOOR_OPEN)
            person.page.get_by_text(door_texts.DOOR_WRONG).wait_for()
            person.page.screenshot(path=str(ARTIFACTS / f"door-{size}.png"))
            assert issues(person) == []
            person.page.get_by_label(door_texts.DOOR_PASSWORD).fill("correct horse battery")
            person.page.get_by_label(door_texts.DOOR_PASSWORD).press("Enter")
            person.page.get_by_role("button", name=texts.START).wait_for()
    finally:
        end(process)
