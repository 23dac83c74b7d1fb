"""Which model file is which, where it may lie, and proof that it is the one we know."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kai.engine.models import places
from kai.engine.models.catalogue import (
    BESIDE_BYTES,
    MODELS,
    QWEN_0_5B,
    QWEN_1_5B,
    LanguageModel,
    choose_model,
)
from kai.engine.models.keeper import ModelKeeper, ModelState, why_unsupported
from kai.errors import WeightsError
from tests.support.tiny_models import make_model

ROOT = Path(__file__).resolve().parents[2]
PLENTY_BYTES = 1 << 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with nothing in it and no choice made."""
    for name in ("KAI_MIND", "KAI_DATA_DIR", "OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HUGGINGFACE_HUB_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("KAI_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "home"


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[LanguageModel, bytes]:
    return make_model(tmp_path / "wheels")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def looked(model: LanguageModel, memory_bytes: int = PLENTY_BYTES) -> ModelKeeper:
    """A keeper that has looked for that model."""
    keeper = ModelKeeper(models=(model,), memory_bytes=memory_bytes)
    keeper.start()
    keeper.join(10)
    return keeper


# -- the catalogue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.id)
def test_the_parts_of_a_model_add_up_to_its_file(model: LanguageModel) -> None:
    assert sum(part.member_bytes for part in model.parts) == model.bytes
    assert len({part.wheel_sha256 for part in model.parts}) == len(model.parts)
    assert len({part.member for part in model.parts}) == len(model.parts)
    assert all(len(part.wheel_sha256) == 64 for part in model.parts)
    assert len(model.sha256) == 64


@pytest.mark.parametrize(
    ("memory_gb", "chosen"),
    [
        (64, QWEN_1_5B),
        (8, QWEN_1_5B),
        (4.7, QWEN_1_5B),
        (4.6, QWEN_0_5B),
        (3.4, QWEN_0_5B),
        (3.3, None),
        (1, None),
    ],
)
def test_a_computer_gets_the_best_model_that_its_memory_carries(
    memory_gb: float, chosen: LanguageModel | None
) -> None:
    assert choose_model(int(memory_gb * 1e9)) is chosen


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX's")
def test_a_limit_of_the_process_counts_as_its_memory() -> None:
    words = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (3_500_000_000, resource.RLIM_INFINITY))\n"
        "from kai.engine.models.catalogue import choose_model; print(choose_model().id)"
    )
    done = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == QWEN_0_5B.id


# -- finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        ".ollama/models/blobs/sha256-{sha256}",
        ".local/share/ramalama/store/ollama/qwen/blobs/sha256-{sha256}",
        ".cache/huggingface/hub/models--Somebody--Else/blobs/{sha256}",
        ".lmstudio/models/{repository}/{file}",
        ".cache/llama.cpp/Nobody_Tiny-GGUF_{file}",
    ],
)
def test_the_copy_of_another_program_is_found_by_its_bytes(
    home: Path, tiny: tuple[LanguageModel, bytes], where: str
) -> None:
    model, whole = tiny
    path = home / where.format(sha256=model.sha256, repository=model.repository, file=model.file)
    put(path, whole[:-1] + b"!")
    assert places.find(model) is None
    put(path, whole)
    assert places.find(model) == path


