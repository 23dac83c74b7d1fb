"""The text and the sound of the newest answers, to find answers that said more than they wrote."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kai.compat.recent import Recent
from kai.ports import Pcm

LINES_KEPT = 16
SOUNDS_KEPT = 2
SOUND_KEPT_MS = 120_000
"""The limit for each answer. Nothing is kept of a longer one."""
MORE_SAID_MS = 2_500
SLOW_WORD_MS = 800
"""An answer that lasts `MORE_SAID_MS` longer than `SLOW_WORD_MS` per written word said words that were not written."""


@dataclass(slots=True)
class _Sound:
    parts: list[Pcm] = field(default_factory=list[Pcm])
    samples: int = 0


class Answers:
    """The lines of the newest answers, and their sound where ``keeps_sound``."""

    def __init__(self, *, keeps_sound: bool) -> None:
        self._keeps_sound = keeps_sound
        self._sounds = Recent[str, _Sound](SOUNDS_KEPT)
        self._written = Recent[str, tuple[str, str]](LINES_KEPT)

    def wrote(self, response_id: str, item_id: str, text: str) -> None:
        """Take the final text of an item."""
        self._written[item_id] = (response_id, text)

    def sounded(self, response_id: str, pcm: Pcm) -> None:
        """Take a piece of an answer's sound, 24 000 Hz."""
        if not self._keeps_sound:
            return
        sound = self._sounds[response_id] = self._sounds.get(response_id) or _Sound()
        sound.samples += len(pcm)
        if sound.samples > SOUND_KEPT_MS * 24:
            sound.parts.clear()
        else:
            sound.parts.append(pcm)

    def lines_of(self, response_id: str) -> dict[str, str]:
        """Return an answer's texts by item, in order."""
        return {item: text for item, (of, text) in self._written.items() if of == response_id}

    def take_sound(self, response_id: str) -> Pcm | None:
        """Return all sound of an answer and forget it; ``None`` if it was not kept."""
        sound = self._sounds.pop(response_id, None)
        return np.concatenate(sound.parts) if sound is not None and sound.parts else None


def says_more(lines: dict[str, str], sound_ms: int, speed: float) -> bool:
    """Return whether sound of that length says more than these lines, at that speed of speech."""
    words = sum(_word_count(text) for text in lines.values())
    return sound_ms > MORE_SAID_MS + words * SLOW_WORD_MS / min(speed, 1.0)


def _word_count(text: str) -> float:
    """Words of a text; of scripts without spaces two characters count as one."""
    dense = sum("\u3040" <= char <= "\u30ff" or "\u4e00" <= char <= "\u9fff" for char in text)
    return len(text.split()) + dense / 2
