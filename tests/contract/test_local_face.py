"""The face that this computer draws, with its real process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import pytest_asyncio

from kai.adapters.local_face import LocalFace
from kai.adapters.local_face import face as local_face
from kai.compose import SharedServices
from kai.core.events import LegFailed, PlayoutFinished
from kai.core.state import AgentState, LegName, Look
from kai.errors import FaceError
from kai.media import stamp
from kai.ports import AvatarFace, Marks, Picture, Timed
from kai.records.memory import Memory
from kai.settings import Settings
from tests.contract.suite_face import FaceContract, Lose, MakeFace
from tests.support.fakes import FaceLog, tone

WITHIN_S = 30.0
PROJECT = Path(__file__).parents[2]


class TestLocalFace(FaceContract):
    within_s, pull_pace_s = WITHIN_S, 0.02

    @pytest.fixture
    def make_face(self) -> MakeFace:
        return LocalFace

    @pytest.fixture
    def broken_face(self, monkeypatch: pytest.MonkeyPatch) -> AvatarFace:
        monkeypatch.setattr(local_face, "PROGRAM", "kai.adapters.local_face.no_such_program")
        return LocalFace()

    @pytest.fixture
    def lose(self) -> Lose:
        async def lose(face: AvatarFace) -> None:
            assert isinstance(face, LocalFace)
            assert face.pid is not None
            os.kill(face.pid, signal.SIGKILL)

        return lose


@pytest.fixture
def log() -> FaceLog:
    return FaceLog()


@pytest_asyncio.fixture
async def face(log: FaceLog) -> AsyncIterator[LocalFace]:
    """A face that is live, not the idle loop any more."""
    face = LocalFace()
    await face.open(Look(), log)
    await log.wait(lambda: face.counters.live_after_s is not None, WITHIN_S)
    seen = len(log.pictures)
    await log.wait(lambda: len(log.pictures) > seen + 12, WITHIN_S)  # the cross-fade is over
    yield face
    await face.aclose()


async def pull(face: LocalFace, seconds: float) -> None:
    """Plays in real time."""
    due_s = time.monotonic()
    for _ in range(round(seconds * 50)):
        face.pull_sound()
        due_s += 0.02
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def dark_mouth(picture: Picture) -> int:
    """Dark pixels between the lips: many when the mouth is open."""
    return int((picture[310:380, 220:292] < 90).sum())


async def test_the_mouth_moves_with_the_sound_and_closes_when_stopped(face: LocalFace, log: FaceLog) -> None:
    face.set_mood(AgentState.SPEAKING)
    resting = dark_mouth(log.pictures[-1][0])
    face.mark("a", Marks((Timed("aa", 0, 24_000),), ()))
    face.speak("a", tone(3000))
    log.pictures.clear()
    await pull(face, 0.7)
    wide = max(dark_mouth(picture) for picture, _ in log.pictures)
    assert wide > resting + 400
    stopped_s = time.monotonic()
    face.stop_speaking()
    await log.wait(lambda: log.pictures[-1][1] > stopped_s + 0.2, WITHIN_S)
    after = [picture for picture, at_s in log.pictures if at_s > stopped_s + 0.2]
    assert max(dark_mouth(picture) for picture in after) < resting + (wide - resting) * 0.15
    await pull(face, 0.1)
    assert max(dark_mouth(log.pictures[-1][0]) for _ in range(3)) < resting + (wide - resting) * 0.15


async def test_lips_shut_where_the_marks_say_so(face: LocalFace, log: FaceLog) -> None:
    """0.4 s open, 0.2 s closed, 0.4 s open; a picture shows the sample that goes out at its own time."""
    face.mark(
        "a", Marks((Timed("aa", 0, 9_600), Timed("PP", 9_600, 14_400), Timed("aa", 14_400, 24_000)), ())
    )
    face.speak("a", tone(1000))
    face.end_segment("a")
    log.pictures.clear()
    first_s: float | None = None
    due_s = time.monotonic()
    while PlayoutFinished("a") not in log.events:
        pulled_s = time.monotonic()
        if face.pull_sound().any() and first_s is None:
            first_s = pulled_s
        due_s += 0.02
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
    assert first_s is not None
    shown = [(at_s - first_s, dark_mouth(picture)) for picture, at_s in log.pictures]
    wide = max(dark for _, dark in shown)
    shut = [dark for at_s, dark in shown if 0.46 < at_s < 0.55]
    opened = [dark for at_s, dark in shown if 0.15 < at_s < 0.33 or 0.7 < at_s < 0.9]
    assert shut
    assert opened
    assert np.median(shut) < 0.3 * wide
    assert np.median(opened) > 0.5 * wide


async def test_a_look_is_changed_without_a_gap(face: LocalFace, log: FaceLog) -> None:
    before = log.pictures[-1][0].astype(int)
    face.set_look(Look(character="ade"))
    await log.wait(
        lambda: np.abs(log.pictures[-1][0].astype(int) - before)[250:300, 220:300].mean() > 30, WITHIN_S
    )
    assert log.of(LegFailed) == []
    with pytest.raises(FaceError, match="kai, mara, ade"):
        face.set_look(Look(character="nobody"))


async def test_a_resting_face_costs_next_to_nothing(face: LocalFace, log: FaceLog) -> None:
    face.want_frames(False)
    await log.wait_quiet(0.3, WITHIN_S)
    process = psutil.Process(face.pid)
    before = process.cpu_times()
    await asyncio.sleep(1.0)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.03


async def test_a_face_comes_back_after_its_process_died(face: LocalFace, log: FaceLog) -> None:
    assert face.pid is not None
    os.kill(face.pid, signal.SIGKILL)
    failed = await log.wait_for_a(LegFailed, WITHIN_S)
    assert (failed.leg, failed.is_retryable) == (LegName.FACE, True)
    face.speak("a", tone(100))  # the voice goes on
    face.end_segment("a")
    await pull(face, 0.4)
    assert PlayoutFinished("a") in log.events
    again, other_log = LocalFace(), FaceLog()
    await again.open(Look(), other_log)
    await other_log.wait(lambda: len(other_log.pictures) > 3, WITHIN_S)
    await again.aclose()


async def test_an_unknown_character_is_refused_before_anything_starts(log: FaceLog) -> None:
    face = LocalFace()
    with pytest.raises(FaceError, match="kai, mara, ade"):
        await face.open(Look(character="nobody"), log)
    assert face.pid is None


async def test_frames_carry_the_time_that_they_show_when_the_settings_file_asks_for_test_marks(
    log: FaceLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAI_TEST_MARKS", raising=False)
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("KAI_TEST_MARKS=1\n")
    face = SharedServices(Settings.load(), Memory(tmp_path))._spare._make_face()
    await face.open(Look(), log)
    await log.wait(lambda: len(log.pictures) > 5, WITHIN_S)
    sound = np.concatenate([face.pull_sound() for _ in range(60)])
    await face.aclose()
    for picture, at_s in log.pictures:
        media_ms = stamp.read_stamp(picture[:512])
        assert media_ms is not None
        assert 0 <= media_ms - round(at_s * 1000) % 2**32 <= 20
    assert sound.shape == (57_600,)


def test_the_process_ends_when_its_app_is_killed() -> None:
    app = textwrap.dedent("""
        import asyncio, sys
        from kai.adapters.local_face import LocalFace
        from kai.core.state import Look

        class Sink:
            def emit(self, event): pass
            def picture(self, picture, at_s): pass

        async def main():
            face = LocalFace()
            await face.open(Look(), Sink())
            print(face.pid, flush=True)
            await asyncio.sleep(600)

        asyncio.run(main())
    """)
    parent = subprocess.Popen([sys.executable, "-c", app], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    try:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    _, alive = psutil.wait_procs([child], timeout=10)
    for process in alive:
        process.kill()
    assert alive == []
