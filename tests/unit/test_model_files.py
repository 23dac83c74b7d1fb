"""The catalogue of model files: what each is, what it needs, how fast it will be, and several of them fetched and put on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kai.engine.models import maker, places
from kai.engine.models.catalogue import (
    BESIDE_BYTES,
    CATALOGUE,
    MODELS,
    OTHERS,
    QWEN_0_5B,
    QWEN_1_5B,
    LanguageModel,
    memory_estimate,
)
from kai.engine.models.desk import FileDesk
from kai.engine.models.keeper import ModelState, ModelStatus
from kai.engine.models.shelf import FileShelf, FileState
from kai.engine.models.speed import Measured, bandwidth_bytes_per_s, expected_tokens_per_s
from kai.errors import WeightsError
from tests.support.model_maker import ModelMaker, making
from tests.support.tiny_models import make_model

PLENTY_BYTES = 1 << 40


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_every_model_is_named_by_bytes_that_no_other_one_has() -> None:
    assert (
        len({model.id for model in CATALOGUE})
        == len({model.sha256 for model in CATALOGUE})
        == len(CATALOGUE)
        == 11
    )
    for model in CATALOGUE:
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert len(model.revision) == 40
        assert model.file.endswith(".gguf")
        assert model.licence == "Apache-2.0"
        assert model.copyright
        assert model.maker_path == f"/{model.repository}/resolve/{model.revision}/{model.file}"
    assert [model.bytes for model in OTHERS] == sorted(model.bytes for model in OTHERS)


def test_those_that_come_by_themselves_come_by_parts_and_the_others_from_their_maker() -> None:
    assert all(model.parts for model in MODELS)
    assert not any(model.parts for model in OTHERS)


def test_the_estimate_of_memory_is_near_what_was_measured() -> None:
    for model, kv_bytes in ((QWEN_1_5B, 28_672), (QWEN_0_5B, 12_288)):
        assert 0.8 < memory_estimate(model.bytes, kv_bytes) / model.memory_bytes < 1.2


def test_the_speed_follows_from_the_bytes_and_from_what_the_model_here_really_makes() -> None:
    measured = Measured(QWEN_1_5B.bytes, 18.0)
    for bandwidth in (5e9, 5e10):
        # However fast the memory: the model that runs here shows what of it models get.
        assert expected_tokens_per_s(QWEN_1_5B.bytes, bandwidth, measured) == pytest.approx(18.0)
        assert expected_tokens_per_s(2 * QWEN_1_5B.bytes, bandwidth, measured) == pytest.approx(9.0)
        assert expected_tokens_per_s(1_000_000_000, bandwidth) == pytest.approx(bandwidth / 1e9)
    assert 1e8 < bandwidth_bytes_per_s() < 1e12


# -- several files -----------------------------------------------------------------------------------------------------


@pytest.fixture
def first(tmp_path: Path) -> tuple[LanguageModel, bytes]:
    model, whole = make_model(tmp_path / "wheels", seed=1)
    return replace(model, parts=()), whole


@pytest.fixture
def second(tmp_path: Path) -> tuple[LanguageModel, bytes]:
    model, whole = make_model(tmp_path / "wheels", seed=2)
    return replace(model, parts=()), whole


@pytest.fixture
def shop(
    first: tuple[LanguageModel, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelMaker]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(maker, "RETRY_S", 0.01)
    with making(*first) as shop:
        monkeypatch.setenv("HF_ENDPOINT", shop.url)
        yield shop


@pytest.fixture
def shelf(
    first: tuple[LanguageModel, bytes], second: tuple[LanguageModel, bytes], shop: ModelMaker, tmp_path: Path
) -> Iterator[FileShelf]:
    shelf = FileShelf((first[0], second[0]), folder=tmp_path / "models", memory_bytes=PLENTY_BYTES)
    yield shelf
    shop.release.set()
    shelf.close()


def test_a_file_is_fetched_paused_gone_on_with_and_deleted(
    shelf: FileShelf, first: tuple[LanguageModel, bytes], shop: ModelMaker, tmp_path: Path
) -> None:
    model, whole = first
    assert shelf.status(model).state is FileState.ABSENT
    shop.days = ["stall"]
    shelf.fetch(model.id)
    shelf.fetch(model.id)
    assert shop.is_stalling.wait(10)
    assert shelf.status(model).state is FileState.FETCHING
    shelf.pause(model.id)
    assert shelf.status(model).state is FileState.ABSENT
    shop.release.set()
    shelf.join(10)
    assert 0 < shelf.status(model).done_bytes < model.bytes
    shelf.fetch(model.id)
    shelf.join(10)
    here = shelf.status(model)
    assert (here.state, here.done_bytes) == (FileState.HERE, model.bytes)
    assert here.path is not None
    assert here.path.read_bytes() == whole
    shelf.delete(model.id)
    assert shelf.status(model) == type(here)()
    assert [
        path.suffix for path in (tmp_path / "models").iterdir() if path.suffix in (".gguf", ".part")
    ] == []


def test_a_failure_is_told_and_tried_again(
    shelf: FileShelf, first: tuple[LanguageModel, bytes], shop: ModelMaker
) -> None:
    shop.days = ["page"]
    shelf.fetch(first[0].id)
    shelf.join(10)
    failed = shelf.status(first[0])
    assert (failed.state, "log in" in failed.problem) == (FileState.FAILED, True)
    shelf.fetch(first[0].id)
    shelf.join(10)
    assert shelf.status(first[0]).state is FileState.HERE


def test_another_programs_copy_is_used_where_there_is_one_and_never_deleted(
    shelf: FileShelf, second: tuple[LanguageModel, bytes], shop: ModelMaker, tmp_path: Path
) -> None:
    model, whole = second
    blob = put(tmp_path / "home" / ".ollama" / "models" / "blobs" / f"sha256-{model.sha256}", whole)
    shelf.fetch(model.id)
    shelf.join(10)
    assert shelf.status(model).path == blob
    assert shop.asked == []
    shelf.delete(model.id)
    assert blob.exists()


def test_a_copy_whose_bytes_changed_is_not_here(
    shelf: FileShelf, second: tuple[LanguageModel, bytes], tmp_path: Path
) -> None:
    model, whole = second
    put(places.own_copy(model, tmp_path / "models"), whole[:-1] + b"!")
    assert shelf.status(model).state is FileState.ABSENT


def test_an_unknown_file_is_refused(shelf: FileShelf) -> None:
    for wish in (shelf.fetch, shelf.pause, shelf.delete):
        with pytest.raises(WeightsError):
            wish("gpt-5")


class Runs:
    """What the model's process was told to run."""

    def __init__(self) -> None:
        self.files: list[tuple[Path, str]] = []

    async def use(self, path: Path, name: str) -> None:
        self.files.append((path, name))


