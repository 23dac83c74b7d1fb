"""Parameters to pixels."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kai.avatar import cache, render
from kai.avatar.bake import Baked, Made, bake_colours, bake_shape
from kai.avatar.cache import load_or_bake
from kai.avatar.camera import make_camera
from kai.avatar.rig import DATA_DIR, SKIN, load_rig
from kai.avatar.style import CHARACTERS
from kai.avatar.visemes import MOUTHS, both
from kai.errors import ConfigError


@pytest.fixture(scope="module")
def kai() -> Baked:
    return load_or_bake(CHARACTERS["kai"], 512, 512, 1.0)


def lip_rims(baked: Baked) -> tuple[int, int]:
    """Return the vertices at the middle of the upper and the lower lip's inner rim, which jaw and lips part the most."""
    head = baked.head
    y, z = head.positions[:, 1], head.positions[:, 2]
    name = head.shape_names.index("jawOpen")
    rows = slice(head.shape_starts[name], head.shape_starts[name + 1])
    drop = np.zeros(len(y), np.float32)
    drop[head.shape_vertices[rows]] = -head.shape_moves[rows, 1]
    skin = np.unique(head.triangles[SKIN])
    middle = skin[
        (np.abs(head.positions[skin, 0]) < 0.012) & (z[skin] > 1.35) & (y[skin] > -0.85) & (y[skin] < -0.45)
    ]
    lower_side = drop[middle] > 0.5 * drop[middle].max()
    lower = middle[lower_side]
    upper = middle[~lower_side]
    return int(upper[np.argmin(y[upper])]), int(lower[np.argmax(y[lower])])


def mouth_gap(baked: Baked, name: str) -> float:
    """The gap between the lips' inner rims at the middle of the mouth, in head units; negative when they press."""
    points = render._blend(baked, MOUTHS[name])  # pyright: ignore[reportPrivateUsage]
    upper, lower = lip_rims(baked)
    return float(points[upper, 1] - points[lower, 1])


def test_lips_part_in_the_order_of_the_visemes(kai: Baked) -> None:
    gaps = {name: mouth_gap(kai, name) for name in ("aa", "E", "I", "SS", "PP", "sil")}
    assert gaps["aa"] > gaps["E"] > gaps["I"] > gaps["SS"] > gaps["PP"]
    assert gaps["PP"] <= 0.005
    assert gaps["sil"] <= 0.005


def test_the_same_parameters_give_the_same_frame(kai: Baked) -> None:
    params = {"jawOpen": 0.4, "headYaw": 0.07, "gazeX": 0.1, "breath": 0.3}
    first = render.frame(kai, params)
    render.frame(kai, {"jawOpen": 0.1, "headYaw": -0.1})
    assert np.array_equal(first, render.frame(kai, params))


def test_a_frame_is_i420_and_may_be_written_in_place(kai: Baked) -> None:
    out = np.zeros((768, 512), np.uint8)
    frame = render.frame(kai, {}, out=out)
    assert frame.shape == (768, 512)
    assert frame.dtype == np.uint8
    assert np.array_equal(out, frame)
    assert out[:512].std() > 20


def test_an_open_mouth_changes_the_mouth_and_nothing_above_the_brows(kai: Baked) -> None:
    shut, wide = (
        render.frame(kai, {})[:512].astype(int),
        render.frame(kai, {"jawOpen": 0.6})[:512].astype(int),
    )
    changed = np.abs(shut - wide)
    assert changed[320:400, 220:290].max() > 60
    assert changed[:150].max() <= 2


def test_the_head_turns_within_its_box_only(kai: Baked) -> None:
    x0, _, x1, _ = kai.camera.out_head_box
    turned = render.frame(kai, {"headYaw": 0.12})[:512].astype(int)
    changed = np.abs(turned - render.frame(kai, {"headYaw": -0.12})[:512])
    assert changed[:, :x0].max() == 0
    assert changed[:, x1:].max() == 0
    assert changed.max() > 60


def test_a_breath_moves_the_shoulders_without_a_step(kai: Baked) -> None:
    frames = [render.frame(kai, {"breath": b})[440:512].astype(int) for b in np.linspace(0, 1, 41)]
    steps = [np.abs(b - a).mean() for a, b in zip(frames, frames[1:], strict=False)]
    assert max(steps) < 3 * np.median(steps)
    assert np.abs(frames[-1] - frames[0]).mean() > 0.5


def test_a_baked_face_survives_the_disk(kai: Baked, tmp_path: Path) -> None:
    path = tmp_path / "faces" / "kai.npz"
    cache.store(kai, path)
    again = cache.load(path)
    assert np.array_equal(render.frame(again, {"jawOpen": 0.3}), render.frame(kai, {"jawOpen": 0.3}))
    assert [p.name for p in path.parent.iterdir()] == ["kai.npz"]


def test_of_mixed_styles_and_of_other_builds_only_the_newest_stay(
    kai: Baked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "load_rig", lambda _: None)
    monkeypatch.setattr(cache, "bake_shape", lambda *_: None)
    monkeypatch.setattr(cache, "bake_colours", lambda *_: kai)
    monkeypatch.setattr(
        cache, "store", lambda _, path: path.parent.mkdir(exist_ok=True) or path.write_bytes(b"")
    )
    (tmp_path / "faces").mkdir()
    other = tmp_path / "faces" / "kai-512x512-0123.npz"
    other.write_bytes(b"")
    os.utime(other, (0, 0))
    for i in range(cache.MIXED_KEPT + 3):
        load_or_bake(replace(CHARACTERS["kai"], cloth=f"#0000{i:02x}"), 512, 512, 1.0)
    assert len(list((tmp_path / "faces").glob("mixed-*.npz"))) == cache.MIXED_KEPT
    assert not other.exists()


