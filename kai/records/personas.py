"""Named personas: instructions under a name, to pick, edit, save and duplicate. One small file beside the presets."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from kai.errors import KaiError
from kai.records.preferences import INSTRUCTIONS_LIMIT_CHARS, NAME_LIMIT_CHARS

MAX_PERSONAS: Final = 50


class PersonaError(KaiError):
    """A persona cannot be kept. The code says why: ``no-name``, ``too-many``."""

    code = "no-name"


class Persona(BaseModel):
    """Who Kai shall be, under a name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(min_length=1, max_length=NAME_LIMIT_CHARS)
    instructions: str = Field(max_length=INSTRUCTIONS_LIMIT_CHARS)


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
"""To begin with; they can be changed and deleted like one's own."""


class Personas(BaseModel):
    """Every persona, in the order in which they were made; names are different."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    personas: tuple[Persona, ...] = FIRST

    def named(self, name: str) -> Persona | None:
        """The one of that name."""
        return next((p for p in self.personas if p.name == name), None)

    def saying(self, instructions: str) -> Persona | None:
        """The one with exactly these instructions."""
        return next((p for p in self.personas if p.instructions == instructions), None)

    def with_one(self, name: str, instructions: str) -> Personas:
        """With these instructions under that name, new or changed. Raises ``PersonaError``."""
        name = " ".join(name.split())[:NAME_LIMIT_CHARS].strip()
        if not name:
            raise PersonaError("A persona needs a name.")
        one = Persona(name=name, instructions=instructions[:INSTRUCTIONS_LIMIT_CHARS])
        if self.named(name) is not None:
            return Personas(personas=tuple(one if p.name == name else p for p in self.personas))
        if len(self.personas) >= MAX_PERSONAS:
            raise PersonaError("There are too many personas. Delete one first.", code="too-many")
        return Personas(personas=(*self.personas, one))

    def without(self, name: str) -> Personas:
        """Without the one of that name."""
        return Personas(personas=tuple(p for p in self.personas if p.name != name))

    def free_name(self, name: str) -> str:
        """A name like that one which none has yet: ``Brief 2``."""
        stem = name[: NAME_LIMIT_CHARS - 3].strip()
        return next(
            (free for n in range(2, MAX_PERSONAS + 3) if self.named(free := f"{stem} {n}") is None),
            stem,
        )
