"""Kai's settings, read once at startup from the environment, ``.env`` and Streamlit's secrets.

Offline and cloud operation differ only by keys and URLs. Secrets are ``SecretStr``, which prints as asterisks.
"""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kai.compat.text_files import read_text_file
from kai.errors import ConfigError


class IceServer(BaseModel):
    """One STUN or TURN server, with the fields of WebRTC's ``RTCIceServer``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    urls: str | tuple[str, ...]
    username: str | None = None
    credential: SecretStr | None = None

    def for_browser(self) -> dict[str, object]:
        """Return the dictionary for ``RTCPeerConnection``. It holds the credential: pass it to the page's WebRTC only."""
        server: dict[str, object] = {"urls": self.urls if isinstance(self.urls, str) else list(self.urls)}
        if self.username is not None:
            server["username"] = self.username
        if self.credential is not None:
            server["credential"] = self.credential.get_secret_value()
        return server


class Settings(BaseSettings):
    """Kai's settings, frozen. In the environment, a field's name has the prefix ``KAI_``, unless the field has an alias."""

    model_config = SettingsConfigDict(
        env_prefix="KAI_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
    )

    openai_api_key: SecretStr | None = Field(default=None, validation_alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(default=None, validation_alias="OPENAI_BASE_URL")
    openai_model: str = "gpt-realtime-2.1"
    openai_transport: Literal["webrtc", "websocket"] = "webrtc"
    """How a cloud brain is reached. Where UDP is blocked, the WebSocket is used anyway."""
    mind: str = ""
    """The local engine's language model: empty for Kai's own, ``none`` for none, or the path of a GGUF file."""
    mind_base_url: str | None = None
    """The URL of an OpenAI-compatible chat endpoint (Ollama, llama.cpp, vLLM, LM Studio) that serves as the engine's mind."""
    mind_model: str | None = None
    mind_api_key: SecretStr | None = None
    mind_ports: Annotated[tuple[int, ...], NoDecode] = ()
    """Further ports of this computer on which to look for model servers, as JSON."""
    greeting: str = "Hello, I'm {name}. Ask me what I can do."
    """Kai's first words in a talk, until somebody changes them in the sidebar; ``none`` for none."""
    budget_talk_usd: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What a talk may cost at most, in US dollars; the sidebar may set less. 0 for no limit."""
    budget_day_usd: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """What the talks of a day may cost at most."""
    documents: Path | None = None
    """A folder of text and Markdown files that the local engine may search for answers."""
    liveavatar_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("LIVEAVATAR_API_KEY", "HEYGEN_API_KEY")
    )
    liveavatar_url: str | None = None
    """Another server that implements LiveAvatar's protocol, such as the local one."""
    liveavatar_avatar_id: str = ""
    """The avatar's id; empty means the account's first usable avatar."""
    liveavatar_quality: Literal["very_high", "high", "medium", "low"] = "high"
    liveavatar_encoding: Literal["H264", "VP8"] = "H264"
    liveavatar_sandbox: bool = False
    """Use free sessions of one minute, which have one avatar of HeyGen's."""
    liveavatar_first_chunk_ms: int = Field(default=200, ge=40, le=2_000)
    """The first piece of each answer that is sent to the avatar. A smaller one lets it begin sooner."""
    liveavatar_minutes: float = Field(default=20.0, gt=0, le=24 * 60, allow_inf_nan=False)
    """After this time the local face takes over, until a person asks for the avatar again."""
    face_quality: Literal["auto", "standard", "high"] = "auto"
    """The size of the rendered face, until somebody changes it in the sidebar: 512x512, 720x720, or by the size at which it
    is shown."""
    state_dir: Path | None = None
    """Where Kai records its running paid sessions; empty means the user's state folder."""
    ice_servers: Annotated[tuple[IceServer, ...], NoDecode] = ()
    """STUN and TURN servers for remote use, as JSON. On this computer none is needed and none is contacted."""
    history: bool = True
    """Whether past talks may be kept on this computer (words and times; sound only if somebody pressed Record). The page
    can also switch it off."""
    data_dir: str | None = None
    """The folder for past talks, presets and preferences, in place of the user's data folder."""
    password_hash: SecretStr | None = None
    """The hash of the password that protects the page, made by ``python -m kai.ui.password``. It is required if Kai accepts
    connections from other computers."""
    log_level: str = "WARNING"
    test_marks: bool = False
    """Stamp pictures and sound with test marks, for measurements."""

    @field_validator("*", mode="before")
    @classmethod
    def _cleaned(cls, value: object, info: ValidationInfo) -> object:
        """Clean up a typed or pasted value. An empty one means the default. Raises `ValueError` with a message for people."""
        name = info.field_name or ""
        if not isinstance(value, str | SecretStr):
            return value
        text = checked(name, value.get_secret_value() if isinstance(value, SecretStr) else value)
        if not text:
            return cls.model_fields[name].get_default(call_default_factory=True)
        if name not in _JSON:
            return _as_choice(text, cls.model_fields[name].annotation)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is not valid JSON") from None

    @model_validator(mode="after")
    def _whole_mind(self) -> Self:
        if (self.mind_base_url is None) != (self.mind_model is None):
            raise ValueError("KAI_MIND_BASE_URL and KAI_MIND_MODEL belong together: set both, or none")
        return self

    @field_validator("documents", "state_dir")
    @classmethod
    def _at_home(cls, value: Path | None) -> Path | None:
        try:
            return None if value is None else value.expanduser()
        except RuntimeError:  # there is no home
            raise ValueError("begins with ~, but this account has no home folder") from None

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
        # The environment takes precedence over .env, and both over Streamlit's secrets, which are passed as ``init``.
        return env_settings, _DotEnv(settings_cls, env_file=".env"), init_settings

    @classmethod
    def load(cls, secrets: Mapping[str, Any] | None = None) -> Settings:
        """Load the settings from the environment, ``.env`` and ``secrets``. Raises ``ConfigError``, which names the setting
        but never its value."""
        known = {name: value for name, value in (secrets or {}).items() if _is_ours(name)}
        try:
            return cls(**{_field_name(name): value for name, value in known.items()})
        except ValidationError as exc:
            wrong = "; ".join(_told(error["loc"], error["msg"]) for error in exc.errors())
            raise ConfigError(
                f"A setting is wrong. {wrong}. Correct it in the environment or in .env."
            ) from None

    @property
    def has_cloud_face(self) -> bool:
        """True when LiveAvatar is the face and the local face stands by; otherwise the local face is the only one."""
        return self.liveavatar_api_key is not None

    @property
    def has_cloud_brain(self) -> bool:
        """True when OpenAI Realtime is the brain; otherwise the local engine is."""
        return self.openai_api_key is not None


class _DotEnv(DotEnvSettingsSource):
    """The source of settings in ``.env``, in any common encoding. Raises ``ConfigError`` if the file cannot be read."""

    def _read_env_file(self, file_path: Path) -> Mapping[str, str | None]:
        values = dotenv_values(stream=io.StringIO(read_text_file(file_path)))
        return {name.lower(): value for name, value in values.items()}


_KEYS = frozenset({"openai_api_key", "mind_api_key", "liveavatar_api_key"})
_URLS = frozenset({"openai_base_url", "mind_base_url", "liveavatar_url"})
_PLAIN = _KEYS | _URLS | {"openai_model", "liveavatar_avatar_id", "password_hash"}
"""Settings that become part of URLs and headers, and so may hold only ASCII characters and no spaces."""
_JSON = frozenset({"ice_servers", "mind_ports"})
_EXAMPLES = {
    "openai_base_url": "https://api.openai.com/v1",
    "mind_base_url": "http://127.0.0.1:11434/v1",
    "liveavatar_url": "https://api.liveavatar.com",
}
_QUOTES = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb\u2039\u203a"
_NO_KEY = re.compile(r"[,;`'\"\\()]")
_NAMED = re.compile(r"[A-Z_]+=|[\w-]*(?i:key|token)[=:]")
_PLACEHOLDER = re.compile(
    r"(sk-)?(your|my|the|insert|paste|enter|put|add|replace|change|example|dummy)[-_ ].*"
    r"|.*(your|my)[-_]?(api|secret|openai|heygen|liveavatar)?[-_]?(key|token)([-_]?here)?"
    r"|.*(key|token)[-_]here|changeme|placeholder|todo|[<{\[].*[>}\]]|\$\w+|\${.*}|%\w+%|(sk-)?[x*.\u2026]{3,}|sk-.*(\.{3}|\u2026|x{6,}|\*{3,})",
    re.IGNORECASE,
)


def checked(name: str, text: str) -> str:
    """Return a setting's text without surrounding spaces and straight quotation marks. Raises ``ValueError``, which never
    quotes the text."""
    text = text.strip().removeprefix("\ufeff").strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    kept = "\n\r\t" if name in _JSON else ""
    if any(_is_invisible(sign) for sign in text if sign not in kept):
        raise ValueError("has a line break or an invisible character in it: copy it again, or type it")
    if name not in _PLAIN:
        return text
    if any(sign in _QUOTES for sign in text):
        raise ValueError("has a text program's quotation marks in it: leave them out")
    if not text.isascii():
        raise ValueError(
            "has a character in it that only looks like a plain one: copy it again from where it was made"
        )
    if name in _KEYS and text.lower().startswith(("bearer", "authorization", "x-api-key")):
        raise ValueError("is the key alone, without words such as Bearer before it")
    if name in _KEYS and text.lower().startswith(("http://", "https://")):
        raise ValueError("is an address, where a key is wanted")
    if name in _KEYS and _PLACEHOLDER.fullmatch(text):
        raise ValueError("is still the example's text: put your own key there, or leave it empty")
    if any(sign.isspace() for sign in text):
        raise ValueError("has a space in it: copy it again")
    if name in _KEYS and _NO_KEY.search(text):
        raise ValueError(
            "has a mark in it that no key has, such as a comma or a quotation mark: leave it out"
        )
    if name in _KEYS - {"mind_api_key"} and text.lower() in (
        "null",
        "none",
        "undefined",
        "nil",
        "true",
        "false",
    ):
        raise ValueError("is a word that stands for no key: leave the setting empty")
    if name in _KEYS and _NAMED.match(text):
        raise ValueError("has the setting's own name in it: leave that out")
    if name in _URLS and text:
        _check_url(text, _EXAMPLES[name])
    return text


def _check_url(text: str, example: str) -> None:
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or "\\" in text:
        raise ValueError(f"is a whole address with http:// or https:// before it, such as {example}")


def _is_invisible(sign: str) -> bool:
    """True for line breaks and other controls, zero-width characters, surrogates, and private or unassigned code points."""
    return unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _as_choice(text: str, annotation: Any) -> str:
    """Return the permitted word that equals ``text`` in any case, or ``text`` itself if there is none."""
    choices: tuple[Any, ...] = get_args(annotation) if get_origin(annotation) is Literal else ()
    return next((choice for choice in choices if str(choice).lower() == text.lower()), text)


def _told(where: tuple[int | str, ...], message: str) -> str:
    """Return what is wrong with a setting, under the name that a person knows."""
    names = [str(part) for part in where]
    if names and names[0] in Settings.model_fields:
        alias = Settings.model_fields[names[0]].validation_alias
        names[0] = alias if isinstance(alias, str) else f"KAI_{names[0].upper()}"
        if isinstance(alias, AliasChoices):
            names[0] = str(alias.choices[0])
    return f"{'.'.join(names)} {message.removeprefix('Value error, ')}".strip().rstrip(".")


def _is_ours(name: str) -> bool:
    return name.startswith("KAI_") or name in _ALIASES


def _field_name(name: str) -> str:
    return name if name in _ALIASES else name.removeprefix("KAI_").lower()


_ALIASES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LIVEAVATAR_API_KEY", "HEYGEN_API_KEY")
