"""Random numbers as a pure function of a seed and a count, so that an animation can be replayed and copied."""

from __future__ import annotations

import math

_MASK = 0xFFFFFFFFFFFFFFFF


def uniform(seed: int, index: int) -> float:
    """Return a number in [0, 1): the ``index``-th draw of ``seed`` (SplitMix64)."""
    z = (seed * 0x9E3779B97F4A7C15 + (index + 1) * 0xD1B54A32D192ED03) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) / 2**53


def normal(seed: int, index: int) -> float:
    """Return a standard normal number; uses the draws ``index`` and ``index + 1``."""
    radius = math.sqrt(-2 * math.log(1 - uniform(seed, index)))
    return radius * math.cos(2 * math.pi * uniform(seed, index + 1))


def gamma3(seed: int, index: int, scale: float) -> float:
    """Return a gamma number of shape 3; uses three draws."""
    product = 1.0
    for i in range(3):
        product *= 1 - uniform(seed, index + i)
    return -scale * math.log(product)
