"""Is what Kai says right? Everyday prompts of seven kinds, asked in writing through a running engine.

The prompts are in ``tests/support/mind``: an open half, to tune a mind with, and a half that is held back. Only totals are
printed for the held half unless more is requested, so that nobody tunes with it by accident. A prompt is right when the last
answer has one of the words in ``any`` (if there are some) and none of those in ``none``, as whole words: "no" is not found in
"know". Sampling is as in the product, so each prompt is asked several times, and the mean counts.

``KAI_MIND_BASE_URL`` and ``KAI_MIND_MODEL`` have the same prompts answered by the model behind that address.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np

from kai.bench.asking import REFLEX, Answer, typed_talk, wait_mind
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.driver import ROOT
from kai.bench.part import Allowance, RunningEngine, Wanted, local_engine

PROMPTS: Final = ROOT / "tests" / "support" / "mind"
OPEN, HELD = "open", "held"
RUNS: Final = 3
MOST_WORDS: Final = 70

WHOLE_BAR_PERCENT: Final = 90.0
KIND_BAR_PERCENT: Final = 75.0

_TENS: Final = {2: "twenty", 3: "thirty", 4: "forty", 5: "fifty"}
_ONES: Final = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

STYLE_FAULTS: Final[dict[str, re.Pattern[str]]] = {
    "list": re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE),
    "markup": re.compile(r"\*\*|__|`|^#+\s|\[[^\]]+\]\(|</?[a-z]+>", re.MULTILINE),
    "emoji": re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]"),
    "address": re.compile(r"https?://|www\.\w"),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A short talk: its turns, its instructions, and what its last answer must and must not say."""

    id: str
    kind: str
    turns: tuple[str, ...]
    instructions: str
    any: tuple[str, ...]
    none: tuple[str, ...]

    def is_right(self, answer: str, now: datetime) -> bool:
        """Return whether an answer given at that time is right."""
        if not answer or any(has_words(pattern, answer, now) for pattern in self.none):
            return False
        return not self.any or any(has_words(pattern, answer, now) for pattern in self.any)


def has_words(pattern: str, text: str, now: datetime) -> bool:
    """Return whether the text has these whole words, in upper or lower case; ``{weekday}`` and so on refer to ``now``."""
    for name, word in words_of_the_day(now).items():
        pattern = pattern.replace(f"{{{name}}}", word)
    plain = text.replace("\u2019", "'")
    return re.search(rf"(?<!\w)(?:{pattern})(?!\w)", plain, re.IGNORECASE | re.DOTALL) is not None


def words_of_the_day(now: datetime) -> dict[str, str]:
    """Return the words about the calendar that a prompt's answer may need."""
    tens, ones = divmod(now.year % 100, 10)
    return {
        "weekday": f"{now:%A}",
        "tomorrow": f"{now + timedelta(days=1):%A}",
        "month": f"{now:%B}",
        "year": str(now.year),
        "year_in_words": f"twenty[- ]{_TENS[tens]}[- ]?{_ONES[ones]}",
    }


def prompts_of(half: str) -> list[Prompt]:
    """Return the prompts of that half, in a fixed order."""
    kept = json.loads((PROMPTS / f"prompts-{half}.json").read_text(encoding="utf-8"))
    return [
        Prompt(
            entry["id"],
            entry["kind"],
            tuple(entry["turns"]),
            entry["instructions"],
            tuple(entry["any"]),
            tuple(entry["none"]),
        )
        for entry in kept
    ]


def style_faults(text: str) -> list[str]:
    """Return the faults of a text that a voice cannot speak or that nobody would listen to."""
    found = [name for name, pattern in STYLE_FAULTS.items() if pattern.search(text)]
    return [*found, "length"] if len(text.split()) > MOST_WORDS else found


@dataclass(frozen=True, slots=True)
class AskedPrompt:
    """A prompt that was asked: all answers, and whether the last was right."""

    prompt: Prompt
    answers: tuple[Answer, ...]
    is_right: bool


