"""A voice over Kai's own: is it Kai's echo, somebody who only nods, or somebody who wants to speak? Pure.

The problem. While Kai speaks, the detector of voices hears three things that look alike: Kai's own sound, which comes back
from the loudspeaker; a listener's "mm-hm", after which Kai should go on; and the first word of an interruption, after which
Kai should stop at once. The sound alone tells the echo from a person, but not a nod from an interruption. The words tell
these apart, but only some 200 ms of sound can be read at all, and a reading takes time.

The method. An `Overlap` counts how much of the voice is a person's (``foreign_ms``) and compares the count with a limit,
which falls or rises as more is known. Every `WEIGH_MS` the share of the heard power that Kai's own sound does not explain
is weighed (`kai.media.echo`): a person's voice adds to the count, an echo takes away from it, and silence leaves it. The
states:

* Under `A_VOICE_MS` the sound is not counted as a voice.
* From `READ_AFTER_MS` on the sound is recognised, and again with every further `READ_AGAIN_MS`, until the voice is a turn.
* Until a reading is there the limit is `UNREAD_MS`: a slow recogniser must not make Kai deaf.
* A reading with words lowers the limit to `A_VOICE_MS`, so that the voice is a turn at once. A reading without words raises
  it to `WORDLESS_MS`, and a nod raises it to `BACK_CHANNEL_MS`.
* After Kai's answer has ended there is nothing to nod to: any voice is a turn.

The client learns nothing of an overlap before it is a turn; one that ends sooner leaves no trace. Kai is made softer in the
meantime, in the app (`kai.media.ducking`), so that waiting for a decision costs a person little.

Example, weighed every 20 ms, with a recogniser that takes no time: "Never mind" is a turn after 200 ms of it, when it is
read for the first time. A hum in which no word can be read is one after 560 ms, and "mm-hm" would have to last 1 100 ms. If
the recogniser does not answer at all, any voice is a turn after 420 ms. ``python -m kai.bench speech`` plays people, nods
and short words over Kai's voice and counts the mistakes. All times are milliseconds of sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kai.engine.speech.manners import is_back_channel
from kai.engine.speech.recognition import Transcript
from kai.media.echo import MIN_FOREIGN_SHARE

WEIGH_MS: Final = 20
"""How often the sound is weighed."""
A_VOICE_MS: Final = 100
"""Shorter sounds are not counted as a voice."""
READ_AFTER_MS: Final = 192
"""From this length on a voice is recognised, to tell words from "mm-hm"."""
READ_AGAIN_MS: Final = 96
"""After this much more it is recognised again, until it is a turn: nothing can be read of a word that has just begun."""
UNREAD_MS: Final = 416
"""From this length on a voice that was not read yet is a turn, whatever it says."""
WORDLESS_MS: Final = 544
"""From this length on a voice without readable words is a turn: a hum is over by then."""
BACK_CHANNEL_MS: Final = 1_100
"""Nobody says "mm-hm" for longer."""


@dataclass(slots=True)
class Overlap:
    """What is known of one voice over Kai's. The client learns nothing of it before it is a turn."""

    foreign_ms: int = 0
    """How much of the voice was a person's, and not Kai's own sound fed back."""
    _weighed_ms: int = 0
    _read_ms: int = 0
    _limit_ms: int = UNREAD_MS

    def is_due(self, now_ms: int) -> bool:
        """Return whether it is time to `weigh`."""
        return now_ms - self._weighed_ms >= WEIGH_MS

    def weigh(self, now_ms: int, foreign_share: float | None) -> bool:
        """Count the time since the last call. Return whether a person is heard now.

        ``foreign_share`` is the share, 0 to 1, of the heard power that is not Kai's own sound, or ``None`` in a silence.
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
        """True when the sound is long enough to be somebody's voice."""
        return self.foreign_ms >= A_VOICE_MS

    @property
    def is_worth_reading(self) -> bool:
        """True when the voice is long enough to be recognised for the first time, or again."""
        return self.foreign_ms >= (self._read_ms + READ_AGAIN_MS if self._read_ms else READ_AFTER_MS)

    def reading_began(self) -> None:
        """The voice as it is now is being recognised."""
        self._read_ms = self.foreign_ms

    def take(self, heard: Transcript) -> None:
        """Take a reading: words make the voice a turn at once, while a nod or a hum may last longer before it is one."""
        if not heard.is_speech:
            self._limit_ms = max(self._limit_ms, WORDLESS_MS)
        elif is_back_channel(heard.text):
            self._limit_ms = BACK_CHANNEL_MS
        else:
            self._limit_ms = A_VOICE_MS

    def is_turn(self, *, is_kai_over: bool = False) -> bool:
        """Return whether somebody wants to speak. A voice after Kai's answer has ended (``is_kai_over``) is no nod."""
        return self.foreign_ms >= (A_VOICE_MS if is_kai_over else self._limit_ms)
