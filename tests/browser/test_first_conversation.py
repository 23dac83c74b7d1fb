"""The first conversation, as a person has it: the app from its command line, Chromium, a recording in the microphone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from kai.bench.driver import AppProcess, Visitor, visitor, write_mic
from tests.support.words import word_error_rate

SPEECH = Path(__file__).parents[1] / "support" / "speech"
SAID = {row["file"]: row["text"] for row in json.loads((SPEECH / "manifest.json").read_text())}
SENTENCE = "LJ001-0004.wav"
SHORT, OTHER_SHORT = "LJ001-0002.wav", "sense_and_sensibility_01_austen_64kb-0880.wav"
ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
ANSWER_S = 12.0
QUESTION = "What can you do?"


@pytest.fixture(scope="module")
def app() -> Iterator[AppProcess]:
    """One app for all talks of this file; each test is a person of its own."""
    with AppProcess() as process:
        process.wait_ready()
        yield process


@pytest.fixture
def person(app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    """Somebody who keeps quiet."""
    with visitor(chromium) as somebody:
        somebody.open(app.url)
        yield somebody


def begin(person: Visitor) -> None:
    person.start()
    person.wait_picture()
    person.wait_state("Listening")


def shown_contrast(person: Visitor) -> float:
    """How much the grey values of the screen differ in the picture's place: much with a face, little with a plain ground."""
    png = person.page.locator(".st-key-kai-stage iframe").screenshot()
    return float(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).std())


def test_stop_ends_the_talk_and_closes_every_leg(app: AppProcess, person: Visitor) -> None:
    # It is the first of this file: the talks of closed pages would be held for 20 s.
    app.wait_health(lambda health: health["active_talks"] == 0, 40)
    begin(person)
    person.say(QUESTION)
    person.wait_state("Speaking", ANSWER_S)
    person.press("Stop")
    person.page.get_by_role("button", name="Start again").wait_for(timeout=10_000)
    person.wait(lambda: person.media_frame() is None, 10, "the end of the media component")
    app.wait_health(lambda health: health["active_talks"] == 0, 10)
    person.wait(lambda: len(app.children_named("local_face")) <= 1, 10, "the end of the talk's face")
    person.press("Start again")
    person.wait_picture()
    person.wait_state("Listening")


def test_a_spoken_turn_is_heard_shown_and_answered(app: AppProcess, chromium: Path) -> None:
    """Turns that follow one another are spoken in test_conversation.py."""
    with visitor(chromium, speaks=True) as person:
        person.open(app.url)
        person.page.get_by_role("button", name="Start chat with Kai").wait_for()
        person.screenshot(ARTIFACTS / "landing.png")
        person.start()
        person.wait_picture()
        person.wait_state("Listening")
        person.measure()
        person.screenshot(ARTIFACTS / "listening.png")
        assert shown_contrast(person) > 20, "the face is on the screen, and nothing lies over it"

        ended_ms = person.speak(SPEECH / SENTENCE)
        heard = person.wait_line("user", 1)
        person.wait_state("Speaking", ANSWER_S)
        person.page.wait_for_timeout(600)
        person.screenshot(ARTIFACTS / "speaking.png")
        person.wait_line("assistant", 1)
        person.wait_state("Listening", 15)
        assert word_error_rate([SAID[SENTENCE]], [heard]) <= 0.10, heard

        seen = person.measured()
        sounded = [at for kind, at in seen["sound"] if kind == "on"]
        assert any(0 < at - ended_ms < 1000 * ANSWER_S for at in sounded), "Kai's sound followed the sentence"
        at_ms = seen["frames"]
        assert len(at_ms) / ((at_ms[-1] - at_ms[0]) / 1e3) >= 12, "the picture moves"
        before = person.video()
        with person.page.expect_request(lambda request: request.url.endswith("/pictures")) as told:
            person.page.wait_for_timeout(1000)
        assert isinstance(told.value.post_data_json["soundAheadMs"], int), (
            "the pictures can wait for the sound"
        )
        after = person.video()
        assert before is not None
        assert after is not None
        assert after.current_time_s > before.current_time_s
        assert not after.is_paused


@pytest.mark.long
def test_a_typed_turn_is_answered_by_voice(person: Visitor) -> None:
    begin(person)
    person.measure()
    person.say("What is your name?")
    person.wait_state("Speaking", ANSWER_S)
    person.wait_state("Listening", 20)
    assert person.line_of("user", 1) == "What is your name?"
    assert "kai" in person.line_of("assistant", 1).lower()
    assert [kind for kind, _ in person.measured()["sound"]][0] == "on"


def test_interrupt_silences_and_keeps_what_was_heard(person: Visitor) -> None:
    begin(person)
    person.measure()
    person.say(QUESTION)
    person.wait_state("Speaking", ANSWER_S)
    person.page.wait_for_timeout(1200)
    person.press("Interrupt")
    pressed_ms = person.pressed_at_ms()
    person.wait_state("Listening", 5)
    person.page.wait_for_timeout(1500)
    ends = [at for kind, at in person.measured()["sound"] if kind == "off"]
    assert ends
    assert ends[-1] - pressed_ms < 1500
    cut = person.line_of("assistant", 1)
    person.page.wait_for_timeout(2000)
    assert person.line_of("assistant", 1) == cut, "nothing of a cut answer comes later"
    person.say("What is your name?")
    person.wait(lambda: person.line_of("assistant", 2), ANSWER_S, "an answer after the interruption")