def test_the_variables_of_other_programs_are_heeded(
    home: Path, tiny: tuple[LanguageModel, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = tiny
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    path = put(tmp_path / "hf" / "hub" / "models--A--B" / "blobs" / model.sha256, whole)
    assert places.find(model) == path
    path.unlink()
    monkeypatch.setenv("OLLAMA_MODELS", str(tmp_path / "ollama"))
    path = put(tmp_path / "ollama" / "blobs" / f"sha256-{model.sha256}", whole)
    assert places.find(model) == path


def test_our_own_copy_comes_before_all_others(home: Path, tiny: tuple[LanguageModel, bytes]) -> None:
    model, whole = tiny
    put(home / ".ollama" / "models" / "blobs" / f"sha256-{model.sha256}", whole)
    own = put(places.own_copy(model), whole)
    assert places.find(model) == own


def test_a_file_is_hashed_once_and_believed_until_it_changes(
    home: Path, tiny: tuple[LanguageModel, bytes]
) -> None:
    model, whole = tiny
    path = put(places.own_copy(model), whole)
    assert places.is_right(path, model)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    put(path, whole[:-1] + b"!")
    os.utime(path, ns=times)
    # Same size, same time of change: taken for the same, until somebody looks at every byte.
    assert places.is_right(path, model)
    with pytest.raises(WeightsError, match="not the one that Kai knows"):
        places.check_file(path, model)
    assert not places.is_right(path, model)
    put(path, whole)
    places.check_file(path, model)
    assert places.is_right(path, model)


# -- what the keeper makes of it -----------------------------------------------------------------------------------------


def test_a_missing_model_is_offered_with_its_size_and_licence(
    home: Path, tiny: tuple[LanguageModel, bytes]
) -> None:
    model, _ = tiny
    status = looked(model).status
    assert status.state is ModelState.NONE
    told = status.to_json()
    assert told == {
        "state": "none", "id": "tiny1", "name": "Tiny 1", "bytes": model.bytes, "done_bytes": 0, "licence": "Apache-2.0",
        "problem": "", "path": "", "is_own": False, "is_known": True,
    }  # fmt: skip


def test_a_model_that_is_here_is_ready_and_told_once(home: Path, tiny: tuple[LanguageModel, bytes]) -> None:
    model, whole = tiny
    path = put(places.own_copy(model), whole)
    told: list[Path] = []
    keeper = ModelKeeper(models=(model,), memory_bytes=PLENTY_BYTES, is_fetching=True)
    keeper.start(told.append)
    keeper.join(10)
    assert keeper.status.state is ModelState.READY
    assert keeper.status.path == path
    assert keeper.fetch(model.id)
    keeper.join(10)
    assert told == [path]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda whole: whole[:1000], "cut short"),
        (lambda whole: whole[:-1] + b"!", "not the one that Kai knows"),
        (lambda whole: whole + b"!", "not the one that Kai knows"),
    ],
)
def test_a_spoilt_copy_is_not_used_and_told(
    home: Path, tiny: tuple[LanguageModel, bytes], spoil: object, words: str
) -> None:
    model, whole = tiny
    assert callable(spoil)
    put(places.own_copy(model), spoil(whole))
    status = looked(model).status
    assert status.state is ModelState.FAILED
    assert words in status.problem
    assert "Fetch it again" in status.problem


def test_none_leaves_the_large_mind_out(
    home: Path, tiny: tuple[LanguageModel, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = tiny
    put(places.own_copy(model), whole)
    monkeypatch.setenv("KAI_MIND", "none")
    assert looked(model).status.state is ModelState.OFF


def test_a_file_of_ones_own_is_taken_and_said_to_be_that(
    home: Path, tiny: tuple[LanguageModel, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = tiny
    path = put(tmp_path / "mine.gguf", b"GGUF and more")
    monkeypatch.setenv("KAI_MIND", str(path))
    status = looked(model).status
    assert (status.state, status.path, status.name) == (ModelState.READY, path, "mine")
    assert status.is_own
    assert not status.is_known
    put(path, whole)
    status = looked(model).status
    assert (status.state, status.path, status.name) == (ModelState.READY, path, model.name)
    assert status.is_known


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"no model", "no GGUF model")])
def test_a_file_of_ones_own_that_cannot_be_used_is_told(
    home: Path, tiny: tuple[LanguageModel, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    content: bytes | None, words: str,
) -> None:  # fmt: skip
    path = tmp_path / "mine.gguf"
    if content is not None:
        put(path, content)
    monkeypatch.setenv("KAI_MIND", str(path))
    status = looked(tiny[0]).status
    assert status.state is ModelState.FAILED
    assert words in status.problem
    assert "KAI_MIND" in status.problem


def test_too_little_memory_is_told_in_figures(home: Path, tiny: tuple[LanguageModel, bytes]) -> None:
    model = replace(tiny[0], measured_bytes=1_000_000_000)
    status = looked(model, memory_bytes=BESIDE_BYTES + 999_999_999).status
    assert status.state is ModelState.UNSUPPORTED
    assert "3.7 GB" in status.problem


def test_a_missing_runtime_is_told_with_the_cure(
    home: Path, tiny: tuple[LanguageModel, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    status = looked(tiny[0]).status
    assert status.state is ModelState.UNSUPPORTED
    assert "xllamacpp" in status.problem
    assert "make install" in status.problem


def test_the_runtime_is_here_on_the_systems_that_have_it() -> None:
    assert why_unsupported() == ""


def test_a_model_that_cannot_be_run_is_told_as_the_engine_says(
    home: Path, tiny: tuple[LanguageModel, bytes]
) -> None:
    put(places.own_copy(tiny[0]), tiny[1])
    keeper = looked(tiny[0])
    keeper.fail("It ended three times.")
    assert (keeper.status.state, keeper.status.problem) == (ModelState.FAILED, "It ended three times.")


def test_ids_that_nobody_knows_are_refused(home: Path, tiny: tuple[LanguageModel, bytes]) -> None:
    keeper = looked(tiny[0])
    assert not keeper.fetch("../../etc/passwd")
    assert not keeper.cancel("tiny2")
