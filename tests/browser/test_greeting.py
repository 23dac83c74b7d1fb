"""A character greets whoever begins a talk, by its name, and the caption lights up as the words are spoken."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, visitor
from kai.ui import texts
from tests.browser.test_desk import ARTIFACTS, WATCH_CAPTIONS_JS

GREETING = "Hello, I'm Emil. Ask me what I can do."


@pytest.mark.long
@pytest.mark.timeout(240)
def test_emil_greets_word_by_word_and_waits_for_the_person_once_the_field_is_empty(chromium: Path) -> None:
    with AppProcess(env={"KAI_GREETING": ""}) as app, visitor(chromium) as person:
        app.wait_ready()
        person.open(app.url)
        person.page.get_by_role("radio", name="Emil").first.click()
        person.start()
        person.page.locator(".caption").evaluate(WATCH_CAPTIONS_JS)
        person.wait_state(texts.SPEAKING, 60)
        person.screenshot(ARTIFACTS / "greeting.png")
        person.wait_state(texts.LISTENING, 30)
        assert person.lines() == [("assistant", GREETING)]
        assert person.page.locator(".lines > li .who").all_inner_texts() == ["Emil"]
        seen = person.page.evaluate("() => window.__captions")
        lit = [len(said.split()) for role, said, ahead in seen if role == "assistant" and said + ahead]
        assert lit == sorted(lit)
        assert len(set(lit)) >= 5
        person.press(texts.STOP)
        person.page.get_by_text(texts.ADVANCED, exact=True).first.click()
        field = person.page.locator(".st-key-look-greeting input")
        field.fill("")
        field.press("Enter")
        person.press(texts.START_AGAIN)
        person.wait_picture(60)
        person.wait_state(texts.LISTENING, 30)
        person.page.wait_for_timeout(3_000)
        assert person.state_word() == texts.LISTENING
        assert person.lines() == []
