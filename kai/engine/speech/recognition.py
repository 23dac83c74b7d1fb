"""A transcript, its confidence, and the interface of recognisers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.spoken import is_abbreviation

DOUBT_SCORE: Final = -0.3
"""A text with this mean log-probability or less is doubtful."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The recognised ``text``, its mean log-probability ``score``, and whether the sound was speech at all.

    When ``is_speech`` is false, ``text`` is the decoder's invention; it may be logged but not used.
    """

    text: str
    score: float
    is_speech: bool

    @property
    def is_sure(self) -> bool:
        """Whether the text is not doubtful; the score is a mean, so one wrong word makes a short text doubtful."""
        return self.is_speech and self.score > DOUBT_SCORE


NOTHING: Final = Transcript(text="", score=-100.0, is_speech=False)


class Ears(Protocol):
    """Speech to text. May be used from any thread."""

    def transcribe(self, audio: NDArray[np.float32], beam: int = 5) -> Transcript:
        """Return the words in ``audio``, ``(samples,)`` float32 at 16 kHz.

        ``beam`` is the beam width: 5 for a turn, less for partial transcripts.
        """
        ...


def sentences_of(text: str) -> list[str]:
    """Return ``text`` cut after each full stop, question or exclamation mark before a space, but not after "Dr." and such.

    There is at least one piece.
    """
    pieces: list[str] = []
    for piece in re.split(r"(?<=[.!?])\s+", text):
        last = pieces[-1].split()[-1] if pieces and pieces[-1].split() else ""
        if last.endswith(".") and is_abbreviation(last[:-1]):
            pieces[-1] += f" {piece}"
        else:
            pieces.append(piece)
    return pieces


def words_of(text: str) -> list[str]:
    """Return the words of a transcript, without notes such as "[BLANK_AUDIO]" or "(music)"."""
    return re.findall(r"[\w']+", re.sub(r"\[[^]]*\]|\([^)]*\)|\*[^*]*\*", " ", text))
