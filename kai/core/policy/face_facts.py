"""The values that go into and out of the policy of the faces: its events, and the orders that are not commands."""

from __future__ import annotations

from dataclasses import dataclass

from kai.core.events import (
    ArmTimer,
    CancelTimer,
    CloudFailed,
    CloudLost,
    CloudOpened,
    DropFace,
    LegConnected,
    LegFailed,
    PrepareFace,
    ShowFace,
)
from kai.core.state import Face, Faces
from kai.core.timers import FaceTimer

ROTATE_BEFORE_S = 30.0
"""How long before the end of a session its successor is opened, so that there is a pause for the exchange."""
SANDBOX_LEAVES_BEFORE_S = 10.0
"""How long before its end a free session is left. It has no successor, so this is just the time to wait for a pause."""
SHORT_PLAN_S = 300.0
"""If a plan's sessions are no longer than this, the stage says so, since the avatar is replaced every few minutes."""
LAST_MINUTE_S = 55.0
"""Credits are reported as a minute begins. A session whose credits are spent is left before that minute is over."""
DEADLINE_BEFORE_S = 3.0
"""How long before its time limit a session is left. At the limit it falls silent without notice."""

FACE_BUSY = "face-busy"
"""The code of a face that could not open because this computer already draws as many as it can."""


@dataclass(frozen=True, slots=True)
class Began:
    """The talk wants a face."""


@dataclass(frozen=True, slots=True)
class SpeakingChanged:
    """The first answer began to be spoken, or the last one has ended."""

    is_speaking: bool


@dataclass(frozen=True, slots=True)
class Stirred:
    """There was activity: somebody spoke or typed, or Kai spoke."""


@dataclass(frozen=True, slots=True)
class CloudWished:
    """A person wants the paid face, or the local one instead."""

    is_wished: bool


@dataclass(frozen=True, slots=True)
class ChoiceChanged:
    """A person chose another avatar or another quality."""


@dataclass(frozen=True, slots=True)
class BudgetReached:
    """The talk has cost what it may cost."""


@dataclass(frozen=True, slots=True)
class LastCredit:
    """The account has no credit left for another minute."""


@dataclass(frozen=True, slots=True)
class Slept:
    """This computer has slept for ``slept_s``, and its paid sessions have gone on without it."""

    slept_s: float


FacesEvent = (
    Began
    | LegConnected
    | LegFailed
    | SpeakingChanged
    | Stirred
    | CloudWished
    | ChoiceChanged
    | BudgetReached
    | LastCredit
    | Slept
    | CloudOpened
    | CloudFailed
    | CloudLost
    | FaceTimer
)
"""The leg's own events are those of the local face: it stands by, or it could not be opened or was lost."""


@dataclass(frozen=True, slots=True)
class OpenLocal:
    """Open the local face in the background."""


@dataclass(frozen=True, slots=True)
class FaceReport:
    """Which face is shown, and why if a person should know: a problem's code, or an empty one if all is well. ``message`` is
    empty if the code suffices."""

    face: Face
    code: str = ""
    message: str = ""
    detail: str = ""


Order = OpenLocal | FaceReport | LegFailed | PrepareFace | DropFace | ShowFace | ArmTimer | CancelTimer
"""With ``LegFailed`` there is no face left, and the talk continues by voice alone."""
Step = tuple[Faces, tuple[Order, ...]]


def plan_words(longest_s: float) -> str:
    """Return, in words for a person, how long the plan's sessions last and what Kai does about it."""
    lasts = f"{longest_s / 60:g} minutes" if longest_s >= 120 else f"{longest_s:g} seconds"
    every_s = max(1.0, longest_s - ROTATE_BEFORE_S)
    return f"Sessions of this plan last {lasts}: Kai changes over every {every_s:g} seconds without losing a word."