async def test_one_file_is_on_at_a_time_and_kais_own_comes_back(
    shelf: FileShelf, first: tuple[LanguageModel, bytes], second: tuple[LanguageModel, bytes], tmp_path: Path
) -> None:
    paths = [put(places.own_copy(model, tmp_path / "models"), whole) for model, whole in (first, second)]
    own = ModelStatus(ModelState.READY, "own", "Own 1B", bytes=100, path=tmp_path / "own.gguf")
    runs = Runs()
    desk = FileDesk(shelf, runs.use, lambda: own, lambda: 20.0)
    for model in (first[0], first[0], second[0]):
        await desk.put_on(model.id)
    told = await desk.to_json()
    assert (told["on"], told["is_measured"]) == (second[0].id, True)
    await desk.take_off("It is too slow.")
    assert (desk.on, desk.problem) == ("", "It is too slow.")
    await desk.put_on(first[0].id)
    assert desk.problem == ""
    await desk.delete(first[0].id)
    assert not paths[0].exists()
    names = [name for _, name in runs.files]
    assert names == ["Tiny 1", "Tiny 2", "Own 1B", "Tiny 1", "Own 1B"]


async def test_a_file_that_is_not_here_or_too_large_for_this_computer_is_not_put_on(
    first: tuple[LanguageModel, bytes], tmp_path: Path
) -> None:
    model, whole = first
    small = FileShelf((model,), folder=tmp_path / "models", memory_bytes=BESIDE_BYTES)
    runs = Runs()
    desk = FileDesk(small, runs.use, ModelStatus, lambda: None)
    with pytest.raises(WeightsError, match="is not here"):
        await desk.put_on(model.id)
    put(places.own_copy(model, tmp_path / "models"), whole)
    with pytest.raises(WeightsError, match="memory"):
        await desk.put_on(model.id)
    (row,) = (await desk.to_json())["models"]  # type: ignore[misc]
    assert (row["fits"], row["state"], runs.files) == (False, "here", [])  # type: ignore[index]
