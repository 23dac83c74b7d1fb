"""What a person chose to last longer than a talk: whether talks are kept and for how long, the last settings, presets.

Two small JSON files. One that cannot be read is set aside, named in ``aside``, and its default is used.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kai.compat.files import write_private
from kai.compat.text_files import decode_text
from kai.core.config import FaceStyle
from kai.core.state import Look
from kai.errors import ConfigError, KaiError
from kai.records.files import set_aside

MAX_PRESETS: Final = 50
PRESET_LIMIT_BYTES: Final = 65_536
NAME_LIMIT_CHARS: Final = 40
INSTRUCTIONS_LIMIT_CHARS: Final = 2000
SPEED_RANGE: Final = (0.25, 1.5)

_look = TypeAdapter(Look)
_log = logging.getLogger(__name__)


class PresetError(KaiError):
    """A preset cannot be taken or kept. The code says why: ``not-a-preset``, ``too-large``, ``no-name``, ``too-many``."""

    code = "not-a-preset"


def look_from(value: object) -> Look:
    """A look from plain values. Raises ``PresetError``."""
    try:
        look = _look.validate_python(value)
    except ValidationError as exc:
        raise PresetError("That is not a preset of Kai's.") from exc
    speed = min(SPEED_RANGE[1], max(SPEED_RANGE[0], look.speed))
    return replace(look, speed=speed, instructions=look.instructions[:INSTRUCTIONS_LIMIT_CHARS])


class Preferences(BaseModel):
    """The settings that the page itself may change."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    is_history_on: bool = True
    history_days: int = Field(default=90, ge=1, le=3650)
    look: dict[str, Any] | None = None

    def last_look(self) -> Look | None:
        """What the sidebar said last, if it was kept and still makes sense."""
        try:
            return None if self.look is None else look_from(self.look)
        except PresetError:
            return None


class Preset(BaseModel):
    """All settings under a name; what an exported file holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kai_preset: int = Field(default=1, ge=1, le=1)
    name: str = Field(min_length=1, max_length=NAME_LIMIT_CHARS)
    look: dict[str, Any]

    def to_look(self) -> Look:
        """The settings. Raises ``PresetError``."""
        return look_from(self.look)


class Presets(BaseModel):
    """Every preset, oldest first; names are different."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    presets: tuple[Preset, ...] = ()


class SavedStyle(BaseModel):
    """How a character was made to look, under a name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=NAME_LIMIT_CHARS)
    style: FaceStyle


class Styles(BaseModel):
    """Every saved style, oldest first; names are different."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    styles: tuple[SavedStyle, ...] = ()

    def of(self, character: str) -> tuple[SavedStyle, ...]:
        """Those of one character."""
        return tuple(saved for saved in self.styles if saved.style.character == character)

    def with_style(self, name: str, style: FaceStyle) -> Styles:
        """With that one added, or changed where its name is there already. Raises ``PresetError``."""
        name = " ".join(name.split())[:NAME_LIMIT_CHARS].strip()
        if not name:
            raise PresetError("A style needs a name.", code="no-name")
        saved = SavedStyle(name=name, style=style)
        if any(s.name == name for s in self.styles):
            return Styles(styles=tuple(saved if s.name == name else s for s in self.styles))
        if len(self.styles) >= MAX_PRESETS:
            raise PresetError("There are too many styles. Delete one first.", code="too-many")
        return Styles(styles=(*self.styles, saved))

    def without_style(self, name: str) -> Styles:
        """Without the one of that name."""
        return Styles(styles=tuple(s for s in self.styles if s.name != name))


def preset_of(name: str, look: Look) -> Preset:
    """Those settings under that name. Raises ``PresetError`` when the name is none."""
    name = " ".join(name.split())[:NAME_LIMIT_CHARS].strip()
    if not name:
        raise PresetError("A preset needs a name.", code="no-name")
    return Preset(name=name, look=asdict(look))


def read_preset(content: bytes) -> Preset:
    """A preset from an exported file. Raises ``PresetError``."""
    if len(content) > PRESET_LIMIT_BYTES:
        raise PresetError("That file is too large for a preset.", code="too-large")
    try:
        preset = Preset.model_validate_json(decode_text(content, "That file"))
    except ConfigError as exc:
        raise PresetError(exc.message) from exc
    except ValidationError as exc:
        raise PresetError("That is not a preset of Kai's.") from exc
    return preset_of(preset.name, preset.to_look())


M = TypeVar("M", bound=BaseModel)


class JsonFile(Generic[M]):
    """One value in one small file. Every method may be called from any thread."""

    def __init__(self, path: Path, default: M) -> None:
        self.path = path
        self.aside: Path | None = None
        self._lock = threading.Lock()
        self._value = self._read(default)

    def _read(self, default: M) -> M:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return default
        except OSError:
            _log.warning(
                "a settings file cannot be read; its default is used", extra={"file": self.path.name}
            )
            return default
        try:
            return type(default).model_validate_json(content)
        except ValidationError:
            try:
                self.aside = set_aside(self.path)
            except OSError:
                _log.warning("a broken settings file cannot be moved", extra={"file": self.path.name})
            return default

    @property
    def value(self) -> M:
        return self._value

    def write(self, value: M) -> None:
        """Keep a new value. Raises ``KaiError`` when it cannot be written; it then holds until Kai ends."""
        with self._lock:
            if value == self._value:
                return
            self._value = value
            try:
                write_private(self.path, value.model_dump_json(indent=1).encode() + b"\n")
            except OSError as exc:
                raise KaiError(
                    f"Settings cannot be kept in {self.path.parent}. Look at that folder's rights and free space.",
                    code="settings-write",
                ) from exc


def with_preset(presets: Presets, preset: Preset) -> Presets:
    """With that one added, or changed where its name is there already. Raises ``PresetError`` when there are too many."""
    names = [p.name for p in presets.presets]
    if preset.name in names:
        changed = tuple(preset if p.name == preset.name else p for p in presets.presets)
        return Presets(presets=changed)
    if len(names) >= MAX_PRESETS:
        raise PresetError("There are too many presets. Delete one first.", code="too-many")
    return Presets(presets=(*presets.presets, preset))


def without_preset(presets: Presets, name: str) -> Presets:
    """Without the one of that name."""
    return Presets(presets=tuple(p for p in presets.presets if p.name != name))
