"""A talk's sound: both sides in one file, in time with the talk, playable after a crash, gone with its talk."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from kai.compat.format import BLOCK_S, BLOCK_SAMPLES
from kai.compat.format import LIVE_HZ as HZ
from kai.core.events import RecordingFailed, RecordingWished, StartRequested, StopRequested, TextSubmitted
from kai.core.state import Look
from kai.core.store import Store
from kai.errors import KaiError
from kai.ports import Pcm
from kai.records import recording
from kai.records.memory import Memory
from kai.records.recording import Recorder, RecordingError, Recordings
from kai.records.turns import Follower
from tests.support.talk import talking
from tests.unit.test_turns_kept import RECORD

TALK = "0123456789abcdef"
PERSON_HZ, KAI_HZ = 440, 1000
SILENCE = np.zeros(BLOCK_SAMPLES, np.int16)


def tone(hz: float, block: int) -> Pcm:
    """That block of a steady tone."""
    at = (np.arange(BLOCK_SAMPLES) + block * BLOCK_SAMPLES) / HZ
    return (8000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)


class Clock:
    """A clock that goes on by hand."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


class Tapped:
    """A recorder with a clock of its own; a second of blocks is pushed at once."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.folder = Recordings(folder)
        self.recorder = Recorder(lambda _at_s: self.folder.new_path(TALK, 1500), self.clock)
        self.failures: list[KaiError] = []

    def start(self) -> None:
        self.recorder.start(self.failures.append)

    def sound(self, blocks: int, *, is_person: bool = True, is_kai: bool = True, first: int = 0) -> None:
        for i in range(first, first + blocks):
            self.clock.at_s += BLOCK_S
            if is_person:
                self.recorder.push_mic(tone(PERSON_HZ, i))
            self.recorder.push_played(tone(KAI_HZ, i) if is_kai else SILENCE)

    def finish(self) -> Path:
        path = self.recorder.path
        assert path is not None
        self.recorder.stop()
        wait_for(lambda: not alive("kai-recording"))
        return path


def alive(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


def wait_for(is_so: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come about in time"
        time.sleep(0.005)


def decoded(path: Path) -> np.ndarray:
    """``(2, samples)`` float, full scale 1."""
    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(parts, axis=1)


def loudness(sound: np.ndarray, hz: float) -> float:
    """How much of that tone is in ``(samples,)``."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) / len(sound) * 4
    at = round(hz * len(sound) / HZ)
    return float(spectrum[at - 3 : at + 4].max())


@pytest.fixture
def tapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tapped]:
    monkeypatch.setattr(recording, "WRITE_EVERY_S", 0.01)
    tapped = Tapped(tmp_path / "recordings")
    yield tapped
    tapped.recorder.stop()
    wait_for(lambda: not alive("kai-recording"))


# ------------------------------------------------------------------ the sound


