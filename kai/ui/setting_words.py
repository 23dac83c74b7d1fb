"""The words of each setting, by the name that it has in the table of ``kai.core.config``, and of the three lists of named
things: the page draws them with these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kai.ui.texts import CHARACTER_NAMES


@dataclass(frozen=True, slots=True)
class Words:
    """``help`` is the line under the control. ``unit`` formats a number, ``options`` names what can be chosen, ``example``
    stands in an empty field, and ``idle`` says why the setting does nothing with another way of taking turns."""

    label: str
    help: str
    unit: str = "%g"
    example: str = ""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    idle: str = ""


SETTINGS: Final[Mapping[str, Words]] = {
    "character": Words("Character", "The face that you see.", options=CHARACTER_NAMES),
    "face": Words(
        "Face",
        "An avatar costs a credit a minute; the face of this computer is free.",
        options={"liveavatar": "Avatar", "local": "This computer"},
    ),
    "runs": Words(
        "Kai thinks and speaks",
        "What you say goes to OpenAI, and costs money.",
        options={"openai": "OpenAI", "local": "This computer"},
    ),
    "speed": Words("Speaking speed", "1 is Kai's own pace.", unit="%.2f ×"),
    "voice": Words(
        "Voice",
        "The voice that you hear.",
        options={
            "marin": "Marin",
            "cedar": "Cedar",
            "alloy": "Alloy",
            "ash": "Ash",
            "ballad": "Ballad",
            "coral": "Coral",
            "echo": "Echo",
            "sage": "Sage",
            "shimmer": "Shimmer",
            "verse": "Verse",
        },
    ),
    "instructions": Words(
        "Instructions",
        "Who Kai shall be and how it shall answer.",
        example="For example: be brief and cheerful.",
    ),
    "person_name": Words("Your name", "Kai calls you by it.", example="For example: Ann"),
    "turn_taking": Words(
        "Your turn ends",
        "By meaning, by silence, or when you let the talk key go: push to talk.",
        options={
            "semantic_vad": "Meaning",
            "server_vad": "Silence",
            "push_to_talk": "Key",
        },
    ),
    "eagerness": Words(
        "Patience",
        "How long Kai waits at a pause.",
        options={"low": "Patient", "auto": "Normal", "high": "Quick"},
        idle="Counts only when meaning ends a turn.",
    ),
    "can_interrupt": Words(
        "You may interrupt by speaking",
        "Off: only the Interrupt button stops Kai.",
        idle="With push to talk, pressing the key interrupts Kai.",
    ),
    "threshold": Words(
        "How loud speech must be",
        "Raise it in a noisy room.",
        unit="%.2f",
        idle="Counts only when silence ends a turn.",
    ),
    "silence_duration_ms": Words(
        "Silence that ends your turn",
        "Longer is more patient, and slower.",
        unit="%d ms",
        idle="Counts only when silence ends a turn.",
    ),
    "prefix_padding_ms": Words(
        "Sound kept from before your first word",
        "Raise it when first syllables get lost.",
        unit="%d ms",
        idle="Counts only when silence ends a turn.",
    ),
    "idle_timeout_ms": Words(
        "Kai speaks up after",
        "When nobody says anything. Twice, then Kai waits. 0 is never.",
        unit="%d ms",
        idle="Counts only when silence ends a turn.",
    ),
    "noise_reduction": Words(
        "Microphone",
        "What kind the noise reduction cleans up after.",
        options={"near_field": "headset or near", "far_field": "laptop or room", "off": "no reduction"},
    ),
    "transcription_model": Words("Your words are written by", "For the chat; Kai hears the sound itself."),
    "transcription_language": Words(
        "Language",
        "Two letters. Your words are written in it and Kai speaks it. Empty: Kai finds out by itself.",
        example="en",
    ),
    "transcription_prompt": Words(
        "Rare words and names",
        "Helps to spell them right in the chat.",
        example="For example: Aylesbury, Kokoro",
    ),
    "greeting": Words(
        "First words",
        "What Kai does first when a talk begins. Empty: Kai waits for you.",
        example="For example: greet me, and say that you are an AI.",
    ),
    "effort": Words(
        "Thinking before speaking",
        "More of it is slower and costs more.",
        options={
            "minimal": "hardly any",
            "low": "little",
            "medium": "some",
            "high": "much",
            "xhigh": "most",
        },
    ),
    "max_output_tokens": Words(
        "Longest answer, in tokens", "0 is no limit; a second of speech is 20 tokens.", unit="%d"
    ),
    "truncation": Words(
        "When the talk grows too long",
        "What the model forgets first.",
        options={
            "auto": "forget the oldest",
            "retention_ratio": "forget a larger part at once",
            "disabled": "forget nothing, then stop",
        },
    ),
    "tools": Words(
        "Tools",
        "What Kai may use while it talks.",
        options={"current_time": "tell the time", "show_card": "show a card"},
    ),
    "model": Words("Model", "The smaller ones are cheaper. Any other name may be typed."),
}


@dataclass(frozen=True, slots=True)
class ShelfWords:
    """Words of a list of named things. Empty ``keep``: no popover; empty ``none``: nothing while the list is empty; empty
    ``duplicate``: no such button."""

    label: str
    pick: str
    name: str
    example: str
    save: str
    delete: str
    none: str = ""
    keep: str = ""
    icon: str = ""
    duplicate: str = ""
    is_label_hidden: bool = False


PRESETS: Final = ShelfWords(
    "Preset",
    "Pick a preset",
    "Name",
    "For example: Trade fair",
    "Save these settings",
    "Delete {name}",
    none="No presets yet",
    keep="Save, export, import",
    icon=":material/bookmark:",
    is_label_hidden=True,
)
PERSONAS: Final = ShelfWords(
    "Persona",
    "Your own words",
    "Name",
    "For example: Museum guide",
    "Save the instructions",
    "Delete {name}",
    none="No personas yet",
    keep="Save, duplicate",
    icon=":material/person_edit:",
    duplicate="Duplicate {name}",
)
STYLES: Final = ShelfWords(
    "Saved styles",
    "Choose one",
    "Name of this style",
    "For example: evening",
    "Save style",
    "Delete \u201c{name}\u201d",
)
