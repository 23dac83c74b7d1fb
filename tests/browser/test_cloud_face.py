"""The cloud face through the whole app: the local LiveAvatar in HeyGen's place, Chromium in front."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kai.bench.driver import AppProcess, Visitor, visitor
from kai.runtime.hub import GRACE_S
from tests.support.liveavatar import KEY, RunningLiveAvatar, running_liveavatar

ARTIFACTS = Path(__file__).parents[2] / "artifacts" / "screenshots"
ANSWER_S = 15.0
QUESTIONS = ("What is your name?", "What can you do?", "What day is it today?", "Who made you?", "Hello Kai")

# An avatar for the page itself, as a client of ours in it would ask for one.
BORROW_JS = """
async () => {
  const post = async (path, body) => (await fetch(`/api/avatar/${path}`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  })).json();
  const { ticket } = await post('ticket', {});
  const talk_id = new URLSearchParams(location.search).get('talk');
  return (await post('start', { ticket, talk_id })).session_id;
}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningLiveAvatar]:
    with running_liveavatar(picture_delay_s=0.4) as running:
        yield running


def settings(server: RunningLiveAvatar, folder: Path) -> dict[str, str]:
    """What makes the app use the server, and note its sessions in the folder."""
    return {
        "LIVEAVATAR_API_KEY": KEY,
        "KAI_LIVEAVATAR_URL": server.url,
        "KAI_LIVEAVATAR_ENCODING": "VP8",
        "KAI_STATE_DIR": str(folder),
    }


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def app(server: RunningLiveAvatar, state: Path) -> Iterator[AppProcess]:
    with AppProcess(env=settings(server, state)) as process:
        process.wait_ready()
        yield process


@pytest.fixture
def person(app: AppProcess, chromium: Path) -> Iterator[Visitor]:
    with visitor(chromium) as somebody:
        somebody.open(app.url)
        yield somebody


def running(server: RunningLiveAvatar) -> list[dict[str, Any]]:
    return [session for session in server.bill()["sessions"] if session["is_running"]]


def begin(person: Visitor, server: RunningLiveAvatar) -> None:
    person.start()
    person.wait_picture()
    person.wait_state("Listening", 30)
    person.wait(lambda: running(server), 15, "a session of the avatar")


def ask(person: Visitor, question: str, count: int) -> str:
    person.say(question)
    person.wait_state("Speaking", ANSWER_S)
    person.wait_state("Listening", 30)
    return person.line_of("assistant", count)


@pytest.mark.long
def test_a_talk_with_the_cloud_face_is_seen_heard_and_stopped(
    person: Visitor, server: RunningLiveAvatar, state: Path
) -> None:
    begin(person, server)
    (session,) = running(server)
    (record,) = (json.loads(path.read_text()) for path in (state / "paid-sessions").glob("*.json"))
    assert record["id"] == session["id"]
    person.measure()
    person.say("What can you do?")
    person.wait_state("Speaking", ANSWER_S)
    person.page.wait_for_timeout(1200)
    person.screenshot(ARTIFACTS / "cloud-face.png")
    person.wait_state("Listening", 30)
    assert "kai" in ask(person, "What is your name?", 2).lower()
    assert len([kind for kind, _ in person.measured()["sound"] if kind == "on"]) >= 2
    person.press("Stop")
    person.wait(lambda: not running(server), 10, "the end of the avatar's session")
    person.wait(lambda: not list((state / "paid-sessions").glob("*.json")), 5, "no record left")


@pytest.mark.long
def test_the_local_face_takes_over_when_the_avatar_is_lost_and_the_talk_goes_on(
    person: Visitor, server: RunningLiveAvatar
) -> None:
    begin(person, server)
    person.say("What can you do?")
    person.wait_state("Speaking", ANSWER_S)
    person.page.wait_for_timeout(500)
    server.act("end_room")
    person.wait_state("Listening", 30)
    said = person.line_of("assistant", 1)
    assert said
    assert ask(person, "What is your name?", 2)
    assert person.line_of("assistant", 1) == said
    before = person.video()
    person.page.wait_for_timeout(1000)
    after = person.video()
    assert before is not None
    assert after is not None
    assert after.current_time_s > before.current_time_s
    person.press("Stop")
    person.wait(lambda: not running(server), 10, "the end of the avatar's session")


@pytest.mark.long
def test_a_killed_apps_session_is_stopped_by_the_next_start(
    server: RunningLiveAvatar, chromium: Path, tmp_path: Path
) -> None:
    with AppProcess(env=settings(server, tmp_path)) as first:
        first.wait_ready()
        with visitor(chromium) as person:
            person.open(first.url)
            begin(person, server)
            first.process.kill()
            first.process.wait()
    assert len(running(server)) == 1
    with AppProcess(env=settings(server, tmp_path)) as second:
        second.wait_ready()
        with visitor(chromium) as person:
            person.wait(lambda: not running(server), 10, "the end of the orphan")
    assert server.bill()["sessions"][0]["end_reason"] == "USER_CLOSED"


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_talk_of_ten_turns(person: Visitor, server: RunningLiveAvatar) -> None:
    begin(person, server)
    for turn in range(1, 11):
        assert ask(person, QUESTIONS[turn % len(QUESTIONS)], turn)
    assert len(running(server)) == 1
    person.press("Stop")
    person.wait(lambda: not running(server), 10, "the end of the avatar's session")


@pytest.mark.long
def test_a_closed_page_ends_its_paid_talk_sooner_than_a_lost_one(
    person: Visitor, server: RunningLiveAvatar
) -> None:
    # Closing the last tab would close the browser, and its last word may be lost with it.
    other = person.new_tab()
    begin(person, server)
    person.page.close(run_before_unload=True)
    other.wait(lambda: not running(server), GRACE_S - 3, "the end of the avatar's session")


# Last, since its talk is left to end by itself.
def test_a_closing_page_says_so_and_what_was_lent_to_it_is_stopped(
    person: Visitor, server: RunningLiveAvatar
) -> None:
    page, other = person.page, person.new_tab()
    person.start()
    page.locator(".desk").first.wait_for()
    session_id = page.evaluate(BORROW_JS)
    assert session_id in [session["id"] for session in running(server)]
    page.close(run_before_unload=True)
    other.wait(lambda: session_id not in [s["id"] for s in running(server)], 5, "the end of what was lent")
    ended = next(session for session in server.bill()["sessions"] if session["id"] == session_id)
    assert ended["end_reason"] == "USER_DISCONNECTED"