def run(wanted: Wanted | None = None) -> dict[str, Any]:
    """Return the right answers of each half and kind, the style, which mind answered, and how fast; the held half first.

    Ten minutes are enough for the held half, three times on an idle machine. ``--long`` asks both halves three times.
    """
    wanted = wanted or Wanted()
    with local_engine() as engine:
        return asyncio.run(_ask(engine, wanted))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of the held half: right answers in all and of each kind, and no answer that cannot be spoken."""
    held = figures[HELD]
    return [
        at_least("right on the half held back", held["right_percent"], WHOLE_BAR_PERCENT, "%"),
        *(
            at_least(f"right of {kind}", found["right_percent"], KIND_BAR_PERCENT, "%")
            for kind, found in held["kinds"].items()
        ),
        at_most("answers with a fault of style", sum(held["style_faults"].values()), 0),
    ]


async def _ask(engine: RunningEngine, wanted: Wanted) -> dict[str, Any]:
    figures: dict[str, Any] = {"mind": await wait_mind(engine)}
    allowance = Allowance(wanted)
    for half in (HELD, OPEN) if wanted.is_long else (HELD,):
        asked: list[AskedPrompt] = []
        runs = 0
        while runs < RUNS and (runs == 0 or allowance.begin_round()):
            asked += [await ask(engine, prompt) for prompt in prompts_of(half)]
            runs += 1
        figures[half] = {"runs": runs, **summary(asked, shows_wrong=half == OPEN or wanted.shows_held)}
    return figures


async def ask(engine: RunningEngine, prompt: Prompt) -> AskedPrompt:
    """Ask the prompt in a talk of its own."""
    async with typed_talk(engine, prompt.instructions) as talk:
        answers = tuple([await talk.ask(turn) for turn in prompt.turns])
    # The engine uses the local time, without a zone.
    return AskedPrompt(prompt, answers, prompt.is_right(answers[-1].text, datetime.now()))  # noqa: DTZ005


def summary(asked: Sequence[AskedPrompt], *, shows_wrong: bool) -> dict[str, Any]:
    """Return the totals of these, and the wrong answers only if they may be seen."""
    by_kind: defaultdict[str, list[AskedPrompt]] = defaultdict(list)
    for each in asked:
        by_kind[each.prompt.kind].append(each)
    faults = Counter(name for each in asked for answer in each.answers for name in style_faults(answer.text))
    figures: dict[str, Any] = {
        "right_percent": _right_percent(asked),
        "kinds": {
            kind: {
                "right": f"{sum(each.is_right for each in those)} of {len(those)}",
                "right_percent": _right_percent(those),
            }
            for kind, those in by_kind.items()
        },
        "style_faults": dict(faults),
        **timing([answer for each in asked for answer in each.answers]),
    }
    if shows_wrong:
        figures["wrong"] = [
            f"{each.prompt.id} ({each.answers[-1].mind}): {each.prompt.turns[-1]} -> {each.answers[-1].text}"
            for each in asked
            if not each.is_right
        ]
        figures["style_wrong"] = [
            f"{each.prompt.id}: {style_faults(answer.text)}: {answer.text}"
            for each in asked
            for answer in each.answers
            if style_faults(answer.text)
        ]
    return figures


def timing(answers: Sequence[Answer]) -> dict[str, Any]:
    """Return how often each mind answered and, for the large one, the seconds to the first word and tokens per second."""
    thought = [answer for answer in answers if answer.mind != REFLEX]
    firsts = [answer.first_word_s for answer in thought if answer.first_word_s is not None]
    rates = [rate for answer in thought if (rate := answer.tokens_per_s) is not None]
    return {
        "answered_by": dict(Counter(answer.mind for answer in answers)),
        "first_word_s_p50": _percentile(firsts, 50),
        "first_word_s_p95": _percentile(firsts, 95),
        "tokens_per_s_p50": _percentile(rates, 50),
    }


def _right_percent(asked: Sequence[AskedPrompt]) -> float:
    return round(100 * sum(each.is_right for each in asked) / len(asked), 1)


def _percentile(values: Sequence[float], q: float) -> float | None:
    return round(float(np.percentile(values, q)), 2) if values else None
