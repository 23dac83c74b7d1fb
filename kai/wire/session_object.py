"""The session object of OpenAI's Realtime protocol: its parts, `merge_session`, which applies an update to a session, and
`diff_session`, which finds the update between two.

Field names are those of the wire. An absent optional field is `UNSET`, because the wire distinguishes "absent" from ``null``
in an update.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final, cast

from kai.wire._shape import UNSET, JsonObject, Unset


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """``audio/pcm`` (with ``rate`` 24000), ``audio/pcmu`` or ``audio/pcma``. It applies to a WebSocket's sound only."""

    type: str
    rate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReductionConfig:
    """``near_field`` or ``far_field``."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionConfig:
    model: str | Unset = UNSET
    language: str | Unset = UNSET
    prompt: str | Unset = UNSET
    keywords: tuple[str, ...] | Unset = UNSET
    languages: tuple[str, ...] | Unset = UNSET


IDLE_TIMEOUT_RANGE_MS: Final = (5_000, 30_000)
"""The range of `TurnDetection.idle_timeout_ms` in OpenAI's reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """``server_vad`` (threshold to `idle_timeout_ms`) or ``semantic_vad`` (`eagerness`)."""

    type: str
    threshold: float | Unset = UNSET
    prefix_padding_ms: int | Unset = UNSET
    silence_duration_ms: int | Unset = UNSET
    idle_timeout_ms: int | None | Unset = UNSET
    eagerness: str | Unset = UNSET
    create_response: bool | Unset = UNSET
    interrupt_response: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInputConfig:
    format: AudioFormat | Unset = UNSET
    noise_reduction: NoiseReductionConfig | None | Unset = UNSET
    transcription: TranscriptionConfig | None | Unset = UNSET
    turn_detection: TurnDetection | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOutputConfig:
    """`kai_voice` exists in our own engine only: unlike `voice`, it may change after the first sound."""

    format: AudioFormat | Unset = UNSET
    voice: str | JsonObject | Unset = UNSET
    speed: float | Unset = UNSET
    kai_voice: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    input: AudioInputConfig | Unset = UNSET
    output: AudioOutputConfig | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The session object as a client requests it or, with `id` and `expires_at`, as the server has it. `kai_name`, the
    character's, exists in our own engine only."""

    type: str
    model: str | Unset = UNSET
    instructions: str | Unset = UNSET
    output_modalities: tuple[str, ...] | Unset = UNSET
    audio: AudioConfig | Unset = UNSET
    tools: tuple[JsonObject, ...] | Unset = UNSET
    tool_choice: str | JsonObject | Unset = UNSET
    parallel_tool_calls: bool | Unset = UNSET
    reasoning: JsonObject | None | Unset = UNSET
    max_output_tokens: int | str | Unset = UNSET
    truncation: str | JsonObject | Unset = UNSET
    tracing: str | JsonObject | None | Unset = UNSET
    include: tuple[str, ...] | None | Unset = UNSET
    object: str | Unset = UNSET
    id: str | Unset = UNSET
    expires_at: int | None | Unset = UNSET
    kai_name: str | Unset = UNSET


_AUDIO = (AudioConfig, AudioInputConfig, AudioOutputConfig)
_MERGED = (*_AUDIO, TranscriptionConfig, TurnDetection)


def merge_session(base: SessionConfig, update: SessionConfig) -> SessionConfig:
    """Return `base` with every field that `update` sets. A turn detection of another type replaces the old one entirely."""
    return cast("SessionConfig", _merge(base, update))


def _merge(base: Any, update: Any) -> Any:
    changes: dict[str, object] = {}
    for spec in fields(update):
        new = getattr(update, spec.name)
        old = getattr(base, spec.name)
        if new is UNSET:
            continue
        is_same_kind = isinstance(new, _MERGED) and type(new) is type(old)
        if is_same_kind and not (isinstance(new, TurnDetection) and new.type != old.type):
            changes[spec.name] = _merge(old, new)
        else:
            changes[spec.name] = new
    return replace(base, **changes)


def diff_session(base: SessionConfig, wanted: SessionConfig) -> SessionConfig:
    """Return the smallest update that turns `base` into `wanted`, the inverse of `merge_session`.

    It holds the fields that differ, with a transcription or turn detection always whole. A field that `wanted` leaves unset
    keeps its value of `base`, since no update can remove a field."""
    return cast("SessionConfig", _diff(base, wanted))


def _diff(base: Any, wanted: Any) -> Any:
    changes: dict[str, Any] = {"type": wanted.type} if isinstance(wanted, SessionConfig) else {}
    for spec in fields(wanted):
        old, new = getattr(base, spec.name), getattr(wanted, spec.name)
        if new != old and new is not UNSET:
            changes[spec.name] = _diff(old, new) if isinstance(new, _AUDIO) and old is not UNSET else new
    return type(wanted)(**changes)
