"""From what a person set to the session object of the wire: only what the model has, and on a change only what changed.

One field that the model refuses would void the whole object, so ``kai.core.capabilities`` is asked about each.
"""

from __future__ import annotations

import re
from collections.abc import Set

from kai.adapters.openai_realtime import optional
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.core.capabilities import (
    LOCAL,
    SPEED_RANGE,
    Applies,
    changed_settings,
    engine_voice,
    family_of,
    takes_keywords,
    takes_prompt,
)
from kai.core.config import BrainConfig, NoiseReduction, Truncation, TurnTaking
from kai.core.state import Look
from kai.wire import realtime as wire
from kai.wire.realtime import JsonObject

CUSTOM_VOICE = "voice_"
"""How the id of a voice that somebody made begins; such a one goes over the wire as an object."""
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
MAX_OUTPUT_TOKENS = 4096
"""The largest number that the session takes; above it there is only "inf"."""


def session_for(look: Look, endpoint: Endpoint, without: Set[str] = frozenset()) -> wire.SessionConfig:
    """The whole session of a new call. ``without``: the parts that the service refused, of `optional`."""
    config = look.brain
    model = endpoint.model_of(config)
    has = family_of(model).settings
    efforts = family_of(model).efforts
    return wire.SessionConfig(
        type="realtime",
        model=model,
        instructions=instructions_of(look, model) or wire.UNSET,
        output_modalities=("audio",),
        audio=wire.AudioConfig(
            input=wire.AudioInputConfig(
                noise_reduction=_noise_reduction(config),
                transcription=_transcription(config, endpoint, without),
                turn_detection=_turn_detection(config, has_idle="idle_timeout_ms" in has),
            ),
            output=wire.AudioOutputConfig(voice=_voice(look, model), speed=_speed(look)),
        ),
        tools=_tools(config, endpoint) or wire.UNSET,
        tool_choice=config.tool_choice.value if _tools(config, endpoint) else wire.UNSET,
        reasoning={"effort": config.effort.value}
        if config.effort in efforts and optional.REASONING not in without
        else wire.UNSET,
        max_output_tokens=_max_tokens(config) if config.max_output_tokens else wire.UNSET,
        truncation=_truncation(config) if "truncation" in has else wire.UNSET,
        tracing=TRACE if config.is_traced and "is_traced" in has else wire.UNSET,
        include=(LOGPROBS,) if config.wants_confidence and "wants_confidence" in has else wire.UNSET,
    )


def session_change(
    before: Look, after: Look, endpoint: Endpoint, without: Set[str] = frozenset()
) -> wire.SessionConfig | None:
    """What a running call is told of a change; ``None`` where there is nothing that it could take. ``without``: the parts
    that the service refused, of `optional`."""
    model = endpoint.model_of(before.brain)
    family = family_of(model)
    config = after.brain
    changed = {
        name
        for name in changed_settings(before, after)
        if name != "character" and family.settings.get(name, Applies.RESTART) is not Applies.RESTART
    }

    def if_changed(*names: str) -> bool:
        return not changed.isdisjoint(names)

    heard = wire.AudioInputConfig(
        noise_reduction=_noise_reduction(config) if if_changed("noise_reduction") else wire.UNSET,
        transcription=_transcription(config, endpoint, without)
        if if_changed("transcription_model", "transcription_language", "transcription_prompt")
        else wire.UNSET,
        turn_detection=_turn_detection(config, has_idle="idle_timeout_ms" in family.settings)
        if if_changed(
            "turn_taking",
            "threshold",
            "prefix_padding_ms",
            "silence_duration_ms",
            "idle_timeout_ms",
            "eagerness",
            "can_interrupt",
        )
        else wire.UNSET,
    )
    is_other_voice = family is LOCAL and engine_voice(after) != engine_voice(before)
    spoken = wire.AudioOutputConfig(
        speed=_speed(after) if if_changed("speed") else wire.UNSET,
        kai_voice=engine_voice(after) if is_other_voice else wire.UNSET,
    )
    has_heard, has_spoken = heard != wire.AudioInputConfig(), spoken != wire.AudioOutputConfig()
    update = wire.SessionConfig(
        type="realtime",
        instructions=instructions_of(after, model)
        if if_changed("instructions", "transcription_language")
        else wire.UNSET,
        audio=wire.AudioConfig(
            input=heard if has_heard else wire.UNSET, output=spoken if has_spoken else wire.UNSET
        )
        if has_heard or has_spoken
        else wire.UNSET,
        tools=_tools(config, endpoint) if if_changed("tools") else wire.UNSET,
        tool_choice=config.tool_choice.value if if_changed("tool_choice") else wire.UNSET,
        reasoning={"effort": config.effort.value}
        if if_changed("effort") and optional.REASONING not in without
        else wire.UNSET,
        max_output_tokens=_max_tokens(config) if if_changed("max_output_tokens") else wire.UNSET,
        truncation=_truncation(config) if if_changed("truncation", "retention_ratio") else wire.UNSET,
        include=((LOGPROBS,) if config.wants_confidence else ())
        if if_changed("wants_confidence")
        else wire.UNSET,
    )
    return None if update == wire.SessionConfig(type="realtime") else update


