"""All voices of the engine: one for each character, always there, and those of an extra where it is installed.

A voice is asked for by its id, ``emil``, or by its id with two steps of -3 to +3, ``emil:+2:-1``: higher, and livelier. The
characters' voices are one network, moved to another throat (`kai.engine.speech.timbre`); each has its numbers in a file of
``data/voices``.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from kai.avatar.style import MESHES
from kai.engine.speech.clauses import Clause
from kai.engine.speech.timbre import Timbre
from kai.errors import WeightsError

INSTALL_COMMAND: Final = ".venv/bin/pip install -r requirements-voices.txt"
PREVIEW_WORDS: Final = "Hello, I am Kai. This is how I sound when I talk with you."
_DATA: Final = Path(__file__).with_name("data") / "voices"
_WISH: Final = re.compile(r"([a-z]{1,20}):([+-][0-3]):([+-][0-3])")


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice that a person may choose: ``sex`` is "woman" or "man", ``accent`` "American" or "British". Without a ``timbre``
    it is of the extra."""

    id: str
    name: str
    sex: str
    accent: str
    timbre: Timbre | None = None

    @property
    def is_extra(self) -> bool:
        """Whether it must be installed first."""
        return self.timbre is None


def read_character(name: str) -> VoiceChoice:
    """The voice of the character of that name."""
    told = tomllib.loads((_DATA / f"{name}.toml").read_text(encoding="utf-8"))
    return VoiceChoice(name, told["name"], told["sex"], told["accent"], Timbre(**told["timbre"]))


CHOICES: Final = (
    *(read_character(name) for name in MESHES),
    VoiceChoice("bella", "Bella", "woman", "American"),
    VoiceChoice("michael", "Michael", "man", "American"),
    VoiceChoice("emma", "Emma", "woman", "British"),
    VoiceChoice("george", "George", "man", "British"),
)
DEFAULT_ID: Final = CHOICES[0].id
_TIMBRES: Final = {choice.id: choice.timbre for choice in CHOICES if choice.timbre is not None}


def parse_voice(wish: str) -> tuple[str, int, int]:
    """The id and the two steps, higher and livelier, of ``emil:+2:-1``, or of ``emil``: 0 and 0. Raises ``ValueError``."""
    if ":" not in wish:
        return wish, 0, 0
    match = _WISH.fullmatch(wish)
    if match is None:
        raise ValueError("A voice is an id, or an id with two steps from -3 to +3, like emil:+2:-1.")
    return match[1], int(match[2]), int(match[3])


class Speaker(Protocol):
    """One voice. `stream` may run in several threads at once."""

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """``text`` as speech, clause by clause, each made only when it is asked for; nothing if nothing can be said."""
        ...


@runtime_checkable
class MovableSpeaker(Speaker, Protocol):
    """A voice that can be another one."""

    def moved(self, timbre: Timbre) -> Speaker:
        """The same network as somebody else, at no cost."""
        ...


class Voices:
    """The characters' voices, made of the first one, and the extra ones, which are loaded when the first of them is wanted.

    A first voice that cannot be moved, such as a program of this computer, speaks for all characters.
    """

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

    def must_load(self, wish: str) -> bool:
        """Whether that voice is there and not loaded yet. Raises ``ValueError`` as `parse_voice` does."""
        voice_id, _, _ = parse_voice(wish)
        return self._extra is None and voice_id in self.installed and voice_id not in _TIMBRES

    def named(self, wish: str) -> Speaker:
        """That voice, loaded now if need be; Kai's where there is none of that name. May take a second. An extra voice
        has no steps. Raises ``ValueError`` as `parse_voice` does."""
        voice_id, higher, livelier = parse_voice(wish)
        if voice_id in _TIMBRES or voice_id not in self.installed:
            return self._of_character(_TIMBRES.get(voice_id, _TIMBRES[DEFAULT_ID]).tuned(higher, livelier))
        with self._lock:
            if self._extra is None:
                try:
                    self._extra = self._load_extra()
                except WeightsError as error:
                    self._has_extra, self._extra, self.problem = False, {}, error.message
            found = self._extra.get(voice_id)
        return found or self._of_character(_TIMBRES[DEFAULT_ID])

    def _of_character(self, timbre: Timbre) -> Speaker:
        return self._first.moved(timbre) if isinstance(self._first, MovableSpeaker) else self._first

    def stream(self, text: str, speed: float = 1.0, voice_id: str = DEFAULT_ID) -> Iterator[Clause]:
        """``text`` by that voice; see `Speaker.stream`."""
        yield from self.named(voice_id).stream(text, speed)
