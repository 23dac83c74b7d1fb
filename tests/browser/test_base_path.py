"""The app behind a reverse proxy, below a path of it: a whole talk, heard, with other pages and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.bench.driver import AppProcess, visitor
from kai.records.exports import read_json
from kai.ui import past_texts, texts
from tests.browser.test_memory_walk import downloaded, go
from tests.support.reverse_proxy import reverse_proxy

PREFIX = "/team/kai"


@pytest.mark.long
@pytest.mark.timeout(240)
def test_below_a_path_of_a_proxy_a_talk_is_heard_kept_and_taken_along(chromium: Path, tmp_path: Path) -> None:
    env = {"STREAMLIT_SERVER_BASE_URL_PATH": PREFIX}
    with AppProcess(env=env) as app, reverse_proxy(PREFIX, app.port) as proxy, visitor(chromium) as person:
        app.wait_ready()
        missing: list[str] = []
        person.page.on(
            "response", lambda answer: missing.append(answer.url) if answer.status == 404 else None
        )
        person.open(f"http://127.0.0.1:{proxy.port}{PREFIX}/")
        person.start()
        person.wait_picture(60)
        person.wait_state(texts.LISTENING, 60)
        person.measure()
        person.say("What can you do?")
        person.wait(lambda: person.level() > 0.02, 30, "Kai's sound in the page")
        answer = person.wait_line("assistant", 1)
        assert "time" in answer
        before = person.video()
        go(person, past_texts.HISTORY_PAGE)
        person.page.get_by_role("heading", name=past_texts.HISTORY_TITLE, exact=True).wait_for()
        assert f"{PREFIX}/" in person.page.url
        person.page.wait_for_timeout(1000)
        after = person.video()
        assert before is not None
        assert after is not None
        assert after.frames > before.frames, "the talk goes on, seen on every page"
        # A refresh on this page comes back to the same talk.
        person.page.reload()
        person.page.get_by_role("heading", name=past_texts.HISTORY_TITLE, exact=True).wait_for()
        go(person, texts.TALK_PAGE)
        person.wait_state(texts.LISTENING, 60)
        assert person.line_of("user", 1) == "What can you do?"
        person.press(texts.STOP)
        person.page.get_by_text(texts.ENDED_TITLE).wait_for()
        go(person, past_texts.HISTORY_PAGE)
        record = read_json(downloaded(person, past_texts.HISTORY_EXPORT_JSON, tmp_path).read_text("utf-8"))
        assert [line.text for line in record.lines][0] == "What can you do?"
        assert proxy.sockets >= 1
        assert [path for path in proxy.strays if path != "/favicon.ico"] == []
        # Of its own accord Streamlit's page looks for its server below the page's path first.
        assert [url for url in missing if "/_stcore/" not in url] == []
