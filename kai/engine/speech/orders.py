"""The common parts of the small mind's skills: the values of their effects, and orders without courtesies. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from kai.engine.speech.recognition import sentences_of

MAX_ORDER_CHARS: Final = 300
"""A longer sentence is not taken for an order."""
_MAX_COURTESY_WORDS: Final = 8
LINES_KNOWN: Final = 512
"""The size of the caches of lines, so that a talk is not parsed again for each answer."""


@dataclass(frozen=True, slots=True)
class Manner:
    """The manner of speaking: ``pace`` is a factor of the usual speed, ``gain_db`` is added to the usual loudness."""

    pace: float = 1.0
    gain_db: float = 0.0


MAX_TIMERS: Final = 32
"""The most timers of one talk that may run at once."""
TimerKind: TypeAlias = Literal["timer", "alarm", "reminder"]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Speak up after `seconds`; `about` is what the person wants to be reminded of, or "".

    ``kind`` is the person's word for the timer. It affects only Kai's wording, so it does not count in comparisons.
    """

    seconds: int
    about: str = ""
    kind: TimerKind = field(default="timer", compare=False)


@dataclass(frozen=True, slots=True)
class CancelTimers:
    """Cancel the timers with these ids, or every timer if ``timer_ids`` is ``None``."""

    timer_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class MoveTimer:
    """Let a running timer ring ``by_s`` seconds later, or earlier where it is negative."""

    timer_id: str
    by_s: int


Effect: TypeAlias = SetTimer | CancelTimers | MoveTimer


@dataclass(frozen=True, slots=True)
class RunningTimer:
    """A running timer: how it was set, its whole length ``seconds``, and the ``left_s`` seconds until it rings."""

    timer_id: str
    seconds: int
    about: str
    kind: TimerKind
    left_s: int


@dataclass(frozen=True, slots=True)
class Done:
    """The answer of a skill, its name, and its effects.

    ``is_whole`` is false where the person said more than the skill answers.
    """

    text: str
    skill: str
    effects: tuple[Effect, ...] = ()
    is_whole: bool = True


_NAME_SOUNDS: Final = "kai|kay|kye|ky|kie|cai|chi|guy|kyle"
_BEFORE: Final = (
    r"would you mind|hi there|hey there|hello there|hey|hi|hello|good (?:morning|afternoon|evening)(?! (?:to|from)\b)|"
    r"ok|okay|all right|alright|right|well|so|um|uh|er|oh|"
    r"by the way|now|then|please|kindly|yes|yeah|sure|sorry|excuse me|great|actually|listen|also|just|"
    r"(?:thanks|thank you)(?! (?:very|so|for|again|a|to|indeed|ever|all|from)\b)|"
    r"quickly|(?:don't|do not) forget to(?= (?:set|start|cancel|remind|wake)\b)|"
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
    """Return ``sentence`` without words that call Kai or are polite; its other words are unchanged."""
    names = rf"{_NAME_SOUNDS}|{re.escape(name)}" if name else _NAME_SOUNDS
    before, after = _courtesies(names)
    bare = sentence.strip().replace("’", "'")
    if is_courtesy(bare):
        return bare
    while (match := before.match(bare)) is not None and match.end() < len(bare):
        bare = bare[match.end() :]
        if _ASKS_TO.match(match[0]):
            bare = bare.rstrip("? ")  # "could you …?" is an order, not a question
    while (match := after.search(bare)) is not None and match.start() > 0:
        bare = bare[: match.start()] + ("?" if bare.endswith("?") else "")
    return bare


def is_courtesy(sentence: str) -> bool:
    """Return whether ``sentence`` only greets, thanks or calls."""
    plain = re.sub(r"[.!?,]+", "", sentence).strip()
    # The courtesies overlap, so the pattern would backtrack for very long over a long row of them.
    return len(plain.split()) <= _MAX_COURTESY_WORDS and _ONLY_COURTESY.fullmatch(plain) is not None


_ROUND: Final = re.compile(
    r"^[\s\"“”„«»‘’'@#*>…\u2190-\u2bff\U0001f000-\U0001faff\ufe0f]+|"
    r"(?<!\d)[\s\"“”„«»‘’'*…\u2190-\u2bff\U0001f000-\U0001faff\ufe0f]+$"
)
"""Marks round a typed sentence that are no part of it."""
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
    """Return the sentences of ``heard`` without courtesies; mere courtesies are left out if other sentences remain."""
    bare = [without_courtesy(sentence, name) for sentence in sentences_of(_readable(heard))]
    kept = [sentence for sentence in bare if not is_courtesy(sentence)]
    return tuple(kept or bare)


def _readable(line: str) -> str:
    """Return a typed line without invisible characters, and without pictures, quotation marks and dots round it."""
    seen = "".join(
        " " if char == "\u200b" else "" if unicodedata.category(char) == "Cf" else char for char in line
    )
    return _ROUND.sub("", seen).strip()


def for_you(text: str) -> str:
    """Return ``text`` with the person's "my" and "I" changed to "your" and "you", as Kai says it."""
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
