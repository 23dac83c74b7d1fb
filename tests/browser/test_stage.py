"""What the stage shows and takes besides the conversation: push to talk, the card, costs, the face that stands in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.ui import setting_words, texts
from tests.browser.test_desk import banner, begin
from tests.browser.test_presenter import key

pytestmark = pytest.mark.long


@pytest.fixture
def person(fake_app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        begin(somebody, fake_app)
        yield somebody


def rows(person: Visitor) -> dict[str, str]:
    """What stands beside the picture: name and word of each row."""
    read = "nodes => nodes.map(n => [n.dataset.name, n.querySelector('.is').firstChild.nodeValue])"
    return {str(name): str(word) for name, word in person.page.locator(".legs > li").evaluate_all(read)}


def test_a_card_is_put_away_by_key_and_by_press(person: Visitor) -> None:
    for put_away in (lambda: key(person, "c"), lambda: person.page.locator(".shut").click()):
        person.say("Spell it on a card, please.")
        person.page.locator(".card").wait_for()
        assert "Platform 4" in person.page.locator(".card").inner_text()
        put_away()
        person.page.locator(".card").wait_for(state="hidden")


def test_model_way_cost_limits_and_connection_stand_beside_the_picture(person: Visitor) -> None:
    person.wait(lambda: rows(person)["browser"] == texts.NETWORK_WORDS["good"], 15, "the connection's grade")
    person.say("What does this cost?")
    person.wait(lambda: rows(person)["brain"] == "gpt-realtime-2.1", 10, "the model")
    assert person.page.locator(".legs .note").inner_text() == texts.TRANSPORTS["websocket"]
    assert person.page.locator(".cost").inner_text() == "4¢ so far"
    assert "3 of 100" in person.page.locator(".limit").inner_text()


def test_a_face_that_stands_in_says_so_and_the_avatar_is_asked_back(person: Visitor) -> None:
    person.say("Show me the avatar.")
    person.wait(lambda: rows(person)["face"] == texts.FACE_CLOUD, 10, "the avatar")
    assert "left" in person.page.locator(".left-over").inner_text()
    person.say("Lose the avatar.")
    person.wait(lambda: rows(person)["face"] == texts.FACE_STANDING_IN, 10, "the stand-in")
    assert "avatar" in banner(person)
    before = person.wait_picture()
    person.press(texts.FACE_RECALL)
    person.page.wait_for_timeout(1500)
    assert person.wait_picture().current_time_s > before.current_time_s


# ------------------------------------------------------------------ push to talk
# At the end: the choice is kept, and holds for whoever comes next.


def push_to_talk(person: Visitor) -> None:
    key = setting_words.SETTINGS["turn_taking"].options["push_to_talk"]
    person.page.get_by_test_id("stSidebar").get_by_text(key, exact=True).click()
    person.wait_state(texts.HOLD_TO_TALK)


def test_holding_the_space_bar_or_the_button_is_a_turn_but_in_a_typed_line_a_space(person: Visitor) -> None:
    push_to_talk(person)
    assert not person.page.locator(".mute").is_visible()
    person.page.evaluate("() => document.activeElement?.blur()")
    person.page.keyboard.down("Space")
    person.wait_state(texts.LISTENING)
    person.page.wait_for_timeout(400)
    person.page.keyboard.up("Space")
    person.wait_state(texts.SPEAKING)
    person.press(texts.INTERRUPT)
    person.wait_state(texts.HOLD_TO_TALK)
    # The button that was clicked has the focus, and the space bar is for talking all the same.
    person.page.keyboard.down("Space")
    person.wait_state(texts.LISTENING)
    person.page.wait_for_timeout(400)
    person.page.keyboard.up("Space")
    person.wait_state(texts.SPEAKING)
    box = person.page.locator(".hold").bounding_box()
    assert box is not None
    person.page.mouse.move(box["x"] + 20, box["y"] + 20)
    person.page.mouse.down()
    person.wait_state(texts.LISTENING)
    person.page.wait_for_timeout(400)
    person.page.mouse.move(5, 5)
    person.page.mouse.up()
    person.wait_state(texts.SPEAKING)
    person.press(texts.INTERRUPT)
    person.wait_state(texts.HOLD_TO_TALK)
    box = person.page.get_by_role("textbox", name="Type to Kai")
    box.press_sequentially("a b")
    assert box.input_value() == "a b"
    assert person.state_word() == texts.HOLD_TO_TALK
