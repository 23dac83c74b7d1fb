"""A model file comes from its maker: asked about first, gone on with by ranges, and never used where a byte is wrong."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kai.engine.models import fetching, maker
from kai.engine.models.catalogue import LanguageModel
from kai.engine.models.places import Cancelled
from kai.errors import WeightsError
from tests.support.model_maker import ModelMaker, making
from tests.support.tiny_models import make_model

HAVE_BYTES = 100_007


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(maker, "RETRY_S", 0.01)
    return tmp_path / "models"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelMaker]:
    model, whole = make_model(tmp_path / "wheels")
    with making(model, whole) as shop:
        monkeypatch.setenv("HF_ENDPOINT", shop.url)
        yield shop


def part_of(shop: ModelMaker, folder: Path) -> Path:
    return folder / f"{shop.model.sha256}.part"


def put_part(shop: ModelMaker, folder: Path, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part_of(shop, folder).write_bytes(content)


def fetch(
    model: LanguageModel, folder: Path, cancel: threading.Event | None = None
) -> tuple[Path, list[int]]:
    told: list[int] = []
    path = fetching.fetch(
        model,
        lambda done_bytes, _all_bytes: told.append(done_bytes),
        cancel or threading.Event(),
        folder=folder,
        from_maker=True,
    )
    return path, told


def gets(shop: ModelMaker) -> list[str]:
    return [wanted for method, wanted in shop.asked if method == "GET"]


def test_the_maker_is_asked_by_head_and_the_file_taken_whole_behind_its_redirect(
    shop: ModelMaker, folder: Path
) -> None:
    path, told = fetch(shop.model, folder)
    assert path.read_bytes() == shop.content
    assert shop.asked == [("HEAD", ""), ("GET", "")]
    assert told == sorted(told)
    assert told[-1] == shop.model.bytes
    assert not part_of(shop, folder).exists()


def test_the_file_is_taken_from_the_byte_that_is_missing(shop: ModelMaker, folder: Path) -> None:
    put_part(shop, folder, shop.content[:HAVE_BYTES])
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content
    assert gets(shop) == [f"bytes={HAVE_BYTES}-"]


def test_a_file_that_is_here_whole_but_not_yet_hashed_is_not_fetched_again(
    shop: ModelMaker, folder: Path
) -> None:
    put_part(shop, folder, shop.content)
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content
    assert gets(shop) == []


@pytest.mark.parametrize("day", ["cut", "busy", "whole", "stall"])
def test_a_bad_day_is_gone_on_with(
    shop: ModelMaker, folder: Path, day: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "STALL_S", 0.2)
    put_part(shop, folder, shop.content[:HAVE_BYTES])
    shop.days = [day, day]
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content
    starts = [int(wanted.removeprefix("bytes=").rstrip("-")) for wanted in gets(shop)]
    assert starts[0] == HAVE_BYTES
    # What came is not asked for again.
    assert starts == sorted(starts)
    assert len(set(starts)) == (3 if day in ("cut", "stall") else 1)


def test_a_line_that_breaks_again_and_again_is_told_and_what_came_is_kept(
    shop: ModelMaker, folder: Path
) -> None:
    shop.days = ["cut", *["busy"] * maker.TRIES]
    with pytest.raises(WeightsError, match="what was fetched is kept") as caught:
        fetch(shop.model, folder)
    assert caught.value.is_retryable
    assert part_of(shop, folder).read_bytes() == shop.content[: len(shop.content) // 2]
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content


@pytest.mark.parametrize(
    ("day", "code"),
    [
        ("page", "model_page"),
        ("raw page", "model_page"),
        ("gone", "model_gone"),
        ("gated", "model_gated"),
        ("longer", "model_wrong"),
        ("shorter", "model_wrong"),
        ("endless", "model_wrong"),
    ],
)
def test_what_is_no_model_file_is_told_and_not_used(
    shop: ModelMaker, folder: Path, day: str, code: str
) -> None:
    shop.days = [day]
    with pytest.raises(WeightsError) as caught:
        fetch(shop.model, folder)
    assert caught.value.code == code
    assert list(folder.glob("*.gguf")) == []
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content


@pytest.mark.parametrize("day", ["page", "gone", "gated", "longer"])
def test_a_head_that_tells_of_something_else_ends_it_before_a_byte_is_fetched(
    shop: ModelMaker, folder: Path, day: str
) -> None:
    shop.head = day
    put_part(shop, folder, shop.content[:HAVE_BYTES])
    with pytest.raises(WeightsError):
        fetch(shop.model, folder)
    assert gets(shop) == []
    assert part_of(shop, folder).stat().st_size == HAVE_BYTES


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-Linked-ETag", f'"{"0" * 64}"'), ("X-Linked-Size", "7"), ("X-Repo-Commit", "fedcba9876543210")],
)
def test_another_hash_size_or_revision_ends_it_before_a_byte_is_fetched(
    shop: ModelMaker, folder: Path, name: str, value: str
) -> None:
    shop.linked = {name: value}
    with pytest.raises(WeightsError) as caught:
        fetch(shop.model, folder)
    assert (caught.value.code, gets(shop)) == ("model_wrong", [])


def test_a_mirror_that_knows_no_head_and_tells_nothing_is_looked_at_by_its_bytes(
    shop: ModelMaker, folder: Path
) -> None:
    shop.head = "none"
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content


def test_an_answer_for_another_range_is_not_appended(shop: ModelMaker, folder: Path) -> None:
    put_part(shop, folder, shop.content[:HAVE_BYTES])
    shop.days = ["elsewhere"]
    with pytest.raises(WeightsError):
        fetch(shop.model, folder)
    assert part_of(shop, folder).stat().st_size == HAVE_BYTES


def test_a_file_that_changed_in_between_is_thrown_away_and_comes_anew(shop: ModelMaker, folder: Path) -> None:
    """The maker's server tells nothing of it: same length, other bytes in the second half."""
    right, shop.linked = shop.content, {"X-Linked-ETag": ""}
    shop.days = ["cut", *["busy"] * maker.TRIES]
    with pytest.raises(WeightsError):
        fetch(shop.model, folder)
    shop.content = right[:4] + bytes(len(right) - 4)
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(shop.model, folder)
    assert list(folder.glob("*.gguf")) == []
    assert not part_of(shop, folder).exists()
    shop.content = right
    assert fetch(shop.model, folder)[0].read_bytes() == right


