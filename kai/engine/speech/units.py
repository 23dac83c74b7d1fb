"""Converts units as people ask for it: "how many ounces are in a pound", "five foot eleven in centimeters". Pure.

The library pint knows more units, but does not read spoken questions.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from kai.engine.speech.orders import Done
from kai.engine.speech.spans import read_amount

_UNITS: Final = {
    **dict.fromkeys(("millimeter", "millimetre", "mm"), ("length", 0.001, "millimeters")),
    **dict.fromkeys(("centimeter", "centimetre", "cm"), ("length", 0.01, "centimeters")),
    **dict.fromkeys(("meter", "metre", "m"), ("length", 1.0, "meters")),
    **dict.fromkeys(("kilometer", "kilometre", "km"), ("length", 1_000.0, "kilometers")),
    **dict.fromkeys(("inch", "inche", "in"), ("length", 0.0254, "inches")),
    **dict.fromkeys(("foot", "feet", "ft"), ("length", 0.3048, "feet")),
    "yard": ("length", 0.9144, "yards"),
    "mile": ("length", 1_609.344, "miles"),
    **dict.fromkeys(("gram", "g"), ("mass", 0.001, "grams")),
    **dict.fromkeys(("kilogram", "kilo", "kg"), ("mass", 1.0, "kilograms")),
    **dict.fromkeys(("ounce", "oz"), ("mass", 0.028349523125, "ounces")),
    **dict.fromkeys(("pound", "lb"), ("mass", 0.45359237, "pounds")),
    "stone": ("mass", 6.35029318, "stone"),
    "ton": ("mass", 1_000.0, "tons"),
    **dict.fromkeys(("milliliter", "millilitre", "ml"), ("volume", 0.001, "milliliters")),
    **dict.fromkeys(("liter", "litre", "l"), ("volume", 1.0, "liters")),
    "cup": ("volume", 0.2365882365, "cups"),
    "pint": ("volume", 0.473176473, "pints"),
    "gallon": ("volume", 3.785411784, "gallons"),
    "tablespoon": ("volume", 0.01478676478125, "tablespoons"),
    "teaspoon": ("volume", 0.00492892159375, "teaspoons"),
    "second": ("time", 1.0, "seconds"),
    "minute": ("time", 60.0, "minutes"),
    "hour": ("time", 3_600.0, "hours"),
    "day": ("time", 86_400.0, "days"),
    "week": ("time", 604_800.0, "weeks"),
    **dict.fromkeys(("celsius", "centigrade", "c"), ("heat", 1.0, "degrees Celsius")),
    **dict.fromkeys(("fahrenheit", "f"), ("heat", 5 / 9, "degrees Fahrenheit")),
}
_FLUID: Final = ("volume", 0.0295735295625, "fluid ounces")
"""What an ounce means where the other unit is one of volume."""
_UNIT: Final = rf"(?:degrees? )?({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?:e?s)?"
_ASK_UNITS: Final = (
    r"(?:what(?:'s|s| is| are)|how (?:much|many|long|far|hot|cold|heavy|tall) (?:is|are)|convert|change|turn|"
    r"translate|calculate|"
    r"express|and)? ?"
)
_FROM_TO: Final = re.compile(
    rf"{_ASK_UNITS}(?P<count>.+?) {_UNIT} (?:in|into|to|as|are|is|makes?)(?: how many)? (?:an? )?{_UNIT}"
)
_HOW_MANY: Final = re.compile(
    rf"(?:do you know |tell me |and )*how (?:many|much) {_UNIT}(?: (?:are|is|go|does|do|make|has|have|would|be|it|"
    rf"there|take|equal))*"
    rf"(?: (?:in|into|to|make|makes|for))? (?P<count>.+?) {_UNIT}(?: (?:have|has|make|makes))?"
)
_FEET_INCHES: Final = re.compile(
    rf"{_ASK_UNITS}(?P<feet>\d+) (?:foot|feet|ft)(?: and)? (?P<inches>\d+)(?: inch(?:es)?)? (?:in|into|to) {_UNIT}"
)


def convert(plain: str) -> Done | None:
    together = _FEET_INCHES.fullmatch(plain)
    if together is not None:
        amount = Fraction(int(together["feet"])) + Fraction(int(together["inches"]), 12)
        return _converted(amount, "foot", together[3])
    match = _HOW_MANY.fullmatch(plain)
    if match is not None:
        target, count, source = match.groups()
    else:
        match = _FROM_TO.fullmatch(plain)
        if match is None:
            return None
        count, source, target = match.groups()
    amount = read_amount(count)
    return None if amount is None else _converted(amount, source, target)


def _converted(amount: Fraction, source: str, target: str) -> Done:
    kind, size, source_name = _UNITS[source]
    target_kind, target_size, target_name = _UNITS[target]
    if {kind, target_kind} == {"mass", "volume"} and "ounces" in (source_name, target_name):
        kind, size, source_name = _FLUID if source_name == "ounces" else (kind, size, source_name)
        target_kind, target_size, target_name = _FLUID if target_name == "ounces" else _UNITS[target]
    if kind != target_kind:
        return Done(f"I cannot turn {source_name} into {target_name}.", "units")
    given = float(amount)
    if kind == "heat":
        celsius = given if source_name != "degrees Fahrenheit" else (given - 32) * 5 / 9
        value = celsius if target_name != "degrees Fahrenheit" else celsius * 9 / 5 + 32
    else:
        value = given * size / target_size
    exact = f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    is_exact = abs(float(exact.replace(",", "")) - value) < 1e-9 * max(1.0, abs(value))
    told = _one(float(exact.replace(",", "")), target_name, exact)
    said = (
        f"{_one(given, source_name)} {'are' if amount != 1 else 'is'} {'' if is_exact else 'about '}{told}."
    )
    return Done(said[0].upper() + said[1:], "units")


def _one(amount: float, name: str, written: str | None = None) -> str:
    singular = {"feet": "foot", "inches": "inch", "stone": "stone"}.get(name, name.removesuffix("s"))
    if name.startswith("degrees"):
        singular = name.replace("degrees", "degree")
    said = (written or f"{amount:.4g}").replace("-", "minus ")
    return f"{said} {singular if abs(amount) == 1 else name}"
