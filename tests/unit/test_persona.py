"""What the small mind takes from instructions, and what it says of what it cannot."""

from __future__ import annotations

from datetime import datetime

import pytest

from kai.engine.speech.mind import Mind, MindTurn
from kai.engine.speech.persona import DescribedPersona, facts_of, read_persona
from kai.records.personas import FIRST
from kai.records.personas import Persona as Named

NOW = datetime(2026, 1, 2, 15, 5)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("instructions", "persona"),
    [
        ("", DescribedPersona()),
        ("Be warm and curious.", DescribedPersona()),
        ("Your name is Ada. Answer briefly.", DescribedPersona(name="Ada", is_brief=True)),
        ("Keep answers short; my name is Tom.", DescribedPersona(their_name="Tom", is_brief=True)),
        ("Always speak German.", DescribedPersona(language="German")),
        ("Reply in French, in one sentence.", DescribedPersona(is_brief=True, language="French")),
        ("We visited a German company shortly after lunch.", DescribedPersona()),
    ],
)
def test_names_brevity_and_a_language_are_understood_and_nothing_else(
    instructions: str, persona: DescribedPersona
) -> None:
    assert read_persona(instructions) == persona


def reply(said: str, instructions: str, *before: MindTurn) -> str:
    return Mind.load_plain().reply((*before, MindTurn("user", said)), instructions, NOW).text


def test_a_brief_kai_says_the_first_sentence() -> None:
    whole = reply("What can you do?", "")
    short = reply("What can you do?", "Be brief.")
    assert whole.startswith(short)
    assert len(short) < len(whole)


def test_a_language_that_kai_does_not_speak_is_told_once() -> None:
    told = reply("What time is it?", "Answer in German.")
    assert told.startswith("I speak English only, not German")
    assert "3:05 pm" in told
    again = reply("What time is it?", "Answer in German.", MindTurn("assistant", told))
    assert "German" not in again


def test_the_person_s_name_from_the_instructions_is_known_until_they_tell_another() -> None:
    rules = "The user's name is Tom."
    assert reply("What is my name?", rules) == "Your name is Tom."
    assert reply("What is my name?", rules, MindTurn("user", "Call me Ann.")) == "Your name is Ann."


@pytest.mark.parametrize(
    ("instructions", "facts"),
    [
        ("Breakfast is from seven to ten. Be courteous.", ("Breakfast is from seven to ten.",)),
        ("- The pool opens at nine\n- Never speak of prices", ("The pool opens at nine",)),
        ("You work at the front desk. Your shift ends at six.", ("I work at the front desk.", "My shift ends at six.")),
        ("You are a patient teacher.", ("I am a patient teacher.",)),
        ("Ask for their name and whom they want to see, then tell them what happens next.", ()),
        ("You must never say that you are a person. Say so when you do not know.", ()),
        ("If it is late, say good evening. Call me Tom. Your name is Ada. Who is it?", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_what_the_instructions_tell_is_kept_apart_from_what_they_ask_for(
    instructions: str, facts: tuple[str, ...]
) -> None:
    assert facts_of(instructions) == facts


@pytest.mark.parametrize("persona", FIRST, ids=lambda persona: persona.name)
def test_the_personas_to_begin_with_tell_nothing_but_who_kai_is(persona: Named) -> None:
    assert all(fact.startswith("I ") for fact in facts_of(persona.instructions))
