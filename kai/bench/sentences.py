"""Tests that the small mind carries out commands and nothing else, with two corpora, half of each held back from tuning."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from kai.engine.speech.mind import Mind, MindTurn, Reply
from kai.engine.speech.orders import CancelTimers, Manner, SetTimer
from kai.engine.speech.skills import manner_of

SENTENCES_DIR: Final = Path(__file__).resolve().parents[2] / "tests" / "support" / "sentences"
NOW: Final = datetime(2026, 11, 22, 15, 5, tzinfo=ZoneInfo("Europe/London"))
"""A Sunday."""
_MANNERS: Final = {
    "slower": Manner(pace=0.82),
    "faster": Manner(pace=1.22),
    "louder": Manner(gain_db=6.0),
    "softer": Manner(gain_db=-6.0),
    "normal": Manner(),
}


@dataclass(frozen=True, slots=True)
class Command:
    """A person's lines, and what must happen after the last one: see ``commands.txt``."""

    said: tuple[str, ...]
    wanted: tuple[str, ...]


def commands(name: str) -> list[Command]:
    """Return the commands of a corpus, ``commands`` or ``commands_held_back``."""
    parted = [line.split(" => ") for line in _lines(name)]
    return [Command(tuple(said.split(" // ")), tuple(wanted.split(" & "))) for said, wanted in parted]


def others(name: str) -> list[str]:
    """Return the sentences of a corpus without commands, ``not_commands`` or ``not_commands_held_back``."""
    return _lines(name)


def _lines(name: str) -> list[str]:
    text = (SENTENCES_DIR / f"{name}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def talk(mind: Mind, said: Sequence[str], instructions: str = "") -> Reply:
    """Have Kai answer each of a person's lines, and return the last reply."""
    turns: list[MindTurn] = []
    for line in said[:-1]:
        turns.append(MindTurn("user", line))
        turns.append(MindTurn("assistant", mind.reply(turns, instructions, NOW).text))
    return mind.reply([*turns, MindTurn("user", said[-1])], instructions, NOW)


def is_done(mind: Mind, command: Command) -> bool:
    """Return whether exactly the required actions happen and the mind is sure of them."""
    reply = talk(mind, command.said)
    effects = list(reply.effects)
    for wish in command.wanted:
        kind, _, rest = wish.partition(" ")
        match kind:
            case "timer":
                seconds, _, about = rest.partition(" ")
                wanted = SetTimer(int(seconds), about)
                if wanted not in effects:
                    return False
                effects.remove(wanted)
            case "cancel":
                if CancelTimers() not in effects:
                    return False
                effects.remove(CancelTimers())
            case "says":
                if rest not in reply.text:
                    return False
            case "noted":
                listed = talk(mind, [*command.said, "What are my notes?"]).text
                if (
                    reply.intent != "note"
                    or rest.replace("my ", "your ").replace("I am", "you are") not in listed
                ):
                    return False
            case "name":
                if f"Your name is {rest}." != talk(mind, [*command.said, "What is my name?"]).text:
                    return False
            case _:
                if reply.intent != kind or manner_of(command.said) != _MANNERS[kind]:
                    return False
    return reply.is_sure and not effects


def is_taken(mind: Mind, sentence: str) -> bool:
    """Return whether the mind wrongly acts on a sentence that is no command, or is sure of an answer to it."""
    reply = talk(mind, [sentence])
    return bool(reply.effects) or reply.is_sure or manner_of([sentence]) != Manner()


def is_routed_right(mind: Mind, prompt: dict[str, Any]) -> bool:
    """Return whether the mind is sure of exactly those prompts that are about Kai or a skill; a larger one gets the rest."""
    is_own = prompt["kind"] in ("self", "skill") or prompt["turns"][-1] == "Who are you?"
    return talk(mind, prompt["turns"], prompt["instructions"]).is_sure == is_own


def prompts() -> list[dict[str, Any]]:
    """Return everyday prompts of seven kinds, each with its turns and the talk's instructions."""
    return json.loads((SENTENCES_DIR / "prompts.json").read_text(encoding="utf-8"))


def figures(mind: Mind) -> dict[str, str]:
    """Return how many commands were carried out and how many other sentences were taken for one, for each half of the
    corpora, and how many prompts went to the right mind."""
    found: dict[str, str] = {}
    for name in ("commands", "commands_held_back"):
        corpus = commands(name)
        found[f"{name}_done"] = f"{sum(is_done(mind, command) for command in corpus)} of {len(corpus)}"
    for name in ("not_commands", "not_commands_held_back"):
        corpus = others(name)
        found[f"{name}_taken_for_one"] = f"{sum(is_taken(mind, each) for each in corpus)} of {len(corpus)}"
    asked = prompts()
    found["prompts_to_the_right_mind"] = (
        f"{sum(is_routed_right(mind, each) for each in asked)} of {len(asked)}"
    )
    return found


def main() -> None:
    """Print the figures, and the sentences of the open half that went wrong."""
    mind = Mind.load()
    for command in commands("commands"):
        if not is_done(mind, command):
            print("not done:", command.said, command.wanted, talk(mind, command.said))
    for sentence in others("not_commands"):
        if is_taken(mind, sentence):
            print("taken:", sentence, talk(mind, [sentence]))
    for name, figure in figures(mind).items():
        print(f"{name:<44} {figure}")


if __name__ == "__main__":
    main()
