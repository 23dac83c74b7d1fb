"""What can be set about a talk: ``Look``, with a ``BrainConfig`` for the Realtime brain and an ``AvatarConfig`` for the face.

Each setting is one field, and its ``Setting`` is one row of a table: when a change of it holds, with which brain it exists,
its bounds, and where the page shows it. ``kai.core.capabilities`` reads the table for what a model has; presets are held to
its bounds; the page draws its widgets and finds its words by the field's name. A new setting is a field here, its words in
``kai.ui.texts``, and the place that does something with it.

The names are the protocol's where it has one word. What a model cannot do is left out when the session is made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final


class Applies(StrEnum):
    """When a changed setting is in force. ``RESTART``: with the next connection; a hand-over makes one between turns."""

    NOW = "now"
    NEXT_TURN = "next turn"
    RESTART = "reconnect"


class TurnTaking(StrEnum):
    """Who decides that a person's turn is over: silence, the meaning of what was said, or a key that is let go."""

    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"
    PUSH_TO_TALK = "push_to_talk"


class Eagerness(StrEnum):
    """How soon semantic turn detection takes a pause for the end; it waits at most 8, 4, 4 and 2 s."""

    LOW = "low"
    AUTO = "auto"
    MEDIUM = "medium"
    HIGH = "high"


class NoiseReduction(StrEnum):
    """What kind of microphone the server should clean up after: a headset's, a room's, or none."""

    OFF = "off"
    NEAR_FIELD = "near_field"
    FAR_FIELD = "far_field"


class Truncation(StrEnum):
    """What is done when the conversation outgrows the model: drop the oldest, never (then fail), or keep a share."""

    AUTO = "auto"
    DISABLED = "disabled"
    RETENTION_RATIO = "retention_ratio"


