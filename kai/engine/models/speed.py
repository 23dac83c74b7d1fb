"""How fast a language model will speak on this computer, before it is fetched.

To make one token a model reads its whole file from memory. So its speed is the memory's bandwidth over the file's bytes, at
most. How much of that is reached depends on the core, and a model that runs here already shows it: its real speed, times its
bytes, is the bandwidth that models get here. Qwen2.5 1.5B at 18 tokens a second (1.117 GB): a model of 2.234 GB makes 9.
Models that read a part of their file for each token (Gemma 4 E2B) are faster than told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

BLOCK_BYTES: Final = 96 << 20
"""More than any cache of a usual processor holds."""
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """The real speed of the model that runs here."""

    file_bytes: int
    tokens_per_s: float


def bandwidth_bytes_per_s() -> float:
    """How fast one core reads memory: the best of a few rounds. Takes some 50 ms of a core and 96 MB."""
    block = np.ones(BLOCK_BYTES // 8, np.float64)
    best_s = float("inf")
    for _ in range(ROUNDS):
        begun_s = time.perf_counter()
        block.sum()
        best_s = min(best_s, time.perf_counter() - begun_s)
    return BLOCK_BYTES / best_s


def expected_tokens_per_s(file_bytes: int, bandwidth: float, measured: Measured | None = None) -> float:
    """What a model of that size will make.

    ``bandwidth`` is in bytes a second. As much of it is reached as by the model that runs here; all of it where none does.
    """
    reached = 1.0 if measured is None else measured.tokens_per_s * measured.file_bytes / bandwidth
    return reached * bandwidth / file_bytes