def _voice(look: Look, model: str) -> str | JsonObject:
    """One that the model has: a look may come from the local engine, whose voices have other names."""
    if family_of(model) is LOCAL:
        return engine_voice(look)
    if look.voice.startswith(CUSTOM_VOICE):
        return {"id": look.voice}
    known = family_of(model).voices
    return look.voice if look.voice in known or not known else known[0]


def _speed(look: Look) -> float:
    return min(max(look.speed, SPEED_RANGE[0]), SPEED_RANGE[1])


def _noise_reduction(config: BrainConfig) -> wire.NoiseReduction | None:
    if config.noise_reduction is NoiseReduction.OFF:
        return None
    return wire.NoiseReduction(type=config.noise_reduction.value)


def instructions_of(look: Look, model: str) -> str:
    """What the model is told to be, and, where a person set a language, to stay in it: a short or accented word is enough to
    make a model go on in another one."""
    language = look.brain.transcription_language
    if not language or "transcription_language" not in family_of(model).settings:
        return look.instructions
    name = LANGUAGES.get(language.partition("-")[0].lower(), f"the language with the code {language}")
    stay = (
        f"Speak and answer in {name}, whatever language a short or unclear word seems to be in. Change to another language "
        "only when the person asks for it."
    )
    return f"{look.instructions}\n\n{stay}" if look.instructions else stay


def _transcription(
    config: BrainConfig, endpoint: Endpoint, without: Set[str]
) -> wire.TranscriptionConfig | None:
    """Rare words and language stand where the transcriber has them; what it has not is left out."""
    if optional.TRANSCRIPTION in without:
        return None
    chosen = "" if optional.TRANSCRIBER in without else config.transcription_model
    model = chosen or endpoint.transcription_model
    language = "" if optional.HINTS in without else config.transcription_language
    words = "" if optional.HINTS in without else config.transcription_prompt
    if takes_keywords(model):
        keywords = tuple(word.strip() for word in re.split(r"[,;\n]", words) if word.strip())
        return wire.TranscriptionConfig(
            model=model,
            keywords=keywords or wire.UNSET,
            languages=(language,) if language else wire.UNSET,
        )
    return wire.TranscriptionConfig(
        model=model,
        language=language or wire.UNSET,
        prompt=words if words and takes_prompt(model) else wire.UNSET,
    )


def _turn_detection(config: BrainConfig, *, has_idle: bool) -> wire.TurnDetection | None:
    """Explicit numbers always: the documented defaults contradict each other."""
    match config.turn_taking:
        case TurnTaking.PUSH_TO_TALK:
            return None
        case TurnTaking.SEMANTIC_VAD:
            return wire.TurnDetection(
                type="semantic_vad",
                eagerness=config.eagerness.value,
                create_response=True,
                interrupt_response=config.can_interrupt,
            )
        case TurnTaking.SERVER_VAD:
            return wire.TurnDetection(
                type="server_vad",
                threshold=min(max(config.threshold, 0.0), 1.0),
                prefix_padding_ms=config.prefix_padding_ms,
                silence_duration_ms=config.silence_duration_ms,
                idle_timeout_ms=_idle_timeout_ms(config) if has_idle else wire.UNSET,
                create_response=True,
                interrupt_response=config.can_interrupt,
            )


def _idle_timeout_ms(config: BrainConfig) -> int | None:
    """Null is said aloud: a session that had one would keep it."""
    least_ms, most_ms = wire.IDLE_TIMEOUT_RANGE_MS
    return min(max(config.idle_timeout_ms, least_ms), most_ms) if config.idle_timeout_ms else None


def _tools(config: BrainConfig, endpoint: Endpoint) -> tuple[JsonObject, ...]:
    wanted = None if config.tools is None else {*config.tools, *endpoint.needed_tools}
    return tuple(tool for tool in endpoint.tools if wanted is None or tool.get("name") in wanted)


def _max_tokens(config: BrainConfig) -> int | str:
    return config.max_output_tokens if 0 < config.max_output_tokens <= MAX_OUTPUT_TOKENS else "inf"


def _truncation(config: BrainConfig) -> str | JsonObject:
    if config.truncation is Truncation.RETENTION_RATIO:
        return {"type": "retention_ratio", "retention_ratio": min(max(config.retention_ratio, 0.0), 1.0)}
    return config.truncation.value
