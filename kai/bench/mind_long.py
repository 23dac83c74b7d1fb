"""Does Kai still know at turn 31 what it was told at turn 1? Ten talks in writing, each with 29 other turns in between.

The other turns are drawn, the same each time, from one list of everyday questions and remarks, some for the reflex and some
for the language model. After each answer there is a pause, as when people speak, in which a mind updates its notes. Ten
minutes hold as many talks as the machine's speed allows; ``--long`` holds all ten.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kai.bench.asking import Answer, typed_talk, wait_mind
from kai.bench.bars import Bar, at_least, percent_of
from kai.bench.mind import PROMPTS, has_words, timing
from kai.bench.part import Allowance, RunningEngine, Wanted, local_engine

FILLERS: Final = 29
PAUSE_S: Final = 2.0
BAR_PERCENT: Final = 90.0


def run(wanted: Wanted | None = None) -> dict[str, Any]:
    """Return how many of the facts were known, the answers where one was not, and how fast the last turns were."""
    with local_engine() as engine:
        return asyncio.run(_talk(engine, wanted or Wanted()))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bar: nine of ten facts are known."""
    return [at_least("facts of turn 1 known at turn 31", percent_of(figures["known"]), BAR_PERCENT, "%")]


def fillers_of(number: int, pool: list[str]) -> list[str]:
    """Return the turns between fact and question of that talk; they differ from talk to talk."""
    return random.Random(number).sample(pool, FILLERS)


async def _talk(engine: RunningEngine, wanted: Wanted) -> dict[str, Any]:
    script = json.loads((PROMPTS / "long-talks.json").read_text(encoding="utf-8"))
    figures: dict[str, Any] = {"mind": await wait_mind(engine)}
    allowance = Allowance(wanted)
    known = talks = 0
    forgotten: list[str] = []
    late: list[Answer] = []
    for number, fact in enumerate(script["facts"]):
        if talks and not allowance.begin_round():
            break
        talks += 1
        answers = await _one(engine, [fact["fact"], *fillers_of(number, script["fillers"]), fact["question"]])
        late += answers[-10:]
        said = answers[-1].text
        if any(has_words(pattern, said, datetime.now()) for pattern in fact["any"]):  # noqa: DTZ005
            known += 1
        else:
            forgotten.append(f"{fact['question']} -> {said}")
    figures["known"] = f"{known} of {talks}"
    figures["forgotten"] = forgotten
    return figures | {f"last_turns_{name}": value for name, value in timing(late).items()}


async def _one(engine: RunningEngine, turns: list[str]) -> list[Answer]:
    answers: list[Answer] = []
    async with typed_talk(engine) as talk:
        for turn in turns:
            answers.append(await talk.ask(turn))
            await asyncio.sleep(PAUSE_S)
    return answers
