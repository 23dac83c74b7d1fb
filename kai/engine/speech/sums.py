"""Small sums as people say them: "what is seven times eight", "12% of 50". Pure and exact."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_UNITS: Final = {
    word: value
    for value, word in enumerate(
        (
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
        )
        + ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
    )
}
_TENS: Final = {
    word: 10 * (place + 2)
    for place, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    )
}
_SCALES: Final = {"hundred": 100, "thousand": 1_000, "million": 1_000_000}
_OPERATIONS: Final = {
    "plus": "+",
    "and": "&",
    "add": "+",
    "added to": "+",
    "minus": "-",
    "less": "-",
    "take away": "-",
    "times": "*",
    "multiplied by": "*",
    "x": "*",
    "divided by": "/",
    "over": "/",
    "percent of": "%",
    "per cent of": "%",
}
_ASK: Final = re.compile(
    r"^(?:(?:so|and|ok|okay|please|can you|could you|tell me|do you know|hey|kai)\s+)*"
    r"(?:what(?:'s| is| are| does)|how much (?:is|are)|calculate|compute|work out|add|how many (?:is|are))\s+"
    r"(?:the (?:sum|total) of\s+)?"
)
_MAX_DIGITS: Final = 12


def with_digits(text: str) -> str:
    """``text`` with its spoken whole numbers as digits: "count to twenty one" becomes "count to 21"."""
    words = text.replace("-", " ").split()
    said: list[str] = []
    position = 0
    while position < len(words):
        bare = [re.sub(r"\W+$", "", word.lower()) for word in words[position:]]
        number, length = _read_number(bare, 0) if bare[0] in _UNITS or bare[0] in _TENS else (None, 0)
        said.append(words[position] if number is None else str(number))
        position += max(1, length)
    return " ".join(said)


def answer_sum(text: str) -> str | None:
    """The answer to the sum that ``text`` asks for, as a sentence; None when it asks for none."""
    asked = text.lower().strip().rstrip("?.!= ")
    asked, found = _ASK.subn("", asked)
    has_digits = bool(re.search(r"\d", asked))
    if not found and not has_digits and not re.search(r"\b(?:plus|minus|times|divided)\b", asked):
        return None
    asked = re.sub(r"(?<=\d),(?=\d{3}\b)", "", asked)
    asked = re.sub(r"(\d)\s*%\s*of\b", r"\1 percent of", asked)
    asked = re.sub(r"[-–](?=[a-z])", " ", asked)
    asked = re.sub(r"(?<=\d)\s*x\s*(?=\d)", " times ", asked)
    for symbol, word in (
        ("×", "times"),
        ("*", "times"),
        ("÷", "divided by"),
        ("/", "divided by"),
        ("+", "plus"),
    ):
        asked = asked.replace(symbol, f" {word} ")
    asked = re.sub(r"(?<=[\d\s])[-−](?=[\d\s])", " minus ", asked)
    words = re.sub(r"\b(?:equals?|make|makes|the|please)\b", " ", asked).split()
    terms = _terms(words)
    if terms is None:
        return None
    numbers, operations = terms
    if "&" in operations:
        # "and" joins only what was asked to be added: "add two and three".
        if not re.search(r"\b(?:add|sum|total)\b", text.lower()):
            return None
        operations = ["+" if operation == "&" else operation for operation in operations]
    value = _evaluate(numbers, operations)
    if value is None:
        return "Nothing can be divided by zero."
    return f"{_say(numbers, operations)} is {_number(value)}."


def _terms(words: list[str]) -> tuple[list[Fraction], list[str]] | None:
    numbers: list[Fraction] = []
    operations: list[str] = []
    position = 0
    while True:
        number, position = _read_number(words, position)
        if number is None:
            return None
        numbers.append(number)
        if position == len(words):
            break
        for length in (2, 1):
            operation = _OPERATIONS.get(" ".join(words[position : position + length]))
            if operation is not None:
                operations.append(operation)
                position += length
                break
        else:
            return None
    return (numbers, operations) if operations else None


def _read_number(words: list[str], position: int) -> tuple[Fraction | None, int]:
    if position < len(words) and words[position] in {"minus", "negative"}:
        number, position = _read_number(words, position + 1)
        return (None if number is None else -number), position
    if position < len(words) and re.fullmatch(r"\d+(?:\.\d+)?", words[position]):
        digits = words[position]
        return (Fraction(digits) if len(digits) <= _MAX_DIGITS else None), position + 1
    total = 0
    group = 0
    start = position
    while position < len(words):
        word = words[position]
        if word in _UNITS:
            group += _UNITS[word]
        elif word in _TENS:
            group += _TENS[word]
        elif word == "a" and words[position + 1 : position + 2] and words[position + 1] in _SCALES:
            group += 1
        elif word == "hundred":
            group = max(1, group) * 100
        elif word in _SCALES:
            total += max(1, group) * _SCALES[word]
            group = 0
        elif not (
            word == "and"
            and position > start
            and words[position - 1] in _SCALES
            and words[position + 1 : position + 2]
            and (words[position + 1] in _UNITS or words[position + 1] in _TENS)
        ):
            break
        position += 1
    return (Fraction(total + group), position) if position > start else (None, position)


def _evaluate(numbers: list[Fraction], operations: list[str]) -> Fraction | None:
    sums = [numbers[0]]
    for operation, number in zip(operations, numbers[1:], strict=True):
        match operation:
            case "+":
                sums.append(number)
            case "-":
                sums.append(-number)
            case "*":
                sums[-1] *= number
            case "%":
                sums[-1] *= number / 100
            case _:
                if number == 0:
                    return None
                sums[-1] /= number
    return sum(sums, Fraction(0))


def _say(numbers: list[Fraction], operations: list[str]) -> str:
    names = {"+": "plus", "-": "minus", "*": "times", "/": "divided by", "%": "percent of"}
    words = [_number(numbers[0])]
    for operation, number in zip(operations, numbers[1:], strict=True):
        words += [names[operation], _number(number)]
    return " ".join(words)


def _number(value: Fraction) -> str:
    sign = "minus " if value < 0 else ""
    value = abs(value)
    if value.denominator == 1:
        return f"{sign}{value.numerator:,}"
    rounded = round(value, 3)
    about = "" if rounded == value else "about "
    text = f"{float(rounded):,.3f}".rstrip("0").rstrip(".")
    return f"{about}{sign}{text}"
