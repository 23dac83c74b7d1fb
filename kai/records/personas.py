"""Personas: instructions under a name, to choose, edit, save and duplicate. They are in one small file."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from pydantic import Field

from kai.core.config import SETTINGS
from kai.records.named import Named, NamedList

INSTRUCTIONS_LIMIT_CHARS: Final = SETTINGS["instructions"].limit_chars


class Persona(Named):
    """Instructions for Kai's personality under a name."""

    instructions: str = Field(max_length=INSTRUCTIONS_LIMIT_CHARS)

    @property
    def value(self) -> str:
        """The instructions."""
        return self.instructions

    @classmethod
    def of(cls, name: str, value: str) -> Self:
        """Make a persona of that name with those instructions."""
        return cls(name=name, instructions=value[:INSTRUCTIONS_LIMIT_CHARS])


FIRST: Final = (
    Persona(name="Brief", instructions="Answer in one or two short sentences. No lists, no flourishes."),
    Persona(
        name="Patient teacher",
        instructions=(
            "You are a patient teacher. Explain one step at a time in plain words, with an example from daily life, and ask "
            "after each step whether it was clear."
        ),
    ),
    Persona(
        name="Host on a stage",
        instructions=(
            "You host an event in front of an audience. Be warm and lively, speak to everybody in the room, keep answers "
            "under twenty seconds, and never make up facts about the event."
        ),
    ),
    Persona(
        name="Front desk",
        instructions=(
            "You welcome visitors at the front desk. Ask for their name and whom they want to see, then tell them what "
            "happens next. Be courteous and short. Say so when you do not know."
        ),
    ),
)
"""The initial personas. They can be changed and deleted like one's own."""


class Personas(NamedList[Persona]):
    """Every persona."""

    WORD: ClassVar = "persona"
    KIND: ClassVar = Persona

    entries: tuple[Persona, ...] = Field(default=FIRST, alias="personas")