def test_both_sides_are_kept_each_louder_on_its_own_side(tapped: Tapped) -> None:
    tapped.start()
    tapped.sound(100)
    path = tapped.finish()
    left, right = decoded(path)
    assert len(left) == pytest.approx(2 * HZ, abs=BLOCK_SAMPLES)
    middle = slice(HZ // 2, HZ // 2 + HZ)
    assert loudness(left[middle], PERSON_HZ) > 2 * loudness(right[middle], PERSON_HZ) > 0.05
    assert loudness(right[middle], KAI_HZ) > 2 * loudness(left[middle], KAI_HZ) > 0.05
    (stretch,) = tapped.folder.of_talk(TALK)
    assert (stretch.start_ms, stretch.path) == (1500, path)
    assert stretch.lasts_ms == pytest.approx(2000, abs=30)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_a_recording_is_the_users_alone(tapped: Tapped) -> None:
    tapped.start()
    path = tapped.finish()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_nothing_is_kept_before_it_is_switched_on_and_after_it_is_switched_off(tapped: Tapped) -> None:
    tapped.sound(50)
    assert not tapped.folder.folder.exists()
    tapped.start()
    tapped.sound(50)
    path = tapped.finish()
    tapped.sound(50)
    left, _ = decoded(path)
    assert len(left) == pytest.approx(HZ, abs=BLOCK_SAMPLES)


def test_a_gap_in_the_clock_is_silence_so_that_captions_stay_in_time(tapped: Tapped) -> None:
    tapped.start()
    tapped.sound(50)
    tapped.clock.at_s += 3.0
    tapped.sound(50)
    left, right = decoded(tapped.finish())
    assert len(left) == pytest.approx(5 * HZ, abs=3 * BLOCK_SAMPLES)
    assert np.abs(right[int(1.5 * HZ) : int(3.5 * HZ)]).max() < 0.01
    assert loudness(right[int(4.2 * HZ) : int(4.8 * HZ)], KAI_HZ) > 0.05


def test_a_microphone_that_comes_in_bursts_loses_nothing_and_waits_no_longer_than_it_may(
    tapped: Tapped,
) -> None:
    tapped.start()
    for burst in range(20):
        for i in range(5):
            tapped.recorder.push_mic(tone(PERSON_HZ, burst * 5 + i))
        tapped.sound(5, is_person=False, is_kai=False)
    left, _ = decoded(tapped.finish())
    assert loudness(left[HZ // 2 : HZ + HZ // 2], PERSON_HZ) > 0.2
    for i in range(100):
        tapped.recorder.push_mic(tone(PERSON_HZ, i))
    assert len(tapped.recorder._mic) <= recording.MOST_MIC_BLOCKS


def test_a_slow_disk_costs_sound_and_never_memory(tapped: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_WAITING_BLOCKS", 20)
    monkeypatch.setattr(recording, "WRITE_EVERY_S", 60.0)
    tapped.start()
    file = tapped.recorder._file
    assert file is not None
    tapped.sound(50)
    assert (len(file._waiting), file.dropped_blocks) == (20, 30)
    left, _ = decoded(tapped.finish())
    assert len(left) == pytest.approx(20 * BLOCK_SAMPLES, abs=BLOCK_SAMPLES)


# ------------------------------------------------------------------ what goes wrong

KILLED = """
import sys, time
from pathlib import Path
import numpy as np
from kai.records.recording import Recorder, Recordings
folder = Recordings(Path(sys.argv[1]))
now = [0.0]
recorder = Recorder(lambda _s: folder.new_path("0123456789abcdef", 0), lambda: now[0])
recorder.start(lambda error: None)
noise = np.random.default_rng(1).integers(-3000, 3000, 960).astype(np.int16)
for _ in range(500):
    now[0] += 0.02
    recorder.push_mic(noise)
    recorder.push_played(noise)
while recorder._file._waiting:
    time.sleep(0.01)
print("written", flush=True)
time.sleep(60)
"""


def test_a_file_of_a_killed_app_plays_up_to_there(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "written\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    (stretch,) = Recordings(tmp_path).of_talk(TALK)
    assert 9000 < stretch.lasts_ms <= 10_000
    left, _ = decoded(stretch.path)
    assert 9.0 < len(left) / HZ <= 10.05


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_disk_ends_the_recording_with_a_word(tapped: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    real = recording._open
    monkeypatch.setattr(recording, "_open", lambda _path: real(Path("/dev/full")))
    tapped.start()
    tapped.sound(300)
    wait_for(lambda: tapped.failures)
    assert tapped.failures[0].code == "recording-disk"
    assert "Make some room" in tapped.failures[0].message
    assert tapped.recorder.path is None


def test_without_room_it_does_not_begin(tapped: Tapped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(RecordingError, match="Make some room"):
        tapped.start()
    assert not alive("kai-recording")


def test_what_is_no_recording_is_left_alone(tmp_path: Path) -> None:
    folder = Recordings(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / f"{TALK}-5.ogg").write_bytes(b"not Ogg")
    assert folder.of_talk(TALK) == []
    assert folder.path_of("../../etc/passwd", 5) is None
    assert folder.path_of(TALK, 6) is None
    folder.keep_only(set())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


# ------------------------------------------------------------------ policy


def test_a_talk_is_recorded_only_when_somebody_wishes_it_and_no_longer_than_it_lasts() -> None:
    talk = talking()
    assert not talk.state.is_recording
    talk.do(RecordingWished(True))
    assert talk.state.is_recording
    talk.do(StopRequested())
    assert not talk.state.is_recording
    again = talking()
    assert not again.state.is_recording


def test_a_recording_that_fails_puts_the_light_out_and_says_why() -> None:
    talk = talking()
    talk.do(RecordingFailed("recording-disk", "No room."))
    assert talk.state.problem is None
    talk.do(RecordingWished(True), RecordingFailed("recording-disk", "No room."))
    assert not talk.state.is_recording
    assert talk.state.problem is not None
    assert talk.state.problem.message == "No room."


# ------------------------------------------------------------------ with the talk that it belongs to


class Kept:
    """A remembered talk with its recorder."""

    def __init__(self, folder: Path) -> None:
        self.memory = Memory(folder)
        self.follower = Follower()
        self.recorder = self.memory.make_recorder(self.follower)
        self.failures: list[KaiError] = []
        self.store = Store()
        self.memory.follow(self.store, self.follower)

    def begin(self) -> None:
        self.store.dispatch(StartRequested(time.time(), Look()))
        self.store.dispatch(TextSubmitted("i1", "Hello"))
        self.recorder.start(self.failures.append)
        for _ in range(25):
            self.recorder.push_played(SILENCE)
        self.memory.flush()

    def stretches(self) -> list[recording.Stretch]:
        return self.memory.recordings.of_talk(self.follower.id)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    monkeypatch.setattr(recording, "WRITE_EVERY_S", 0.01)
    kept = Kept(tmp_path)
    yield kept
    kept.recorder.stop()
    kept.memory.close()
    wait_for(lambda: not alive("kai-recording"))


def test_a_recording_begins_where_its_talk_is(kept: Kept) -> None:
    kept.begin()
    kept.recorder.stop()
    wait_for(lambda: not alive("kai-recording"))
    (stretch,) = kept.stretches()
    assert stretch.lasts_ms == pytest.approx(500, abs=30)
    assert stretch.start_ms < 5000


def test_a_deleted_talk_takes_its_sound_along_also_while_it_is_recorded(kept: Kept) -> None:
    kept.begin()
    kept.memory.delete(kept.follower.id)
    assert [error.code for error in kept.failures] == ["recording-ended"]
    assert list(kept.memory.recordings.folder.iterdir()) == []
    with pytest.raises(RecordingError) as caught:
        kept.recorder.start(kept.failures.append)
    assert caught.value.code == "recording-off"


def test_deleting_all_and_switching_keeping_off_end_a_recording(kept: Kept) -> None:
    kept.begin()
    kept.memory.keep_talks(False)
    assert [error.code for error in kept.failures] == ["recording-ended"]
    assert len(kept.stretches()) == 1
    with pytest.raises(RecordingError):
        kept.recorder.start(kept.failures.append)
    assert kept.memory.delete_all() == 1
    assert kept.stretches() == []


def test_sound_goes_with_a_talk_that_is_too_old_and_sound_without_a_talk_at_the_next_start(
    kept: Kept, tmp_path: Path
) -> None:
    kept.begin()
    kept.recorder.stop()
    wait_for(lambda: not alive("kai-recording"))
    orphan = kept.memory.recordings.new_path("f" * 16, 0)
    orphan.write_bytes(b"x")
    again = Memory(tmp_path)
    assert not orphan.exists()
    assert len(kept.stretches()) == 1
    assert again.log is not None
    old = replace(RECORD, id=kept.follower.id, started_wall_s=5.0)
    again.log.save(old)
    again.forget_old()
    assert kept.stretches() == []
    again.close()


def test_where_the_file_of_talks_was_broken_sound_stays(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / f"{TALK}-0.ogg").write_bytes(b"x")
    (tmp_path / "history.db").write_bytes(b"no database" * 100)
    memory = Memory(tmp_path)
    assert memory.log is not None
    assert memory.log.aside is not None
    assert (folder / f"{TALK}-0.ogg").exists()
    memory.close()
