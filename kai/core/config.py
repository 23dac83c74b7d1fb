"""The settings of a talk: ``Look``, with a ``BrainConfig`` for the Realtime brain and an ``AvatarConfig`` for the face.

Each setting is one field, and its ``Setting`` is one row of a table: when a change takes effect, which brains have the
setting, its bounds, and where the page shows it. ``kai.core.capabilities`` reads the table to find what a model supports,
presets are clamped to its bounds, and the page finds widgets and texts by the field's name. To add a setting, add a field
here, its texts in ``kai.ui.texts``, and the code that applies it.

Names follow the protocol where it has a word. Settings that a model does not support are omitted from its session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final


class Applies(StrEnum):
    """When a changed setting takes effect. ``RESTART`` needs a new connection, which a hand-over makes between turns."""

    NOW = "now"
    NEXT_TURN = "next turn"
    RESTART = "reconnect"


class TurnTaking(StrEnum):
    """What ends a person's turn: silence, the meaning of what was said, or the release of a key."""

    SERVER_VAD = "server_vad"
    SEMANTIC_VAD = "semantic_vad"
    PUSH_TO_TALK = "push_to_talk"


class Eagerness(StrEnum):
    """How soon semantic turn detection takes a pause for the end of a turn. It waits at most 8, 4, 4 and 2 s."""

    LOW = "low"
    AUTO = "auto"
    MEDIUM = "medium"
    HIGH = "high"


class NoiseReduction(StrEnum):
    """The kind of microphone for which the server reduces noise: near the mouth, far from it, or none."""

    OFF = "off"
    NEAR_FIELD = "near_field"
    FAR_FIELD = "far_field"


class Truncation(StrEnum):
    """What happens when the conversation exceeds the context: drop the oldest items, fail, or keep only a share."""

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


class FaceSize(StrEnum):
    """The size in which the built-in face is drawn: by the size at which it is shown, or always one of two."""

    AUTO = "auto"
    STANDARD = "standard"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The minimum and maximum of a number, and the step of its widget on the page."""

    least: float
    most: float
    step: float

    def hold(self, value: float) -> float:
        """Return ``value`` clamped to the bounds, in its own type."""
        return type(value)(min(max(value, self.least), self.most))


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. ``cloud`` and ``local`` say when a change takes effect with OpenAI's models and with our own
    engine; ``None`` means that they do not have the setting. ``reasons`` is true if only reasoning models have it.
    ``turns`` are the kinds of turn taking to which it applies. ``limit_chars`` bounds a text. ``group`` is the page's group
    that draws the setting from this row alone.
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
    """How the brain listens, thinks and takes turns. Voice, speed and instructions are in ``Look``.

    An empty ``model`` or ``transcription_model`` means the app's default. ``threshold`` (0 to 1), ``prefix_padding_ms``,
    ``silence_duration_ms`` and ``idle_timeout_ms`` apply to ``SERVER_VAD``; Kai speaks after ``idle_timeout_ms`` of silence,
    or never if it is 0. ``eagerness`` applies to ``SEMANTIC_VAD`` and ``effort`` to reasoning models. ``max_output_tokens``
    of 0 means no limit. ``retention_ratio`` (0 to 1) is the share that ``Truncation.RETENTION_RATIO`` keeps. ``tools`` are
    names from the app's registry; ``None`` means all of them. ``greeting`` are Kai's first words in a talk, with ``{name}``
    for the character's name; if it is empty, Kai waits for the person. ``wants_confidence`` requests the confidence of
    transcriptions. ``is_traced`` lets the provider keep a trace of the talk, including its words, in the account's dashboard.
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
    # The provider does not let a trace be changed once it is on.
    is_traced: bool = field(default=False, metadata=_set(_RESTART, None))

    @property
    def is_push_to_talk(self) -> bool:
        return self.turn_taking is TurnTaking.PUSH_TO_TALK