def test_a_beginning_that_is_longer_than_the_file_of_the_maker_is_begun_anew(
    shop: ModelMaker, folder: Path
) -> None:
    put_part(shop, folder, shop.content[:HAVE_BYTES])
    right, shop.content = shop.content, shop.content[:1000]
    shop.head = "none"
    with pytest.raises(WeightsError):
        fetch(shop.model, folder)
    shop.content = right
    assert fetch(shop.model, folder)[0].read_bytes() == right


def test_a_pause_stops_even_a_line_that_stands_still_and_keeps_what_came(
    shop: ModelMaker, folder: Path
) -> None:
    shop.days = ["stall"] * 3
    cancel = threading.Event()
    stopped: list[Cancelled] = []

    def work() -> None:
        try:
            fetch(shop.model, folder, cancel)
        except Cancelled as reason:
            stopped.append(reason)

    thread = threading.Thread(target=work)
    thread.start()
    assert shop.is_stalling.wait(10)
    cancel.set()
    thread.join(4 * maker.STALL_S)
    assert len(stopped) == 1
    assert 0 < part_of(shop, folder).stat().st_size <= len(shop.content) // 2
    shop.days = []
    assert fetch(shop.model, folder)[0].read_bytes() == shop.content


@pytest.mark.skipif(os.name != "posix", reason="free room is told by another call there")
def test_too_small_a_disk_is_told_before_a_byte_is_fetched(
    shop: ModelMaker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    free = shutil.disk_usage(folder)._replace(free=shop.model.bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: free)
    with pytest.raises(WeightsError) as caught:
        fetch(shop.model, folder)
    assert (caught.value.code, gets(shop)) == ("model_no_room", [])
