"""The timers of a talk, as values. The reducer arms them with ``ArmTimer`` and gets ``TimerFired`` when they run out.

Equal values are the same timer: arming it again replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kai.core.state import LegName


@dataclass(frozen=True, slots=True)
class RetryDue:
    """It is time to try a failed leg again."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class PageOverdue:
    """The page should have connected by now."""


@dataclass(frozen=True, slots=True)
class TranscriptOverdue:
    """The transcript of a person's line should have arrived by now."""

    item_id: str


@dataclass(frozen=True, slots=True)
class AnswerOverdue:
    """An answer should have begun by now."""


@dataclass(frozen=True, slots=True)
class PlayoutOverdue:
    """A completely sent answer should have begun to play by now."""

    response_id: str


@dataclass(frozen=True, slots=True)
class HandOverDue:
    """It is time to open a spare brain, before the current one reaches its time limit."""


@dataclass(frozen=True, slots=True)
class UndoOver:
    """Cleared lines can no longer be put back."""


@dataclass(frozen=True, slots=True)
class StandInDue:
    """The cloud's brain should be up by now; else this computer's engine stands in."""


@dataclass(frozen=True, slots=True)
class ClimbDue:
    """It is time to try the cloud's brain again, while this computer's engine stands in."""


class FaceTimer(StrEnum):
    """The timers of the faces; `kai.core.policy.faces` explains each of them."""

    COVER = "cover"
    AGAIN = "again"
    LOCAL = "local"
    ROTATE = "rotate"
    DEADLINE = "deadline"
    STEADY = "steady"
    SILENCE_SOON = "silence-soon"
    SILENCE = "silence"
    LIMIT = "limit"


Timer = (
    RetryDue
    | PageOverdue
    | TranscriptOverdue
    | AnswerOverdue
    | PlayoutOverdue
    | HandOverDue
    | UndoOver
    | StandInDue
    | ClimbDue
    | FaceTimer
)
