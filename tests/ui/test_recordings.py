"""A past talk's sound over HTTP: in parts, with captions on its own time, to those alone who may read the talk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from kai.records import recording
from kai.records.memory import Memory, owner_of
from kai.records.recording import Recorder
from kai.records.turns import Line
from kai.ui import address
from kai.ui.host import COOKIE_NAME
from kai.ui.recordings import routes
from tests.ui.conftest import BROWSER_ID, serving
from tests.ui.fakes import make_app
from tests.unit.test_recording import TALK, alive, wait_for
from tests.unit.test_turns_kept import RECORD

LINES = (
    Line("u1", "user", "Before", 1.0, 0, 900, False, ""),
    Line("a1", "assistant", "Into it", 2.0, 2500, 4000, False, "r1"),
    Line("u2", "user", "Within", 3.0, 4200, 4800, False, ""),
    Line("a2", "assistant", "After", 4.0, 9000, 9900, False, "r2"),
)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """A talk of which 2 s are kept from 3 s on."""
    monkeypatch.setattr(recording, "WRITE_EVERY_S", 0.01)
    monkeypatch.setattr(address, "is_bound_to_loopback", lambda: True)
    monkeypatch.setattr("kai.ui.routes.is_bound_to_loopback", lambda: True)
    memory = Memory(tmp_path)
    assert memory.log is not None
    memory.log.save(replace(RECORD, id=TALK, lines=LINES, owner=owner_of(BROWSER_ID)))
    recorder = Recorder(lambda _s: memory.recordings.new_path(TALK, 3000))
    recorder.start(lambda error: pytest.fail(str(error)))
    for _ in range(100):
        recorder.push_played(np.zeros(960, np.int16))
    recorder.stop()
    wait_for(lambda: not alive("kai-recording"))
    with serving(make_app(memory)):
        yield memory


@pytest.fixture
def client(memory: Memory) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes()), base_url="http://127.0.0.1:8501") as client:
        client.cookies.set(COOKIE_NAME, BROWSER_ID)
        yield client


def test_sound_comes_in_parts_so_that_a_player_can_jump(client: TestClient, memory: Memory) -> None:
    whole = client.get(f"/api/recordings/{TALK}/3000.ogg")
    assert (whole.status_code, whole.headers["content-type"]) == (200, "audio/ogg")
    assert whole.content.startswith(b"OggS")
    assert "no-store" in whole.headers["cache-control"]
    part = client.get(f"/api/recordings/{TALK}/3000.ogg", headers={"range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, whole.content[4:10])


def test_captions_are_those_of_the_part_on_its_own_time(client: TestClient) -> None:
    answer = client.get(f"/api/recordings/{TALK}/3000.vtt")
    assert answer.headers["content-type"].startswith("text/vtt")
    cues = [line for line in answer.text.splitlines() if "-->" in line or line.startswith("<v")]
    assert cues == [
        "00:00:00.000 --> 00:00:01.000",
        "<v Kai>Into it",
        "00:00:01.200 --> 00:00:02.006",  # with Opus' own 6.5 ms before the first sample
        "<v You>Within",
    ]


@pytest.mark.parametrize(
    "path", [f"{TALK}/3001.ogg", f"{TALK}/3001.vtt", "another/3000.ogg", f"..%2f{TALK}/3000.ogg"]
)
def test_what_is_not_there_is_told_in_words(client: TestClient, path: str) -> None:
    assert client.get(f"/api/recordings/{path}").status_code == 404


@pytest.mark.parametrize("kind", ["ogg", "vtt"])
def test_off_this_computer_a_talk_sounds_for_its_own_browser_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    url = f"/api/recordings/{TALK}/3000.{kind}"
    monkeypatch.setattr(address, "is_bound_to_loopback", lambda: False)
    assert client.get(url).status_code == 200
    client.cookies.set(COOKIE_NAME, "another-browser")
    assert client.get(url).status_code == 404
    client.cookies.clear()
    assert client.get(url).status_code == 404


def test_another_site_gets_nothing(client: TestClient) -> None:
    answer = client.get(f"/api/recordings/{TALK}/3000.ogg", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403
