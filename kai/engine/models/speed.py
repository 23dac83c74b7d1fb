"""Estimates how fast a language model will run on this computer, before it is fetched.

For each token a model reads its whole file from memory, so its speed is at most the memory bandwidth divided by the file's
size. How much of that is reached depends on the core, and a model that already runs here shows it: its measured speed times
its size is the bandwidth that models get on this computer. If Qwen2.5 1.5B (1.117 GB) makes 18 tokens a second, a model of
2.234 GB makes 9. Models that read only a part of their file for each token (Gemma 4 E2B) are faster than estimated.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

BLOCK_BYTES: Final = 96 << 20
"""More than the caches of a usual processor hold."""
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured speed of the model that runs here."""

    file_bytes: int
    tokens_per_s: float


def bandwidth_bytes_per_s() -> float:
    """Measure how fast one core reads memory, as the best of a few rounds. Takes some 50 ms of a core and 96 MB.

    The time is processor time, since other programs would make any computer seem slow; where that clock is too coarse
    (Windows), it is the time that passed.
    """
    block = np.ones(BLOCK_BYTES // 8, np.float64)
    best_s = float("inf")
    for _ in range(ROUNDS):
        begun_s, begun_cpu_s = time.perf_counter(), time.thread_time()
        block.sum()
        cpu_s, passed_s = time.thread_time() - begun_cpu_s, time.perf_counter() - begun_s
        best_s = min(best_s, cpu_s or passed_s)
    return BLOCK_BYTES / best_s


def expected_tokens_per_s(file_bytes: int, bandwidth: float, measured: Measured | None = None) -> float:
    """Return the expected tokens a second of a model with a file of that size.

    ``bandwidth`` is in bytes a second. A model is expected to reach the share of it that ``measured`` reaches, or all of it
    where no model runs.
    """
    reached = 1.0 if measured is None else measured.tokens_per_s * measured.file_bytes / bandwidth
    return reached * bandwidth / file_bytes
