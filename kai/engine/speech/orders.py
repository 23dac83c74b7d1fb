"""What the small mind's skills share: what they do, and a person's orders without the courtesies round them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from kai.engine.speech.recognition import sentences_of

MAX_ORDER_CHARS: Final = 300
"""Nobody gives an order in a longer sentence."""
_MAX_COURTESY_WORDS: Final = 8
LINES_KNOWN: Final = 512
"""Lines of talks whose sentences are kept, so that a talk is not read anew for each answer."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How Kai shall speak: so many times faster, so many decibels louder."""

    pace: float = 1.0
    gain_db: float = 0.0


MAX_TIMERS: Final = 32
"""Timers of one talk that may run at once."""
TimerKind: TypeAlias = Literal["timer", "alarm", "reminder"]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Say something of your own accord after `seconds`; `about` is what the person wanted to be reminded of, or "".

    ``kind`` is the person's word for it. It chooses words alone, so two wishes that differ in nothing else are equal.
    """

    seconds: int
    about: str = ""
    kind: TimerKind = field(default="timer", compare=False)


@dataclass(frozen=True, slots=True)
class CancelTimers:
    """Forget the timers of these ids, or every timer where ``timer_ids`` is ``None``."""

    timer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MoveTimer:
    """Let a running timer ring ``by_s`` seconds later, or earlier where it is negative."""

    timer_id: str
    by_s: int


Effect: TypeAlias = SetTimer | CancelTimers | MoveTimer


@dataclass(frozen=True, slots=True)
class RunningTimer:
    """A timer that runs: how it was set, for ``seconds`` in all, and the ``left_s`` seconds until it rings."""

    timer_id: str
    seconds: int
    about: str
    kind: TimerKind
    left_s: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a skill says, its name, and what it does besides.

    ``is_whole`` is false where the person said more than the skill answers.
    """

    text: str
    skill: str
    effects: tuple[Effect, ...] = ()
    is_whole: bool = True


_NAME_SOUNDS: Final = "kai|kay|kye|ky|kie|cai|chi|guy|kyle"
_BEFORE: Final = (
    r"would you mind|hi there|hey there|hello there|hey|hi|hello|good (?:morning|afternoon|evening)|"
    r"ok|okay|all right|alright|right|well|so|um|uh|er|oh|"
    r"by the way|now|then|please|kindly|yes|yeah|sure|sorry|excuse me|great|thanks|thank you|actually|listen|also|just|"
    r"quickly|"
    r"(?:can|could|would|will) you(?: please| maybe| possibly| kindly| just| quickly| also)*(?! (?:hear|see|speak \w+an)\b)|"
    r"i (?:was wondering|wonder) if you (?:can|could|would)|do you think you (?:can|could)|(?:is it|would it be) possible to|"
    r"(?:i would|i'd) (?:like|love) (?:you )?to(?! know)|i (?:want|need) you to|be so kind (?:as to|and)|"
    r"(?:go ahead|go on) and|let's|maybe|perhaps"
)
_AFTER: Final = (
    r"please|pls|plz|thanks|thank you(?: very much| so much)?|thanks a lot|for me|will you|would you|could you|can you|"
    r"if you (?:can|could|would|please|like|don't mind)|if possible|okay|ok|right now|now|then|real quick|quickly|darling|sir"
)
_ONLY_COURTESY: Final = re.compile(
    rf"(?:(?:{_BEFORE}|{_AFTER}|{_NAME_SOUNDS}|there|everybody|everyone|my friend)(?:\s+|$))+", re.IGNORECASE
)


def without_courtesy(sentence: str, name: str = "") -> str:
    """``sentence`` without what calls Kai and asks it kindly, its other words as they were written."""
    names = rf"{_NAME_SOUNDS}|{re.escape(name)}" if name else _NAME_SOUNDS
    before, after = _courtesies(names)
    bare = sentence.strip().replace("’", "'")
    if is_courtesy(bare):
        return bare
    while (match := before.match(bare)) is not None and match.end() < len(bare):
        bare = bare[match.end() :]
        if _ASKS_TO.match(match[0]):
            bare = bare.rstrip("? ")  # "could you …?" is an order, no question
    while (match := after.search(bare)) is not None and match.start() > 0:
        bare = bare[: match.start()] + ("?" if bare.endswith("?") else "")
    return bare


def is_courtesy(sentence: str) -> bool:
    """Whether ``sentence`` greets, thanks or calls, and says nothing else."""
    plain = re.sub(r"[.!?,]+", "", sentence).strip()
    # The courtesies overlap, so that a long row of them could be read in endlessly many ways.
    return len(plain.split()) <= _MAX_COURTESY_WORDS and _ONLY_COURTESY.fullmatch(plain) is not None


_ASKS_TO: Final = re.compile(
    r"(?:can|could|would|will) you\b|i (?:was wondering|wonder) if|do you think|(?:is it|would it be) possible",
    re.IGNORECASE,
)


@lru_cache(maxsize=16)
def _courtesies(names: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return (
        re.compile(rf"(?:{_BEFORE}|{names})[,.!:]*\s+", re.IGNORECASE),
        re.compile(rf"[\s,]+(?:{_AFTER}|{names})[\s.!?,]*$", re.IGNORECASE),
    )


@lru_cache(maxsize=LINES_KNOWN)
def requests_of(heard: str, name: str = "") -> tuple[str, ...]:
    """The sentences of ``heard`` without courtesies; those that are nothing else are left out where others remain."""
    bare = [without_courtesy(sentence, name) for sentence in sentences_of(heard.strip())]
    kept = [sentence for sentence in bare if not is_courtesy(sentence)]
    return tuple(kept or bare)


def for_you(text: str) -> str:
    """``text`` with the person's "my" and "I" as Kai says them."""
    swaps = {
        "my": "your",
        "i": "you",
        "me": "you",
        "mine": "yours",
        "am": "are",
        "i'm": "you're",
        "i've": "you've",
        "i'll": "you'll",
        "myself": "yourself",
    }
    return re.sub(r"[\w']+", lambda match: swaps.get(match[0].lower(), match[0]), text)
