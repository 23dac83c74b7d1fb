"""The session of one conversation: its defaults, the changes that a client may make, and the settings in force.

``noise_reduction``, ``reasoning``, ``truncation``, ``tracing`` and ``include`` are accepted without effect, since they belong
to the reference's model or the browser does the work already. ``tools``, ``tool_choice`` and ``max_output_tokens`` are
passed to the language model, if the mind has one. Requests whose effect a client would miss are refused: other sound
formats, other session types, an idle timeout with ``semantic_vad``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from kai.engine.speech.voices import DEFAULT_ID, parse_voice
from kai.wire.realtime import ClientMistake, JsonObject
from kai.wire.session_object import (
    IDLE_TIMEOUT_RANGE_MS,
    UNSET,
    AudioConfig,
    AudioFormat,
    AudioInputConfig,
    AudioOutputConfig,
    SessionConfig,
    TurnDetection,
    Unset,
    merge_session,
)

T = TypeVar("T")

MAX_NAME_CHARS: Final = 40
PCM_24K: Final = AudioFormat(type="audio/pcm", rate=24_000)

#: The reference's defaults for a session whose client sets nothing.
DEFAULT: Final = SessionConfig(
    type="realtime",
    object="realtime.session",
    model="kai-local",
    instructions="",
    output_modalities=("audio",),
    audio=AudioConfig(
        input=AudioInputConfig(
            format=PCM_24K,
            noise_reduction=None,
            transcription=None,
            turn_detection=TurnDetection(
                type="server_vad",
                threshold=0.5,
                prefix_padding_ms=300,
                silence_duration_ms=500,
                idle_timeout_ms=None,
                create_response=True,
                interrupt_response=True,
            ),
        ),
        output=AudioOutputConfig(format=PCM_24K, voice=DEFAULT_ID, speed=1.0),
    ),
    tools=(),
    tool_choice="auto",
    max_output_tokens="inf",
    truncation="auto",
    tracing=None,
    include=None,
)

#: Semantic VAD: the pause in ms after which a turn ends, the same for a plainly complete sentence, and for a plainly
#: unfinished one. People pause for 0.7 s within a sentence; ``python -m kai.bench speech`` prints the curve.
SILENCE_MS_BY_EAGERNESS: Final = {
    "low": (1_312, 960, 1_888),
    "medium": (864, 352, 1_120),
    "auto": (864, 352, 1_120),
    "high": (448, 352, 800),
}


@dataclass(frozen=True, slots=True)
class TurnSettings:
    """The rules by which a person's turn begins and ends, and its consequences."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    finished_silence_ms: int
    unfinished_silence_ms: int
    does_create_response: bool
    does_interrupt_response: bool
    idle_timeout_ms: int = 0
    """Kai speaks up after this long a silence of the person; 0 means never."""


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The settings in force; `turns` is ``None`` when the client commits turns itself."""

    instructions: str
    speaks: bool
    transcribes: bool
    speed: float
    voice: str
    turns: TurnSettings | None
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject = "auto"
    max_tokens: int | None = None
    name: str = ""
    """The name of the character that speaks; empty for the engine's own."""


def given(value: T | Unset, default: T) -> T:
    """Return `value`, or `default` where the client set nothing."""
    return default if isinstance(value, Unset) else value


def settings_of(config: SessionConfig) -> SessionSettings:
    """Return the settings of a complete session, one made by `started` or `changed`."""
    audio = given(config.audio, AudioConfig())
    heard = given(audio.input, AudioInputConfig())
    spoken = given(audio.output, AudioOutputConfig())
    detection = given(heard.turn_detection, None)
    limit = given(config.max_output_tokens, "inf")
    return SessionSettings(
        instructions=given(config.instructions, ""),
        speaks=given(config.output_modalities, ("audio",)) == ("audio",),
        transcribes=given(heard.transcription, None) is not None,
        speed=given(spoken.speed, 1.0),
        voice=given(spoken.kai_voice, voice if isinstance(voice := given(spoken.voice, ""), str) else ""),
        turns=None if detection is None else _turn_settings(detection),
        tools=given(config.tools, ()),
        tool_choice=given(config.tool_choice, "auto"),
        max_tokens=limit if isinstance(limit, int) else None,
        name=given(config.kai_name, "")[:MAX_NAME_CHARS],
    )


def _turn_settings(detection: TurnDetection) -> TurnSettings:
    silence_ms = given(detection.silence_duration_ms, 500)
    finished_ms = unfinished_ms = silence_ms
    if detection.type == "semantic_vad":
        silence_ms, finished_ms, unfinished_ms = SILENCE_MS_BY_EAGERNESS[given(detection.eagerness, "auto")]
    return TurnSettings(
        threshold=given(detection.threshold, 0.5),
        prefix_padding_ms=given(detection.prefix_padding_ms, 300),
        silence_duration_ms=silence_ms,
        finished_silence_ms=finished_ms,
        unfinished_silence_ms=unfinished_ms,
        does_create_response=given(detection.create_response, True),
        does_interrupt_response=given(detection.interrupt_response, True),
        idle_timeout_ms=given(detection.idle_timeout_ms, None) or 0,
    )


