"""Talks are made, found again by those whose they are, and ended when nobody is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from kai.adapters.browser import PageLink
from kai.adapters.voice_only import VoiceOnly
from kai.core.events import Awoke, StartRequested
from kai.core.state import Look, Phase
from kai.errors import KaiError
from kai.ports import VoiceBrain
from kai.runtime import hub as hub_module
from kai.runtime.hub import MAX_ACTIVE_TALKS, SessionHub
from kai.runtime.session import Session
from tests.support.fakes import FakeBrain, FakeFace

START = StartRequested(1_700_000_000.0, Look())


def make_session(_browser_id: str) -> tuple[Session, PageLink]:
    async def make_brain(_look: Look) -> VoiceBrain:
        return FakeBrain()

    page = PageLink()
    return Session(make_brain=make_brain, make_face=FakeFace, make_voice=VoiceOnly, browser=page), page


async def nothing() -> None:
    pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionHub]:
    monkeypatch.setattr(hub_module, "GRACE_S", 0.4)
    monkeypatch.setattr(hub_module, "POLL_S", 0.05)
    hub = SessionHub(make_session, lambda: None, nothing)
    hub.start()
    yield hub
    hub.close()


def until(is_so: Callable[[], object], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)


def test_a_talk_is_found_by_its_id_and_its_browser_together(hub: SessionHub) -> None:
    talk = hub.create("browser-1")
    assert hub.find(talk.id, "browser-1") is talk
    assert hub.find(talk.id, "browser-2") is None
    assert hub.find("another", "browser-1") is None
    assert hub.create("browser-1").id != talk.id


def test_a_talk_that_nobody_attends_ends_after_the_grace(hub: SessionHub) -> None:
    talk = hub.create("browser-1")
    talk.dispatch(START)
    until(lambda: talk.snapshot().is_active)
    until(lambda: hub.find(talk.id, "browser-1") is None)
    until(lambda: talk.snapshot().phase is Phase.CLOSED)
    assert hub.health()["talks"] == 0


def test_an_open_tab_or_stream_holds_the_talk(hub: SessionHub) -> None:
    is_open = True
    talk = hub.create("browser-1")
    talk.attach_tab("tab", lambda: is_open)
    assert talk.is_attended()
    time.sleep(0.8)
    assert hub.find(talk.id, "browser-1") is talk
    talk.stream_opened()
    is_open = False
    time.sleep(0.8)
    assert hub.find(talk.id, "browser-1") is talk
    talk.stream_closed()
    assert not talk.is_attended()
    until(lambda: hub.find(talk.id, "browser-1") is None)


def test_a_page_that_said_that_it_goes_is_waited_for_less_long_until_one_is_back(
    hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "GRACE_S", 20.0)
    talk = hub.create("browser-1")
    # Times of the monotonic clock are told, so nothing is waited for.
    now_s = time.monotonic()
    talk.stream_opened()
    assert talk.is_held(now_s)
    talk.stream_closed()
    talk.page_left()
    assert talk.is_held(now_s + hub_module.LEFT_GRACE_S / 2)
    assert not talk.is_held(now_s + hub_module.LEFT_GRACE_S + 0.01)
    talk.attach_tab("tab", lambda: False)
    assert talk.is_held(now_s + hub_module.LEFT_GRACE_S + 0.01)


def test_too_many_talks_are_refused_in_words_and_pages_that_only_look_do_not_count(hub: SessionHub) -> None:
    for n in range(MAX_ACTIVE_TALKS):
        hub.create(f"visitor-{n}")
    for n in range(MAX_ACTIVE_TALKS):
        talk = hub.create(f"browser-{n}")
        talk.attach_tab("tab", lambda: True)
        talk.dispatch(START)
        until(lambda talk=talk: talk.snapshot().is_active)
    with pytest.raises(KaiError) as caught:
        hub.create("one more")
    assert caught.value.code == "full"
    assert "tab" in caught.value.message


def test_closing_the_hub_ends_every_talk_and_may_be_done_twice(hub: SessionHub) -> None:
    talks = [hub.create("browser-1"), hub.create("browser-2")]
    for talk in talks:
        talk.dispatch(START)
    until(lambda: all(talk.snapshot().brain.is_up for talk in talks))
    assert hub.health()["active_talks"] == 2
    hub.close()
    assert {talk.snapshot().phase for talk in talks} == {Phase.CLOSED}
    hub.close()


def test_health_tells_nothing_of_anybody(hub: SessionHub) -> None:
    hub.create("browser-secret")
    assert "secret" not in str(hub.health())


class OneNap:
    """A clock that tells once that this computer has slept."""

    def __init__(self, _step_s: float) -> None:
        self.naps = [0.0, 60.0]

    def stood_s(self) -> float:
        return self.naps.pop(0) if self.naps else 0.0


def test_every_talk_is_told_that_this_computer_was_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "POLL_S", 0.2)
    monkeypatch.setattr(hub_module, "NapClock", OneNap)
    hub = SessionHub(make_session, lambda: None, nothing)
    hub.start()
    talks = [hub.create("browser-1"), hub.create("browser-2")]
    until(lambda: all(Awoke(60.0) in [event for _, event in t.session.journal()[1]] for t in talks))
    hub.close()
