"""Answers small sums as people say them: "what is seven times eight", "12% of 50". Pure and exact."""

from __future__ import annotations

import math
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
_ALONE: Final = frozenset(list(_UNITS)[1:])
"""Words that end a number: only a scale such as "hundred" may follow."""
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
    r"(?:what(?:'s|s| is| are| does)|how much (?:is|are)|calculate|compute|work out|add|how many (?:is|are))\s+"
    r"(?:the (?:sum|total) of\s+)?"
)
_MAX_DIGITS: Final = 12
_MAX_POWER: Final = 64
_NOT_WORD_END: Final = re.compile(r"\W+$")
_PARTS: Final = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10}
_ORDERS: Final = (
    (re.compile(r"^multiply (.+?) (?:by|with|and) (.+)$"), r"\1 times \2"),
    (re.compile(r"^divide (.+?) by (.+)$"), r"\1 divided by \2"),
    (re.compile(r"^(?:subtract|deduct|take(?: away)?) (.+?) from (.+)$"), r"\2 minus \1"),
)
_NO_SUMS: Final = frozenset(("24/7", "9/11", "50/50"))
"""Expressions that look like sums, but have other meanings."""


def with_digits(text: str) -> str:
    """Return ``text`` with numbers in digits: "count to twenty one" becomes "count to 21", "three point five" "3.5"."""
    words = re.sub(r"(?<=[^\W\d])-(?=[^\W\d])", " ", text).split()
    said: list[str] = []
    position = 0
    while position < len(words):
        bare = [_NOT_WORD_END.sub("", word.lower()) for word in words[position:]]
        is_number = (
            bare[0] in _UNITS or bare[0] in _TENS or (bare[0] == "a" and bare[1:2] and bare[1] in _SCALES)
        )
        # A word that ends in a comma or a full stop ends its number.
        reach = next((i + 1 for i, word in enumerate(words[position:]) if word[-1] in ",.;:!?"), len(bare))
        number, length = _read_number(bare[:reach], 0) if is_number else (None, 0)
        if number is None or not length:
            said.append(words[position])
        else:
            tail = words[position + length - 1]
            said.append(_digits(number) + tail[len(_NOT_WORD_END.sub("", tail)) :])
        position += max(1, length)
    return " ".join(said)


def _digits(value: Fraction) -> str:
    """Return ``value``, which has a finite decimal form, in digits without an exponent."""
    if value.denominator == 1:
        return str(value.numerator)
    return f"{float(value):.{_MAX_DIGITS}f}".rstrip("0")


def answer_sum(text: str) -> str | None:
    """Return the answer to the sum that ``text`` asks for, as a sentence; None if it is anything else."""
    asked = text.lower().replace("’", "'").strip().rstrip("?.!= ")
    asked, found = _ASK.subn("", asked)
    if asked in _NO_SUMS:
        return None
    for order, sum_asked in _ORDERS:
        asked = order.sub(sum_asked, asked)
    if (special := _answer_special(asked)) is not None:
        return special
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
    asked = re.sub(r"(?<![\d\s)])\s*[-−](?=\d)|^[-−](?=\d)|(?<= )[-−](?=\d)", " minus ", asked)
    words = re.sub(r"\b(?:equals?|make|makes|the|please)\b", " ", asked).split()
    terms = _terms(words)
    if terms is None:
        return None
    numbers, operations = terms
    if "&" in operations:
        # "and" means plus only in an order to add: "add two and three".
        if not re.search(r"\b(?:add|sum|total)\b", text.lower()):
            return None
        operations = ["+" if operation == "&" else operation for operation in operations]
    value = _evaluate(numbers, operations)
    if value is None:
        return "Nothing can be divided by zero."
    said = f"{_say(numbers, operations)} is {_number(value)}."
    return said[0].upper() + said[1:]


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
    if position < len(words) and re.fullmatch(r"\d+(?:\.\d+)?|\.\d+", words[position]):
        digits = words[position]
        return (Fraction(digits) if len(digits) <= _MAX_DIGITS else None), position + 1
    total = 0
    group = 0
    start = position
    while position < len(words):
        word = words[position]
        has_room = group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and _UNITS.get(word, 10) < 10)
        if (word in _UNITS and has_room) or (word in _TENS and group % 100 == 0):
            # "Two three" and "seven thirty" are two numbers each.
            if position > start and words[position - 1] in _ALONE:
                break
            group += _UNITS.get(word, 0) + _TENS.get(word, 0)
        elif word == "a" and position == start and words[position + 1 : position + 2]:
            if words[position + 1] not in _SCALES:
                break
            group += 1
        elif word == "hundred" and 0 <= group < 100:
            group = max(1, group) * 100
        elif word in _SCALES and word != "hundred" and (group or position == start):
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
    decimals = ""
    if words[position : position + 1] == ["point"]:
        for word in words[position + 1 :]:
            if _UNITS.get(word, 10) > 9 and not re.fullmatch(r"\d", word):
                break
            decimals += str(_UNITS.get(word, word))
    if decimals:
        return Fraction(f"{total + group}.{decimals}"), position + 1 + len(decimals)
    return (Fraction(total + group), position) if position > start else (None, position)


def _answer_special(asked: str) -> str | None:
    """Answer roots, powers and fractions: "the square root of 81", "two to the power of ten", "a third of 90"."""
    words = asked.removeprefix("the ").split()
    for name, size in _PARTS.items():
        heads = ([name], ["a", name], ["1", name], ["one", name])
        head = next((head for head in heads if words[: len(head) + 1] == [*head, "of"]), None)
        if head is not None:
            whole, end = _read_number(words, len(head) + 1)
            if whole is not None and end == len(words):
                return f"{'Half' if name == 'half' else f'A {name}'} of {_number(whole)} is {_number(whole / size)}."
    if words[:3] == ["square", "root", "of"]:
        square, end = _read_number(words, 3)
        if square is None or end != len(words):
            return None
        if square < 0:
            return "A negative number has no real square root."
        root = Fraction(math.isqrt(square.numerator), math.isqrt(square.denominator))
        if root * root != square:
            root = Fraction(math.sqrt(square))
        return f"The square root of {_number(square)} is {_number(root)}."
    base, end = _read_number(words, 0)
    if base is None:
        return None
    power = {"squared": 2, "cubed": 3}.get(" ".join(words[end:]))
    for link in (["to", "the", "power", "of"], ["to", "the"], ["^"], ["to", "the", "power"]):
        if power is None and words[end : end + len(link)] == link:
            exponent, last = _read_number(words, end + len(link))
            if exponent is not None and last == len(words) and exponent.denominator == 1:
                power = int(exponent)
    if power is None or abs(power) > _MAX_POWER or (base == 0 and power < 0):
        return None
    value = base**power
    if len(str(abs(value.numerator))) > 2 * _MAX_DIGITS:
        return None
    how = {2: "squared", 3: "cubed"}.get(power, f"to the power of {power}")
    said = f"{_number(base)} {how} is {_number(value)}."
    return said[0].upper() + said[1:]


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
