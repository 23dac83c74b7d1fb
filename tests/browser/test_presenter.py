"""Presenter mode and the keys, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import texts
from tests.browser.test_desk import ARTIFACTS, banner, begin


def key(person: Visitor, name: str) -> None:
    person.page.evaluate("() => document.activeElement?.blur()")
    person.page.keyboard.press(name)


def say_unseen(person: Visitor, text: str) -> None:
    """A typed line without the text field, which presenter mode hides."""
    post = """text => fetch(`/api/talks/${new URL(location).searchParams.get("talk")}/wishes`, {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ wish: "text", text }) })"""
    person.page.evaluate(post, text)


@pytest.mark.parametrize("size", [(1280, 720), pytest.param((1024, 768), marks=pytest.mark.long)])
def test_presenter_mode_comes_and_goes_by_key_and_the_talk_goes_on(
    fake_app: AppProcess, chromium: Path, size: tuple[int, int]
) -> None:
    width, height = size
    with visitor(chromium, size=size) as person:
        begin(person, fake_app)
        small = person.page.locator(".picture").bounding_box()
        before = person.wait_picture()
        key(person, "p")
        person.page.locator(".desk.is-presenting").wait_for()
        say_unseen(person, "Say something long")
        person.wait_state(texts.SPEAKING)
        person.wait(lambda: person.page.locator(".caption .said").inner_text(), 10, "a caption")
        caption = person.page.locator(".caption")
        large, words = person.page.locator(".picture").bounding_box(), caption.bounding_box()
        media = person.page.locator(".st-key-kai-stage").bounding_box()
        assert small is not None
        assert large is not None
        assert words is not None
        assert media is not None
        assert large["height"] > small["height"]
        for side in ("x", "y", "width", "height"):
            assert abs(media[side] - large[side]) <= 2, side
        assert float(caption.evaluate("node => parseFloat(getComputedStyle(node).fontSize)")) >= 40
        assert words["y"] >= large["y"] + large["height"]
        assert person.page.locator(".name-tag").is_visible()
        assert words["x"] >= width * 0.03
        assert words["y"] + words["height"] <= height * 0.97
        assert caption.evaluate("node => node.scrollHeight <= node.clientHeight + 2")
        for chrome in ("stHeader", "stSidebar"):
            assert not person.page.get_by_test_id(chrome).is_visible()
        person.page.wait_for_timeout(300)
        person.screenshot(ARTIFACTS / f"presenter-{width}x{height}.png")
        person.page.keyboard.press("Escape")
        person.page.locator(".desk:not(.is-presenting)").wait_for()
        after = person.wait_picture()
        assert after.current_time_s > before.current_time_s
        assert person.page.locator(".text").is_visible()


def test_every_control_has_its_key_and_a_list_names_them(fake_app: AppProcess, chromium: Path) -> None:
    with visitor(chromium) as person:
        begin(person, fake_app)
        # A click on the face gives the focus to the main area, and a key then made a frame round all of it.
        person.page.locator(".picture").click(position={"x": 20, "y": 20}, force=True)
        person.page.keyboard.press("m")
        person.wait_state(texts.MUTED)
        main = person.page.locator(".stMain")
        assert main.evaluate("node => node.matches(':focus-visible')")
        drawn = """node => [getComputedStyle(node).boxShadow,
            ...["::before", "::after"].map((part) => getComputedStyle(node, part).content)]"""
        assert main.evaluate(drawn) == ["none", "none", "none"]
        person.screenshot(ARTIFACTS / "no-frame.png")
        key(person, "m")
        person.wait_state(texts.LISTENING)
        key(person, "?")
        person.page.locator(".help[open]").wait_for()
        assert person.page.locator(".help dt").all_inner_texts() == [name for name, _ in texts.KEY_LIST]
        person.screenshot(ARTIFACTS / "keys.png")
        person.page.keyboard.press("Escape")
        key(person, "t")
        person.page.keyboard.type("mipe")
        assert person.page.get_by_role("textbox", name="Type to Kai").input_value() == "mipe"
        person.page.keyboard.press("Enter")
        person.wait_state(texts.SPEAKING)
        key(person, "i")
        person.wait_state(texts.LISTENING)
        said = person.lines()
        key(person, "l")
        person.wait(lambda: not person.lines(), 5, "an empty chat")
        assert banner(person) == texts.CLEARED
        person.press(texts.UNDO)
        person.wait(lambda: person.lines() == said, 5, "the lines again")
        assert banner(person) == ""
        key(person, "e")
        person.wait_state(texts.PRESS_AGAIN["e"])
        person.page.wait_for_timeout(3200)
        person.wait_state(texts.LISTENING)
        key(person, "e")
        key(person, "e")
        person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()
