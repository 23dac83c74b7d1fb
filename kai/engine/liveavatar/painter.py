"""Draws the avatar: the rendered face of `kai.avatar`, or a plain drawing that costs almost nothing."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

import cv2
import numpy as np

from kai.avatar import animate, render
from kai.avatar.animate import Mood
from kai.avatar.bake import Baked
from kai.avatar.cache import load_or_bake
from kai.avatar.style import character
from kai.compat.format import Array, Picture

FACE_PX: Final = 512
CLOSE_S: Final = 0.1
"""A mouth is closed within this time after the end of its sound."""


class Painter(Protocol):
    """Draws one picture after another; ``at_s`` must not decrease."""

    def paint(self, at_s: float, mood: Mood, mouth: Array | None, loudness: float) -> Picture:
        """Return a picture, ``(height * 3 // 2, width)`` uint8 I420, which the caller owns."""
        ...


class PlainPainter:
    """A head of one colour that nods a little and opens its mouth with the loudness of the sound."""

    def __init__(self, side_px: int) -> None:
        self._side = side_px

    def paint(self, at_s: float, mood: Mood, mouth: Array | None, loudness: float) -> Picture:
        side = self._side
        picture = np.full((side * 3 // 2, side), 128, np.uint8)
        luma = picture[:side]
        luma[:] = 70
        centre = (side // 2, int(side * (0.5 + 0.01 * np.sin(at_s * 1.5))))
        cv2.ellipse(luma, centre, (side // 4, side // 3), 0, 0, 360, 170, -1)
        opening = int(side * (0.005 + 0.05 * (loudness if mouth is not None else 0.0)))
        cv2.ellipse(luma, (centre[0], centre[1] + side // 6), (side // 10, opening), 0, 0, 360, 40, -1)
        return picture


class FacePainter:
    """The rendered face, drawn at 512x512 and scaled. A `PlainPainter` draws until it is loaded (0.5 s from the cache)."""

    def __init__(self, name: str, side_px: int, loader: ThreadPoolExecutor) -> None:
        self._side = side_px
        self._plain = PlainPainter(side_px)
        self._baked: Future[Baked] = loader.submit(load_or_bake, character(name), FACE_PX, FACE_PX, 1.0)
        self._life: animate.Life | None = None
        self._last: tuple[Array, float] | None = None

    def paint(self, at_s: float, mood: Mood, mouth: Array | None, loudness: float) -> Picture:
        if not self._baked.done():
            return self._plain.paint(at_s, mood, mouth, loudness)
        life = animate.begin(1, at_s) if self._life is None else self._life
        if mouth is not None:
            self._last = (mouth, at_s)
            mood = Mood.SPEAKING
        elif self._last is not None and at_s - self._last[1] < CLOSE_S:
            mouth = self._last[0] * (1 - (at_s - self._last[1]) / CLOSE_S)
        self._life, params = animate.advance(life, at_s, mood, mouth, loudness)
        picture = render.frame(self._baked.result(), params)
        if self._side == FACE_PX:
            return picture
        bgr = cv2.cvtColor(picture, cv2.COLOR_YUV2BGR_I420)
        scaled = cv2.resize(bgr, (self._side, self._side), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2YUV_I420), np.uint8)
