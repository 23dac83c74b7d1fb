"""Characters and their data files."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from kai.avatar import rig
from kai.avatar.style import CHARACTERS, character, style_from_mapping
from kai.avatar.visemes import MOUTH_SHAPES, MOUTHS, VISEMES
from kai.errors import ConfigError, WeightsError


@pytest.mark.parametrize("mesh", sorted(CHARACTERS))
def test_every_shape_of_every_viseme_is_known_to_the_mesh(mesh: str) -> None:
    names = set(rig.load_rig(mesh).shape_names)
    assert len(names) == 52
    assert set(MOUTH_SHAPES) <= names
    assert set(MOUTHS) == set(VISEMES)


def test_a_data_file_with_a_wrong_hash_is_refused(tmp_path: Path) -> None:
    raw = bytearray((rig.DATA_DIR / "kai.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "kai.npz").write_bytes(raw)
    with pytest.raises(WeightsError, match=r"kai\.npz is not the one"):
        rig.load_data("kai.npz", tmp_path)


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"visemes\.npz is missing"):
        rig.load_data("visemes.npz", tmp_path)


def test_the_licence_lies_beside_the_meshes() -> None:
    assert "CC0 1.0 Universal" in (rig.DATA_DIR / "LICENSE-CC0.md").read_text()


@pytest.mark.parametrize("colour", ["red", "#12345", "35c2c9", "#35c2cg", "#35c2c9 "])
def test_a_colour_that_is_no_colour_is_named_in_the_error(colour: str) -> None:
    with pytest.raises(ConfigError, match=r"'accent'.*like #35c2c9"):
        replace(CHARACTERS["kai"], accent=colour)


def test_an_unknown_character_is_told_which_there_are() -> None:
    with pytest.raises(ConfigError, match="kai, mara, ade"):
        character("bob")


def test_a_style_survives_the_wire() -> None:
    style = CHARACTERS["mara"]
    assert style_from_mapping(asdict(style)) == style


def test_a_style_with_a_field_too_many_or_too_few_is_refused() -> None:
    values = asdict(CHARACTERS["kai"])
    with pytest.raises(ConfigError, match="'hat'"):
        style_from_mapping(values | {"hat": "bowler"})
    del values["skin"]
    with pytest.raises(ConfigError, match="needs all"):
        style_from_mapping(values)


def test_the_meshes_are_loaded_without_pickle(tmp_path: Path) -> None:
    shutil.copy(rig.DATA_DIR / "ade.npz", tmp_path)
    assert all(array.dtype != object for array in rig.load_data("ade.npz", tmp_path).values())
