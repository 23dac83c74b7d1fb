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
"""How often the sound is tested for a person's voice."""
A_VOICE_MS: Final = 100
"""Shorter sounds are not counted as a voice."""
READ_AFTER_MS: Final = 192
"""From this length on the voice is transcribed, to tell words from "mm-hm"."""
READ_AGAIN_MS: Final = 96
"""After this much more it is transcribed again, until it is decided: a word that has just begun cannot be recognised."""
UNREAD_MS: Final = 416
"""A voice of this length is a turn when no transcript of it is ready yet."""
WORDLESS_MS: Final = 544
"""A voice of this length is a turn when no word is recognised in it: a hum is over by then."""
BACK_CHANNEL_MS: Final = 1_100
"""A voice of this length is a turn even when it was read as a back channel: nobody says "mm-hm" for longer."""


@dataclass(slots=True)
class Overlap:
    """One voice over Kai's own; it is not reported to the client before it is a turn."""

    foreign_ms: int = 0
    """How much of the voice was not Kai's own sound fed back."""
    _weighed_ms: int = 0
    _read_ms: int = 0
    _limit_ms: int = UNREAD_MS

    def is_due(self, now_ms: int) -> bool:
        """Return whether it is time to call `weigh`."""
        return now_ms - self._weighed_ms >= WEIGH_MS

    def weigh(self, now_ms: int, foreign_share: float | None) -> bool:
        """Takes the share of the current sound that is not Kai's, 0 to 1, or ``None`` in a silence.

        Returns whether the sound is a person's.
        """
        passed_ms = now_ms - self._weighed_ms if self._weighed_ms else 0
        self._weighed_ms = now_ms
        if foreign_share is None:
            return False
        is_foreign = foreign_share >= MIN_FOREIGN_SHARE
        self.foreign_ms = max(0, self.foreign_ms + (passed_ms if is_foreign else -passed_ms))
        return is_foreign

    @property
    def is_voice(self) -> bool:
        """Whether it is long enough to be a person's voice."""
        return self.foreign_ms >= A_VOICE_MS

    @property
    def is_worth_reading(self) -> bool:
        """Whether it is long enough to be transcribed, or to be transcribed again."""
        return self.foreign_ms >= (self._read_ms + READ_AGAIN_MS if self._read_ms else READ_AFTER_MS)

    def reading_began(self) -> None:
        """Notes that the voice is being transcribed up to now."""
        self._read_ms = self.foreign_ms

    def take(self, heard: Transcript) -> None:
        """Takes the transcript: words make the voice a turn at once, a back channel or a hum may last longer."""
        if not heard.is_speech:
            self._limit_ms = max(self._limit_ms, WORDLESS_MS)
        elif is_back_channel(heard.text):
            self._limit_ms = BACK_CHANNEL_MS
        else:
            self._limit_ms = A_VOICE_MS

    def is_turn(self, *, is_kai_over: bool = False) -> bool:
        """Return whether the person takes the turn; after the end of an answer (``is_kai_over``) nobody nods."""
        return self.foreign_ms >= (A_VOICE_MS if is_kai_over else self._limit_ms)
