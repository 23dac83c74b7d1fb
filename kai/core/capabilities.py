"""The capabilities of each family of Realtime models, read by the adapter that makes the session and by the page.

Sources: the types of the ``openai`` package (3.54.0), the model pages and the guides of the Realtime API, as of 2026-11-22.
A server discards a whole ``session.update`` if the model refuses one field, so fields that this table denies are not sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from kai.core.config import SETTINGS, BrainConfig, Effort, FaceStyle, Look, value_of, with_values
from kai.core.config import Applies as Applies


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models and the settings that it supports, each with the time at which a change takes effect.

    ``efforts`` are its reasoning efforts (empty if it does not reason); ``context_tokens`` is the size of its context.
    """

    name: str
    settings: Mapping[str, Applies]
    efforts: tuple[Effort, ...]
    voices: tuple[str, ...]
    context_tokens: int
    is_retiring: bool = False


LONGEST_SESSION_S: Final = 3600.0
"""The provider's hard limit for one session."""

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
"""The two recommended voices are first."""


def _of_cloud(*, reasons: bool) -> Mapping[str, Applies]:
    """Return the settings of the cloud's models, including those of reasoning models only if ``reasons``."""
    return MappingProxyType(
        {
            n: row.cloud
            for n, row in SETTINGS.items()
            if row.cloud is not None and (reasons or not row.reasons)
        }
    )


REASONING: Final = Family(
    "GPT Realtime 2", _of_cloud(reasons=True), tuple(Effort), CLOUD_VOICES, context_tokens=128_000
)
REASONING_MINI: Final = replace(REASONING, name="GPT Realtime 2 mini")
CLASSIC: Final = Family("GPT Realtime 1.5", _of_cloud(reasons=False), (), CLOUD_VOICES, context_tokens=32_000)
RETIRING: Final = replace(CLASSIC, name="GPT Realtime", is_retiring=True)
OTHER: Final = replace(CLASSIC, name="another model")
LOCAL: Final = Family(
    "Kai's own engine",
    MappingProxyType({name: row.local for name, row in SETTINGS.items() if row.local is not None}),
    (),
    (),
    context_tokens=128_000,
)

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
"""The models to choose from, newest first. Any other model name is allowed and has the family ``OTHER``."""

TRANSCRIPTION_MODELS: Final = ("gpt-transcribe", "gpt-live-transcribe", "gpt-realtime-whisper")
"""The transcription models without a shutdown date (those of ``whisper-1`` and ``gpt-4o`` end on 2027-02-26)."""


def family_of(model: str) -> Family:
    """Return the family of a model, by its name or that of a dated snapshot (``gpt-realtime-2025-08-28``)."""
    if model.startswith("kai-"):
        return LOCAL
    if model in MODELS:
        return MODELS[model]
    for name in sorted(MODELS, key=len, reverse=True):
        if model.startswith(f"{name}-20"):
            return MODELS[name]
    return RETIRING if model.startswith("gpt-4o") else OTHER


def engine_voice(look: Look) -> str:
    """Return the voice to request of our own engine: that of the character or the chosen one (``emil``), with the steps of
    the character's style (``emil:+2:-1`` is two steps higher and one calmer)."""
    is_ours = re.fullmatch("[a-z]+", look.voice) is not None and look.voice not in CLOUD_VOICES
    voice = look.voice if look.keeps_voice and is_ours else look.character
    style = look.style if look.style.character == look.character else FaceStyle()
    if style.voice_higher == style.voice_livelier == 0 or re.fullmatch("[a-z]{1,20}", voice) is None:
        return voice
    return f"{voice}:{style.voice_higher:+d}:{style.voice_livelier:+d}"


def speaks_live(model: str) -> bool:
    """Return whether a model is of the GPT-Live line, whose interface differs from Realtime."""
    return model.startswith("gpt-live")


def takes_keywords(transcriber: str) -> bool:
    """Return whether a transcription model takes rare words as keywords and languages as a list. Older ones take a prompt."""
    return transcriber.startswith(("gpt-transcribe", "gpt-live-transcribe"))


def takes_prompt(transcriber: str) -> bool:
    """Return whether a transcription model takes rare words as a prompt."""
    return not takes_keywords(transcriber) and not transcriber.startswith("gpt-realtime-whisper")


def applies(model: str, setting: str) -> Applies | None:
    """Return when a change of that setting takes effect with that model, or ``None`` if the model does not support it."""
    return family_of(model).settings.get(setting)


def changed_settings(before: Look, after: Look) -> frozenset[str]:
    """Return the names of the settings that differ, both those of ``Look`` and those of its ``BrainConfig``."""
    return frozenset(name for name in SETTINGS if value_of(before, name) != value_of(after, name))


def as_far_as_running(model: str, before: Look, after: Look) -> Look:
    """Return the look that a running connection of that model can adopt. Settings that need a new connection, or that the
    model does not support, keep their value of ``before``."""
    kept = {n: value_of(before, n) for n in SETTINGS if applies(model, n) in (None, Applies.RESTART)}
    return with_values(after, kept)


def needs_restart(model: str, before: Look, after: Look) -> bool:
    """Return whether part of the change needs a new connection. A changed greeting alone does not."""
    changed = changed_settings(before, after) - {"greeting"}
    return any(applies(model, name) is Applies.RESTART for name in changed)


def relevant_settings(model: str, config: BrainConfig) -> frozenset[str]:
    """Return the settings that apply to this model and this kind of turn taking, and that a page should offer."""
    return frozenset(name for name in family_of(model).settings if config.turn_taking in SETTINGS[name].turns)
