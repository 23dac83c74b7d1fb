"""The load ladder: on a busy machine the face is drawn more coarsely, then less often, and recovers when load falls.

Its first rung has two forms: a face that is shown large is drawn in `LARGE_PX` without supersampling, which costs as much as
`STANDARD_PX` with it. Every other rung is the same for both."""

from __future__ import annotations

from dataclasses import dataclass, replace

STANDARD_PX = 512
LARGE_PX = 720


@dataclass(frozen=True, slots=True)
class Rung:
    """How finely, how often and in which size the face is drawn. The picture is a square."""

    supersample: float
    frames_per_s: int
    size_px: int = STANDARD_PX


RUNGS = (Rung(1.5, 26), Rung(1.0, 26), Rung(1.0, 20))
"""One picture per second more than the 25 to be seen, because sometimes two fall into one refresh of the screen."""
LARGE_RUNG = Rung(1.0, 26, LARGE_PX)
"""The first rung of a face that is shown large."""
SUPERSAMPLES = (1.5, 1.0)

WINDOW_S = 2.0
_SLOW_P95_MS = 25.0
_LATE_FRAMES = 3
"""This many late frames are too many for the finer face."""
_FEW_FRAMES_PER_S = 18
"""Fewer frames look worse than coarser ones. They are requested only if the machine manages fewer anyway, because then they
are at least evenly spaced."""
_BUSY_P95_MS = 50.0
"""A machine that needs this long for a frame is busy on the lowest rung too."""
_ROOMY_P95_MS = (11.0, 30.0)
"""Drawing times that are quick enough to climb to the first rung and to the second. A frame at 1.0x that takes 11 ms would
take less than 25 ms at 1.5x; frames that are in time at 20 per second are mostly in time at 26."""
_MOST_LATE_FRAMES = (0, 3)
"""How many frames of a window may be late for these climbs."""
_HOPELESS_P95_MS = 120.0
_HOPELESS_WINDOWS = 5
"""A face with under eight frames per second on the lowest rung for this many windows looks worse than a still picture."""
_CALM_WINDOWS = 5
_MOST_CALM_WINDOWS = 80
_CALM_WINDOWS_TO_MORE_FRAMES = 2
"""More frames are tried again soon, because that needs no new bake, and people see that frames are missing."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The face's place on the ladder; a frozen value, see `judge`."""

    rung_index: int = 0
    is_large: bool = False
    calm_windows: int = 0
    wanted_calm_windows: int = _CALM_WINDOWS
    hopeless_windows: int = 0

    @property
    def rung(self) -> Rung:
        return LARGE_RUNG if self.is_large and self.rung_index == 0 else RUNGS[self.rung_index]

    @property
    def is_too_slow(self) -> bool:
        """True when this computer cannot draw the face at all now."""
        return self.hopeless_windows >= _HOPELESS_WINDOWS


def judge(ladder: Ladder, wall_ms: list[float], late_frames: int, left_out: int = 0) -> Ladder:
    """Return the ladder after a window (`WINDOW_S`) of frames, from each frame's wall time and the number of late frames.

    ``left_out`` frames were not drawn because nothing moved.

    Steps down are immediate: to the coarser face when the 95th percentile is over 25 ms or three frames were late, and to
    fewer frames when fewer than 18 per second were drawn. It takes two calm windows to return to more frames and five to
    return to the finer face; each step down from that doubles the number (at most 80), so that a busy machine is not tried
    again and again. On the lowest rung, five windows of frames over 120 ms are too slow.
    """
    if not wall_ms:
        return ladder
    p95_ms = sorted(wall_ms)[min(len(wall_ms) - 1, int(0.95 * len(wall_ms)))]
    index, lowest = ladder.rung_index, len(RUNGS) - 1
    if index == lowest and p95_ms > _BUSY_P95_MS:
        hopeless = ladder.hopeless_windows + 1 if p95_ms > _HOPELESS_P95_MS else 0
        return replace(ladder, calm_windows=0, hopeless_windows=hopeless)
    if index == 0 and (p95_ms > _SLOW_P95_MS or late_frames >= _LATE_FRAMES):
        wanted = min(ladder.wanted_calm_windows * 2, _MOST_CALM_WINDOWS)
        return Ladder(1, ladder.is_large, 0, wanted)
    if index == 1 and len(wall_ms) + left_out < _FEW_FRAMES_PER_S * WINDOW_S:
        return Ladder(2, ladder.is_large, 0, ladder.wanted_calm_windows)
    if index == 0 or p95_ms > _ROOMY_P95_MS[index - 1] or late_frames > _MOST_LATE_FRAMES[index - 1]:
        return replace(ladder, calm_windows=0, hopeless_windows=0)
    wanted = ladder.wanted_calm_windows if index == 1 else _CALM_WINDOWS_TO_MORE_FRAMES
    if ladder.calm_windows + 1 < wanted:
        return replace(ladder, calm_windows=ladder.calm_windows + 1, hopeless_windows=0)
    return Ladder(index - 1, ladder.is_large, 0, ladder.wanted_calm_windows)
