"""The mind that a person chose in place of Kai's own, kept between runs. It holds a key, so only the user can read it."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, SecretStr, field_serializer

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
