"""Everything that can be set from outside, read once at the edge: environment, ``.env``, Streamlit's secrets.

Offline and cloud differ by key and URL alone. Secrets are ``SecretStr``: they show as asterisks wherever they are printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kai.errors import ConfigError


class IceServer(BaseModel):
    """One STUN or TURN server, in the words of WebRTC's ``RTCIceServer``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: str | tuple[str, ...]
    username: str | None = None
    credential: SecretStr | None = None

    def for_browser(self) -> dict[str, object]:
        """The dictionary that ``RTCPeerConnection`` takes. Holds the credential: it is for the page's WebRTC only."""
        server: dict[str, object] = {"urls": self.urls if isinstance(self.urls, str) else list(self.urls)}
        if self.username is not None:
            server["username"] = self.username
        if self.credential is not None:
            server["credential"] = self.credential.get_secret_value()
        return server


class Settings(BaseSettings):
    """Kai's settings, frozen. Names in the environment are those of the fields with ``KAI_`` in front, or the aliases."""

    model_config = SettingsConfigDict(
        env_prefix="KAI_",
        env_file=".env",
        env_file_encoding="utf-8",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_model: str = "gpt-realtime-2.1"
    mind_base_url: str | None = None
    """The address of an OpenAI-compatible chat endpoint (Ollama, llama.cpp, vLLM, LM Studio): the local engine's mind."""
    mind_model: str | None = None
    mind_api_key: SecretStr | None = None
    documents: Path | None = None
    """A folder of text and Markdown files in which the local engine may look for answers."""
    liveavatar_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("LIVEAVATAR_API_KEY", "HEYGEN_API_KEY")
    )
    liveavatar_url: str | None = None
    """Another server that speaks LiveAvatar's protocol; the local one, for instance."""
    liveavatar_avatar_id: str = ""
    """The avatar; empty means the first of the account that can be used."""
    liveavatar_quality: Literal["very_high", "high", "medium", "low"] = "medium"
    liveavatar_encoding: Literal["H264", "VP8"] = "H264"
    liveavatar_sandbox: bool = False
    """Free sessions of a minute, with one avatar of HeyGen's."""
    liveavatar_minutes: float = Field(default=20.0, gt=0)
    """After so long the local face takes over, until the avatar is asked for again."""
    face_quality: Literal["standard", "high"] = "standard"
    """The rendered face: 512x512 or 1280x720. High costs about twice as much of a core."""
    state_dir: Path | None = None
    """Where Kai notes its running paid sessions; empty means the user's state folder."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for remote use, as JSON. On this computer none is needed and none is asked."""
    history: bool = True
    """Whether past talks may be kept on this computer (words and times; sound only where somebody pressed Record); the page
    can switch it off, too."""
    data_dir: str | None = None
    """The folder of past talks, presets and preferences, in place of the user's data folder."""
    password_hash: SecretStr | None = None
    """Who opens the page must tell this password; made by ``python -m kai.ui.password``. Needed where Kai listens to other
    computers."""
    log_level: str = "INFO"
    test_marks: bool = False
    """Stamp pictures and sound with test marks, for measuring."""

    @field_validator(
        "openai_api_key",
        "liveavatar_api_key",
        "openai_base_url",
        "mind_base_url",
        "mind_model",
        "mind_api_key",
        "documents",
        "data_dir",
        "password_hash",
        mode="before",
    )
    @classmethod
    def _empty_is_absent(cls, value: object) -> object:
        return value.strip() or None if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole_mind(self) -> Self:
        if (self.mind_base_url is None) != (self.mind_model is None):
            raise ValueError("KAI_MIND_BASE_URL and KAI_MIND_MODEL belong together: set both, or none")
        if self.mind_base_url is not None and not self.mind_base_url.startswith(("http://", "https://")):
            raise ValueError("KAI_MIND_BASE_URL begins with http:// or https://")
        return self

    @field_validator("documents")
    @classmethod
    def _is_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("must be a folder that exists")
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.strip().upper()
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return level

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # The environment wins over .env, and both over Streamlit's secrets, which come in as ``init``.
        return env_settings, dotenv_settings, init_settings

    @classmethod
    def load(cls, secrets: Mapping[str, Any] | None = None) -> Settings:
        """Settings from the environment, ``.env`` and ``secrets``. Raises ``ConfigError`` that names the setting, never
        its value."""
        known = {name: value for name, value in (secrets or {}).items() if _is_ours(name)}
        try:
            return cls(**{_field_name(name): value for name, value in known.items()})
        except ValidationError as exc:
            wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in exc.errors())
            raise ConfigError(
                f"A setting is wrong ({wrong}). Correct it in the environment or in .env."
            ) from None

    @property
    def has_cloud_face(self) -> bool:
        """Whether LiveAvatar is the face, with the local one standing by; else the local one is."""
        return self.liveavatar_api_key is not None

    @property
    def has_cloud_brain(self) -> bool:
        """Whether OpenAI Realtime is the brain; else the local engine is."""
        return self.openai_api_key is not None


def _is_ours(name: str) -> bool:
    return name.startswith("KAI_") or name in _ALIASES


def _field_name(name: str) -> str:
    return name if name in _ALIASES else name.removeprefix("KAI_").lower()


_ALIASES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LIVEAVATAR_API_KEY", "HEYGEN_API_KEY")