class ToolChoice(StrEnum):
    """Whether the model may, must or must not call a tool."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class Effort(StrEnum):
    """How long a reasoning model thinks before it speaks."""

    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most that a number may be, and the step in which the page offers it."""

    least: float
    most: float
    step: float

    def hold(self, value: float) -> float:
        """The nearest number within them, of the same kind as ``value``."""
        return type(value)(min(max(value, self.least), self.most))


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. ``cloud`` and ``local`` say when a change holds with a model of OpenAI's and with our own engine;
    ``None``: it has no such setting. ``reasons``: models that reason have it alone. ``turns`` are the ways of taking turns
    with which it counts. ``limit_chars`` bounds a text. ``group`` is the group of the page that draws it by this row alone.
    """

    cloud: Applies | None
    local: Applies | None
    bounds: Bounds | None = None
    turns: frozenset[TurnTaking] = frozenset(TurnTaking)
    reasons: bool = False
    limit_chars: int = 200
    group: str = ""


def _set(
    cloud: Applies | None,
    local: Applies | None,
    bounds: tuple[float, float, float] | None = None,
    **more: Any,
) -> Mapping[str, Setting]:
    return {"setting": Setting(cloud, local, None if bounds is None else Bounds(*bounds), **more)}


_NOW, _NEXT, _RESTART = Applies.NOW, Applies.NEXT_TURN, Applies.RESTART
_BY_SILENCE: Final = frozenset({TurnTaking.SERVER_VAD})
_BY_MEANING: Final = frozenset({TurnTaking.SEMANTIC_VAD})
_OF_SILENCE: Final = {"turns": _BY_SILENCE, "group": "silence"}
_BY_VOICE: Final = _BY_SILENCE | _BY_MEANING


@dataclass(frozen=True, slots=True)
class BrainConfig:
    """How the brain hears, thinks and takes turns. Voice, speed and instructions stand in ``Look``.

    ``model`` empty: the app's setting. ``threshold`` 0 to 1, ``prefix_padding_ms`` and ``silence_duration_ms`` belong to
    ``SERVER_VAD``, as does ``idle_timeout_ms`` (0: never; else Kai speaks up after so long a silence); ``eagerness`` to
    ``SEMANTIC_VAD``. ``transcription_model`` empty: the app's setting. ``max_output_tokens`` 0: no limit. ``effort`` is for
    models that reason. ``retention_ratio`` (0 to 1) is the share that ``Truncation.RETENTION_RATIO`` keeps. ``tools`` are
    names from the app's registry; ``None`` means all of them. ``greeting``: what Kai shall do first, as an instruction to
    it, when a talk begins; empty: wait for the person. ``wants_confidence`` asks how sure the transcription is of a person's
    words; ``is_traced`` lets the provider keep a trace of the talk in the account's dashboard, the words in it.
    """

    model: str = field(default="", metadata=_set(_RESTART, None))
    turn_taking: TurnTaking = field(default=TurnTaking.SEMANTIC_VAD, metadata=_set(_NOW, _NOW))
    threshold: float = field(default=0.5, metadata=_set(_NOW, _NOW, (0.0, 1.0, 0.05), **_OF_SILENCE))
    silence_duration_ms: int = field(default=450, metadata=_set(_NOW, _NOW, (200, 2000, 50), **_OF_SILENCE))
    prefix_padding_ms: int = field(default=300, metadata=_set(_NOW, _NOW, (0, 1000, 50), **_OF_SILENCE))
    idle_timeout_ms: int = field(default=0, metadata=_set(_NOW, _NOW, (0, 30_000, 5_000), **_OF_SILENCE))
    eagerness: Eagerness = field(default=Eagerness.AUTO, metadata=_set(_NOW, _NOW, turns=_BY_MEANING))
    can_interrupt: bool = field(default=True, metadata=_set(_NOW, _NOW, turns=_BY_VOICE))
    noise_reduction: NoiseReduction = field(
        default=NoiseReduction.NEAR_FIELD, metadata=_set(_NOW, None, group="hearing")
    )
    transcription_model: str = field(default="", metadata=_set(_NEXT, None, group="hearing"))
    transcription_language: str = field(
        default="", metadata=_set(_NEXT, None, limit_chars=8, group="hearing")
    )
    transcription_prompt: str = field(default="", metadata=_set(_NEXT, None, group="hearing"))
    greeting: str = field(default="", metadata=_set(_RESTART, _RESTART, group="more"))
    effort: Effort = field(default=Effort.LOW, metadata=_set(_NEXT, None, reasons=True, group="more"))
    max_output_tokens: int = field(default=0, metadata=_set(_NEXT, _NEXT, (0, 4096, 64), group="more"))
    truncation: Truncation = field(default=Truncation.AUTO, metadata=_set(_NEXT, None, group="more"))
    retention_ratio: float = field(default=0.8, metadata=_set(_NEXT, None, (0.0, 1.0, 0.05)))
    tools: tuple[str, ...] | None = field(default=None, metadata=_set(_NEXT, _NEXT, group="more"))
    tool_choice: ToolChoice = field(default=ToolChoice.AUTO, metadata=_set(_NEXT, _NEXT))
    wants_confidence: bool = field(default=False, metadata=_set(_NEXT, None))
    # Once a trace is on, the provider changes nothing of it.
    is_traced: bool = field(default=False, metadata=_set(_RESTART, None))

    @property
    def is_push_to_talk(self) -> bool:
        return self.turn_taking is TurnTaking.PUSH_TO_TALK


@dataclass(frozen=True, slots=True)
class AvatarConfig:
    """Which cloud avatar is the face, and how. What is empty, or ``None``, is as the app's settings say.

    ``avatar_id`` is the provider's id; ``quality`` ``very_high`` (1080 lines), ``high`` (720), ``medium`` (480) or ``low``
    (360); ``encoding`` ``H264`` or ``VP8``; ``is_sandbox``: free sessions of a minute, with the one avatar that the provider
    has for that.
    """

    avatar_id: str = ""
    quality: str = ""
    encoding: str = ""
    is_sandbox: bool | None = None


VOICE_STEPS = 3
FACE_COLOURS = ("skin", "lip", "hair", "brow", "iris", "cloth", "accent", "background")


@dataclass(frozen=True, slots=True)
class FaceStyle:
    """What a person changed about a character that this computer draws and speaks for. Empty, or 0: as the character is.

    ``character`` is whose style it is; on another one it changes nothing. Colours are ``#rrggbb``, ``hairstyle`` one of
    ``kai.avatar.style.HAIRSTYLES``. ``voice_higher`` and ``voice_livelier`` are steps from -3 to 3, below 0 deeper
    and calmer. Raises ``ValueError`` for a colour or a step that is none.
    """

    character: str = ""
    skin: str = ""
    lip: str = ""
    hair: str = ""
    brow: str = ""
    iris: str = ""
    cloth: str = ""
    accent: str = ""
    background: str = ""
    hairstyle: str = ""
    voice_higher: int = 0
    voice_livelier: int = 0

    def __post_init__(self) -> None:
        for name in FACE_COLOURS:
            value = getattr(self, name)
            if value and not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
                raise ValueError(f"{name} is no colour. Write it as # and six hex digits, like #35c2c9.")
        for name in ("voice_higher", "voice_livelier"):
            if not -VOICE_STEPS <= getattr(self, name) <= VOICE_STEPS:
                raise ValueError(f"{name} is not between -{VOICE_STEPS} and {VOICE_STEPS}.")


@dataclass(frozen=True, slots=True)
class Look:
    """What a person chose in the sidebar.

    ``speed`` is a factor. ``face`` is ``local`` (drawn on this computer), ``liveavatar``, or empty for the best there is.
    ``runs`` says where Kai thinks and speaks: ``local``, ``openai``, or empty for the best there is. The local voice is the
    character's own unless ``keeps_voice``. ``person_name`` is the name by which Kai calls the person.
    """

    character: str = field(default="kai", metadata=_set(_NOW, _NOW))
    voice: str = field(default="marin", metadata=_set(_RESTART, _NEXT))
    speed: float = field(default=1.0, metadata=_set(_NEXT, _NEXT, (0.25, 1.5, 0.05)))
    instructions: str = field(default="", metadata=_set(_NEXT, _NEXT, limit_chars=2000))
    brain: BrainConfig = BrainConfig()
    face: str = field(default="", metadata=_set(_NOW, _NOW))
    avatar: AvatarConfig = field(default=AvatarConfig(), metadata=_set(_NEXT, _NEXT))
    runs: str = field(default="", metadata=_set(_RESTART, _RESTART))
    style: FaceStyle = field(default=FaceStyle(), metadata=_set(_NOW, _NOW))
    keeps_voice: bool = field(default=False, metadata=_set(None, _NEXT))
    person_name: str = field(default="", metadata=_set(_NEXT, _NEXT, limit_chars=40, group="more"))


OF_BRAIN: Final[Mapping[str, Setting]] = {f.name: f.metadata["setting"] for f in fields(BrainConfig)}
OF_LOOK: Final[Mapping[str, Setting]] = {
    f.name: f.metadata["setting"] for f in fields(Look) if f.name != "brain"
}
SETTINGS: Final[Mapping[str, Setting]] = {**OF_LOOK, **OF_BRAIN}
"""The table: every setting by its name, in the order in which a page draws those of one group."""


def value_of(look: Look, name: str) -> Any:
    """What the look says of the setting of that name."""
    return getattr(look.brain if name in OF_BRAIN else look, name)


def with_values(look: Look, values: Mapping[str, Any]) -> Look:
    """The look with other values of settings, by their names."""
    brain = {name: value for name, value in values.items() if name in OF_BRAIN}
    own: dict[str, Any] = {name: value for name, value in values.items() if name in OF_LOOK}
    return replace(look, **own, brain=replace(look.brain, **brain)) if brain else replace(look, **own)


def within_bounds(look: Look) -> Look:
    """The look with every number and text held to the bounds of its setting: what comes from a file may be beyond them."""
    held: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        value = value_of(look, name)
        if setting.bounds is not None:
            value = setting.bounds.hold(value)
        elif isinstance(value, str) and not isinstance(value, StrEnum):
            value = value[: setting.limit_chars]
        held[name] = value
    return with_values(look, held)
