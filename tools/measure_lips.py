"""Prints how well the face hears the lips of Kai's own voice, whose viseme times are known.

``python tools/measure_lips.py``: the agreement of the visemes that were heard with those that were spoken, how closely the
mouth's opening follows, the share of p, b and m in which the lips shut, and what it costs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from numpy.typing import NDArray

from kai.avatar import hearing
from kai.avatar.hearing import Hearing, load_net
from kai.avatar.lipsync import MOUTH_SHAPES, mouth_rows, shares_from_marks
from kai.avatar.visemes import INDEX
from kai.engine.speech.synthesise import Voice

SENTENCES = (
    "Maybe five people bought my blue umbrella before breakfast.",
    "Pop by my office before four, and we'll move forward.",
    "She sells sea shells by the sea shore.",
    "The quarterly revenue grew by twelve percent, mostly because of new customers in Europe.",
    "I'm afraid I don't have that information, but I can find out.",
    "The small pup gnawed a hole in the sock, and the swan dive was far short of perfect.",
    "Would you prefer a short summary, or a more detailed explanation?",
    "Whether the weather is warm or cold, we go where you go.",
)
CHUNK_SAMPLES = 480
JAW = MOUTH_SHAPES.index("jawOpen")
CLOSED_SHARE = 0.22
"""A mouth counts as shut below this share of its wide opening (95th percentile)."""

Array = NDArray[Any]


def opening(mouth: Array) -> Array:
    """How far the lips are parted, about: the jaw and the lips' own opening, less the press of the lips."""
    lower, upper = (MOUTH_SHAPES.index(name) for name in ("mouthLowerDownLeft", "mouthUpperUpLeft"))
    press = MOUTH_SHAPES.index("mouthPressLeft")
    return np.clip(
        mouth[:, JAW] + 0.3 * mouth[:, lower] + 0.3 * mouth[:, upper] - 0.3 * mouth[:, press], 0, None
    )


def hear(pcm: NDArray[np.int16]) -> tuple[Array, Array]:
    ear = Hearing(NET)
    parts = [ear.push(pcm[i : i + CHUNK_SAMPLES]) for i in range(0, len(pcm), CHUNK_SAMPLES)] + [ear.finish()]
    return np.vstack([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def measure(clauses: list[Any]) -> str:
    truth_curve: list[Array] = []
    heard_curve: list[Array] = []
    agreed = rows = shut = closures = 0
    cpu_s = 0.0
    for clause in clauses:
        started = time.thread_time()
        shares, loudness = hear(clause.pcm)
        cpu_s += time.thread_time() - started
        marks = [(v.viseme, v.start_sample, v.end_sample) for v in clause.visemes]
        truth, known = shares_from_marks(marks, 0, len(shares))
        spoken = known & (truth.argmax(1) != INDEX["sil"])
        agreed += int((truth.argmax(1) == shares.argmax(1))[spoken].sum())
        rows += int(spoken.sum())
        true_open, heard_open = opening(mouth_rows(truth, loudness)), opening(mouth_rows(shares, loudness))
        truth_curve.append(true_open)
        heard_curve.append(heard_open)
        wide = np.percentile(heard_open, 95)
        for viseme, start, end in marks:
            if viseme == "PP" and end - start >= 720 and start > 1200:
                closures += 1
                shut += bool(heard_open[start // 240 - 1 : end // 240 + 2].min() < CLOSED_SHARE * wide)
    a, b = np.concatenate(truth_curve), np.concatenate(heard_curve)
    lags = {lag: np.corrcoef(a[10:-10], np.roll(b, -lag)[10:-10])[0, 1] for lag in range(-8, 9)}
    best = max(lags, key=lambda lag: lags[lag])
    seconds = sum(len(clause.pcm) for clause in clauses) / 24_000
    return (
        f"agree {agreed / rows:.2f}  r {lags[0]:.2f} (best {lags[best]:.2f} at {best * 10:+d} ms)  "
        f"closed {shut}/{closures}  cost {100 * cpu_s / seconds:.1f} % of a core"
    )


NET = load_net()


def main() -> None:
    voice = Voice.load()
    clauses = [clause for sentence in SENTENCES for clause in voice.stream(sentence)]
    print("with the closure rule:    ", measure(clauses))
    hearing._close_lips = lambda shares, _: shares  # pyright: ignore[reportPrivateUsage]
    print("without the closure rule: ", measure(clauses))


if __name__ == "__main__":
    main()