def started(
    update: SessionConfig | None, *, model: str | None, session_id: str, expires_at: int
) -> SessionConfig:
    """Return the complete session that a client asked for, or the default one. Raises `ClientMistake`."""
    wanted = SessionConfig(type="realtime") if update is None else update
    chosen = given(wanted.model, DEFAULT.model if model is None else model)
    base = replace(DEFAULT, model=chosen, id=session_id, expires_at=expires_at)
    return changed(base, replace(wanted, id=UNSET, object=UNSET, expires_at=UNSET), has_spoken=False)


def changed(current: SessionConfig, update: SessionConfig, *, has_spoken: bool) -> SessionConfig:
    """Return `current` merged with `update`. Raises `ClientMistake` for an update that cannot be applied.

    `has_spoken`: the conversation already holds assistant sound, so that its voice is fixed.
    """
    if update.type != "realtime":
        raise ClientMistake(
            f"Invalid value: '{update.type}'. This engine has 'realtime' sessions only.", "session.type"
        )
    _check_fixed(current, update, has_spoken=has_spoken)
    if not isinstance(update.output_modalities, Unset) and update.output_modalities not in (
        ("audio",),
        ("text",),
    ):
        raise ClientMistake(
            "Invalid value for 'session.output_modalities': it is ['audio'] or ['text'].",
            "session.output_modalities",
        )
    if not isinstance(update.audio, Unset):
        if not isinstance(update.audio.input, Unset):
            _check_input(update.audio.input)
        if not isinstance(update.audio.output, Unset):
            check_output(update.audio.output, "session.audio.output")
    return merge_session(current, update)


def _check_fixed(current: SessionConfig, update: SessionConfig, *, has_spoken: bool) -> None:
    if not isinstance(update.model, Unset) and update.model != current.model:
        raise ClientMistake(
            "Cannot update a conversation's model.", "session.model", code="cannot_update_model"
        )
    if isinstance(update.audio, Unset) or isinstance(update.audio.output, Unset):
        return
    voice = update.audio.output.voice
    in_force = given(given(current.audio, AudioConfig()).output, AudioOutputConfig()).voice
    if has_spoken and not isinstance(voice, Unset) and voice != in_force:
        raise ClientMistake(
            "Cannot update a conversation's voice if assistant audio is present.",
            "session.audio.output.voice",
            code="cannot_update_voice",
        )


def _check_input(audio: AudioInputConfig) -> None:
    path = "session.audio.input"
    _check_format(audio.format, f"{path}.format")
    detection = given(audio.turn_detection, None)
    if detection is None:
        return
    path = f"{path}.turn_detection"
    if detection.type not in ("server_vad", "semantic_vad"):
        raise ClientMistake(
            f"Invalid value for '{path}.type': it is 'server_vad' or 'semantic_vad'.", f"{path}.type"
        )
    if given(detection.eagerness, "auto") not in SILENCE_MS_BY_EAGERNESS:
        raise ClientMistake(f"Invalid value for '{path}.eagerness'.", f"{path}.eagerness")
    idle_timeout_ms = given(detection.idle_timeout_ms, None)
    if idle_timeout_ms is not None:
        if detection.type != "server_vad":
            raise ClientMistake(
                f"Invalid value for '{path}.idle_timeout_ms': it is for 'server_vad' only.",
                f"{path}.idle_timeout_ms",
            )
        _check_range(idle_timeout_ms, *IDLE_TIMEOUT_RANGE_MS, f"{path}.idle_timeout_ms")
    _check_range(detection.threshold, 0.0, 1.0, f"{path}.threshold")
    _check_range(detection.prefix_padding_ms, 0, 5_000, f"{path}.prefix_padding_ms")
    _check_range(detection.silence_duration_ms, 50, 10_000, f"{path}.silence_duration_ms")


def check_output(audio: AudioOutputConfig, path: str) -> None:
    """Check that the engine can speak with these settings. Raises `ClientMistake`."""
    _check_format(audio.format, f"{path}.format")
    _check_range(audio.speed, 0.25, 1.5, f"{path}.speed")
    for name, voice in (("voice", audio.voice), ("kai_voice", audio.kai_voice)):
        if isinstance(voice, str):
            try:
                parse_voice(voice)
            except ValueError as exc:
                raise ClientMistake(f"Invalid value for '{path}.{name}': {exc}", f"{path}.{name}") from exc


def _check_format(audio_format: AudioFormat | Unset, path: str) -> None:
    if audio_format is not UNSET and audio_format not in (PCM_24K, AudioFormat(type="audio/pcm")):
        raise ClientMistake(
            f"Invalid value for '{path}': this engine has 'audio/pcm' at rate 24000 only.", path
        )


def _check_range(value: float | Unset, low: float, high: float, path: str) -> None:
    if not isinstance(value, Unset) and not low <= value <= high:
        raise ClientMistake(f"Invalid value for '{path}': it is between {low} and {high}.", path)
