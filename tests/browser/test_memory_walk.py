"""A talk that is recorded, left, come back to, read again, heard again, taken along and deleted; and two people at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.records.exports import read_json
from kai.records.turn_log import TurnLog
from kai.ui import past_texts, texts
from tests.browser.test_desk import ARTIFACTS
from tests.support.fake_app import app_of_fakes

pytestmark = pytest.mark.long

CAPTIONS_JS = """
async () => {
  const hosts = [...document.querySelectorAll('*')].map((e) => e.shadowRoot).filter(Boolean);
  const video = document.querySelector('.replay video') ?? hosts.map((r) => r.querySelector('.replay video')).find(Boolean);
  if (!video) return null;
  const track = video.textTracks[0];
  video.muted = true;
  await video.play();
  const cues = () => [...(track.cues ?? [])].map((c) => [c.startTime, c.endTime, c.text]);
  for (let i = 0; i < 100 && !cues().length; i++) await new Promise((r) => setTimeout(r, 50));
  const first = cues()[0];
  video.currentTime = first[0] + 0.2;
  await new Promise((r) => { video.onseeked = r; });
  await new Promise((r) => setTimeout(r, 400));
  const now = [...(track.activeCues ?? [])].map((c) => c.text);
  const line = document.querySelector('.kai-said.is-history li[aria-current] p');
  const marked = line?.firstChild?.nodeValue ?? '';
  video.pause();
  return { duration: video.duration, mode: track.mode, cues: cues(), now, marked };
}
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def app(data: Path) -> Iterator[AppProcess]:
    with app_of_fakes(KAI_DATA_DIR=str(data)) as process:
        yield process


