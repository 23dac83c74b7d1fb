"""Walks through every page and state and photographs each, at five sizes and in both themes, to be looked at one by one.

Developers run it after a change of the page: ``python tools/photo_walk.py [FOLDER] [--sizes 1280x800,…] [--themes dark,…]
[--states talk,history,…]``. It writes one picture for each state, size and theme, and one sheet for each state with all of
them side by side. The talks are those of the page's own tests, whose brain and face answer at once. The length of the sidebar
is printed, and what axe-core finds.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from playwright.sync_api import Error as PlaywrightError

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import check_texts, past_texts, setting_words, texts
from tests.browser.test_axe import issues
from tests.support import memories
from tests.support.chromium import find_chromium
from tests.support.fake_app import app_of_fakes

ROOT = Path(__file__).parents[1]
SIZES = {
    "1920x1080": (1920, 1080),
    "1280x800": (1280, 800),
    "1024x768": (1024, 768),
    "640x400": (640, 400),
    "390x844": (390, 844),
}
THEMES = ("dark", "light")
SHEET_HEIGHT_PX = 620
SIDEBAR_JS = """() => document.querySelector('[data-testid="stSidebarUserContent"]')?.scrollHeight ?? 0"""
WIDER_JS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Walk:
    """One person at one size, in one theme."""

    def __init__(self, person: Visitor, folder: Path, size: str, theme: str) -> None:
        self.person, self.page = person, person.page
        self._folder, self._size, self._theme = folder, size, theme
        self.problems: list[str] = []
        self.page.emulate_media(color_scheme="light" if theme == "light" else "dark")

    @property
    def is_narrow(self) -> bool:
        return SIZES[self._size][0] < 800

    def shoot(self, state: str) -> None:
        """Take the picture, and note what axe-core finds and whether the page is too wide."""
        self.page.wait_for_timeout(350)
        self.page.screenshot(path=str(self._folder / f"{state}-{self._size}-{self._theme}.png"))
        found = [f"{rule} {html}" for rule, html in issues(self.person)]
        wider = int(self.page.evaluate(WIDER_JS))
        if wider > 0:
            found.append(f"{wider} px wider than the window")
        self.problems += [f"{state} {self._size} {self._theme}: {problem}" for problem in found]

    def begin(self, url: str) -> None:
        self.person.open(url)
        self.person.start()
        self.person.wait_picture()
        self.person.wait_state(texts.LISTENING)
        self.page.wait_for_timeout(600)

    def key(self, name: str) -> None:
        self.page.evaluate("() => document.activeElement?.blur()")
        self.page.keyboard.press(name)


def landing(walk: Walk, url: str) -> None:
    walk.person.open(url)
    walk.page.get_by_role("button", name=texts.START).wait_for()
    walk.page.wait_for_timeout(900)
    walk.shoot("landing")
    if walk.is_narrow:
        walk.page.get_by_test_id("stExpandSidebarButton").click()
        walk.page.wait_for_timeout(500)
        walk.shoot("landing-sidebar")
    else:
        print(f"sidebar, closed: {walk.page.evaluate(SIDEBAR_JS)} px")
        walk.person.press(setting_words.PRESETS.keep)
        walk.page.wait_for_timeout(400)
        walk.shoot("landing-presets")
        walk.page.keyboard.press("Escape")
        sidebar(walk)


def sidebar(walk: Walk) -> None:
    """What the sidebar keeps closed."""
    page = walk.page
    for name, words in (
        ("style", texts.STYLE),
        ("files", texts.DOCUMENTS),
        ("personas", setting_words.PERSONAS.keep),
    ):
        page.get_by_role("button", name=words, exact=True).click()
        page.wait_for_timeout(500)
        walk.shoot(f"landing-{name}")
        page.keyboard.press("Escape")
    page.get_by_test_id("stSidebar").get_by_text(texts.ADVANCED, exact=True).first.click()
    page.wait_for_timeout(900)
    page.get_by_test_id("stSidebarContent").evaluate("e => e.scrollTo(0, 1e6)")
    page.wait_for_timeout(300)
    walk.shoot("landing-advanced")


def talk(walk: Walk, url: str) -> None:
    person = walk.person
    walk.begin(url)
    walk.shoot("listening")
    walk.key("e")
    walk.shoot("press-again")
    for name, selector in (("devices", ".gear"), ("sheet", ".sheet")):
        if walk.page.locator(selector).is_visible():
            walk.page.locator(selector).click()
            walk.shoot(f"talk-{name}")
            walk.page.locator(selector).click()
    person.say("Tell me something that lasts")
    person.wait_state(texts.SPEAKING)
    walk.shoot("speaking")
    person.press(texts.INTERRUPT)
    person.wait_state(texts.LISTENING)
    person.say("What does this cost?")
    person.press(texts.MUTE)
    person.wait_state(texts.MUTED, 15)
    walk.shoot("muted")
    person.press(texts.UNMUTE)
    if person.page.locator(".clear").is_visible():
        person.press(texts.CLEAR)
        person.page.get_by_role("button", name=texts.UNDO).wait_for()
        walk.shoot("cleared")
    person.say("Spell it on a card, please.")
    person.page.locator(".card:not([hidden])").wait_for()
    walk.shoot("card")
    walk.key("c")
    person.wait_state(texts.LISTENING)
    # Nothing hangs on the stage: the last line has given way to the hint.
    person.page.wait_for_timeout(6_500)
    walk.shoot("rested")
    person.say("Fail, please.")
    person.page.locator(".banner:not([hidden])").wait_for()
    walk.shoot("failed")
    walk.key("?")
    person.page.locator(".help[open]").wait_for()
    walk.shoot("keys")
    walk.page.keyboard.press("Escape")
    if not walk.is_narrow:
        person.page.get_by_role("link", name=past_texts.HISTORY_PAGE).click()
        person.page.get_by_role("link", name=texts.BACK_TO_TALK).wait_for()
        walk.page.wait_for_timeout(500)
        walk.shoot("corner")
        person.page.get_by_role("link", name=texts.BACK_TO_TALK).click()
        person.page.locator(".desk:not(.is-away)").wait_for()
    person.press(texts.STOP)
    person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()
    walk.shoot("ended")


def presenter(walk: Walk, url: str) -> None:
    person = walk.person
    walk.begin(url)
    walk.key("p")
    person.page.locator(".desk.is-presenting").wait_for()
    walk.page.wait_for_timeout(2700)
    walk.shoot("presenter")
    walk.key("m")
    person.wait_state(texts.MUTED)
    walk.shoot("presenter-muted")
    walk.key("m")
    post = """text => fetch(`/api/talks/${new URL(location).searchParams.get("talk")}/wishes`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ wish: "text", text }) })"""
    person.page.evaluate(post, "Say something long")
    person.wait_state(texts.SPEAKING)
    walk.page.wait_for_timeout(600)
    walk.shoot("presenter-speaking")
    walk.key("t")
    walk.page.wait_for_timeout(300)
    walk.shoot("presenter-typing")


def blocked(walk: Walk, url: str) -> None:
    walk.person.open(url)
    walk.person.start()
    walk.person.wait_picture()
    walk.person.wait_state(texts.TYPING_ONLY)
    walk.shoot("blocked")
    walk.key("p")
    walk.page.locator(".desk.is-presenting").wait_for()
    walk.shoot("presenter-blocked")


def stand_in(walk: Walk, url: str) -> None:
    """A leg was lost, and another one stands in for it: the brain with the longest of the messages, then the avatar."""
    walk.begin(url)
    walk.person.say("Lose OpenAI.")
    walk.page.locator(".banner:not([hidden])").wait_for()
    walk.page.wait_for_timeout(600)
    walk.shoot("stand-in-brain")
    if walk.page.locator(".sheet").is_visible():
        walk.page.locator(".sheet").click()
        walk.shoot("stand-in-brain-sheet")
        walk.page.locator(".sheet").click()
    walk.person.press(texts.DISMISS)
    walk.person.say("Show me the avatar.")
    walk.page.wait_for_timeout(600)
    walk.person.say("Lose the avatar.")
    walk.page.locator(".banner:not([hidden])").wait_for()
    walk.page.wait_for_timeout(600)
    walk.shoot("stand-in-face")


def history(walk: Walk, url: str) -> None:
    walk.person.open(f"{url}history")
    walk.page.get_by_text(past_texts.HISTORY_LEAD, exact=True).first.wait_for()
    walk.page.wait_for_timeout(700)
    walk.shoot("history")
    box = walk.page.get_by_role("textbox", name=past_texts.HISTORY_SEARCH)
    box.fill("nineteen hundred")
    box.press("Enter")
    walk.page.wait_for_timeout(900)
    walk.shoot("history-hit")


def insights(walk: Walk, url: str) -> None:
    walk.person.open(f"{url}insights")
    walk.page.get_by_text(past_texts.INSIGHTS_WAIT_TITLE, exact=True).first.wait_for()
    walk.page.wait_for_timeout(1500)
    walk.shoot("insights")
    walk.page.locator(".stMain").evaluate("e => e.scrollTo(0, e.clientHeight * 0.8)")
    walk.page.wait_for_timeout(600)
    walk.shoot("insights-middle")
    walk.page.locator(".stMain").evaluate("e => e.scrollTo(0, 1e6)")
    walk.page.wait_for_timeout(600)
    walk.shoot("insights-end")


def few(walk: Walk, url: str) -> None:
    walk.person.open(f"{url}insights")
    walk.page.locator(".kai-figures").first.wait_for()
    walk.page.wait_for_timeout(1500)
    walk.shoot("few")


def help_page(walk: Walk, url: str) -> None:
    walk.person.open(f"{url}help")
    walk.page.get_by_role("button", name=check_texts.CHECK_NOW).wait_for()
    walk.page.wait_for_timeout(600)
    walk.shoot("help")
    walk.person.press(check_texts.CHECK_NOW)
    walk.page.wait_for_timeout(700)
    walk.shoot("help-checking")
    walk.page.locator(".kai-verdict").wait_for(timeout=40_000)
    walk.page.locator("[data-check=secure]").wait_for()
    walk.page.wait_for_timeout(600)
    walk.shoot("help-checked")


WALKS: dict[str, Callable[[Walk, str], None]] = {
    "landing": landing,
    "talk": talk,
    "presenter": presenter,
    "blocked": blocked,
    "stand-in": stand_in,
    "few": few,
    "history": history,
    "insights": insights,
    "help": help_page,
}


def walk_once(chromium: Path, app: AppProcess, folder: Path, state: str, size: str, theme: str) -> list[str]:
    """Take the pictures of a state at one size and in one theme; return its problems."""
    with visitor(chromium, size=SIZES[size], allow_microphone=state != "blocked") as person:
        walk = Walk(person, folder, size, theme)
        try:
            WALKS[state](walk, app.url)
        except (PlaywrightError, TimeoutError) as error:
            walk.shoot(f"{state}-lost")
            walk.problems.append(f"{state} {size} {theme}: {str(error)[:200]}")
        return walk.problems


def draw_sheets(folder: Path, sizes: list[str], themes: list[str]) -> None:
    """Put the pictures of each state side by side, with a row for each theme."""
    states = sorted({path.stem.rsplit("-", 2)[0] for path in folder.glob("*x*-*.png")})
    for state in states:
        rows: list[np.ndarray] = []
        for theme in themes:
            found = [folder / f"{state}-{size}-{theme}.png" for size in sizes]
            pictures = [cv2.imread(str(path)) for path in found if path.exists()]
            scaled = [
                cv2.resize(
                    picture,
                    (round(picture.shape[1] * SHEET_HEIGHT_PX / picture.shape[0]), SHEET_HEIGHT_PX),
                    interpolation=cv2.INTER_AREA,
                )
                for picture in pictures
                if picture is not None
            ]
            if scaled:
                rows.append(np.hstack(scaled))
        if rows:
            width = max(row.shape[1] for row in rows)
            padded = [np.pad(row, ((0, 8), (0, width - row.shape[1]), (0, 0))) for row in rows]
            cv2.imwrite(str(folder / f"sheet-{state}.png"), np.vstack(padded))


def main() -> int:
    """Walk; return 1 if axe-core finds an issue, a page is too wide, or a walk gets lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "artifacts" / "walk")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--themes", default=",".join(THEMES))
    parser.add_argument("--states", default=",".join(WALKS))
    args = parser.parse_args()
    folder, sizes, themes = args.folder, args.sizes.split(","), args.themes.split(",")
    folder.mkdir(parents=True, exist_ok=True)
    chromium = find_chromium()
    assert chromium is not None, "the walk needs a Chromium"
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as data:
        for name in ("full", "few"):
            (Path(data) / name).mkdir(mode=0o700)
        memories.fill(Path(data) / "full", time.time())
        memories.fill(Path(data) / "few", time.time(), 1, with_sound=False)
        with (
            app_of_fakes(KAI_DATA_DIR=f"{data}/full") as full,
            app_of_fakes(KAI_DATA_DIR=f"{data}/few") as fresh,
        ):
            for size, theme, state in itertools.product(sizes, themes, args.states.split(",")):
                app = fresh if state == "few" else full
                problems += walk_once(chromium, app, folder, state, size, theme)
    draw_sheets(folder, sizes, themes)
    print("\n".join(problems) or "no problems found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
