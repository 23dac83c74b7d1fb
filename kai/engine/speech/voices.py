"""All voices of the engine: one for each character, always available, and the voices of an extra where it is installed.

A voice is requested by its id, such as ``emil``, or by its id with two steps from -3 to +3, such as ``emil:+2:-1``: higher,
and livelier. The characters' voices are one network with different timbres (`kai.engine.speech.timbre`), whose numbers are
in the files of ``data/voices``.
"""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from kai.avatar.style import MESHES
from kai.engine.speech.clauses import Clause
from kai.engine.speech.timbre import OWN, Timbre
from kai.errors import WeightsError

PREVIEW_WORDS: Final = "Hello, I am Kai. This is how I sound when I talk with you."
_DATA: Final = Path(__file__).with_name("data") / "voices"
_WISH: Final = re.compile(r"([a-z]{1,20}):([+-][0-3]):([+-][0-3])")


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """A voice that a person may choose: ``sex`` is "woman" or "man", ``accent`` "American" or "British".

    A voice without a ``timbre`` belongs to the extra. ``network`` is the file of a network of its own, if there is one for
    this character: where that file is here, the character speaks by it, with the timbre ``of_network`` and ``its_accent``.
    """

    id: str
    name: str
    sex: str
    accent: str
    timbre: Timbre | None = None
    network: str = ""
    of_network: Timbre = OWN
    its_accent: str = ""

    @property
    def is_extra(self) -> bool:
        """Whether the voice must be installed first."""
        return self.timbre is None


def read_character(name: str) -> VoiceChoice:
    """Return the voice of the character of that name."""
    told = tomllib.loads((_DATA / f"{name}.toml").read_text(encoding="utf-8"))
    choice = VoiceChoice(name, told["name"], told["sex"], told["accent"], Timbre(**told["timbre"]))
    network = told.get("network")
    if network is None:
        return choice
    timbre = Timbre(**network.get("timbre", {}))
    return replace(choice, network=network["file"], of_network=timbre, its_accent=network["accent"])


CHOICES: Final = (
    *(read_character(name) for name in MESHES),
    VoiceChoice("bella", "Bella", "woman", "American"),
    VoiceChoice("michael", "Michael", "man", "American"),
    VoiceChoice("emma", "Emma", "woman", "British"),
    VoiceChoice("george", "George", "man", "British"),
)
DEFAULT_ID: Final = CHOICES[0].id
_CHARACTERS: Final = {choice.id: choice for choice in CHOICES if choice.timbre is not None}


def parse_voice(wish: str) -> tuple[str, int, int]:
    """Return the id and the steps, higher and livelier, of ``emil:+2:-1``; ``emil`` has 0 and 0. Raises ``ValueError``."""
    if ":" not in wish:
        return wish, 0, 0
    match = _WISH.fullmatch(wish)
    if match is None:
        raise ValueError("A voice is an id, or an id with two steps from -3 to +3, like emil:+2:-1.")
    return match[1], int(match[2]), int(match[3])


class Speaker(Protocol):
    """One voice. `stream` may run in several threads at once."""

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """Yield ``text`` as speech, clause by clause, each made on demand; nothing if no word can be spoken."""
        ...


@runtime_checkable
class MovableSpeaker(Speaker, Protocol):
    """A voice whose timbre can be changed."""

    def moved(self, timbre: Timbre) -> Speaker:
        """Return the voice of the same network with that timbre, at no cost."""
        ...


class Networks(Protocol):
    """The networks of voices that a person has fetched."""

    def has(self, file_id: str) -> bool:
        """Return whether that network is here."""
        ...

    def load(self, file_id: str, accent: str) -> MovableSpeaker:
        """Load it for that accent, which takes some tenths of a second. Raises ``WeightsError``."""
        ...


class Voices:
    """The characters' voices, derived from the first one, and the extra voices, which are loaded on first use.

    A first voice whose timbre is fixed, such as a program of this computer, speaks for all characters. A character whose own
    network has been fetched speaks by that.
    """

    def __init__(
        self,
        first: Speaker,
        load_extra: Callable[[], Mapping[str, Speaker]],
        *,
        has_extra: Callable[[], bool],
        networks: Networks | None = None,
    ) -> None:
        self._first = first
        self._load_extra = load_extra
        self._has_extra = has_extra
        self._networks = networks
        self._extra: Mapping[str, Speaker] | None = None
        self._loaded: dict[str, MovableSpeaker] = {}
        self._lock = threading.Lock()
        self.problem = ""
        """Why a fetched or installed voice cannot be used, or ""."""

    @property
    def installed(self) -> frozenset[str]:
        """The ids of the available voices."""
        has_extra = self._has_extra()
        return frozenset(choice.id for choice in CHOICES if has_extra or not choice.is_extra)

    def must_load(self, wish: str) -> bool:
        """Return whether that voice is available but not loaded yet. Raises ``ValueError`` as `parse_voice` does."""
        voice_id, _, _ = parse_voice(wish)
        choice = _CHARACTERS.get(voice_id)
        if choice is not None:
            return choice.network not in self._loaded and self._is_here(choice.network)
        return self._extra is None and voice_id in self.installed

    def named(self, wish: str) -> Speaker:
        """Return that voice, loaded now if necessary, which may take a second; the default voice for an unknown name.

        The steps of an extra voice are ignored. Raises ``ValueError`` as `parse_voice` does.
        """
        voice_id, higher, livelier = parse_voice(wish)
        if voice_id in _CHARACTERS or voice_id not in self.installed:
            choice = _CHARACTERS.get(voice_id, _CHARACTERS[DEFAULT_ID])
            network = self._network_of(choice)
            if network is not None:
                return network.moved(choice.of_network.tuned(higher, livelier))
            return self._of_character((choice.timbre or OWN).tuned(higher, livelier))
        with self._lock:
            if self._extra is None:
                try:
                    self._extra = self._load_extra()
                except WeightsError as error:
                    self._extra, self.problem = {}, error.message
                    self._has_extra = lambda: False
            found = self._extra.get(voice_id)
        return found or self._of_character(_CHARACTERS[DEFAULT_ID].timbre or OWN)

    def _network_of(self, choice: VoiceChoice) -> MovableSpeaker | None:
        """Return the character's own network, if it is here and can be used."""
        if self._networks is None or not self._is_here(choice.network):
            return None
        with self._lock:
            if choice.network not in self._loaded:
                try:
                    self._loaded[choice.network] = self._networks.load(choice.network, choice.its_accent)
                except WeightsError as error:
                    self.problem = error.message
                    return None
            return self._loaded[choice.network]

    def _is_here(self, file_id: str) -> bool:
        return self._networks is not None and file_id != "" and self._networks.has(file_id)

    def _of_character(self, timbre: Timbre) -> Speaker:
        return self._first.moved(timbre) if isinstance(self._first, MovableSpeaker) else self._first

    def stream(self, text: str, speed: float = 1.0, voice_id: str = DEFAULT_ID) -> Iterator[Clause]:
        """Yield ``text`` spoken by that voice; see `Speaker.stream`."""
        yield from self.named(voice_id).stream(text, speed)
