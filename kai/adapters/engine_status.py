"""The local engine's status: which component plays each part, which voices exist, and the state of its language model."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.core.state import StandIn
from kai.errors import EngineError

log = logging.getLogger(__name__)

STATUS_S = 5.0
PREVIEW_S = 30.0
"""The first preview of an extra voice loads its model."""


@dataclass(frozen=True, slots=True)
class LocalVoice:
    """A voice of the engine: ``sex`` is "woman" or "man", ``accent`` "American" or "British"."""

    id: str
    name: str
    sex: str
    accent: str
    is_installed: bool


@dataclass(frozen=True, slots=True)
class VoiceFile:
    """A file with further voices. ``state`` is "absent", "fetching", "here" or "failed"; ``problem`` is for people."""

    id: str
    name: str
    bytes: int
    licence: str
    state: str
    done_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ModelReport:
    """The engine's language model. ``state`` is "looking", "none", "fetching", "ready", "failed", "off" or "unsupported", or
    empty when no engine has reported one; ``problem`` is a sentence for people."""

    state: str = ""
    id: str = ""
    name: str = ""
    bytes: int = 0
    done_bytes: int = 0
    licence: str = ""
    problem: str = ""
    path: str = ""
    is_own: bool = False
    is_known: bool = True


class ChosenReport(BaseModel):
    """The mind that replaces the engine's own. ``state`` is "own" when there is none, else "loading", "up" or "down"."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: str = "own"
    model: str = ""
    problem: str = ""


def _replaced(parts: tuple[StandIn, ...]) -> tuple[StandIn, ...]:
    return tuple(part for part in parts if part.problem)


class EngineReport(BaseModel):
    """An engine's status. ``stand_ins`` are the parts that run on a fallback; ``voice_files`` bring more voices."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stand_ins: Annotated[tuple[StandIn, ...], AfterValidator(_replaced)] = Field(
        default=(), validation_alias=AliasChoices("parts", "stand_ins")
    )
    voices: tuple[LocalVoice, ...] = ()
    voice_files: tuple[VoiceFile, ...] = ()
    model: ModelReport = ModelReport()
    chosen: ChosenReport = ChosenReport()


async def read_report(address: EngineAddress) -> EngineReport:
    """Return the status of a running engine; an empty report when it sends none that can be read."""
    try:
        return EngineReport.model_validate_json(
            await ask_engine(address, "GET", "/kai/status", timeout_s=STATUS_S)
        )
    except (EngineError, ValidationError):
        log.warning("the engine does not tell its status")
        return EngineReport()


async def read_preview(address: EngineAddress, voice_id: str, speed: float) -> bytes:
    """Return a sentence spoken by that voice, as a WAV file. Raises ``EngineError`` with the engine's message."""
    path = f"/kai/voices/{voice_id}/preview?speed={speed:g}"
    return await ask_engine(address, "GET", path, timeout_s=PREVIEW_S)
