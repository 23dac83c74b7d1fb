"""Six spoken turns with the model that thinks: ``python -m tests.browser.spoken_walk [no-way-out]``.

A person with a voice that is not Kai's says where they are going, asks about it, wants a story, interrupts that with another
question, asks who Kai is, and at last what they said at first. The model answers at temperature 0 with a fixed seed, but
hears what the recogniser wrote and was cut where the interruption fell, so its answers are held to what they must have in
them and not to their words. With ``no-way-out`` the network namespace, which must be the caller's own, has no route.

``KAI_PICTURE`` names a file for the page's picture in the middle of the second answer; the README's is made so.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from kai.bench.asked import TALK, asked
from kai.bench.driver import AppProcess, Visitor, visitor
from tests.browser.offline_walk import set_up
from tests.support.chromium import find_chromium
from tests.support.words import word_error_rate

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
REPRODUCIBLE = {"KAI_MIND_TEMPERATURE": "0", "KAI_MIND_SEED": "1"}
ANSWER_S = 40.0
STORY_S = 60.0
BEFORE_INTERRUPTING_MS = 2500
WELL_INTO_AN_ANSWER_MS = 1500
OTHER_MAKERS = ("qwen", "alibaba", "openai", "chatgpt", "anthropic", "google", "microsoft")


def say(person: Visitor, turn: int) -> None:
    """Speak that recording (counted from 1) and wait until Kai answers it."""
    begun_s = time.monotonic()
    person.speak(asked(TALK)[turn - 1].path)
    person.wait(lambda: person.line_of("user", turn), ANSWER_S, f"the words of turn {turn}")
    person.wait(lambda: person.line_of("assistant", turn), ANSWER_S, f"the answer of turn {turn}")
    person.wait_state("Speaking", ANSWER_S)
    print(f"turn {turn}: answered {time.monotonic() - begun_s:.1f} s after its first word")


def hear_out(person: Visitor) -> None:
    """Listen until Kai has ended."""
    person.wait_state("Listening", STORY_S)


def talk(person: Visitor) -> None:
    """All six turns."""
    say(person, 1)
    hear_out(person)
    say(person, 2)
    person.page.wait_for_timeout(WELL_INTO_AN_ANSWER_MS)
    person.screenshot(Path(os.environ.get("KAI_PICTURE") or ARTIFACTS / "conversation.png"))
    hear_out(person)
    say(person, 3)
    person.page.wait_for_timeout(BEFORE_INTERRUPTING_MS)
    assert "speaking" in person.state_word().lower(), "a story is longer than that"
    say(person, 4)
    hear_out(person)
    say(person, 5)
    hear_out(person)
    say(person, 6)
    hear_out(person)


def check(person: Visitor) -> None:
    """What was heard, and what the answers must have in them."""
    heard = [words for role, words in person.lines() if role == "user"]
    answers = [words.lower() for role, words in person.lines() if role == "assistant"]
    told = "\n".join(f"{role}: {words}" for role, words in person.lines())
    assert len(heard) == len(answers) == 6, told
    assert word_error_rate([each.text for each in asked(TALK)], heard) <= 0.1, told
    assert person.page.locator(".lines .cut").count() == 1, f"one answer was interrupted\n{told}"
    assert "reykjav" in answers[3], told
    assert "kai" in answers[4], told
    assert not any(maker in answer for maker in OTHER_MAKERS for answer in answers), told
    assert "iceland" in answers[5], f"what was said first is known at last\n{told}"
    print(told)


def main(way: str) -> None:
    """The walk; fails with an ``AssertionError`` or ``TimeoutError`` that shows the talk."""
    if way == "no-way-out":
        set_up("link-local")
    chromium = find_chromium()
    assert chromium is not None
    begun_s = time.monotonic()
    with AppProcess(env=REPRODUCIBLE) as app, visitor(chromium, speaks=True) as person:
        app.wait_ready()
        assert app.wait_mind(appears_s=30), f"there is no model\n{app.log[-2000:]}"
        person.open(app.url)
        person.start()
        person.wait_picture(60)
        person.wait_state("Listening", 60)
        print(f"listening after {time.monotonic() - begun_s:.1f} s")
        try:
            talk(person)
            check(person)
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}\n{person.lines()}\n{app.log[-2000:]}") from exc
    print(f"six turns in {time.monotonic() - begun_s:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "as-it-is")
