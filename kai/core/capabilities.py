"""What each family of Realtime models can do: one table, read by the adapter that makes the session and by the page.

Sources: the types of the ``openai`` package (3.54.0), the model pages and the guides of the Realtime API, as of 2026-11-22.
A ``session.update`` with one field that a model refuses is dropped whole, so nothing is sent that this table denies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from kai.core.config import BrainConfig, Effort, FaceStyle, TurnTaking
from kai.core.state import Look


class Applies(StrEnum):
    """When a changed setting is in force. ``RESTART``: with the next connection; a hand-over makes one between turns."""

    NOW = "now"
    NEXT_TURN = "next turn"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models: the settings that it has, each with when it applies; one that is absent does not apply.

    ``efforts`` are the reasoning efforts (none: it does not reason); ``context_tokens`` is what a talk may grow to.
    """

    name: str
    settings: Mapping[str, Applies]
    efforts: tuple[Effort, ...]
    voices: tuple[str, ...]
    context_tokens: int
    is_retiring: bool = False


LONGEST_SESSION_S: Final = 3600.0
"""The provider's hard limit of one session."""

SPEED_RANGE: Final = (0.25, 1.5)

CLOUD_VOICES: Final = (
    "marin",
    "cedar",
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "sage",
    "shimmer",
    "verse",
)
"""The recommended two first."""

_COMMON: Final[dict[str, Applies]] = {
    "character": Applies.NOW,
    "face": Applies.NOW,
    "style": Applies.NOW,
    "avatar": Applies.NEXT_TURN,
    "runs": Applies.RESTART,
    "model": Applies.RESTART,
    "voice": Applies.RESTART,
    "speed": Applies.NEXT_TURN,
    "instructions": Applies.NEXT_TURN,
    "turn_taking": Applies.NOW,
    "threshold": Applies.NOW,
    "prefix_padding_ms": Applies.NOW,
    "silence_duration_ms": Applies.NOW,
    "idle_timeout_ms": Applies.NOW,
    "eagerness": Applies.NOW,
    "can_interrupt": Applies.NOW,
    "noise_reduction": Applies.NOW,
    "transcription_model": Applies.NEXT_TURN,
    "transcription_language": Applies.NEXT_TURN,
    "transcription_prompt": Applies.NEXT_TURN,
    "max_output_tokens": Applies.NEXT_TURN,
    "truncation": Applies.NEXT_TURN,
    "retention_ratio": Applies.NEXT_TURN,
    "tools": Applies.NEXT_TURN,
    "tool_choice": Applies.NEXT_TURN,
    "greeting": Applies.RESTART,
    "wants_confidence": Applies.NEXT_TURN,
    # Once a trace is on, the provider changes nothing of it.
    "is_traced": Applies.RESTART,
}

_LOCAL_HAS_NOT: Final = frozenset(
    # The engine takes these and does nothing with them, or has no such thing.
    {
        "model",
        "noise_reduction",
        "transcription_model",
        "transcription_language",
        "transcription_prompt",
        "truncation",
        "retention_ratio",
        "wants_confidence",
        "is_traced",
    }
)

REASONING: Final = Family(
    "GPT Realtime 2",
    MappingProxyType({**_COMMON, "effort": Applies.NEXT_TURN}),
    tuple(Effort),
    CLOUD_VOICES,
    128_000,
)
REASONING_MINI: Final = Family(
    "GPT Realtime 2 mini", REASONING.settings, tuple(Effort), CLOUD_VOICES, 128_000
)
CLASSIC: Final = Family("GPT Realtime 1.5", MappingProxyType({**_COMMON}), (), CLOUD_VOICES, 32_000)
RETIRING: Final = Family("GPT Realtime", CLASSIC.settings, (), CLOUD_VOICES, 32_000, is_retiring=True)
LOCAL: Final = Family(
    "Kai's own engine",
    MappingProxyType(
        {
            **{name: when for name, when in _COMMON.items() if name not in _LOCAL_HAS_NOT},
            "voice": Applies.NEXT_TURN,
            "keeps_voice": Applies.NEXT_TURN,
            "mind_url": Applies.RESTART,
            "mind_model": Applies.RESTART,
        }
    ),
    (),
    (),
    128_000,
)
OTHER: Final = Family("another model", CLASSIC.settings, (), CLOUD_VOICES, 32_000)

