"""A machine that cannot draw the face: the real face process gives up, and the talk over the real browser leg goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
import pytest
import pytest_asyncio

from kai.adapters import browser
from kai.adapters.browser import PageLink
from kai.adapters.local_face import LocalFace
from kai.adapters.local_face import face as local_face
from kai.adapters.voice_only import VoiceOnly
from kai.core.events import RetryRequested, StartRequested, TextSubmitted
from kai.core.state import AgentState, LegName, LegStatus, Look, Phase, Role, SessionState
from kai.ports import Marks, Pcm, Timed, VoiceBrain
from kai.runtime.session import Session
from kai.ui import texts, view
from tests.support.fakes import MS_PER_WORD, FakeBrain

WITHIN_S = 40.0
STILL_FOR_S = 1.5
PROGRAM = local_face.PROGRAM
STORY = " ".join(f"word{n}" for n in range(50))
WIDE_OPEN = Marks((Timed("aa", 0, 12 * 24_000),), ())


@dataclass
class Watcher:
    """What a page gets: takes picture and sound from the browser leg's own tracks, as streamlit-webrtc does."""

    link: PageLink
    sound: list[Pcm] = field(default_factory=list[Pcm])
    pictures: list[tuple[float, np.ndarray]] = field(default_factory=list[tuple[float, np.ndarray]])

    async def hear(self) -> None:
        _, track = self.link.tracks()
        while True:
            frame = await track.recv()
            assert isinstance(frame, av.AudioFrame)
            self.sound.append(frame.to_ndarray().reshape(-1))

    async def see(self) -> None:
        track, _ = self.link.tracks()
        while True:
            frame = await track.recv()
            self.pictures.append((time.monotonic(), frame.to_ndarray()[:512]))


class World:
    """A talk with the real face process and the real browser leg; the brain speaks at the pace of a person."""

    def __init__(self) -> None:
        self.link = PageLink()
        self.watcher = Watcher(self.link)
        self.faces: list[LocalFace] = []
        self.session = Session(
            make_brain=self._make_brain,
            make_face=self._make_face,
            make_voice=VoiceOnly,
            browser=self.link,
        )

    async def _make_brain(self, _look: Look) -> VoiceBrain:
        return FakeBrain(reply=lambda _text: STORY, pace_s=0.02)

    def _make_face(self) -> LocalFace:
        self.faces.append(LocalFace())
        return self.faces[-1]

    async def until(self, is_so: Callable[[SessionState], object], what: str) -> SessionState:
        try:
            async with asyncio.timeout(WITHIN_S):
                while not is_so(self.session.snapshot()):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{what} did not come; the state is {self.session.snapshot()}")
        return self.session.snapshot()


@pytest_asyncio.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(local_face, "PROGRAM", "tests.support.slow_face")
    # Page and talk share a loop here: where it is held up, the link must not take the page for gone and play to nobody.
    monkeypatch.setattr(browser, "ABANDONED_S", 10.0)
    world = World()
    await world.session.open()
    world.session.dispatch(StartRequested(1_700_000_000.0, Look()))
    await world.until(lambda s: s.is_active, "the start")
    tasks = [asyncio.create_task(work) for work in (world.watcher.hear(), world.watcher.see())]
    yield world
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await world.session.aclose()


def banner(state: SessionState) -> dict[str, Any]:
    """What the page shows above the talk."""
    shown = view.view(state, time.monotonic())["banner"]
    assert isinstance(shown, dict)
    return shown


def open_mouth(luma: np.ndarray) -> int:
    """Dark pixels between the lips."""
    return int((luma[310:380, 220:292] < 90).sum())


async def test_a_machine_too_slow_for_the_face_leaves_a_still_picture_and_a_whole_voice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.until(lambda s: s.brain.is_up and s.face.is_up and s.browser.is_up, "all legs")
    await world.until(lambda _s: world.faces[0].counters.live_after_s is not None, "the live face")
    world.session.dispatch(TextSubmitted("t1", "Tell me a story."))
    state = await world.until(lambda s: s.live_answers, "an answer")
    world.session.faces.mark(state.live_answers[0].id, WIDE_OPEN)

    state = await world.until(lambda s: s.face.status is LegStatus.FAILED, "the verdict")
    gave_up_s = time.monotonic()
    said = state.messages[-1].text
    assert (state.face.code, state.phase) == ("face-slow", Phase.ACTIVE)
    await world.until(lambda s: s.agent is AgentState.SPEAKING, "the voice alone")
    assert len(said.split()) < len(STORY.split())
    shown = banner(state)
    assert (shown["wish"], shown["leg"], shown["button"]) == ("retry", "face", texts.TRY_AGAIN)
    assert "too busy" in shown["message"]
    assert "Close other programs, then try again." in shown["message"]
    moved = [luma for at_s, luma in world.watcher.pictures if at_s < gave_up_s]

    # The captions go on, and so does the picture, still and without an open mouth.
    await world.until(lambda s: len(s.messages[-1].text) > len(said) + 30, "more of the caption")
    await asyncio.sleep(max(0.0, gave_up_s + STILL_FOR_S - time.monotonic()))
    stills = [luma for at_s, luma in world.watcher.pictures if at_s > gave_up_s + 0.2]
    assert len(stills) >= (STILL_FOR_S - 0.2) * 3
    assert all(np.array_equal(luma, stills[0]) for luma in stills)
    assert stills[0].mean() == pytest.approx(moved[0].mean(), rel=0.1)
    assert max(open_mouth(luma) for luma in moved) > open_mouth(moved[0]) + 400
    assert open_mouth(stills[0]) < open_mouth(moved[0]) + 100
    assert len(world.faces) == 1, "what the machine cannot do is not tried again by itself"

    # Other programs were closed: the person has it tried again, in the middle of the answer.
    monkeypatch.setattr(local_face, "PROGRAM", PROGRAM)
    world.session.dispatch(RetryRequested(LegName.FACE))
    await world.until(
        lambda s: s.face.is_up and world.faces[1].counters.live_after_s is not None, "the face again"
    )
    assert world.session.snapshot().problem is None
    back_s = time.monotonic()
    await world.until(lambda s: not s.live_answers and s.messages[-1].is_final, "the end of the answer")
    await world.until(
        lambda _s: len([at_s for at_s, _ in world.watcher.pictures if at_s > back_s]) > 3, "pictures"
    )
    assert not np.array_equal(world.watcher.pictures[-1][1], stills[0])

    # Neither the change to the voice alone nor the change back cost a sample of the answer.
    assert [(m.role, m.text, m.is_interrupted) for m in world.session.snapshot().messages] == [
        (Role.USER, "Tell me a story.", False),
        (Role.ASSISTANT, STORY, False),
    ]
    sounding = np.flatnonzero(np.abs(np.concatenate(world.watcher.sound).astype(int)) > 100)
    assert (sounding[-1] - sounding[0]) / 48 == pytest.approx(len(STORY.split()) * MS_PER_WORD, abs=5)
    assert np.diff(sounding).max() / 48 < 5, "milliseconds of silence in the middle of the sound"
    await world.session.aclose()
