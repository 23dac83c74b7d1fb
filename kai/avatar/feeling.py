"""The feeling that an answer's words give the face.

An avatar that says "I am sorry" with the smile of "welcome" is worse than one that shows nothing. So each clause is searched
for a few telling words, and the face looks warm, concerned, amused, surprised or neutral, always with restraint. The rule is
a list of words and not a model: it takes microseconds, it is readable, and without any of its words the face stays neutral,
which is never wrong.

Example: "I'm sorry, that didn't work." has *sorry* (concerned, 2) and *didn't work* (concerned, 1): concerned with strength
0.85. "That is not funny." has *funny* with *not* before it: neutral.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Emotion(StrEnum):
    """What the face can feel."""

    NEUTRAL = "neutral"
    WARM = "warm"
    CONCERNED = "concerned"
    AMUSED = "amused"
    SURPRISED = "surprised"


@dataclass(frozen=True, slots=True)
class Feeling:
    """An emotion and how strongly it shows, 0 to 1."""

    emotion: Emotion = Emotion.NEUTRAL
    strength: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"a feeling's strength is from 0 to 1, not {self.strength}")


CALM = Feeling()

_STRONG, _WEAK = 2, 1
_WORDS: Mapping[Emotion, Mapping[int, str]] = MappingProxyType(
    {
        Emotion.CONCERNED: {
            _STRONG: r"sorry|unfortunately|apolog\w+|sad|sadly|condolences|my sympath\w+|i'?m afraid|worried|terrible|awful|"
            r"painful|heartbreaking|passed away|died",
            _WEAK: r"trouble|difficult|failed|failure|couldn'?t|didn'?t work|went wrong|broken|hurts?|pain|lost|afraid|"
            r"careful|danger\w*|warning|ill|sick|hard time",
        },
        Emotion.AMUSED: {
            _STRONG: r"ha(?:ha)+|funny|jok(?:e|es|ing)|hilarious|kidding|puns?|giggle\w*|laugh\w*|knock,? knock",
            _WEAK: r"silly|tickle\w*|cheeky|punch ?line|fun",
        },
        Emotion.SURPRISED: {
            _STRONG: r"wow|no way|unbelievable|incredible|incredibly|astonishing|surpris(?:e|ed|ing|ingly)|whoa",
            _WEAK: r"really\?|believe it or not|imagine|amazing|unexpected\w*|oh!|remarkabl\w+",
        },
        Emotion.WARM: {
            _STRONG: r"welcome|congratulations|well done|glad|happy|delighted|lovely|wonderful|thank you|thanks|"
            r"don'?t worry|no problem|good (?:morning|afternoon|evening|night)|nice to (?:meet|see) you|pleasure",
            _WEAK: r"hello|hi|hey|great|good|nice|enjoy|love|of course|gladly|sure|perfect|friend\w*|kind|beautiful|bye|"
            r"take care|proud",
        },
    }
)
"""Words and phrases by emotion and weight, as patterns. In a tie, the emotion that is listed first wins."""

_PATTERNS = tuple(
    (emotion, weight, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE))
    for emotion, by_weight in _WORDS.items()
    for weight, words in by_weight.items()
)
_NEGATED = re.compile(r"(?:\b(?:not|never|no|nothing|without)|n'?t)(?:\s+\w+)?\s+$", re.IGNORECASE)

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=\S)")
_NEWEST_CHARS = 300
_FADED = 0.5

_STRENGTHS = (0.0, 0.4, 0.7, 0.85, 1.0)


def feeling_of(text: str) -> Feeling:
    """Return the feeling of an English clause or sentence: the emotion with the most weight, `CALM` without any."""
    text = text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    scores = dict.fromkeys(_WORDS, 0)
    for emotion, weight, pattern in _PATTERNS:
        for found in pattern.finditer(text):
            if not _NEGATED.search(text, max(0, found.start() - 24), found.start()):
                scores[emotion] += weight
    emotion = max(scores, key=lambda one: scores[one])
    score = scores[emotion]
    return Feeling(emotion, _STRENGTHS[min(score, len(_STRENGTHS) - 1)]) if score else CALM


def newest_feeling(text: str) -> Feeling:
    """Return the feeling at the end of a growing text: that of its last sentence, or half of that of the one before.

    A text arrives before its sound, so the sentence before is often the one that is spoken.
    """
    sentences = _SENTENCE_END.split(text[-_NEWEST_CHARS:])
    newest = feeling_of(sentences[-1])
    if newest != CALM or len(sentences) < 2:
        return newest
    before = feeling_of(sentences[-2])
    return Feeling(before.emotion, before.strength * _FADED)
