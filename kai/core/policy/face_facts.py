"""What the policy of the faces is told by the rest of the machine, and what it answers beside commands."""

from __future__ import annotations

from dataclasses import dataclass

from kai.core.events import (
    ArmTimer,
    CancelTimer,
    CloudFailed,
    CloudLost,
    CloudOpened,
    DropFace,
    PrepareFace,
    ShowFace,
)
from kai.core.state import Face, Faces
from kai.core.timers import FaceTimer

ROTATE_BEFORE_S = 30.0
"""A fresh session is opened so long before the old one's end, to find a pause for the change."""
SANDBOX_LEAVES_BEFORE_S = 10.0
"""Nothing comes after a free minute: no more of it is given away than a pause takes to come."""
SHORT_PLAN_S = 300.0
"""A plan whose sessions are no longer than this is told on the stage: the avatar is exchanged every few minutes."""
DEADLINE_BEFORE_S = 3.0
"""At its time limit a session falls silent without a word, so it is left before."""


@dataclass(frozen=True, slots=True)
class Began:
    """The talk wants a face."""


@dataclass(frozen=True, slots=True)
class LocalOpened:
    """The face of this computer stands by."""


@dataclass(frozen=True, slots=True)
class LocalLost:
    """The face of this computer could not be opened, or was lost."""

    code: str
    message: str
    is_retryable: bool = True
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SpeakingChanged:
    """An answer begins to be spoken, or the last one has ended."""

    is_speaking: bool


@dataclass(frozen=True, slots=True)
class Stirred:
    """The talk is active: the person or Kai has spoken or typed, so the paid face is not idle."""


@dataclass(frozen=True, slots=True)
class CloudWished:
    """A person wants the paid face, or the one of this computer."""

    is_wished: bool


@dataclass(frozen=True, slots=True)
class ChoiceChanged:
    """A person chose another avatar, or another quality of it."""


FacesEvent = (
    Began
    | LocalOpened
    | LocalLost
    | SpeakingChanged
    | Stirred
    | CloudWished
    | ChoiceChanged
    | CloudOpened
    | CloudFailed
    | CloudLost
    | FaceTimer
)


@dataclass(frozen=True, slots=True)
class OpenLocal:
    """Open the face of this computer and let it rest."""


@dataclass(frozen=True, slots=True)
class Report:
    """Which face is shown. ``code`` names the problem that is the reason, and is empty when all is well; ``message`` is
    empty where the code says everything."""

    face: Face
    code: str = ""
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There is no face at all: the leg has failed, and the voice alone goes on."""

    code: str
    message: str
    is_retryable: bool = True
    retry_after_s: float = 0.0


Order = OpenLocal | Report | GiveUp | PrepareFace | DropFace | ShowFace | ArmTimer | CancelTimer
Step = tuple[Faces, tuple[Order, ...]]


def plan_words(longest_s: float) -> str:
    """How long a session of the account's plan lasts, and what Kai does about it."""
    lasts = f"{longest_s / 60:g} minutes" if longest_s >= 120 else f"{longest_s:g} seconds"
    every_s = max(1.0, longest_s - ROTATE_BEFORE_S)
    return f"Sessions of this plan last {lasts}: Kai changes over every {every_s:g} seconds without losing a word."
