"""A person's choices that outlast a talk: whether and how long talks are kept, the last settings, presets and styles.

Each is a small JSON file. An unreadable file is moved aside, to the path in ``aside``, and the default is used.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kai.compat.files import write_private
from kai.compat.text_files import decode_text
from kai.core.config import FaceStyle, within_bounds
from kai.core.state import Look
from kai.errors import ConfigError, KaiError
from kai.records.files import set_aside
from kai.records.named import Named, NamedError, NamedList, tidy

PRESET_LIMIT_BYTES: Final = 65_536

_look = TypeAdapter(Look)
_log = logging.getLogger(__name__)


def look_from(value: object) -> Look:
    """Make a look from plain values. Raises ``NamedError``."""
    try:
        look = _look.validate_python(value)
    except ValidationError as exc:
        raise NamedError("That is not a preset of Kai's.", code="not-a-preset") from exc
    return within_bounds(look)


class Preferences(BaseModel):
    """The preferences that the page can change."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    is_history_on: bool = True
    history_days: int = Field(default=90, ge=1, le=3650)
    look: dict[str, Any] | None = None

    def last_look(self) -> Look | None:
        """Return the last settings of the sidebar, if they were kept and are still valid."""
        try:
            return None if self.look is None else look_from(self.look)
        except NamedError:
            return None


class Preset(Named):
    """All settings under a name, which is also the content of an exported file."""

    kai_preset: int = Field(default=1, ge=1, le=1)
    look: dict[str, Any]

    @property
    def value(self) -> Look:
        """The settings. Raises ``NamedError``."""
        return look_from(self.look)

    @classmethod
    def of(cls, name: str, value: Look) -> Self:
        """Make a preset of that name with those settings."""
        return cls(name=name, look=asdict(value))


class Presets(NamedList[Preset]):
    """Every preset."""

    WORD: ClassVar = "preset"
    KIND: ClassVar = Preset

    entries: tuple[Preset, ...] = Field(default=(), alias="presets")


class SavedStyle(Named):
    """The style of a character under a name."""

    style: FaceStyle

    @property
    def value(self) -> FaceStyle:
        """The style."""
        return self.style

    @classmethod
    def of(cls, name: str, value: FaceStyle) -> Self:
        """Make a saved style of that name."""
        return cls(name=name, style=value)


class Styles(NamedList[SavedStyle]):
    """Every saved style, of all characters."""

    WORD: ClassVar = "style"
    KIND: ClassVar = SavedStyle

    entries: tuple[SavedStyle, ...] = Field(default=(), alias="styles")


def preset_of(name: str, look: Look) -> Preset:
    """Make a preset of that name with those settings. Raises ``NamedError`` if the name is empty."""
    return Preset.of(tidy(name, Presets.WORD), look)


def read_preset(content: bytes) -> Preset:
    """Read a preset from an exported file. Raises ``NamedError``."""
    if len(content) > PRESET_LIMIT_BYTES:
        raise NamedError("That file is too large for a preset.", code="too-large")
    try:
        preset = Preset.model_validate_json(decode_text(content, "That file"))
    except ConfigError as exc:
        raise NamedError(exc.message, code="not-a-preset") from exc
    except ValidationError as exc:
        raise NamedError("That is not a preset of Kai's.", code="not-a-preset") from exc
    return preset_of(preset.name, preset.value)


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
        """Keep a new value. Raises ``KaiError`` if it cannot be written; the value then lasts until Kai ends."""
        with self._lock:
            if value == self._value:
                return
            self._value = value
            try:
                write_private(self.path, value.model_dump_json(indent=1, by_alias=True).encode() + b"\n")
            except OSError as exc:
                raise KaiError(
                    f"Settings cannot be kept in {self.path.parent}. Look at that folder's rights and free space.",
                    code="settings-write",
                ) from exc