MODELS: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "gpt-realtime-2.1": REASONING,
        "gpt-realtime-2.1-mini": REASONING_MINI,
        "gpt-realtime-2": REASONING,
        "gpt-realtime-1.5": CLASSIC,
        "gpt-realtime": RETIRING,
        "gpt-realtime-mini": RETIRING,
    }
)
"""The models to choose from, the newest first. Any other name may be given; it is taken for ``OTHER``."""

TRANSCRIPTION_MODELS: Final = ("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper")
"""Those that are not about to be shut down (the ``whisper-1`` and ``gpt-4o`` ones are, on 2027-02-26)."""


def family_of(model: str) -> Family:
    """The family of a model, by its name or its dated snapshot's (``gpt-realtime-2025-08-28``)."""
    if model.startswith("kai-"):
        return LOCAL
    if model in MODELS:
        return MODELS[model]
    for name in sorted(MODELS, key=len, reverse=True):
        if model.startswith(f"{name}-20"):
            return MODELS[name]
    return RETIRING if model.startswith("gpt-4o") else OTHER


def engine_voice(look: Look) -> str:
    """What our own engine is asked for: the character's voice or the one that is kept, ``emil``; moved by the character's
    style, ``emil:+2:-1``, higher by two steps and calmer by one."""
    is_ours = re.fullmatch("[a-z]+", look.voice) is not None and look.voice not in CLOUD_VOICES
    voice = look.voice if look.keeps_voice and is_ours else look.character
    style = look.style if look.style.character == look.character else FaceStyle()
    if style.voice_higher == style.voice_livelier == 0 or re.fullmatch("[a-z]{1,20}", voice) is None:
        return voice
    return f"{voice}:{style.voice_higher:+d}:{style.voice_livelier:+d}"


def speaks_live(model: str) -> bool:
    """Whether a model is of the GPT-Live line, which has another interface than Realtime."""
    return model.startswith("gpt-live")


def takes_keywords(transcriber: str) -> bool:
    """Whether a transcription model takes rare words as keywords, and languages as a list; older ones have a prompt."""
    return transcriber.startswith(("gpt-transcribe", "gpt-live-transcribe"))


def takes_prompt(transcriber: str) -> bool:
    """Whether a transcription model takes rare words as a prompt."""
    return not takes_keywords(transcriber) and not transcriber.startswith("gpt-realtime-whisper")


def applies(model: str, setting: str) -> Applies | None:
    """When a change of that setting is in force with that model; ``None``: the model has no such setting."""
    return family_of(model).settings.get(setting)


def changed_settings(before: Look, after: Look) -> frozenset[str]:
    """The names of the settings that differ, those of ``Look`` and of its ``BrainConfig`` alike."""
    of_look = {f.name for f in fields(Look) if f.name != "brain"}
    of_brain = {f.name for f in fields(BrainConfig)}
    return frozenset(
        {name for name in of_look if getattr(before, name) != getattr(after, name)}
        | {name for name in of_brain if getattr(before.brain, name) != getattr(after.brain, name)}
    )


def needs_restart(model: str, before: Look, after: Look) -> bool:
    """Whether some of the change comes with a new connection only. A greeting alone is no reason for one."""
    changed = changed_settings(before, after) - {"greeting"}
    return any(applies(model, name) is Applies.RESTART for name in changed)


def relevant_settings(model: str, config: BrainConfig) -> frozenset[str]:
    """The settings that matter with this model and this way of taking turns: what a page should offer."""
    names = set(family_of(model).settings)
    if config.turn_taking is not TurnTaking.SERVER_VAD:
        names -= {"threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"}
    if config.turn_taking is not TurnTaking.SEMANTIC_VAD:
        names -= {"eagerness"}
    if config.is_push_to_talk:
        names -= {"can_interrupt"}
    return frozenset(names)
