"""What can be set about a talk: ``BrainConfig`` for the Realtime brain, ``AvatarConfig`` for the cloud face; frozen.

The names are the protocol's where it has one word. What a model cannot do is left out when the session is made;
``kai.core.capabilities`` says what applies to which, and when.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


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

    model: str = ""
    turn_taking: TurnTaking = TurnTaking.SEMANTIC_VAD
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 450
    idle_timeout_ms: int = 0
    eagerness: Eagerness = Eagerness.AUTO
    can_interrupt: bool = True
    noise_reduction: NoiseReduction = NoiseReduction.NEAR_FIELD
    transcription_model: str = ""
    transcription_language: str = ""
    transcription_prompt: str = ""
    max_output_tokens: int = 0
    effort: Effort = Effort.LOW
    truncation: Truncation = Truncation.AUTO
    retention_ratio: float = 0.8
    tools: tuple[str, ...] | None = None
    tool_choice: ToolChoice = ToolChoice.AUTO
    greeting: str = ""
    wants_confidence: bool = False
    is_traced: bool = False

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
