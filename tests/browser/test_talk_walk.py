"""A person in mid-talk: tweaks voice and character, changes pages, loses WebSocket and caches; presets; two at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from kai.bench.driver import CHROMIUM_FLAGS, AppProcess, Visitor, visitor
from kai.ui import past_texts, setting_words, texts
from tests.browser.test_desk import banner, begin
from tests.browser.test_presenter import key
from tests.support.fake_app import app_of_fakes

pytestmark = pytest.mark.long


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def make_app(data: Path) -> AppProcess:
    return app_of_fakes(KAI_DATA_DIR=str(data), KAI_FAKE_CLOUD="1")


@pytest.fixture
def app(data: Path) -> Iterator[AppProcess]:
    with make_app(data) as process:
        yield process


@pytest.fixture
def person(app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        yield somebody


def choose(person: Visitor, label: str, option: str) -> None:
    """An option of a list in the sidebar; by key, for a list that was just scrolled to closes again at a press."""
    field = person.page.get_by_test_id("stSidebar").get_by_label(label, exact=False).first
    wanted = person.page.get_by_role("option", name=option, exact=True)
    field.focus()
    # A list that opens while its group is still opening closes again.
    person.wait(
        lambda: wanted.is_visible() or field.press("ArrowDown"), 15, f"the option {option}", every_ms=500
    )
    wanted.click()


def goes_on(person: Visitor, since_s: float) -> None:
    """The picture has not begun anew."""
    person.wait(
        lambda: (v := person.video()) is not None and v.current_time_s > since_s, 10, "a picture that goes on"
    )


def ask(person: Visitor, text: str) -> None:
    person.say(text)
    person.wait_state(texts.SPEAKING)
    person.press(texts.INTERRUPT)
    person.wait_state(texts.LISTENING)


def test_voice_and_character_are_changed_in_mid_talk_and_the_talk_goes_on(
    person: Visitor, app: AppProcess
) -> None:
    begin(person, app)
    ask(person, "Remember this.")
    said = person.lines()
    before = person.wait_picture().current_time_s
    person.page.get_by_test_id("stSidebar").get_by_text("Mara", exact=True).click()
    choose(person, setting_words.SETTINGS["voice"].label, "Cedar")
    person.wait(lambda: banner(person) == texts.CHANGE_WAITING, 15, "the offer")
    person.press(texts.CHANGE_LATER)
    person.wait(lambda: banner(person) == "", 10, "quiet")
    choose(person, setting_words.SETTINGS["voice"].label, "Marin")
    person.page.wait_for_timeout(1500)
    choose(person, setting_words.SETTINGS["voice"].label, "Ash")
    person.wait(lambda: banner(person) == texts.CHANGE_WAITING, 15, "the offer again")
    person.press(texts.CHANGE_NOW)
    person.wait(lambda: banner(person) == "", 15, "the change")
    assert person.lines() == said
    goes_on(person, before)
    ask(person, "Are you there?")


def test_a_preset_is_back_after_a_restart_of_the_app(data: Path, chromium: Path) -> None:
    with make_app(data) as first, visitor(chromium) as person:
        person.open(first.url)
        person.page.get_by_test_id("stSidebar").get_by_text("Ade", exact=True).click()
        person.page.get_by_role("button", name=setting_words.PRESETS.keep).click()
        name = person.page.get_by_placeholder(setting_words.PRESETS.example)
        name.fill("Trade fair")
        name.press("Enter")
        person.press(setting_words.PRESETS.save)
        person.page.get_by_test_id("stToast").or_(
            person.page.get_by_text("Trade fair").first
        ).first.wait_for()
    with make_app(data) as second, visitor(chromium) as person:
        person.open(second.url)
        ade, kai = (person.page.get_by_role("radio", name=name, exact=True) for name in ("Ade", "Kai"))
        person.wait(lambda: ade.count() and ade.is_checked(), 15, "the last settings")
        kai.click()
        person.wait(kai.is_checked, 15, "another face")
        choose(person, setting_words.PRESETS.label, "Trade fair")
        person.wait(ade.is_checked, 15, "the preset's face")


def test_pages_presenter_lost_websocket_and_cleared_caches_do_not_touch_a_talk(
    person: Visitor, app: AppProcess
) -> None:
    begin(person, app)
    ask(person, "Remember this.")
    said, before = person.lines(), person.wait_picture().current_time_s
    for page in (past_texts.HISTORY_PAGE, past_texts.INSIGHTS_PAGE, texts.HELP_PAGE):
        person.page.get_by_role("link", name=page).click()
        person.page.get_by_role("link", name=texts.BACK_TO_TALK).wait_for()
    person.page.get_by_role("link", name=texts.BACK_TO_TALK).click()
    person.page.locator(".desk:not(.is-away)").wait_for()
    key(person, "p")
    person.page.locator(".desk.is-presenting").wait_for()
    key(person, "Escape")
    person.page.locator(".desk:not(.is-presenting)").wait_for()
    assert person.page.request.post(f"{app.url}test/clear-caches").status == 204
    person.lose_websocket()
    person.page.wait_for_timeout(2500)
    assert person.lines() == said
    goes_on(person, before)
    ask(person, "Are you there?")
    person.press(texts.STOP)
    person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()


def test_two_people_at_once_have_a_talk_each(app: AppProcess, chromium: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium), args=[*CHROMIUM_FLAGS, "--use-fake-ui-for-media-stream"]
        )
        contexts = [
            browser.new_context(viewport={"width": 1280, "height": 720}, permissions=["microphone"])
            for _ in range(2)
        ]
        people = [Visitor(context) for context in contexts]
        for person, word in zip(people, ("apple", "pear"), strict=True):
            begin(person, app)
            person.say(f"I say {word}.")
        for person, own, other in ((people[0], "apple", "pear"), (people[1], "pear", "apple")):
            person.wait(lambda p=person: p.line_of("assistant", 1), 20, "an answer")
            said = " ".join(text for _, text in person.lines())
            assert own in said
            assert other not in said
        people[0].press(texts.STOP)
        people[0].page.get_by_role("button", name=texts.START_AGAIN).wait_for()
        assert people[1].wait_picture().width > 0
        ask(people[1], "Still there?")
        browser.close()
