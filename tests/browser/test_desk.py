"""The desk in a real browser, with a brain and a face that answer at once: what goes wrong at a person's end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.records import local_time
from kai.ui import past_texts, texts

ROOT = Path(__file__).parents[2]
ARTIFACTS = ROOT / "artifacts" / "screenshots"

MICROPHONE_ANSWERS_JS = """
(() => {
  if (window !== window.top || !navigator.mediaDevices) return;
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.__answer = %s;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (typeof window.__answer === "string") throw new DOMException("", window.__answer);
    if (window.__answer) await new Promise((later) => setTimeout(later, window.__answer));
    return ask(wanted);
  };
})();
"""

WATCH_SOCKETS_JS = """
(() => {
  const Plain = window.WebSocket;
  window.__sockets = [];
  window.WebSocket = class extends Plain {
    constructor(...args) { super(...args); window.__sockets.push(this); }
  };
})();
"""


@pytest.fixture
def person(fake_app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        yield somebody


def banner(person: Visitor) -> str:
    box = person.page.locator(".banner")
    return box.locator(".message").inner_text() if box.is_visible() else ""


def begin(person: Visitor, app: AppProcess) -> None:
    person.open(app.url)
    person.start()
    person.wait_picture()
    person.wait_state(texts.LISTENING)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("NotAllowedError", texts.MICROPHONE_REFUSED),
        pytest.param("NotFoundError", texts.MICROPHONE_MISSING, marks=pytest.mark.long),
    ],
)
def test_without_a_microphone_kai_is_seen_heard_and_typed_to(
    person: Visitor, fake_app: AppProcess, error: str, words: str
) -> None:
    person.context.add_init_script(MICROPHONE_ANSWERS_JS % f'"{error}"')
    person.open(fake_app.url)
    person.start()
    person.wait_picture()
    person.wait_state(texts.TYPING_ONLY)
    assert banner(person) == words
    person.screenshot(ARTIFACTS / f"microphone-{error}.png")
    person.say("Hello")
    person.wait_state(texts.SPEAKING)
    person.page.evaluate("() => { window.__answer = 0; }")
    person.press(texts.TRY_AGAIN)
    person.wait(lambda: banner(person) == "", 10, "an open microphone")
    person.wait(lambda: person.page.locator(".mute[aria-disabled=false]").count(), 10, "a usable Mute")
    person.wait_picture()


def test_a_starter_is_said_when_it_is_pressed(person: Visitor, fake_app: AppProcess) -> None:
    begin(person, fake_app)
    person.screenshot(ARTIFACTS / "starters.png")
    person.page.locator(".starter").nth(1).press("Enter")
    person.wait_state(texts.SPEAKING)
    assert ("user", texts.STARTERS_SMALL_MIND[1]) in person.lines()
    assert not person.page.locator(".starters").is_visible()


def test_whoever_is_on_the_stage_goes_by_its_own_name(person: Visitor, fake_app: AppProcess) -> None:
    person.open(fake_app.url)
    person.page.get_by_role("radio", name="Emil").first.click()
    person.start()
    person.wait_state(texts.LISTENING)
    assert person.page.locator(".name-tag").inner_text() == "Emil"
    assert person.page.locator("#kai-text").get_attribute("placeholder") == "Type to Emil. Enter sends."
    person.say("Hello")
    person.wait_state(texts.SPEAKING)
    assert person.page.locator(".lines > li .who").all_inner_texts() == ["You", "Emil"]
    person.screenshot(ARTIFACTS / "emil.png")
    person.press(texts.STOP)
    person.page.get_by_role("link", name=past_texts.HISTORY_PAGE).first.click()
    said = person.page.locator(".kai-said.is-history > li")
    person.wait(said.count, 10, "the kept lines")
    assert said.locator("span").all_inner_texts() == ["You", "Emil"]
    # The last settings come back, for the tests after this one as well.
    person.page.get_by_role("link", name=texts.TALK_PAGE).first.click()
    person.page.get_by_role("radio", name="Kai").first.click()


WATCH_CAPTIONS_JS = """
box => {
  const [said, ahead] = ['.said', '.ahead'].map((name) => box.querySelector(name));
  window.__captions = [];
  const note = () => window.__captions.push([box.dataset.role, said.textContent, ahead.textContent]);
  new MutationObserver(note).observe(box, { subtree: true, childList: true, characterData: true });
}
"""


def test_a_caption_is_cut_into_parts_of_several_words_and_gives_way_once_kai_has_listened_for_a_while(
    person: Visitor, fake_app: AppProcess
) -> None:
    begin(person, fake_app)
    starters = person.page.locator(".starter")
    assert starters.all_inner_texts() == list(texts.STARTERS_SMALL_MIND)
    box = person.page.locator(".caption")
    box.evaluate(WATCH_CAPTIONS_JS)
    person.say("that the very last one of these many words is long: incomprehensibilities")
    person.wait_state(texts.SPEAKING)
    assert not person.page.locator(".starters").is_visible()
    person.wait_state(texts.LISTENING)
    person.wait(lambda: box.get_attribute("data-role") == "hint", 15, "the hint")
    assert box.locator(".said").inner_text() == texts.CAPTION_HINT
    seen = person.page.evaluate("() => window.__captions")
    shown = {said + ahead for role, said, ahead in seen if role == "assistant" and said + ahead}
    # While the answer is still being written, its first part grows from its first word: that is no break.
    parts = [part for part in shown if not any(other != part and other.startswith(part) for other in shown)]
    assert len(parts) >= 2
    assert all(len(part.split()) >= 3 for part in parts), seen
    lit = [
        len(said.split()) for role, said, ahead in seen if role == "assistant" and said + ahead == parts[0]
    ]
    assert len(set(lit)) >= 3, "the words of a part light up one after the other"
    assert lit == sorted(lit)


FEWER_PICTURES_JS = """
() => {
  const count = HTMLVideoElement.prototype.getVideoPlaybackQuality;
  HTMLVideoElement.prototype.getVideoPlaybackQuality = function () {
    return { totalVideoFrames: Math.floor(count.call(this).totalVideoFrames * 0.6), droppedVideoFrames: 0 };
  };
}
"""


@pytest.mark.long
def test_too_few_pictures_are_said_with_their_number(person: Visitor, fake_app: AppProcess) -> None:
    begin(person, fake_app)
    person.in_media(FEWER_PICTURES_JS)
    person.say("word " * 60)  # while nobody speaks a face may be drawn less often, and nothing is said
    told = texts.SLOW_PICTURE.partition("}")[2]
    person.wait(lambda: told in person.page.locator(".limit").inner_text(), 30, "a word about the pictures")
    fps = int(person.page.locator(".limit").inner_text().split()[0])
    assert 0 < fps < 22
    assert person.page.locator(".legs > li[data-name=browser] .is").inner_text() == texts.BUSY


@pytest.mark.long
def test_a_person_may_take_their_time_to_allow_the_microphone(person: Visitor, fake_app: AppProcess) -> None:
    person.context.add_init_script(MICROPHONE_ANSWERS_JS % 8000)
    person.open(fake_app.url)
    person.start()
    person.wait_state(texts.OPENING_MICROPHONE)
    person.page.wait_for_timeout(6500)
    assert person.state_word() == texts.OPENING_MICROPHONE
    person.wait_state(texts.LISTENING)
    person.wait_picture()


def test_times_are_those_of_the_page_and_not_of_the_server(person: Visitor, fake_app: AppProcess) -> None:
    zone = (
        "Pacific/Kiritimati"  # 14 hours before UTC: another hour wherever this runs, and mostly another day
    )
    devtools = person.context.new_cdp_session(person.page)
    devtools.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
    begin(person, fake_app)
    person.say("Hello")
    person.wait_state(texts.SPEAKING)
    person.press(texts.STOP)
    person.page.get_by_role("link", name=past_texts.HISTORY_PAGE).first.click()
    row = person.page.locator(".st-key-kai-talks .stButton").first
    now = datetime.now(ZoneInfo(zone))
    near = [local_time.clock((now - timedelta(minutes=m)).timestamp(), ZoneInfo(zone)) for m in range(3)]
    person.wait(lambda: any(clock in row.inner_text() for clock in near), 10, f"one of {near}")
    row.click()
    said = person.page.locator(".kai-said.is-history small").first
    person.wait(lambda: said.count() and any(clock in said.inner_text() for clock in near), 10, "its lines")


@pytest.mark.long
def test_a_lost_websocket_disturbs_nothing(person: Visitor, fake_app: AppProcess) -> None:
    person.context.add_init_script(WATCH_SOCKETS_JS)
    begin(person, fake_app)
    before = person.wait_picture()
    person.page.evaluate("() => window.__sockets.forEach((socket) => socket.close())")
    person.page.wait_for_timeout(2500)
    after = person.wait_picture()
    assert after.current_time_s - before.current_time_s > 2
    person.say("Are you there?")
    person.wait_state(texts.SPEAKING)
    person.press(texts.STOP)
    person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()


def test_no_page_asks_any_other_host(person: Visitor, fake_app: AppProcess) -> None:
    asked: list[str] = []
    person.page.on("request", lambda request: asked.append(request.url))
    begin(person, fake_app)
    person.page.get_by_role("link", name=texts.HELP_PAGE).click()
    person.page.get_by_role("link", name=texts.BACK_TO_TALK).click()
    person.wait_state(texts.LISTENING)
    person.press(texts.STOP)
    person.page.get_by_role("button", name=texts.START_AGAIN).wait_for()
    assert asked
    assert [url for url in asked if not url.startswith((fake_app.url, "data:", "blob:"))] == []


def test_an_empty_line_is_refused_with_a_word(person: Visitor, fake_app: AppProcess) -> None:
    begin(person, fake_app)
    person.say("   ")
    assert person.page.locator(".complaint").inner_text() == texts.EMPTY_LINE
    assert person.lines() == []


def test_keys_of_streamlit_do_not_fire_while_one_types(person: Visitor, fake_app: AppProcess) -> None:
    begin(person, fake_app)
    box = person.page.get_by_role("textbox", name="Type to Kai")
    box.press_sequentially("crc")
    person.page.wait_for_timeout(300)
    assert box.input_value() == "crc"
    assert person.page.get_by_role("dialog").count() == 0


def test_controls_say_why_they_cannot_be_used(person: Visitor, fake_app: AppProcess) -> None:
    begin(person, fake_app)
    interrupt = person.page.locator(".interrupt")
    assert interrupt.get_attribute("aria-disabled") == "true"
    assert texts.NOTHING_TO_INTERRUPT in str(interrupt.get_attribute("title"))
    assert person.page.locator(".reason").inner_text() == "", "it is said when it is asked for"
    interrupt.click(force=True)
    person.wait(lambda: texts.NOTHING_TO_INTERRUPT in person.page.locator(".reason").inner_text(), 5, "why")
    person.say("Say something long")
    person.wait_state(texts.SPEAKING)
    person.press(texts.INTERRUPT)
    person.wait_state(texts.LISTENING)
    assert person.page.locator(".cut").inner_text() == texts.INTERRUPTED


@pytest.mark.parametrize("size", [(1280, 720), pytest.param((1024, 768), marks=pytest.mark.long), (390, 844)])
def test_nothing_that_matters_lies_outside_of_the_window(
    fake_app: AppProcess, chromium: Path, size: tuple[int, int]
) -> None:
    width, height = size
    with visitor(chromium, size=size) as person:
        begin(person, fake_app)
        person.say("Hello")
        person.wait_state(texts.SPEAKING)
        boxes = {}
        for name in (".picture", ".caption", ".mute", ".interrupt", ".stop", ".chat", ".text", ".send"):
            box = person.page.locator(name).bounding_box()
            assert box is not None
            boxes[name] = box
            assert box["x"] >= 0, name
            assert box["y"] >= 0, name
            assert box["x"] + box["width"] <= width + 1, name
            assert box["y"] + box["height"] <= height + 1, name
        if size == (1280, 720):
            assert boxes[".picture"]["height"] >= height / 2
        for name in (".mute", ".interrupt", ".stop", ".send"):
            assert boxes[name]["height"] >= 44
        person.screenshot(ARTIFACTS / f"speaking-{width}x{height}.png")
