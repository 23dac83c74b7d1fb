"""Makes the wire's session object from a person's settings: only what the model has, and on a change only what changed.

One field that the model refuses would void the whole object, so each is checked with ``kai.core.capabilities``.
"""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import replace
from typing import cast

from kai.adapters.openai_realtime import optional
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.core.capabilities import (
    LOCAL,
    as_far_as_running,
    engine_voice,
    family_of,
    takes_keywords,
    takes_prompt,
)
from kai.core.characters import name_of
from kai.core.config import SETTINGS, BrainConfig, NoiseReduction, Truncation, TurnTaking
from kai.core.state import Look
from kai.wire.realtime import JsonObject
from kai.wire.session_object import (
    IDLE_TIMEOUT_RANGE_MS,
    UNSET,
    AudioConfig,
    AudioInputConfig,
    AudioOutputConfig,
    NoiseReductionConfig,
    SessionConfig,
    TranscriptionConfig,
    TurnDetection,
    diff_session,
)

CUSTOM_VOICE = "voice_"
"""The beginning of a custom voice's id; such a voice goes over the wire as an object."""
LOGPROBS = "item.input_audio_transcription.logprobs"
TRACE: JsonObject = {"workflow_name": "Kai"}
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "et": "Estonian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "id": "Indonesian", "it": "Italian", "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian",
    "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Names by ISO 639-1 code, for the sentence that keeps the voice in a language."""


def session_for(look: Look, endpoint: Endpoint, without: Set[str] = frozenset()) -> SessionConfig:
    """Return the whole session of a new call. ``without`` holds the parts, named in `optional`, that the service refused."""
    config = look.brain
    model = endpoint.model_of(config)
    has = family_of(model).settings
    efforts = family_of(model).efforts
    return SessionConfig(
        type="realtime",
        model=model,
        instructions=instructions_of(look, model) or UNSET,
        output_modalities=("audio",),
        audio=AudioConfig(
            input=AudioInputConfig(
                noise_reduction=_noise_reduction(config),
                transcription=_transcription(config, endpoint, without),
                turn_detection=_turn_detection(config, has_idle="idle_timeout_ms" in has),
            ),
            output=AudioOutputConfig(voice=_voice(look, model), speed=_speed(look)),
        ),
        tools=_tools(config, endpoint) or UNSET,
        tool_choice=config.tool_choice.value if _tools(config, endpoint) else UNSET,
        reasoning={"effort": config.effort.value}
        if config.effort in efforts and optional.REASONING not in without
        else UNSET,
        max_output_tokens=_max_tokens(config) if config.max_output_tokens else UNSET,
        truncation=_truncation(config) if "truncation" in has else UNSET,
        tracing=TRACE if config.is_traced and "is_traced" in has else UNSET,
        include=_included(config) or UNSET if "wants_confidence" in has else UNSET,
        kai_name=name_of(look) if family_of(model) is LOCAL else UNSET,
    )


def session_change(
    before: Look, after: Look, endpoint: Endpoint, without: Set[str] = frozenset()
) -> SessionConfig | None:
    """Return the session update that brings a running call to the new look; ``None`` if it can take none of the changes.
    ``without`` holds the parts, named in `optional`, that the service refused."""
    model = endpoint.model_of(before.brain)
    reached = as_far_as_running(model, before, after)
    update = diff_session(
        _running_session(before, model, endpoint, without),
        _running_session(reached, model, endpoint, without),
    )
    return None if update == SessionConfig(type="realtime") else update


def _running_session(look: Look, model: str, endpoint: Endpoint, without: Set[str]) -> SessionConfig:
    """Return the session as updates of a running call describe it: fields that a new call leaves out are written out, so that
    an update can reset them, and our own engine's voice is in the field under which it may change."""
    opened = session_for(look, endpoint, without)
    config, family = look.brain, family_of(model)
    audio = cast("AudioConfig", opened.audio)
    spoken = AudioOutputConfig(speed=_speed(look), kai_voice=engine_voice(look) if family is LOCAL else UNSET)
    return replace(
        opened,
        instructions=instructions_of(look, model),
        audio=replace(audio, output=spoken),
        tools=_tools(config, endpoint),
        tool_choice=config.tool_choice.value,
        max_output_tokens=_max_tokens(config),
        include=_included(config) if "wants_confidence" in family.settings else UNSET,
    )


def _included(config: BrainConfig) -> tuple[str, ...]:
    return (LOGPROBS,) if config.wants_confidence else ()


def _voice(look: Look, model: str) -> str | JsonObject:
    """Return a voice that the model has: a look may come from the local engine, whose voices have other names."""
    if family_of(model) is LOCAL:
        return engine_voice(look)
    if look.voice.startswith(CUSTOM_VOICE):
        return {"id": look.voice}
    known = family_of(model).voices
    return look.voice if look.voice in known or not known else known[0]