def arrays_of(made: object) -> list[np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    cache._describe(made, arrays)  # pyright: ignore[reportPrivateUsage]
    return list(arrays.values())


def test_what_is_taken_over_from_the_face_before_is_what_would_be_baked() -> None:
    """Emil has a beard and lines, so that every part depends on all that it can depend on."""
    emil = CHARACTERS["emil"]
    rig = load_rig(emil.mesh)
    shape = bake_shape(rig, "swept", 128, 128, 1.0)
    before = Made(emil, shape, bake_colours(rig, shape, emil))
    green = "#3a9b44"
    # Of each part no more than one colour at a time, so that none hides behind another.
    changes = ("skin cloth iris", "lip accent", "hair", "brow background_centre", "hair_tip background_edge")
    for names in changes:
        look = replace(emil, **dict.fromkeys(names.split(), green))
        afresh, taken = bake_colours(rig, shape, look), bake_colours(rig, shape, look, before)
        assert all(np.array_equal(a, b) for a, b in zip(arrays_of(afresh), arrays_of(taken), strict=True))
    afresh, taken = bake_shape(rig, "buzz", 128, 128, 1.0), bake_shape(rig, "buzz", 128, 128, 1.0, shape)
    assert all(np.array_equal(a, b) for a, b in zip(arrays_of(afresh), arrays_of(taken), strict=True))
    assert bake_colours(rig, taken, emil, before).paint is not before.baked.paint, (
        "other hair throws another shadow"
    )


def test_a_damaged_kept_face_is_baked_anew(
    kai: Baked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "bake_shape", lambda *_: None)
    monkeypatch.setattr(cache, "bake_colours", lambda *_: kai)
    path = cache.baked_path(CHARACTERS["kai"], 512, 512, 1.0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 no face at all")
    assert load_or_bake(CHARACTERS["kai"], 512, 512, 1.0) is kai
    assert isinstance(cache.load(path), Baked)


def test_a_disk_that_cannot_be_written_costs_no_face(
    kai: Baked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces").write_text("a file where the folder should be")
    monkeypatch.setenv("KAI_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "bake_shape", lambda *_: None)
    monkeypatch.setattr(cache, "bake_colours", lambda *_: kai)
    assert load_or_bake(CHARACTERS["kai"], 512, 512, 1.0) is kai


def test_a_style_a_size_or_a_fineness_has_its_own_file() -> None:
    kai, mara = CHARACTERS["kai"], CHARACTERS["mara"]
    asked = [(kai, 512, 512, 1.5), (kai, 512, 512, 1.0), (kai, 256, 256, 1.5), (mara, 512, 512, 1.5)]
    assert len({cache.baked_path(*one) for one in asked}) == 4


def similarity(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean structural similarity of two grey pictures (Wang et al. 2004), 1 when they are equal."""
    x, y = a.astype(np.float64), b.astype(np.float64)

    def blur(picture: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(picture, (11, 11), 1.5), np.float64)

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2
    both = blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    return float((found / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


def portrait_likeness(name: str, baked: Baked) -> float:
    """How like the portrait in the repository the renderer draws a character now, both at 256 pixels."""
    smile = both(mouthSmile=0.46, cheekSquint=0.2, eyeSquint=0.1, eyeWide=0.2, browOuterUp=0.05)
    pose = {"browInnerUp": 0.08, "headRoll": -0.03, "headYaw": 0.03, "gazeX": -0.02}
    drawn = cv2.cvtColor(render.picture(baked, smile | pose), cv2.COLOR_BGRA2GRAY)
    kept = cv2.imread(str(DATA_DIR / f"{name}.jpg"), cv2.IMREAD_GRAYSCALE)
    assert kept is not None
    small = [
        np.asarray(cv2.resize(p, (256, 256), interpolation=cv2.INTER_AREA), np.uint8) for p in (drawn, kept)
    ]
    return similarity(*small)


def test_the_face_looks_like_its_portrait_and_not_like_another(kai: Baked) -> None:
    assert portrait_likeness("kai", kai) > 0.95
    assert portrait_likeness("mara", kai) < 0.8


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(CHARACTERS))
def test_every_face_looks_like_its_portrait(name: str) -> None:
    assert portrait_likeness(name, load_or_bake(CHARACTERS[name], 512, 512, 1.5)) > 0.95


@pytest.mark.parametrize("size", [(513, 512), (512, 64), (4096, 4096), (480, 640), (0, 0)])
def test_a_size_that_cannot_be_drawn_is_refused_in_words(size: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="512x512 or 1280x720"):
        make_camera(*size, 1.0)


@pytest.mark.parametrize("name", sorted(CHARACTERS))
def test_every_character_has_its_loop_and_its_portrait(name: str) -> None:
    assert 50_000 < (DATA_DIR / f"idle-{name}.mp4").stat().st_size < 250_000
    assert 20_000 < (DATA_DIR / f"{name}.jpg").stat().st_size < 60_000
