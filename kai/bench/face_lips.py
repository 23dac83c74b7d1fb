"""How well lips are read from sound, against takes whose mouths are known; nothing is drawn."""

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
"""Shorter ones (30 ms) are not told from their neighbours at 100 rows a second."""
_LAGS = range(-8, 9)
_TRUE_LOUDNESS = 0.7


@dataclass(frozen=True, slots=True)
class Score:
    """Of what was spoken: the share of rows whose viseme was heard right, the correlation with the true opening of the mouth
    at the best lag, that lag (plus: the lips are late), and how many of the p, b and m were shut."""

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
    """(n,) how far the lips are parted, about: the jaw and the lips' own opening, less the press of the lips."""
    jaw, lower, upper, press = (
        mouth[:, MOUTH_SHAPES.index(name)]
        for name in ("jawOpen", "mouthLowerDownLeft", "mouthUpperUpLeft", "mouthPressLeft")
    )
    return np.clip(jaw + 0.3 * lower + 0.3 * upper - 0.3 * press, 0, None)


def hear(take: Take, net: VisemeNet) -> tuple[Array, Array]:
    """Shares (n, 15) and loudness (n,) as they are heard while the sound arrives."""
    ear = Hearing(net)
    parts = [ear.push(take.pcm[i : i + CHUNK_SAMPLES]) for i in range(0, len(take.pcm), CHUNK_SAMPLES)]
    parts.append(ear.finish())
    return np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def true_shares(take: Take, rows: int) -> tuple[Array, Array]:
    """Shares (rows, 15) as they were spoken, and where anything was: (rows,) bool."""
    shares, known = shares_from_marks(take.visemes, 0, rows)
    shares[~known, INDEX["sil"]] = 1
    return shares, known & (shares.argmax(1) != INDEX["sil"])


def true_opening(take: Take, rows: int) -> Array:
    """(rows,) the mouth's opening as it was spoken."""
    shares, _ = true_shares(take, rows)
    return opening(mouth_rows(shares, np.full(rows, _TRUE_LOUDNESS, np.float32)))


def closures(take: Take) -> list[tuple[int, int]]:
    """Start and end, in samples, of each p, b and m in mid-speech that lasts long enough to be seen."""
    return [
        (a, b)
        for v, a, b in take.visemes
        if v == "PP" and b - a >= MIN_CLOSURE_SAMPLES and a > 5 * ROW_SAMPLES and b < len(take.pcm)
    ]


def best_lag(truth: Array, seen: Array, lags: Sequence[int]) -> tuple[float, int]:
    """The highest correlation, and the lag in rows at which it stands; plus: ``seen`` is late."""
    margin = max(abs(lag) for lag in lags)
    middle = slice(margin, -margin)
    found = {lag: float(np.corrcoef(truth[middle], np.roll(seen, -lag)[middle])[0, 1]) for lag in lags}
    best = max(found, key=lambda lag: found[lag])
    return found[best], best


def score(takes: Sequence[Take], net: VisemeNet) -> Score:
    """The score of a network over takes."""
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
