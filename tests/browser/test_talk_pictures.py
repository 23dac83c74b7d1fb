"""The Talk page in every main state at three sizes: pictures to look at, nothing cut off, and nothing that axe-core minds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import setting_words, texts
from tests.browser.test_axe import issues
from tests.browser.test_desk import ARTIFACTS, MICROPHONE_ANSWERS_JS
from tests.browser.test_presenter import key, say_unseen
from tests.support.fake_app import app_of_fakes

pytestmark = pytest.mark.long

SIZES = ((1280, 720), (1024, 768), (390, 844))

MEASURE_JS = """
() => {
  const desk = [...document.querySelectorAll('*')].map((e) => e.shadowRoot?.querySelector?.('.desk')).find(Boolean)
    ?? document.querySelector('.desk');
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (!desk) return { wide, cut: [], out: [], lines: 0 };
  const style = (e) => getComputedStyle(e);
  const seen = (e) => e.getClientRects().length && style(e).visibility !== 'hidden' && style(e).opacity !== '0';
  const name = (e) => `${e.className}: ${e.textContent.trim().slice(0, 40)}`;
  const words = '.control, .reason, .state .word, .legs .is, .banner .message, .card h2, .spent li, p.ai, .steps li';
  const cut = [...desk.querySelectorAll(words)].filter(seen).filter((e) => e.scrollWidth > e.clientWidth + 1).map(name);
  const caption = desk.querySelector('.caption').getBoundingClientRect();
  const picture = desk.querySelector('.picture').getBoundingClientRect();
  if (picture.bottom > caption.top + 1 && innerWidth > 1200) cut.push('the picture covers the caption');
  const parts = '.state, .picture, .legs, .spent, .caption, .control, .banner, .text, .send, .card, .chat, p.ai';
  const out = [...desk.querySelectorAll(parts)].filter(seen).filter((e) => {
    const r = e.getBoundingClientRect();
    return r.width && (r.left < -1 || r.right > innerWidth + 1 || r.top < -1 || r.bottom > innerHeight + 1);
  }).map(name);
  const chat = desk.querySelector('.chat').getBoundingClientRect();
  const box = desk.querySelector('.banner');
  const top = box && !box.hidden ? box.getBoundingClientRect().bottom : chat.top;
  const height = chat.bottom - top;
  return { wide, cut, out, lines: Math.floor(height / 22.4) };
}
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppProcess]:
    with app_of_fakes(KAI_DATA_DIR=str(tmp_path), KAI_FAKE_CLOUD="1") as process:
        yield process


class Album:
    """Takes the pictures of one size, and keeps what is wrong in them."""

    def __init__(self, person: Visitor, size: tuple[int, int]) -> None:
        self.person, self.size = person, size
        self.wrong: dict[str, object] = {}

    def take(self, state: str) -> None:
        self.person.page.wait_for_timeout(500)
        width, height = self.size
        self.person.screenshot(ARTIFACTS / f"talk-{state}-{width}x{height}.png")
        found = self.person.page.evaluate(MEASURE_JS)
        wrong = {name: found[name] for name in ("cut", "out") if found[name]}
        if found["wide"] > 0:
            wrong["wide"] = found["wide"]
        if self.size == (1280, 720) and "presenter" not in state and found["lines"] == 1:
            wrong["lines"] = found["lines"]
        minded = issues(self.person)
        if minded:
            wrong["axe"] = minded
        if wrong:
            self.wrong[state] = wrong


@pytest.mark.parametrize("size", SIZES)
def test_every_state_looks_as_it_should(app: AppProcess, chromium: Path, size: tuple[int, int]) -> None:
    with visitor(chromium, size=size) as person:
        album = Album(person, size)
        person.context.add_init_script(MICROPHONE_ANSWERS_JS % 4000)
        person.open(app.url)
        person.page.get_by_role("button", name=texts.START).wait_for()
        album.take("landing")
        person.start()
        person.wait_state(texts.OPENING_MICROPHONE)
        album.take("starting")
        person.wait_picture()
        person.wait_state(texts.LISTENING)
        album.take("listening")
        person.say("What does this cost?")
        person.wait_state(texts.SPEAKING)
        album.take("speaking")
        person.say("Show me the avatar.")
        person.page.wait_for_timeout(600)
        album.take("avatar")
        person.say("Lose the avatar.")
        person.page.locator(".banner").wait_for()
        album.take("fallback")
        person.say("Spell it on a card, please.")
        person.page.locator(".card").wait_for()
        album.take("card")
        if size[0] > 400:
            key(person, "p")
            person.page.locator(".desk.is-presenting").wait_for()
            album.take("presenter-card")
            key(person, "c")
            person.page.locator(".card").wait_for(state="hidden")
            say_unseen(person, "Say something to the back row.")
            person.wait_state(texts.SPEAKING)
            album.take("presenter")
            key(person, "Escape")
        else:
            person.page.locator(".shut").click()
        open_sidebar(person)
        person.page.get_by_test_id("stSidebar").get_by_text(
            setting_words.SETTINGS["turn_taking"].options["push_to_talk"], exact=True
        ).click()
        person.wait(lambda: person.page.locator(".hold:not([hidden])").count(), 10, "the talk key")
        person.page.wait_for_timeout(500)
        close_sidebar(person)
        person.page.locator(".banner .act").click()
        person.wait_state(texts.HOLD_TO_TALK)
        album.take("push-to-talk")
        person.say("Fail, please.")
        person.wait_state(texts.OFF)
        album.take("error")
        person.press(texts.STOP)
        person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()
        album.take("ended")
    assert album.wrong == {}


def open_sidebar(person: Visitor) -> None:
    """On a phone the sidebar is folded away."""
    button = person.page.get_by_test_id("stExpandSidebarButton")
    if button.count() and button.is_visible():
        button.click()


def close_sidebar(person: Visitor) -> None:
    if person.page.viewport_size and person.page.viewport_size["width"] < 800:
        person.page.get_by_test_id("stSidebarCollapseButton").locator("button").click()
        person.page.wait_for_timeout(500)
