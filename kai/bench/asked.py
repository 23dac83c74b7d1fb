"""Recorded questions in voices other than Kai's, with their words: ``tests/support/speech/asked``.

There are three kinds: questions that the reflex answers at once, questions for the language model, and one talk of six turns.
`tools/say_questions.py` makes them with the engine's extra voices.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[2] / "tests" / "support" / "speech" / "asked"
REFLEX, THOUGHT, TALK = "reflex", "thought", "talk"


@dataclass(frozen=True, slots=True)
class Asked:
    """One recording (mono, 16 kHz): its kind and its words."""

    path: Path
    kind: str
    text: str


def asked(kind: str) -> list[Asked]:
    """Return the recordings of that kind, in order."""
    kept = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    return [Asked(FOLDER / each["file"], each["kind"], each["text"]) for each in kept if each["kind"] == kind]
