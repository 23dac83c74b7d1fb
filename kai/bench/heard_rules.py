"""An interrupted answer, the words of it that were heard, and how right each rule was about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kai.ports import Pcm, Timed


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer's text, its sound, and the exact times of its words."""

    text: str
    pcm: Pcm
    words: tuple[Timed, ...]

    def words_by(self, sample: int) -> int:
        """Return how many words were heard by that sample: those of which at least half was played."""
        return sum((word.start + word.end) // 2 <= sample for word in self.words)


@dataclass(frozen=True, slots=True)
class Found:
    """One interruption: the words that were heard, and how many each rule found."""

    truth: int
    kai: int
    by_sound_sent: int
    by_wall_clock: int


def summary(found: Sequence[Found]) -> dict[str, Any]:
    """Return for each rule how often it was right to one, two and three words, and its worst error."""

    def of(rule: Callable[[Found], int]) -> dict[str, Any]:
        errors = np.abs([rule(one) - one.truth for one in found])
        within = {f"within_{n}_percent": round(100 * float(np.mean(errors <= n)), 1) for n in (0, 1, 2, 3)}
        return {**within, "worst": int(errors.max()), "mean": round(float(errors.mean()), 2)}

    return {
        "interruptions": len(found),
        "kai": of(lambda one: one.kai),
        "by_sound_sent": of(lambda one: one.by_sound_sent),
        "by_wall_clock": of(lambda one: one.by_wall_clock),
    }
