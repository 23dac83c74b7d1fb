"""How often a room's delays are measured. Pure; numpy only."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

STATS_S: Final = 0.1
"""While the SDK synchronises its two streams, it stretches the sound by up to 8 %; this interval follows that to 8 ms."""
CALM_STATS_S: Final = 0.5
"""Statistics cost more of a core than the picture does, so they are rare while the delays stay what they are."""
CALM_REPORTS: Final = 30
CALM_S: Final = 0.008
NEWS_S: Final = 0.025
"""A report that is this far from the usual ends the calm."""


class Attention:
    """How often the delays are measured: seldom while they are steady, and at once often when one has changed. Pure."""

    def __init__(self) -> None:
        self._delays: deque[tuple[float, float]] = deque(maxlen=CALM_REPORTS)

    @property
    def wait_s(self) -> float:
        """The time until the next measurement."""
        if len(self._delays) < CALM_REPORTS:
            return STATS_S
        low, high = np.percentile(np.array(self._delays), (10, 90), axis=0)
        return CALM_STATS_S if float((high - low).max()) < CALM_S else STATS_S

    def take(self, sound_s: float, picture_s: float) -> None:
        """Take the delays of sound and picture that were measured now; both are off by the same unknown time."""
        if len(self._delays) == CALM_REPORTS:
            usual = np.median(np.array(self._delays), axis=0)
            if float(np.abs(usual - (sound_s, picture_s)).max()) > NEWS_S:
                self._delays.clear()
        self._delays.append((sound_s, picture_s))
