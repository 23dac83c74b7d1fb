"""All voices of the engine: the first one, always there, and those of an extra where it is installed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from kai.engine.speech.clauses import Clause
from kai.errors import WeightsError

INSTALL_COMMAND: Final = ".venv/bin/pip install -r requirements-voices.txt"
PREVIEW_WORDS: Final = "Hello, I am Kai. This is how I sound when I talk with you."


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice that a person may choose: ``sex`` is "woman" or "man", ``accent`` "American" or "British"."""

    id: str
    name: str
    sex: str
    accent: str
    is_extra: bool = True


CHOICES: Final = (
    VoiceChoice("heart", "Heart", "woman", "American", is_extra=False),
    VoiceChoice("bella", "Bella", "woman", "American"),
    VoiceChoice("michael", "Michael", "man", "American"),
    VoiceChoice("emma", "Emma", "woman", "British"),
    VoiceChoice("george", "George", "man", "British"),
)


class Speaker(Protocol):
    """One voice. `stream` may run in several threads at once."""

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """``text`` as speech, clause by clause, each made only when it is asked for; nothing if nothing can be said."""
        ...


class Voices:
    """The first voice, and the extra ones, which are loaded when the first of them is wanted."""

    def __init__(
        self, first: Speaker, load_extra: Callable[[], Mapping[str, Speaker]], *, has_extra: bool
    ) -> None:
        self._first = first
        self._load_extra = load_extra
        self._has_extra = has_extra
        self._extra: Mapping[str, Speaker] | None = None
        self._lock = threading.Lock()
        self.problem = ""
        """Why the extra voices, though installed, cannot be had; empty while all is well."""

    @property
    def installed(self) -> frozenset[str]:
        """The ids of the voices that can be had."""
        return frozenset(choice.id for choice in CHOICES if self._has_extra or not choice.is_extra)

    def must_load(self, voice_id: str) -> bool:
        """Whether that voice is there and not loaded yet."""
        return self._extra is None and voice_id in self.installed and voice_id != CHOICES[0].id

    def named(self, voice_id: str) -> Speaker:
        """That voice, loaded now if need be; the first one where there is none of that name. May take a second."""
        if voice_id not in self.installed or voice_id == CHOICES[0].id:
            return self._first
        with self._lock:
            if self._extra is None:
                try:
                    self._extra = self._load_extra()
                except WeightsError as error:
                    self._has_extra, self._extra, self.problem = False, {}, error.message
            return self._extra.get(voice_id, self._first)

    def stream(self, text: str, speed: float = 1.0, voice_id: str = "") -> Iterator[Clause]:
        """``text`` by that voice; see `Speaker.stream`."""
        yield from self.named(voice_id).stream(text, speed)
