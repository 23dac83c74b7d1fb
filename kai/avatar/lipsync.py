"""Turns visemes into mouth shapes at 100 rows per second: row ``i`` is the moment ``i`` * 10 ms (240 samples at 24 000 Hz).

Two sources fill the same (n, 15) track of viseme shares: the times that a speech synthesis reports (`shares_from_marks`) and
the sound itself (`kai.avatar.hearing`). `mouth_rows` turns shares into ARKit weights.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kai.avatar.visemes import INDEX, MOUTH_MATRIX, MOUTH_SHAPES, VISEMES
from kai.compat.format import Array

__all__ = ["MOUTH_SHAPES", "ROW_SAMPLES", "VISEMES", "mouth_row", "mouth_rows", "shares_from_marks"]

ROW_SAMPLES = 240
"""Samples at 24 000 Hz from one row to the next: 10 ms."""

PAST_ROWS, FUTURE_ROWS = 5, 3
"""A row of the mouth depends on this many rows of shares before and after it (50 ms and 30 ms)."""

_VOWEL_SIGMA, _CLOSURE_SIGMA = 2.6, 1.3
_PP, _FF, _SIL = INDEX["PP"], INDEX["FF"], INDEX["sil"]
_JAW = MOUTH_SHAPES.index("jawOpen")


def _kernel(sigma_rows: float) -> Array:
    k = np.exp(-0.5 * (np.arange(-PAST_ROWS, FUTURE_ROWS + 1) / sigma_rows) ** 2)
    return (k / k.sum()).astype(np.float32)


_VOWELS, _CLOSURES = _kernel(_VOWEL_SIGMA), _kernel(_CLOSURE_SIGMA)


def mouth_rows(shares: Array, loudness: Array) -> Array:
    """Return (n, len(MOUTH_SHAPES)) float32 ARKit weights for (n, 15) viseme shares and (n,) loudness 0 to 1.

    Vowels are smoothed into each other (26 ms). Closures of the lips stay sharp (13 ms) and override everything else, because
    people first notice lips that do not close at p, b or m.
    """
    padded = np.pad(shares.astype(np.float32), ((PAST_ROWS, FUTURE_ROWS), (0, 0)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, PAST_ROWS + FUTURE_ROWS + 1, axis=0)
    soft, sharp = windows @ _VOWELS, windows @ _CLOSURES
    loud = np.pad(loudness.astype(np.float32), (PAST_ROWS, FUTURE_ROWS), "edge")
    loud = np.lib.stride_tricks.sliding_window_view(loud, PAST_ROWS + FUTURE_ROWS + 1) @ _VOWELS
    return _shape(soft, sharp[:, _PP], sharp[:, _FF], loud)


def mouth_row(shares: Array, loudness: Array, row: float) -> Array:
    """Return ``(len(MOUTH_SHAPES),)`` float32, the mouth at a row of a track that may still be growing.

    A fractional ``row`` is interpolated. Rows after the last known one count as the last, and rows before the first as the
    first.
    """
    low = int(np.floor(row))
    wanted = np.arange(low - PAST_ROWS, low + FUTURE_ROWS + 2)
    near = np.clip(wanted, 0, len(shares) - 1)
    window, loud_window = shares[near], loudness[near]
    loud = np.stack([_VOWELS @ loud_window[:-1], _VOWELS @ loud_window[1:]])
    soft = np.stack([_VOWELS @ window[:-1], _VOWELS @ window[1:]])
    sharp = np.stack([_CLOSURES @ window[:-1], _CLOSURES @ window[1:]])
    pair = _shape(soft, sharp[:, _PP], sharp[:, _FF], loud)
    share = row - low
    return pair[0] * (1 - share) + pair[1] * share


def _shape(soft: Array, lips_shut: Array, lip_on_teeth: Array, loudness: Array) -> Array:
    shares = soft.copy()
    shares[:, _PP], shares[:, _FF] = lips_shut, lip_on_teeth
    shut = np.clip(lips_shut * 1.5, 0, 1)
    # A p, b or m with a likelihood of only a quarter leaves the mouth to the other visemes.
    shares *= 1 - 0.98 * np.clip((shut - 0.4) / 0.5, 0, 1)[:, None]
    shares[:, _PP] = np.maximum(lips_shut, shut)
    biting = np.clip(lip_on_teeth * 1.3, 0, 1)
    kept = shares[:, _FF].copy()
    shares *= 1 - 0.8 * biting[:, None]
    shares[:, _FF] = np.maximum(kept, biting)
    mouth = shares @ MOUTH_MATRIX
    # Loud vowels open the mouth further, but never as in a shout.
    mouth[:, _JAW] *= 0.66 + 0.30 * loudness
    return mouth


def shares_from_marks(
    marks: Iterable[tuple[str, int, int]], first_row: int, row_count: int
) -> tuple[Array, Array]:
    """Return shares (row_count, 15) float32 and a mask (row_count,) bool of the rows that the marks cover.

    A mark is a viseme's name and its start and end in samples at 24 000 Hz. Unknown names count as silence.
    """
    shares = np.zeros((row_count, len(VISEMES)), np.float32)
    known = np.zeros(row_count, bool)
    for label, start, end in marks:
        begin = max(0, round(start / ROW_SAMPLES) - first_row)
        stop = min(row_count, round(end / ROW_SAMPLES) - first_row)
        if begin < stop:
            shares[begin:stop] = 0
            shares[begin:stop, INDEX.get(label, _SIL)] = 1
            known[begin:stop] = True
    return shares, known