def _held(name: str, value: float) -> float:
    bounds = SETTINGS[name].bounds
    return value if bounds is None else bounds.hold(value)


def _speed(look: Look) -> float:
    return _held("speed", look.speed)


def _noise_reduction(config: BrainConfig) -> NoiseReductionConfig | None:
    if config.noise_reduction is NoiseReduction.OFF:
        return None
    return NoiseReductionConfig(type=config.noise_reduction.value)


def instructions_of(look: Look, model: str) -> str:
    """Return the model's instructions: who it is, the person's own instructions, their name, and, if they set a language, the
    order to keep to it, because one short or accented word can make a model continue in another language."""
    name = " ".join(look.person_name.split())
    parts = [
        _character(look, model),
        look.instructions,
        f"The user's name is {name}." if name else "",
        _one_language(look, model),
    ]
    return "\n\n".join(part for part in parts if part)


def _character(look: Look, model: str) -> str:
    """Return who the model is. Our own engine gets the character's name by itself, and knows the rest."""
    if family_of(model) is LOCAL:
        return ""
    who = f"You are {name_of(look)}, a warm and helpful AI with a voice and a face, in a spoken conversation."
    return f"{who} If what follows gives you another name or role, take that." if look.instructions else who


def _one_language(look: Look, model: str) -> str:
    language = look.brain.transcription_language
    if not language or "transcription_language" not in family_of(model).settings:
        return ""
    name = LANGUAGES.get(language.partition("-")[0].lower(), f"the language with the code {language}")
    return (
        f"Speak and answer in {name}, whatever language a short or unclear word seems to be in. Change to another language "
        "only when the person asks for it."
    )


def _transcription(config: BrainConfig, endpoint: Endpoint, without: Set[str]) -> TranscriptionConfig | None:
    """Return the transcription settings, with rare words and language in the fields that this transcriber has, if any."""
    if optional.TRANSCRIPTION in without:
        return None
    chosen = "" if optional.TRANSCRIBER in without else config.transcription_model
    model = chosen or endpoint.transcription_model
    language = "" if optional.HINTS in without else config.transcription_language
    words = "" if optional.HINTS in without else config.transcription_prompt
    if takes_keywords(model):
        keywords = tuple(word.strip() for word in re.split(r"[,;\n]", words) if word.strip())
        return TranscriptionConfig(
            model=model,
            keywords=keywords or UNSET,
            languages=(language,) if language else UNSET,
        )
    return TranscriptionConfig(
        model=model,
        language=language or UNSET,
        prompt=words if words and takes_prompt(model) else UNSET,
    )


def _turn_detection(config: BrainConfig, *, has_idle: bool) -> TurnDetection | None:
    """Return the turn detection, always with explicit numbers, because the documented defaults contradict each other."""
    match config.turn_taking:
        case TurnTaking.PUSH_TO_TALK:
            return None
        case TurnTaking.SEMANTIC_VAD:
            return TurnDetection(
                type="semantic_vad",
                eagerness=config.eagerness.value,
                create_response=True,
                interrupt_response=config.can_interrupt,
            )
        case TurnTaking.SERVER_VAD:
            return TurnDetection(
                type="server_vad",
                threshold=_held("threshold", config.threshold),
                prefix_padding_ms=config.prefix_padding_ms,
                silence_duration_ms=config.silence_duration_ms,
                idle_timeout_ms=_idle_timeout_ms(config) if has_idle else UNSET,
                create_response=True,
                interrupt_response=config.can_interrupt,
            )


def _idle_timeout_ms(config: BrainConfig) -> int | None:
    """Return the idle time-out, or ``None`` to send null: without the field, a session would keep an earlier time-out."""
    least_ms, most_ms = IDLE_TIMEOUT_RANGE_MS
    return min(max(config.idle_timeout_ms, least_ms), most_ms) if config.idle_timeout_ms else None


def _tools(config: BrainConfig, endpoint: Endpoint) -> tuple[JsonObject, ...]:
    wanted = None if config.tools is None else {*config.tools, *endpoint.needed_tools}
    return tuple(tool for tool in endpoint.tools if wanted is None or tool.get("name") in wanted)


def _max_tokens(config: BrainConfig) -> int | str:
    """Return the limit, or "inf" for 0 and for numbers above the largest that a session takes."""
    wished = config.max_output_tokens
    return wished if 0 < wished == _held("max_output_tokens", wished) else "inf"


def _truncation(config: BrainConfig) -> str | JsonObject:
    if config.truncation is Truncation.RETENTION_RATIO:
        return {
            "type": "retention_ratio",
            "retention_ratio": _held("retention_ratio", config.retention_ratio),
        }
    return config.truncation.value
