"""Where a talk's sound leaves the app: who speaks, how loud, and what a recording keeps of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kai.errors import KaiError
from kai.media.ducking import DUCKED_GAIN
from kai.ports import Pcm
from kai.runtime.outlet import Outlet


class Kept:
    """A recorder that keeps what it is given."""

    def __init__(self) -> None:
        self.said: list[Pcm] = []
        self.heard: list[Pcm] = []

    def start(self, on_failed: Callable[[KaiError], None]) -> None:
        del on_failed

    def stop(self) -> None: ...

    def push_mic(self, pcm: Pcm) -> None:
        self.heard.append(pcm)

    def push_played(self, pcm: Pcm) -> None:
        self.said.append(pcm)


def noise(seed: int) -> Pcm:
    return (np.random.default_rng(seed).normal(size=960) * 4_000).astype(np.int16)


def test_an_outlet_without_a_speaker_is_silent_and_then_plays_whoever_speaks() -> None:
    outlet = Outlet()
    first, second = noise(1), noise(2)
    assert outlet.pull().tolist() == [0] * 960
    outlet.play_from(lambda: first)
    assert outlet.pull().tolist() == first.tolist()
    outlet.play_from(lambda: second)
    assert outlet.pull().tolist() == second.tolist()


def test_a_recording_keeps_what_goes_to_the_page_softer_while_somebody_speaks_over_kai() -> None:
    kept, seeds = Kept(), iter(range(100, 1000))
    outlet = Outlet(kept)
    outlet.play_from(lambda: noise(next(seeds)))
    played: list[Pcm] = []
    quiet = (np.random.default_rng(0).normal(size=960) * 15).astype(np.int16)
    for n in range(60):
        outlet.push_mic(noise(5000 + n) if n >= 40 else quiet)
        played.append(outlet.pull())
    assert [block.tolist() for block in kept.said] == [block.tolist() for block in played]
    assert len(kept.heard) == 60
    loud, soft = (
        float(np.abs(np.concatenate(part).astype(float)).mean()) for part in (played[:20], played[50:])
    )
    assert soft / loud == pytest.approx(DUCKED_GAIN, abs=0.03)
