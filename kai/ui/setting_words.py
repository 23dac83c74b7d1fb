"""The words of each setting, by the name that it has in the table of ``kai.core.config``, and of the three lists of named
things: the page draws them with these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kai.core.characters import NAMES


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
    "character": Words("Character", "The face that you see.", options=NAMES),
    "face": Words(
        "Face",
        "An avatar costs a credit a minute; the built-in face is free.",
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
        "Who Kai is and how Kai answers.",
        example="For example: be brief and cheerful.",
    ),
    "budget_talk_usd": Words(
        "Budget for a talk", "0: none. When it is spent, this computer goes on for free.", unit="$%.2f"
    ),
    "budget_day_usd": Words(
        "Budget for a day", "0: none. Talks of the same day count together.", unit="$%.2f"
    ),
    "stays_in_cloud": Words(
        "Stay with OpenAI",
        "Off: when OpenAI cannot be reached, this computer goes on with another voice.",
    ),
    "person_name": Words("Your name", "Kai calls you by it.", example="For example: Ann"),
    "shows_feelings": Words("Expressive face", "The built-in face shows the feeling in what it says."),
    "face_size": Words(
        "Sharpness of the face",
        "Sharp needs more of the processor. By itself, Kai is sharp where the face is shown large.",
        options={"auto": "By itself", "standard": "Normal", "high": "Sharp"},
    ),
    "turn_taking": Words(
        "When you've finished",
        "Kai decides by what you say, waits for a pause, or listens while you hold the key.",
        options={
            "semantic_vad": "Kai decides",
            "server_vad": "After a pause",
            "push_to_talk": "Push to talk",
        },
    ),
    "eagerness": Words(
        "Patience",
        "How long Kai waits at a pause.",
        options={"low": "Patient", "auto": "Normal", "high": "Quick"},
        idle="Only with “Kai decides”.",
    ),
    "can_interrupt": Words(
        "You may interrupt by speaking",
        "Off: only the Interrupt button stops Kai.",
        idle="With push to talk, pressing the key interrupts Kai.",
    ),
    "threshold": Words(
        "Speech threshold",
        "Raise it in a noisy room.",
        unit="%.2f",
        idle="Only with “After a pause”.",
    ),
    "silence_duration_ms": Words(
        "Pause that ends your turn",
        "Longer is more patient, and slower.",
        unit="%d ms",
        idle="Only with “After a pause”.",
    ),
    "prefix_padding_ms": Words(
        "Sound kept before your first word",
        "Raise it when first syllables get lost.",
        unit="%d ms",
        idle="Only with “After a pause”.",
    ),
    "idle_timeout_ms": Words(
        "Kai speaks up after",
        "When nobody speaks. Kai does so twice, then waits. 0 means never.",
        unit="%d ms",
        idle="Only with “After a pause”.",
    ),
    "noise_reduction": Words(
        "Microphone",
        "Which kind of microphone the noise reduction is for.",
        options={"near_field": "headset or near", "far_field": "laptop or room", "off": "no reduction"},
    ),
    "transcription_model": Words("Transcribed by", "For the chat; Kai hears the sound itself."),
    "transcription_language": Words(
        "Language",
        "Two letters, for example en. Kai transcribes and speaks it. Leave empty and Kai finds out.",
        example="en",
    ),
    "transcription_prompt": Words(
        "Rare words and names",
        "Helps to spell them correctly in the chat.",
        example="Aylesbury, Kokoro",
    ),
    "greeting": Words(
        "Greeting",
        "What Kai says first. Leave empty to speak first.",
        example="Hello, I'm {name}.",
    ),
    "effort": Words(
        "Thinking before speaking",
        "More thinking is slower and costs more.",
        options={
            "minimal": "hardly any",
            "low": "little",
            "medium": "some",
            "high": "much",
            "xhigh": "most",
        },
    ),
    "max_output_tokens": Words(
        "Longest answer, in tokens", "0 means no limit; a second of speech takes 20 tokens.", unit="%d"
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
        "What Kai may use during a talk.",
        options={"current_time": "tell the time", "show_card": "show a card"},
    ),
    "model": Words("Model", "The smaller ones are cheaper. You may type any other name."),
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
    keep="Manage presets",
    icon=":material/bookmark:",
    is_label_hidden=True,
)
PERSONAS: Final = ShelfWords(
    "Persona",
    "Custom",
    "Name",
    "For example: Museum guide",
    "Save the instructions",
    "Delete {name}",
    none="No personas yet",
    keep="Manage personas",
    icon=":material/person_edit:",
    duplicate="Duplicate {name}",
    is_label_hidden=True,
)
STYLES: Final = ShelfWords(
    "Saved styles",
    "Choose one",
    "Name of this style",
    "For example: evening",
    "Save style",
    "Delete \u201c{name}\u201d",
)
