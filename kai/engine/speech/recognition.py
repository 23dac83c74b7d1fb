"""What was heard: a transcript and whether it is to be believed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.spoken import is_abbreviation

DOUBT_SCORE: Final = -0.3
"""A text with this mean log-probability, or less, is in doubt."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard: ``text``, its mean log-probability ``score``, and whether it is to be believed at all.

    When ``is_speech`` is false, ``text`` is still what the decoder made up, for the log; nobody may act on it.
    """

    text: str
    score: float
    is_speech: bool

    @property
    def is_sure(self) -> bool:
        """Whether no part of it was in doubt; the score is a mean, so that of a short text one wrong word costs it this."""
        return self.is_speech and self.score > DOUBT_SCORE


NOTHING: Final = Transcript(text="", score=-100.0, is_speech=False)


class Ears(Protocol):
    """Speech to text. May be used from any thread."""

    def transcribe(self, audio: NDArray[np.float32], beam: int = 5) -> Transcript:
        """The words in ``audio``, ``(samples,)`` float32 at 16 kHz. ``beam`` 5 for what counts, less for what is shown while
        the person speaks."""
        ...


def sentences_of(text: str) -> list[str]:
    """``text`` cut behind each full stop, question mark or exclamation mark that a space follows, but not behind "Dr." and
    the like; at least one piece."""
    pieces: list[str] = []
    for piece in re.split(r"(?<=[.!?])\s+", text):
        last = pieces[-1].split()[-1] if pieces and pieces[-1].split() else ""
        if last.endswith(".") and is_abbreviation(last[:-1]):
            pieces[-1] += f" {piece}"
        else:
            pieces.append(piece)
    return pieces


def words_of(text: str) -> list[str]:
    """The words of a transcript, without notes such as "[BLANK_AUDIO]" or "(music)" that stand for no speech."""
    return re.findall(r"[\w']+", re.sub(r"\[[^]]*\]|\([^)]*\)|\*[^*]*\*", " ", text))
