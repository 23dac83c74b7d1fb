"""Measures how well lips are read from sound, against takes whose mouths are known; nothing is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kai.avatar.hearing import Hearing, VisemeNet
from kai.avatar.lipsync import MOUTH_SHAPES, ROW_SAMPLES, mouth_rows, shares_from_marks
from kai.avatar.visemes import INDEX
from kai.bench.face_takes import Take

Array = NDArray[Any]

CHUNK_SAMPLES: Final = 480
"""Sound is heard in pieces of 20 ms, as it arrives."""
CLOSED_SHARE: Final = 0.22
"""A mouth counts as shut below this share of its wide opening (95th percentile)."""
MIN_CLOSURE_SAMPLES: Final = 720
"""Shorter closures (30 ms) cannot be told from their neighbours at 100 rows per second."""
_LAGS = range(-8, 9)
_TRUE_LOUDNESS = 0.7


@dataclass(frozen=True, slots=True)
class Score:
    """The score over what was spoken: the share of rows with the right viseme, the correlation with the mouth's true opening
    at the best lag, that lag (positive: the lips are late), and how many of the p, b and m were shut."""

    agreement: float
    correlation: float
    lag_ms: int
    closed: int
    closures: int

    @property
    def closed_share(self) -> float:
        return self.closed / max(1, self.closures)

    def __str__(self) -> str:
        return (
            f"agree {self.agreement:.2f}  r {self.correlation:.2f} at {self.lag_ms:+d} ms  "
            f"closed {self.closed}/{self.closures}"
        )


def opening(mouth: Array) -> Array:
    """Return ``(n,)``, about how far the lips are parted: the jaw and the lips' own opening, less their pressing together."""
    jaw, lower, upper, press = (
        mouth[:, MOUTH_SHAPES.index(name)]
        for name in ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthPressLeft")
    )
    return np.clip(jaw + 0.3 * lower + 0.3 * upper - 0.3 * press, 0, None)


def hear(take: Take, net: VisemeNet) -> tuple[Array, Array]:
    """Return shares (n, 15) and loudness (n,) as they are found while the sound arrives."""
    ear = Hearing(net)
    parts = [ear.push(take.pcm[i : i + CHUNK_SAMPLES]) for i in range(0, len(take.pcm), CHUNK_SAMPLES)]
    parts.append(ear.finish())
    return np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def true_shares(take: Take, rows: int) -> tuple[Array, Array]:
    """Return the shares (rows, 15) that were spoken, and a mask (rows,) of the rows with speech."""
    shares, known = shares_from_marks(take.visemes, 0, rows)
    shares[~known, INDEX["sil"]] = 1
    return shares, known & (shares.argmax(1) != INDEX["sil"])


def true_opening(take: Take, rows: int) -> Array:
    """Return ``(rows,)``, the mouth's opening as it was spoken."""
    shares, _ = true_shares(take, rows)
    return opening(mouth_rows(shares, np.full(rows, _TRUE_LOUDNESS, np.float32)))


def closures(take: Take) -> list[tuple[int, int]]:
    """Return start and end, in samples, of each p, b and m within speech that lasts long enough to be seen."""
    return [
        (a, b)
        for v, a, b in take.visemes
        if v == "PP" and b - a >= MIN_CLOSURE_SAMPLES and a > 5 * ROW_SAMPLES and b < len(take.pcm)
    ]


def best_lag(truth: Array, seen: Array, lags: Sequence[int]) -> tuple[float, int]:
    """Return the highest correlation and its lag in rows (positive: ``seen`` is late)."""
    margin = max(abs(lag) for lag in lags)
    middle = slice(margin, -margin)
    found = {lag: float(np.corrcoef(truth[middle], np.roll(seen, -lag)[middle])[0, 1]) for lag in lags}
    best = max(found, key=lambda lag: found[lag])
    return found[best], best


def score(takes: Sequence[Take], net: VisemeNet) -> Score:
    """Return the score of a network over takes."""
    told: list[Array] = []
    heard: list[Array] = []
    agreed = spoken = shut = wanted = 0
    for take in takes:
        shares, loudness = hear(take, net)
        truth, is_speech = true_shares(take, len(shares))
        agreed += int((truth.argmax(1) == shares.argmax(1))[is_speech].sum())
        spoken += int(is_speech.sum())
        seen = opening(mouth_rows(shares, loudness))
        told.append(true_opening(take, len(shares)))
        heard.append(seen)
        wide = float(np.percentile(seen, 95))
        for start, end in closures(take):
            wanted += 1
            rows = slice(start // ROW_SAMPLES - 1, end // ROW_SAMPLES + 2)
            shut += bool(seen[rows].min() < CLOSED_SHARE * wide)
    correlation, lag = best_lag(np.concatenate(told), np.concatenate(heard), _LAGS)
    return Score(agreed / max(1, spoken), correlation, lag * 10, shut, wanted)
