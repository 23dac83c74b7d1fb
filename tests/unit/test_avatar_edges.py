"""Outlines without stairs: the edges of the drawn head."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from kai.avatar import raster

SIZE = 64
STEP = np.float32(0.014)
FINE = 16


def half_plane(degrees: float, per_px: int) -> NDArray[np.float64]:
    """(SIZE, SIZE) share of each pixel that lies on one side of a line through the middle, from so many samples a side."""
    at = (np.arange(SIZE * per_px) + 0.5) / per_px - SIZE / 2 - 0.3
    turned = at[None] * math.cos(math.radians(degrees)) + at[:, None] * math.sin(math.radians(degrees))
    return (turned > 0).reshape(SIZE, per_px, SIZE, per_px).mean((1, 3))


def softened(colour: NDArray[np.float64], depth: NDArray[np.float64]) -> NDArray[np.float64]:
    picture = np.repeat(np.round(colour * 255).astype(np.uint8)[..., None], 4, 2)
    marks = np.empty((SIZE, SIZE), np.uint8)
    depth = depth.astype(np.float32)
    raster.mark_edges(picture, depth, STEP, np.float32(20), marks)
    raster.soften_edges(picture, marks)
    assert (picture[..., 0] == picture[..., 2]).all()
    return picture[..., 0] / 255


@pytest.mark.parametrize("degrees", [3, 11, 24, 37, 52, 68, 79, 101, 140, 173, 200, 255, 290, 333])
def test_a_slanting_edge_comes_near_its_true_coverage(degrees: float) -> None:
    true, stairs = half_plane(degrees, FINE), half_plane(degrees, 1)
    inner = slice(4, -4)
    before = np.abs(stairs - true)[inner, inner].sum()
    after = np.abs(softened(stairs, stairs) - true)[inner, inner].sum()
    # Near the diagonals every step is one pixel long: its outline is smooth already, and less can be won.
    is_diagonal = abs(degrees % 90 - 45) < 25
    assert after < (0.8 if is_diagonal else 0.5) * before


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_straight_edge_stays_sharp(degrees: float) -> None:
    stairs = half_plane(degrees, 1)
    assert np.array_equal(softened(stairs, stairs), stairs)


def test_what_is_painted_on_a_surface_is_not_blurred() -> None:
    stairs = half_plane(24, 1)
    assert np.array_equal(softened(stairs, np.zeros_like(stairs)), stairs)


def test_an_edge_between_equal_colours_changes_nothing() -> None:
    stairs = half_plane(24, 1)
    grey = np.full_like(stairs, 128 / 255)
    assert np.array_equal(softened(grey, stairs), grey)
