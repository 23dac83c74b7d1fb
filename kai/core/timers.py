"""The timers of a talk, as values: what runs out, and of what. The reducer arms them and is told by ``TimerFired``.

Two timers are the same when they are equal: arming one again replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kai.core.state import LegName


@dataclass(frozen=True, slots=True)
class RetryDue:
    """A leg that failed is tried again."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class PageOverdue:
    """The page should have connected by now."""


@dataclass(frozen=True, slots=True)
class TranscriptOverdue:
    """The words of a person's line should have come by now."""

    item_id: str


@dataclass(frozen=True, slots=True)
class AnswerOverdue:
    """An answer should have begun by now."""


@dataclass(frozen=True, slots=True)
class PlayoutOverdue:
    """Sound that was sent to its end should have begun to play by now."""

    response_id: str


@dataclass(frozen=True, slots=True)
class HandOverDue:
    """A spare brain is opened, before the present one's time is up."""


class FaceTimer(StrEnum):
    """The timers of the faces; `kai.core.policy.faces` says what each is for."""

    COVER = "cover"
    AGAIN = "again"
    LOCAL = "local"
    ROTATE = "rotate"
    DEADLINE = "deadline"
    STEADY = "steady"
    SILENCE_SOON = "silence-soon"
    SILENCE = "silence"
    LIMIT = "limit"


Timer = RetryDue | PageOverdue | TranscriptOverdue | AnswerOverdue | PlayoutOverdue | HandOverDue | FaceTimer
