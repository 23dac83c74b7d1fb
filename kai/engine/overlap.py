"""A voice over Kai's own: is it Kai himself, somebody who only nods, or somebody who wants to speak? Pure.

Times are milliseconds of sound. ``python -m kai.bench speech`` plays people, nods and short words over Kai's voice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kai.engine.speech.manners import is_back_channel
from kai.engine.speech.recognition import Transcript
from kai.media.echo import MIN_FOREIGN_SHARE

WEIGH_MS: Final = 20
"""How often it is asked whether the voice is a person's."""
A_VOICE_MS: Final = 100
"""Less of it is none."""
READ_AFTER_MS: Final = 192
"""So much of it is read: is it more than "mm-hm"?"""
READ_AGAIN_MS: Final = 96
"""With so much more it is read again, until it is decided: of a word that has just begun nothing can be read."""
UNREAD_MS: Final = 416
"""So much of it is a turn where nothing was read yet, whatever it says."""
WORDLESS_MS: Final = 544
"""So much of it is one when no word can be read in it: a hum is over by then."""
BACK_CHANNEL_MS: Final = 1_100
"""Nobody says "mm-hm" for longer."""


@dataclass(slots=True)
class Overlap:
    """What is known of one such voice, of which nobody is told before it is a turn."""

    foreign_ms: int = 0
    """How much of it was not Kai's own sound fed back."""
    _weighed_ms: int = 0
    _read_ms: int = 0
    _limit_ms: int = UNREAD_MS

    def is_due(self, now_ms: int) -> bool:
        """Whether it is time to `weigh`."""
        return now_ms - self._weighed_ms >= WEIGH_MS

    def weigh(self, now_ms: int, foreign_share: float | None) -> bool:
        """Takes how much of what is heard now is not Kai's, 0 to 1, or ``None`` in a silence; whether it is a person's."""
        passed_ms = now_ms - self._weighed_ms if self._weighed_ms else 0
        self._weighed_ms = now_ms
        if foreign_share is None:
            return False
        is_foreign = foreign_share >= MIN_FOREIGN_SHARE
        self.foreign_ms = max(0, self.foreign_ms + (passed_ms if is_foreign else -passed_ms))
        return is_foreign

    @property
    def is_voice(self) -> bool:
        """Whether there is enough of it to be somebody's."""
        return self.foreign_ms >= A_VOICE_MS

    @property
    def is_worth_reading(self) -> bool:
        """Whether there is enough of it to be read, or to be read again."""
        return self.foreign_ms >= (self._read_ms + READ_AGAIN_MS if self._read_ms else READ_AFTER_MS)

    def reading_began(self) -> None:
        """What there is of it is being read."""
        self._read_ms = self.foreign_ms

    def take(self, heard: Transcript) -> None:
        """It was read so: words make a turn of it at once, a nod may last longer, and so may a hum."""
        if not heard.is_speech:
            self._limit_ms = max(self._limit_ms, WORDLESS_MS)
        elif is_back_channel(heard.text):
            self._limit_ms = BACK_CHANNEL_MS
        else:
            self._limit_ms = A_VOICE_MS

    def is_turn(self, *, is_kai_over: bool = False) -> bool:
        """Whether somebody wants to speak. What follows an answer that has just ended (``is_kai_over``) is no nod."""
        return self.foreign_ms >= (A_VOICE_MS if is_kai_over else self._limit_ms)
