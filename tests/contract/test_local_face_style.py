"""Another look while Kai goes on talking: how soon it shows, and that the picture goes on. Writes its figures."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kai.adapters.local_face import LocalFace, SpareFace
from kai.core.config import FaceStyle
from kai.core.state import AgentState, Look
from kai.ports import Picture
from tests.support.fakes import FaceLog, tone

WITHIN_S = 60.0
FIGURES = Path(__file__).parents[2] / "artifacts" / "restyle.json"
FADE_S = 0.5


async def restyle(
    face: LocalFace, log: FaceLog, look: Look, is_shown: Callable[[Picture], bool]
) -> dict[str, float]:
    """Seconds until the look is seen, and the frames a second meanwhile and in the second after, Kai speaking on."""
    face.set_mood(AgentState.SPEAKING)
    face.speak("long", tone(20_000))
    log.pictures.clear()
    began_s = due_s = time.monotonic()
    face.set_look(look)
    shown_s: float | None = None
    while (shown_s is None or time.monotonic() < shown_s + 1) and time.monotonic() < began_s + WITHIN_S:
        face.pull_sound()
        due_s += 0.02
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        if shown_s is None and log.pictures and is_shown(log.pictures[-1][0]):
            shown_s = log.pictures[-1][1]
    assert shown_s is not None
    at_s = np.array([at for _, at in log.pictures])
    face.stop_speaking()
    return {
        "shown_after_s": round(shown_s - began_s, 2),
        "frames_per_s": round(len(at_s) / (at_s[-1] - began_s), 1),
        "longest_gap_ms": round(1000 * float(np.diff(at_s).max())),
    }


def shoulder(picture: Picture) -> int:
    """Brightness of the cloth, lower left."""
    return int(np.median(picture[490:505, 40:120]))


def crown_v(picture: Picture) -> int:
    """Brightness where long hair falls and short hair does not reach."""
    return int(np.median(picture[380:420, 128:150]))


@pytest.mark.long
async def test_a_new_look_shows_in_time_and_the_talk_goes_on() -> None:
    """Bars on time are of a quiet machine; here twice as much is allowed, and the frames may not stop."""
    log, face = FaceLog(), LocalFace()
    await face.open(Look(), log)
    try:
        await log.wait(lambda: face.counters.live_after_s is not None, WITHIN_S)
        seen = len(log.pictures)
        await log.wait(lambda: len(log.pictures) > seen + 100, WITHIN_S)
        before = shoulder(log.pictures[-1][0])
        # A colour that was never baked: else the second run of this test would measure the disk.
        unique = f"#f0f0{int(time.time()) % 256:02x}"
        colour = await restyle(
            face,
            log,
            Look(style=FaceStyle("kai", cloth=unique)),
            lambda picture: shoulder(picture) > before + 20,
        )
        hair_before = crown_v(log.pictures[-1][0])
        hair = await restyle(
            face,
            log,
            Look(style=FaceStyle("kai", cloth=unique, hairstyle="long")),
            lambda picture: abs(crown_v(picture) - hair_before) > 15,
        )
    finally:
        await face.aclose()
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({"colour": colour, "haircut": hair}, indent=1) + "\n")
    assert colour["shown_after_s"] < 3.0
    assert hair["shown_after_s"] < 10.0
    assert min(colour["frames_per_s"], hair["frames_per_s"]) >= 18


@pytest.mark.long
async def test_a_spare_face_shows_at_once() -> None:
    spare = SpareFace(LocalFace)
    try:
        spare.warm(Look())
        for _ in range(600):
            await asyncio.sleep(0.05)
            if spare._spare._made is not None:  # pyright: ignore[reportPrivateUsage]
                break
        await asyncio.sleep(3)
        face, log = spare.take(), FaceLog()
        assert face.is_prepared
        began_s = time.monotonic()
        await face.open(Look(), log)
        await log.wait(lambda: len(log.pictures) > 0, WITHIN_S)
        assert log.pictures[0][1] - began_s < 0.5
        assert face.counters.live_after_s is not None
        assert not spare.take().is_prepared
        await face.aclose()
    finally:
        await spare.aclose()