@dataclass(frozen=True, slots=True)
class AvatarConfig:
    """Which cloud avatar is the face, and its video. A field that is empty or ``None`` means the app's setting.

    ``avatar_id`` is the provider's id. ``quality`` is ``very_high`` (1080 lines), ``high`` (720), ``medium`` (480) or
    ``low`` (360); ``encoding`` is ``H264`` or ``VP8``. ``is_sandbox`` uses free sessions of one minute, with the one avatar
    that the provider offers for them.
    """

    avatar_id: str = ""
    quality: str = ""
    encoding: str = ""
    is_sandbox: bool | None = None


VOICE_STEPS = 3
FACE_COLOURS = ("skin", "lip", "hair", "brow", "iris", "cloth", "accent", "background")


@dataclass(frozen=True, slots=True)
class FaceStyle:
    """A person's changes to a local character and its voice. A field that is empty or 0 leaves the character as it is.

    The style applies to ``character`` only. Colours are ``#rrggbb``; ``hairstyle`` is one of
    ``kai.avatar.style.HAIRSTYLES``. ``voice_higher`` and ``voice_livelier`` are steps from -3 to 3; negative steps are deeper
    and calmer. Raises ``ValueError`` for an invalid colour or step.
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
    """A person's choices in the sidebar. ``speed`` is a factor. ``face`` is ``local`` or ``liveavatar``, and ``runs``, which
    says where Kai thinks and speaks, is ``local`` or ``openai``; empty means the best one available. The local voice is
    the character's own unless ``keeps_voice``. With ``stays_in_cloud`` this computer's engine never stands in for OpenAI.
    ``person_name`` is the name by which Kai addresses the person. ``shows_feelings`` lets a face that Kai draws show the
    feelings of its words. ``face_size`` says how finely that face is drawn."""

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
    budget_talk_usd: float = field(default=0.0, metadata=_set(_NOW, _NOW, (0.0, 20.0, 0.25), group="more"))
    budget_day_usd: float = field(default=0.0, metadata=_set(_NOW, _NOW, (0.0, 100.0, 1.0), group="more"))
    stays_in_cloud: bool = field(default=False, metadata=_set(_NOW, None, group="more"))
    person_name: str = field(default="", metadata=_set(_NEXT, _NEXT, limit_chars=40, group="more"))
    shows_feelings: bool = field(default=True, metadata=_set(_NOW, _NOW, group="more"))
    face_size: FaceSize = field(default=FaceSize.AUTO, metadata=_set(_NOW, _NOW, group="more"))


OF_BRAIN: Final[Mapping[str, Setting]] = {f.name: f.metadata["setting"] for f in fields(BrainConfig)}
OF_LOOK: Final[Mapping[str, Setting]] = {
    f.name: f.metadata["setting"] for f in fields(Look) if f.name != "brain"
}
SETTINGS: Final[Mapping[str, Setting]] = {**OF_LOOK, **OF_BRAIN}
"""The table of settings by name. Within a group, the page draws them in this order."""


def value_of(look: Look, name: str) -> Any:
    """Return the look's value of the setting of that name."""
    return getattr(look.brain if name in OF_BRAIN else look, name)


def with_values(look: Look, values: Mapping[str, Any]) -> Look:
    """Return the look with the given values of settings, by their names."""
    brain = {name: value for name, value in values.items() if name in OF_BRAIN}
    own: dict[str, Any] = {name: value for name, value in values.items() if name in OF_LOOK}
    return replace(look, **own, brain=replace(look.brain, **brain)) if brain else replace(look, **own)


def within_bounds(look: Look) -> Look:
    """Return the look with every number and text clamped to the bounds of its setting, which a file may exceed."""
    held: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        value = value_of(look, name)
        if setting.bounds is not None:
            value = setting.bounds.hold(value)
        elif isinstance(value, str) and not isinstance(value, StrEnum):
            value = value[: setting.limit_chars]
        held[name] = value
    return with_values(look, held)
