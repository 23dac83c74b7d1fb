"""Words made comparable, and how many of them were heard wrongly."""

from __future__ import annotations

import re
from typing import Final

import jiwer

_SMALL: Final = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SAME: Final = {"mr": "mister", "mrs": "missus", "dr": "doctor", "okay": "ok", "it's": "it is", "i'm": "i am"}


def normalise(text: str) -> str:
    """``text`` in small letters, without punctuation, numbers to 99 and common short forms written out."""
    text = text.lower().replace("’", "'").replace("%", " percent ")
    text = re.sub(r"(\d+)[:.](\d\d)(?=\s*[ap]\.?m)", lambda match: f"{match[1]} {_minutes(match[2])}", text)
    text = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", text)
    text = re.sub(r"[^a-z0-9' ]", " ", text)
    text = re.sub(r"\b(\d{1,2})(?:st|nd|rd|th)\b", lambda match: _ordinal(int(match[1])), text)
    text = re.sub(r"\b\d{1,2}\b", lambda match: _number(int(match[0])), text)
    return " ".join(_SAME.get(word, word) for word in text.split())


def word_errors(wanted: str, heard: str) -> int:
    """Words of ``wanted`` that ``heard`` has wrong or lacks, and words that it has too many."""
    found = jiwer.process_words(normalise(wanted), normalise(heard))
    return found.substitutions + found.deletions + found.insertions


def word_error_rate(wanted: list[str], heard: list[str]) -> float:
    """Word errors of all pairs over the number of words wanted, 0 to 1 and more."""
    words = sum(len(normalise(text).split()) for text in wanted)
    return sum(word_errors(*pair) for pair in zip(wanted, heard, strict=True)) / words


def _minutes(digits: str) -> str:
    if digits == "00":
        return ""
    return f"oh {_number(int(digits))}" if digits[0] == "0" else _number(int(digits))


def _ordinal(value: int) -> str:
    head, _, last = _number(value).rpartition(" ")
    irregular = {
        "one": "first",
        "two": "second",
        "three": "third",
        "five": "fifth",
        "eight": "eighth",
        "nine": "ninth",
        "twelve": "twelfth",
    }
    last = irregular.get(last) or (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return f"{head} {last}".strip()


def _number(value: int) -> str:
    if value < 20:
        return _SMALL[value]
    return f"{_TENS[value // 10]} {_SMALL[value % 10] if value % 10 else ''}".strip()
