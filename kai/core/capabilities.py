"""What each family of Realtime models can do: one table, read by the adapter that makes the session and by the page.

Sources: the types of the ``openai`` package (3.54.0), the model pages and the guides of the Realtime API, as of 2026-11-22.
A ``session.update`` with one field that a model refuses is dropped whole, so nothing is sent that this table denies.
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


def _of_cloud(*, reasons: bool) -> Mapping[str, Applies]:
    """What the cloud's models have, with what only those have that reason, or without."""
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
    return frozenset(name for name in SETTINGS if value_of(before, name) != value_of(after, name))


def as_far_as_running(model: str, before: Look, after: Look) -> Look:
    """The look that a running connection of that model can take on: what only another one could change, or the model has
    not, stays as it was."""
    kept = {n: value_of(before, n) for n in SETTINGS if applies(model, n) in (None, Applies.RESTART)}
    return with_values(after, kept)


def needs_restart(model: str, before: Look, after: Look) -> bool:
    """Whether some of the change comes with a new connection only. A greeting alone is no reason for one."""
    changed = changed_settings(before, after) - {"greeting"}
    return any(applies(model, name) is Applies.RESTART for name in changed)


def relevant_settings(model: str, config: BrainConfig) -> frozenset[str]:
    """The settings that matter with this model and this way of taking turns: what a page should offer."""
    return frozenset(name for name in family_of(model).settings if config.turn_taking in SETTINGS[name].turns)
