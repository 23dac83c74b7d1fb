"""Voices by one press: fetched from their maker by hash, taken on where the line broke, and spoken by their characters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from kai.engine.models.voices import KIND, KOKORO, VOICE_FILES, VoiceShelf
from kai.engine.speech import weights
from kai.engine.speech.kit import Fetched
from kai.engine.speech.synthesise import Voice
from kai.engine.speech.voices import CHOICES, Voices
from kai.errors import WeightsError
from kai.wire.realtime import JsonObject
from tests.support.model_maker import ModelMaker, making

FABLE = next(file for file in VOICE_FILES if file.id == "hibari-fable")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelMaker]:
    """A maker who gives out a network that speaks: the bundled one, since the others are not in any package."""
    content = weights.load_weights(weights.HIBARI_MODEL)
    own = replace(FABLE, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    with making(own, content) as maker:
        maker.linked["X-Repo-Commit"] = "0" * 40
        monkeypatch.setenv("HF_ENDPOINT", maker.url)
        yield maker


def stocked(shop: ModelMaker, folder: Path) -> tuple[VoiceShelf, Callable[[], JsonObject]]:
    """The files of a person who fetches that voice, and what the page reads of it once the fetching has ended."""
    files = VoiceShelf((shop.model,), folder=folder)

    def fetched() -> JsonObject:
        files.change(FABLE.id, "fetch")
        files.join(20)
        return files.rows()[0]

    return files, fetched


def test_the_files_are_those_that_hibari_itself_names() -> None:
    told = json.loads((resources.files("hibari") / "assets" / "voices.json").read_text("utf-8"))
    named = {name: voice for name, voice in told.items() if not voice["bundled"]}
    ours = {file.name.lower(): file for file in VOICE_FILES if file is not KOKORO}
    assert set(ours) == set(named)
    for name, file in ours.items():
        assert (file.bytes, file.sha256) == (named[name]["bytes"], named[name]["sha256"])
        assert file.maker_path == f"/maureesewilliams/hibari/resolve/main/voices/{named[name]['file']}"
    of_characters = {choice.network: choice for choice in CHOICES if choice.network}
    assert set(of_characters) == {file.id for file in ours.values()}
    for name, file in ours.items():
        choice = of_characters[file.id]
        assert (choice.its_accent, choice.sex) == (
            named[name]["accent"],
            {"male": "man", "female": "woman"}[named[name]["gender"]],
        )


def test_kokoro_s_parts_are_those_that_the_packages_hold() -> None:
    assert [part.wheel_sha256 for part in KOKORO.parts] == [
        line.split("sha256:")[1].strip()
        for line in (Path(__file__).parents[2] / "requirements-voices.txt").read_text("utf-8").splitlines()
        if "sha256:" in line
    ]
    assert sum(part.member_bytes for part in KOKORO.parts) == KOKORO.bytes


def test_a_fetched_voice_speaks_for_its_character_and_for_no_other(shop: ModelMaker, tmp_path: Path) -> None:
    files, fetch = stocked(shop, tmp_path)
    fetched = Fetched(files)
    voices = Voices(Voice.load(), dict, has_extra=lambda: False, networks=fetched)

    def sound_of(name: str) -> np.ndarray:
        return np.concatenate([clause.pcm for clause in voices.stream("Good morning.", 1.0, name)])

    before = {name: sound_of(name) for name in ("emil", "mara")}
    assert not voices.must_load("emil")
    shop.days[:] = ["cut", "cut"]
    assert fetch()["state"] == "here"
    assert [range_ for method, range_ in shop.asked if method == "GET"][1:] != ["", ""], "it was taken on"
    assert voices.must_load("emil")
    after = {name: sound_of(name) for name in ("emil", "mara")}
    assert not voices.must_load("emil:+1:+0")
    assert len(after["emil"]) != len(before["emil"])
    assert np.array_equal(after["mara"], before["mara"])
    files.change(FABLE.id, "delete")
    assert np.array_equal(sound_of("emil"), before["emil"])


def test_what_is_not_the_voice_is_thrown_away_and_told_in_words_about_voices(
    shop: ModelMaker, tmp_path: Path
) -> None:
    files, fetch = stocked(shop, tmp_path)
    shop.content = shop.content[:-1] + b"?"
    told = fetch()
    assert told["state"] == "failed"
    assert KIND in str(told["problem"])
    assert "language model" not in str(told["problem"])
    assert not files.has(FABLE.id)
    with pytest.raises(WeightsError):
        files.read(FABLE.id)


def test_a_file_that_rots_on_the_disk_leaves_the_character_its_first_voice(
    shop: ModelMaker, tmp_path: Path
) -> None:
    files, fetch = stocked(shop, tmp_path)
    assert fetch()["state"] == "here"
    path = next(tmp_path.glob("*.onnx"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    voices = Voices(Voice.load(), dict, has_extra=lambda: False, networks=Fetched(files))
    assert next(iter(voices.stream("Good morning.", 1.0, "emil"))).pcm.size
    assert "not the one that Kai knows" in voices.problem
