"""The mind that a person chose in place of Kai's own, kept between runs. It holds a key, so only the user can read it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_serializer

from kai.compat.files import write_private
from kai.records.files import set_aside

log = logging.getLogger(__name__)

FILE_NAME: Final = "mind.json"


class ChosenMind(BaseModel):
    """A language model at an OpenAI-compatible address. Without an address it is the model of the catalogue that ``model``
    names, or Kai's own, chosen explicitly."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    base_url: str = ""
    model: str = ""
    api_key: SecretStr = SecretStr("")

    @field_serializer("api_key", when_used="json")
    def _whole(self, key: SecretStr) -> str:
        return key.get_secret_value()


class KeptMind:
    """The choice in the data folder. Blocks; any thread, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def load(self) -> ChosenMind | None:
        """Return the last choice, or ``None`` if there is none or it cannot be read."""
        try:
            return ChosenMind.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            log.warning("the chosen mind cannot be read and is set aside")
            try:
                set_aside(self._path)
            except OSError:
                log.warning("it cannot be set aside either")
            return None

    def save(self, chosen: ChosenMind) -> bool:
        """Keep the choice and return whether that succeeded. If the folder is not writable, the talk continues without."""
        try:
            write_private(self._path, chosen.model_dump_json().encode())
        except OSError:
            log.warning("the chosen mind cannot be kept")
            return False
        return True
