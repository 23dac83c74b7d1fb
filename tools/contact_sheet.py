"""Draws ``docs/faces.jpg``: every character in every mood and feeling, in a blink and within a word, and the mouth in every
viseme.

Developers run it after a change of the renderer and inspect the picture: ``python tools/contact_sheet.py [PATH]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import cv2
import numpy as np
from numpy.typing import NDArray

from kai.avatar import animate, render
from kai.avatar.animate import Mood
from kai.avatar.bake import Baked
from kai.avatar.cache import load_or_bake
from kai.avatar.feeling import CALM, Emotion, Feeling
from kai.avatar.lipsync import MOUTH_SHAPES
from kai.avatar.style import CHARACTERS
from kai.avatar.visemes import MOUTH_MATRIX, VISEMES

ROOT = Path(__file__).parents[1]
SIZE_PX = 512
CELL_PX = 220
SEED = 3
QUIET = (Mood.IDLE, Mood.LISTENING, Mood.THINKING)
FELT = (Emotion.WARM, Emotion.CONCERNED, Emotion.AMUSED, Emotion.SURPRISED)
MOUTH_Y, MOUTH_HALF_WIDTH, MOUTH_HALF_HEIGHT = -0.68, 0.46, 0.38
"""Head units."""

Picture = NDArray[np.uint8]


def pose(mood: Mood, mouth: NDArray[Any] | None = None, feeling: Feeling = CALM) -> dict[str, float]:
    """Return a mood's parameters two seconds after it began, with open eyes."""
    life = animate.begin(SEED, 0.0, Mood.IDLE)
    params: dict[str, float] = {}
    for i in range(50):
        life, params = animate.advance(life, i / 25, mood, mouth, 0.6 if mouth is not None else 0.0, feeling)
    return params | {"eyeBlinkLeft": 0.0, "eyeBlinkRight": 0.0}


def label(cell: Picture, text: str) -> Picture:
    """Return the cell with a word in its upper left corner."""
    cv2.putText(cell, text, (9, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235, 235, 235), 1, cv2.LINE_AA)
    return cell


def draw(baked: Baked, params: dict[str, float], size_px: int) -> Picture:
    """Draw a face as ``(size, size, 3)`` uint8 BGR."""
    picture = render.picture(baked, params)[:, :, :3]
    return np.asarray(cv2.resize(picture, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def draw_mouths(baked: Baked, width_px: int) -> Picture:
    """Draw a row of the mouth in each viseme."""
    camera = baked.camera
    x, y, unit = (v / camera.supersample for v in (camera.centre_x_px, camera.centre_y_px, camera.scale_px))
    x0, x1 = (int(x + side * MOUTH_HALF_WIDTH * unit) for side in (-1, 1))
    y0, y1 = (int(y - (MOUTH_Y + side * MOUTH_HALF_HEIGHT) * unit) for side in (1, -1))
    height = round(width_px * (y1 - y0) / (x1 - x0))
    mouths: list[Picture] = []
    for viseme, weights in zip(VISEMES, MOUTH_MATRIX, strict=True):
        still = {"mouthSmileLeft": 0.16, "mouthSmileRight": 0.16, "breath": 0.5}
        for shape, weight in zip(MOUTH_SHAPES, weights, strict=True):
            still[shape] = still.get(shape, 0.0) + float(weight)
        crop = render.picture(baked, still)[y0:y1, x0:x1, :3]
        small = cv2.resize(crop, (width_px, height), interpolation=cv2.INTER_AREA)
        mouths.append(label(np.asarray(small, np.uint8), viseme))
    return np.hstack(mouths)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "faces.jpg"
    vowel = MOUTH_MATRIX[VISEMES.index("E")]
    rows: list[Picture] = []
    mouths: list[Picture] = []
    for name, style in CHARACTERS.items():
        baked = load_or_bake(style, SIZE_PX, SIZE_PX, 1.5)
        cells = [label(draw(baked, pose(mood), CELL_PX), f"{name}, {mood}") for mood in QUIET]
        cells.append(label(draw(baked, pose(Mood.SPEAKING, vowel), CELL_PX), f"{name}, {Mood.SPEAKING}"))
        for emotion in FELT:
            felt = pose(Mood.SPEAKING, feeling=Feeling(emotion, 1.0))
            cells.append(label(draw(baked, felt, CELL_PX), f"{name}, {emotion}"))
        blink = pose(Mood.IDLE) | {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
        cells.append(label(draw(baked, blink, CELL_PX), f"{name}, blink"))
        rows.append(np.hstack(cells))
        mouths.append(draw_mouths(baked, rows[0].shape[1] // len(VISEMES)))
    width = rows[0].shape[1]
    rows += [
        np.asarray(cv2.copyMakeBorder(row, 0, 0, 0, width - row.shape[1], cv2.BORDER_CONSTANT), np.uint8)
        for row in mouths
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
