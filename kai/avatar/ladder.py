"""When the machine is taken by others: draw less, then less often, and climb back when there is room again."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Rung:
    """How finely and how often the face is drawn."""

    supersample: float
    frames_per_s: int


RUNGS = (Rung(1.5, 26), Rung(1.0, 26), Rung(1.0, 20))
"""One picture a second more than the 25 that a person shall see: now and then two fall into one refresh of the screen."""
SUPERSAMPLES = (1.5, 1.0)

WINDOW_S = 2.0
_SLOW_P95_MS = (25.0, 45.0)
_LATE_FRAMES = (3, 10)
"""What is too slow on the first rung, and on the second: fewer frames are worse to look at than coarser ones."""
_ROOMY_P95_MS = 11.0
"""A frame at 1.0x that takes no longer than this would take less than 25 ms at 1.5x."""
_HOPELESS_P95_MS = 120.0
_HOPELESS_WINDOWS = 5
"""Under eight frames a second on the lowest rung, for so long, a face is worse to look at than a still picture."""
_CALM_WINDOWS = 5
_MOST_CALM_WINDOWS = 80


@dataclass(frozen=True, slots=True)
class Ladder:
    """Where the face stands; a frozen value, see `judge`."""

    rung_index: int = 0
    calm_windows: int = 0
    wanted_calm_windows: int = _CALM_WINDOWS
    hopeless_windows: int = 0

    @property
    def rung(self) -> Rung:
        return RUNGS[self.rung_index]

    @property
    def is_too_slow(self) -> bool:
        """Whether this computer cannot draw the face at all now."""
        return self.hopeless_windows >= _HOPELESS_WINDOWS


def judge(ladder: Ladder, wall_ms: list[float], late_frames: int) -> Ladder:
    """The ladder after a window (`WINDOW_S`) of frames: how long each took on the wall's clock, and how many came late.

    Down at once: to the coarser face when the 95th percentile is over 25 ms or three frames were late, to fewer frames
    over 45 ms or when ten were late. Up after five calm windows; each step down doubles how many it takes (at most 80),
    so that a busy machine is not tried again and again. On the lowest rung five windows of frames over 120 ms are too slow.
    """
    if not wall_ms:
        return ladder
    p95_ms = sorted(wall_ms)[min(len(wall_ms) - 1, int(0.95 * len(wall_ms)))]
    lowest = len(RUNGS) - 1
    step = min(ladder.rung_index, lowest - 1)
    if p95_ms > _SLOW_P95_MS[step] or late_frames >= _LATE_FRAMES[step]:
        if ladder.rung_index == lowest:
            hopeless = ladder.hopeless_windows + 1 if p95_ms > _HOPELESS_P95_MS else 0
            return replace(ladder, calm_windows=0, hopeless_windows=hopeless)
        longer = min(ladder.wanted_calm_windows * 2, _MOST_CALM_WINDOWS)
        return Ladder(ladder.rung_index + 1, 0, longer)
    if ladder.rung_index == 0 or p95_ms > _ROOMY_P95_MS or late_frames:
        return replace(ladder, calm_windows=0, hopeless_windows=0)
    if ladder.calm_windows + 1 < ladder.wanted_calm_windows:
        return replace(ladder, calm_windows=ladder.calm_windows + 1, hopeless_windows=0)
    return Ladder(ladder.rung_index - 1, 0, ladder.wanted_calm_windows)