@pytest.mark.long
def test_muted_kai_hears_nothing(app: AppProcess, chromium: Path, tmp_path: Path) -> None:
    mic = write_mic(tmp_path / "mic.wav", [9.0, SPEECH / SHORT, 6.0, SPEECH / OTHER_SHORT, 60.0])
    with visitor(chromium, mic=mic) as person:
        person.open(app.url)
        begin(person)
        person.press("Mute")
        person.wait_state("Muted")
        person.measure()
        person.wait(
            lambda: any(k == "off" for k, _ in person.measured()["mic"]), 25, "the end of the sentence"
        )
        person.page.wait_for_timeout(1000)
        assert not person.line_of("user", 1)
        person.press("Unmute")
        person.wait_state("Listening")
        assert word_error_rate([SAID[OTHER_SHORT]], [person.wait_line("user", 1)]) <= 0.25


def test_a_refresh_comes_back_to_the_talk_and_a_second_tab_has_its_own(
    app: AppProcess, person: Visitor
) -> None:
    begin(person)
    person.say("What is your name?")
    person.wait(lambda: person.line_of("assistant", 1), ANSWER_S, "an answer")
    before = person.lines()
    person.page.reload()
    person.wait(lambda: len(person.lines()) >= len(before), 15, "the chat after the refresh")
    assert person.lines()[0] == before[0]
    person.wait_picture()
    person.wait_state("Listening")

    other = person.new_tab()
    other.open(person.page.url)
    other.page.get_by_role("button", name="Start chat with Kai").wait_for(timeout=15_000)
    assert other.lines() == []
    other.start()
    other.wait_picture()
    assert len(person.lines()) >= len(before)


@pytest.mark.long
def test_a_page_change_does_not_end_the_talk(person: Visitor) -> None:
    begin(person)
    was = person.video()
    person.page.get_by_role("link", name="Check and help").click()
    person.page.get_by_role("heading", name="How Kai works").first.wait_for()
    person.page.wait_for_timeout(2500)
    now = person.video()
    assert was is not None
    assert now is not None
    assert now.current_time_s > was.current_time_s + 1.5
    person.page.get_by_role("link", name="Talk", exact=True).click()
    person.wait_state("Listening")
    person.say("Hello")
    person.wait(lambda: person.line_of("assistant", 1), ANSWER_S, "an answer after the change of page")


@pytest.mark.long
def test_a_short_loss_of_the_websocket_does_not_end_the_talk(person: Visitor) -> None:
    begin(person)
    person.say("What is your name?")
    person.wait_line("assistant", 1)
    was = person.video()
    person.lose_websocket()
    person.page.wait_for_timeout(3000)
    now = person.video()
    assert was is not None
    assert now is not None
    assert now.current_time_s > was.current_time_s + 2
    person.say("What is your name?")
    person.wait_line("assistant", 2)
    assert person.line_of("user", 1) == "What is your name?"


@pytest.mark.long
def test_a_killed_face_comes_back_while_the_voice_goes_on(app: AppProcess, person: Visitor) -> None:
    begin(person)
    before = app.children_named("local_face")[-1]
    person.say(QUESTION)
    person.wait_state("Speaking", ANSWER_S)
    before.kill()
    line = person.wait_line("assistant", 1)
    person.wait_state("Listening", 30)
    assert person.line_of("assistant", 1) == line, "the line was said to its end"
    assert not person.page.locator(".lines .cut").count()
    was = person.video()
    person.page.wait_for_timeout(1500)
    now = person.video()
    assert was is not None
    assert now is not None
    assert now.frames > was.frames + 5


def test_a_killed_engine_comes_back_and_nothing_said_is_lost(app: AppProcess, person: Visitor) -> None:
    begin(person)
    person.say("What is your name?")
    person.wait(lambda: person.line_of("assistant", 1), ANSWER_S, "an answer")
    person.wait_state("Listening", 20)
    app.children_named("kai.engine")[0].kill()
    person.wait(
        lambda: "engine" in person.page.locator(".banner .message").inner_text(), 10, "word of the loss"
    )
    person.screenshot(ARTIFACTS / "error.png")
    person.wait_state("Listening", 40)
    assert person.line_of("user", 1) == "What is your name?"
    person.say("What is your name?")
    person.wait(lambda: person.line_of("assistant", 2), ANSWER_S, "an answer of the new engine")


@pytest.mark.long
def test_without_a_microphone_kai_is_seen_heard_and_typed_to(app: AppProcess, chromium: Path) -> None:
    with visitor(chromium, allow_microphone=False) as person:
        person.context.clear_permissions()
        person.open(app.url)
        person.start()
        person.wait_picture()
        person.wait(
            lambda: "microphone" in person.page.locator(".banner .message").inner_text().lower(),
            15,
            "the reason",
        )
        person.measure()
        person.say("What is your name?")
        person.wait_state("Speaking", ANSWER_S)
        person.wait(lambda: person.level() > 0.01, ANSWER_S, "Kai's voice")