@pytest.fixture
def person(app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        yield somebody


def begin(person: Visitor, app: AppProcess) -> None:
    person.open(app.url)
    person.start()
    person.wait_picture()
    person.wait_state(texts.LISTENING)


def light(person: Visitor) -> str:
    found = person.page.locator(".light")
    return found.inner_text() if found.count() and found.is_visible() else ""


def go(person: Visitor, name: str) -> None:
    person.page.get_by_role("link", name=name, exact=True).click()


def downloaded(person: Visitor, label: str, folder: Path) -> Path:
    with person.page.expect_download() as waiting:
        person.page.get_by_role("button", name=label).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_recorded_talk_is_left_come_back_to_heard_again_taken_along_and_deleted(
    person: Visitor, app: AppProcess, data: Path, tmp_path: Path
) -> None:
    begin(person, app)
    assert light(person) == ""
    assert not (data / "recordings").exists()
    person.press(texts.RECORD)
    person.wait(lambda: light(person) == texts.RECORDING, 5, "the light")
    person.screenshot(ARTIFACTS / "recording.png")
    # The light is there in presenter mode too, and goes where the face is.
    person.page.keyboard.press("p")
    person.page.locator(".desk.is-presenting").wait_for()
    person.page.wait_for_timeout(400)
    assert light(person) == texts.RECORDING
    person.screenshot(ARTIFACTS / "recording-presenter.png")
    person.page.keyboard.press("p")
    person.page.locator(".desk:not(.is-presenting)").wait_for()
    person.say("Hello")
    person.wait_state(texts.SPEAKING)
    # Another page of the app: the talk and its light go on.
    go(person, past_texts.HISTORY_PAGE)
    person.page.get_by_role("heading", name=past_texts.HISTORY_TITLE, exact=True).wait_for()
    before = person.video()
    person.page.wait_for_timeout(1500)
    after = person.video()
    assert before is not None
    assert after is not None
    assert after.frames > before.frames
    shown = "getComputedStyle(document.querySelector('.st-key-kai-back'), '::before').content"
    assert texts.RECORDING in person.page.evaluate(f"() => {shown}")
    person.screenshot(ARTIFACTS / "recording-elsewhere.png")
    # A refresh and a lost WebSocket on this page: the same talk, still recorded.
    url = person.page.url
    person.page.reload()
    person.page.get_by_role("heading", name=past_texts.HISTORY_TITLE, exact=True).wait_for()
    person.lose_websocket()
    go(person, texts.TALK_PAGE)
    person.wait_state(texts.LISTENING, 30)
    assert url.split("talk=")[1].split("&")[0] in person.page.url
    person.wait(lambda: light(person) == texts.RECORDING, 5, "the light")
    assert person.line_of("user", 1) == "Hello"
    person.press(texts.RECORD)
    person.wait(lambda: light(person) == "", 5, "darkness")
    person.press(texts.STOP)
    person.page.get_by_text(texts.ENDED_TITLE).wait_for()
    go(person, past_texts.HISTORY_PAGE)
    person.page.locator(".replay video").wait_for()
    heard = person.page.evaluate(CAPTIONS_JS)
    assert heard["mode"] == "showing"
    assert heard["duration"] > 5
    assert [text for _, _, text in heard["cues"]][0] == f"<v {texts.YOU}>Hello"
    assert heard["now"]
    # The stand-in answers at once, so that is the line being said 0.2 s into the first caption.
    assert heard["marked"].startswith("You said: Hello")
    person.screenshot(ARTIFACTS / "history-replay.png")
    # What is taken along reads back.
    record = read_json(downloaded(person, past_texts.HISTORY_EXPORT_JSON, tmp_path).read_text("utf-8"))
    assert record.lines[0].text == "Hello"
    assert record.turns[0].sent_fps is not None
    assert record.turns[0].sent_fps > 5
    markdown = downloaded(person, past_texts.HISTORY_EXPORT_MARKDOWN, tmp_path).read_text("utf-8")
    assert "**You**" in markdown
    with av.open(str(downloaded(person, past_texts.HISTORY_EXPORT_WEBVTT, tmp_path))) as captions:
        assert sum(1 for packet in captions.demux() if packet.size) == len(record.lines)
    # Deleted with its sound.
    assert list((data / "recordings").iterdir())
    person.press(past_texts.HISTORY_DELETE)
    person.page.get_by_role("button", name=past_texts.HISTORY_DELETE_YES).last.click()
    person.page.get_by_text(past_texts.HISTORY_EMPTY_TITLE).wait_for()
    assert list((data / "recordings").iterdir()) == []


def test_two_people_at_once_see_each_their_own_talk(person: Visitor, app: AppProcess) -> None:
    begin(person, app)
    person.say("I am the first")
    person.wait_line("assistant", 1)
    other = person.new_tab()
    other.open(app.url)
    other.start()
    other.wait_picture()
    other.say("I am the second")
    other.wait_line("assistant", 1)
    assert [words for role, words in person.lines() if role == "user"] == ["I am the first"]
    assert [words for role, words in other.lines() if role == "user"] == ["I am the second"]
    go(other, past_texts.HISTORY_PAGE)
    other.page.get_by_role("heading", name=past_texts.HISTORY_TITLE, exact=True).wait_for()
    go(other, texts.TALK_PAGE)
    other.wait_state(texts.LISTENING, 30)
    assert other.line_of("user", 1) == "I am the second"
    assert person.line_of("user", 1) == "I am the first"


def test_a_real_talk_leaves_real_numbers(chromium: Path, data: Path) -> None:
    with AppProcess(env={"KAI_DATA_DIR": str(data)}) as app, visitor(chromium) as person:
        app.wait_ready()
        person.open(app.url)
        person.start()
        person.wait_picture(60)
        person.wait_state(texts.LISTENING, 60)
        for count, question in enumerate(("What can you do?", "Who are you?"), start=1):
            person.say(question)
            person.wait_state(texts.SPEAKING, 30)
            person.wait_line("assistant", count)
            person.wait_state(texts.LISTENING, 60)
        person.press(texts.STOP)
        person.page.get_by_text(texts.ENDED_TITLE).wait_for()
        person.page.wait_for_timeout(1500)
    log = TurnLog(data / "history.db")
    turns = [turn for _, turn in log.turns()]
    log.close()
    assert len(turns) >= 2
    for turn in turns[:2]:
        parts = (turn.think_ms, turn.voice_ms, turn.face_ms)
        assert turn.wait_ms is not None
        assert sum(part or 0 for part in parts) == pytest.approx(turn.wait_ms, abs=3)
        assert turn.sent_fps is not None
        assert 3 < turn.sent_fps < 27
        assert turn.picture_late_ms is not None
        assert 0 <= turn.picture_late_ms < 500
        assert turn.dropped_pictures is not None
    # The page tells its count every two seconds; the first answer is longer than that.
    assert turns[0].shown_fps is not None
    assert 3 < turns[0].shown_fps < 30
