"""Where things stand on the page at a desk, on a wide screen and on a phone, by pointer and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.core.policy.rungs import STAND_IN
from kai.ui import past_texts, problems, texts
from tests.browser.test_desk import ARTIFACTS, banner, begin
from tests.support.fake_app import app_of_fakes


@pytest.fixture(scope="module")
def app() -> Iterator[AppProcess]:
    with app_of_fakes() as process:
        yield process


def box(person: Visitor, selector: str) -> dict[str, float]:
    found = person.page.locator(selector).first.bounding_box()
    assert found is not None, selector
    return {name: float(value) for name, value in found.items()}  # pyright: ignore[reportUnknownVariableType]


def devices_come_and_go(person: Visitor) -> None:
    """By their button, and with Escape or a press elsewhere; the open panel leaves its button free."""
    button, chooser = (
        person.page.get_by_role("button", name=texts.DEVICES),
        person.page.locator(".choose-mic"),
    )
    assert not chooser.is_visible()
    for close in (
        button.click,
        lambda: person.page.keyboard.press("Escape"),
        lambda: person.page.locator(".caption").click(force=True),
    ):
        button.click()
        assert chooser.is_visible()
        close()
        assert not chooser.is_visible()


def link_x(person: Visitor, name: str) -> float:
    found = person.page.get_by_role("link", name=name, exact=True).bounding_box()
    assert found is not None
    return found["x"]


def test_a_portrait_is_pressed_the_menu_stays_and_mute_is_near_for_the_keyboard(
    app: AppProcess, chromium: Path
) -> None:
    with visitor(chromium, size=(1280, 800)) as person:
        person.open(app.url)
        # `kai.bench page` holds it to a second; other tests may run beside this one.
        assert person.first_paint_s() < 3
        person.page.get_by_role("button", name=texts.START).wait_for()
        height = person.page.get_by_test_id("stSidebarUserContent").evaluate("node => node.scrollHeight")
        assert height < 1200
        # In the picture itself, above its name.
        person.page.get_by_role("radio", name="Mara", exact=True).click(position={"x": 20, "y": 10})
        person.page.locator('.kai-still img[src*="mara"]').wait_for()
        at_talk = link_x(person, texts.HELP_PAGE)
        person.start()
        person.wait_picture()
        person.wait_state(texts.LISTENING)
        # The keyboard begins at the top again.
        person.page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
        focused = (
            "() => { let e = document.activeElement; while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;"
            " return e?.className ?? ''; }"
        )
        person.page.keyboard.press("Tab")
        person.page.keyboard.press("Enter")
        assert "mute" in str(person.page.evaluate(focused))
        person.page.keyboard.press("Tab")
        assert "interrupt" in str(person.page.evaluate(focused))
        person.page.get_by_role("link", name=past_texts.HISTORY_PAGE, exact=True).click()
        person.page.get_by_role("link", name=texts.BACK_TO_TALK).wait_for()
        person.page.wait_for_timeout(400)
        assert abs(link_x(person, texts.HELP_PAGE) - at_talk) <= 2
        assert not person.page.get_by_test_id("stSidebar").is_visible()


def test_on_a_phone_the_face_has_the_width_the_chat_is_a_sheet_and_pages_have_names(
    app: AppProcess, chromium: Path
) -> None:
    with visitor(chromium, size=(390, 844)) as person:
        begin(person, app)
        assert box(person, ".picture")["width"] >= 390 - 2 * 16
        devices_come_and_go(person)
        person.say("Hello")
        person.wait_state(texts.SPEAKING)
        small = box(person, ".chat")["height"]
        person.page.get_by_role("button", name=texts.CHAT_LABEL).click()
        person.wait(lambda: box(person, ".chat")["height"] > 2 * small, 5, "the sheet")
        person.screenshot(ARTIFACTS / "phone-sheet.png")
        # The field is below the sheet: a click on it would fail if the sheet covered it.
        person.page.locator(".text").click()
        assert box(person, ".text")["y"] >= box(person, ".chat")["y"] + box(person, ".chat")["height"]
        person.page.get_by_role("button", name=texts.CHAT_LABEL).click()
        person.page.get_by_role("link", name=past_texts.HISTORY_PAGE, exact=True).click()
        person.page.get_by_text(past_texts.HISTORY_LEAD, exact=True).wait_for()
        assert not person.page.get_by_test_id("stSidebar").is_visible()
        person.page.get_by_role("link", name=texts.TALK_PAGE, exact=True).click()
        person.page.locator(".desk:not(.is-away)").wait_for()


@pytest.mark.parametrize("size", [(390, 844), pytest.param((1024, 768), marks=pytest.mark.long)])
def test_a_banner_covers_neither_words_nor_controls_and_the_newest_line_stays_in_sight(
    app: AppProcess, chromium: Path, size: tuple[int, int]
) -> None:
    with visitor(chromium, size=size) as person:
        begin(person, app)
        person.say("Show me the avatar.")
        person.wait_state(texts.SPEAKING)
        person.press(texts.INTERRUPT)
        person.wait_state(texts.LISTENING)
        person.say("Lose OpenAI.")
        person.wait_state(texts.SPEAKING)
        assert problems.WORDS[STAND_IN] in banner(person)
        person.page.wait_for_timeout(200)
        words, chat, last = (box(person, name) for name in (".banner", ".chat", ".lines > li:last-child"))
        for name in (".chat", ".text", ".caption", ".bar", ".state"):
            other = box(person, name)
            assert words["y"] + words["height"] <= other["y"] or words["y"] >= other["y"] + other["height"], (
                name
            )
        assert last["y"] + last["height"] <= chat["y"] + chat["height"]
        assert not person.page.locator(".newest").is_visible()
        person.press(texts.DISMISS)
        person.press(texts.INTERRUPT)
        person.wait_state(texts.LISTENING)
        person.press(texts.MUTE)
        # Whoever was chosen last is on the stage.
        person.wait_state(texts.MUTED.partition(":")[0])
        state, gear, field = (box(person, name) for name in (".state", ".gear", ".text"))
        assert abs(state["y"] + state["height"] / 2 - gear["y"] - gear["height"] / 2) <= 2, "one row"
        assert field["y"] + field["height"] <= size[1]
        person.screenshot(ARTIFACTS / f"muted-row-{size[0]}x{size[1]}.png")


@pytest.mark.long
def test_on_a_wide_screen_the_face_is_left_the_chat_right_and_the_devices_behind_a_button(
    app: AppProcess, chromium: Path
) -> None:
    with visitor(chromium, size=(1920, 1080)) as person:
        begin(person, app)
        face, chat, main = (box(person, name) for name in (".picture", ".chat", ".desk"))
        media = box(person, ".st-key-kai-stage")
        assert 0.5 <= face["width"] / main["width"] <= 0.65
        assert chat["x"] >= face["x"] + face["width"]
        for side in ("x", "y", "width", "height"):
            assert abs(media[side] - face[side]) <= 2, side
        devices_come_and_go(person)
