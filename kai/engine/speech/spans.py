"""Reads lengths of time and times of day as people say them: "an hour and a quarter", "half past six". Pure.

Each function here reads a text completely or not at all. The libraries that were tried (parsedatetime, dateparser,
recognizers-text) pick out what they know and ignore the rest: two of them read "three quarters of an hour" as one hour.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from kai.engine.speech.sums import with_digits

_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": 86_400,
    "week": 604_800,
    "fortnight": 1_209_600,
}
_SHORT: Final = {"sec": "second", "s": "second", "min": "minute", "m": "minute", "hr": "hour", "h": "hour"}
_LOWER: Final = {"hour": "minute", "minute": "second", "week": "day"}
_FRACTIONS: Final = {"half": Fraction(1, 2), "quarter": Fraction(1, 4), "third": Fraction(1, 3)}
_VULGAR: Final = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
_DIGITS: Final = re.compile(r"\d+(?:\.\d+)?")
_SLASHED: Final = re.compile(r"(\d)/(\d)")
_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2})(?:[:. ](?P<minute>\d\d))?(?: o'?clock)?(?: ?(?P<half>a\.?m\.?|p\.?m\.?|in the morning|in the "
    r"afternoon|in the evening|at night))?"
)
_DAY_PART: Final = re.compile(
    r"(?:^| )(?P<word>tomorrow|today|tonight|this)(?: (?P<part>morning|afternoon|evening|night))?(?: at)?(?= |$)"
)
_HALVES: Final = {
    "morning": " in the morning",
    "afternoon": " in the afternoon",
    "evening": " in the evening",
    "night": " at night",
    "tonight": " in the evening",
}
_PAST: Final = re.compile(
    r"(?P<part>half|a quarter|quarter|\d{1,2}(?: minutes?)?) (?P<side>past|after|to|before) (?P<rest>.+)"
)


def plain_words(text: str) -> str:
    """Return ``text`` in small letters, with digits for numbers, without hyphens and the marks at its ends."""
    for sign, written in _VULGAR.items():
        text = re.sub(rf"(?<=\d) ?{sign}", f" {written}", text).replace(sign, written)
    text = re.sub(r"[‘’]", "'", text)
    text = re.sub(r"(?<=\d)[-–](?=[a-z])|(?<=[a-z])[-–](?=\w)", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"(?:(?<=\s)|^)[-−](?=\d)", "minus ", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    return re.sub(r"\s+", " ", with_digits(text).lower()).strip(" .!?,;:")


def read_amount(text: str) -> Fraction | None:
    """Return the amount that the whole ``text`` means ("2 and a half", "1 1/2", "a quarter of a", "minus 10"), or None."""
    words = _words(text)
    is_negative = words[:1] in (["minus"], ["negative"], ["-"])
    found = _amount(words, int(is_negative))
    if found is None or found.end != len(words):
        return None
    return -found.value if is_negative else found.value


_HOURS: Final = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")


def read_span(text: str) -> int | None:
    """Return the length of time that the whole ``text`` means, in rounded seconds; None if it is anything else."""
    if (clocked := _HOURS.fullmatch(text.strip())) is not None:
        hours, minutes, seconds = (int(part) for part in clocked.groups())
        return (hours * 60 + minutes) * 60 + seconds or None
    words = _words(text)
    position, total, unit = 0, Fraction(0), ""
    while position < len(words):
        is_linked = words[position] in ("and", ",") and unit != ""
        position += is_linked
        found = _amount(words, position) if words[position : position + 1] else None
        if found is None:
            return None
        name = _unit(words[found.end]) if found.end < len(words) else ""
        if found.end == len(words) and (not is_linked or unit == "hour"):
            name = _LOWER.get(unit, "")  # "an hour twenty", "an hour and twenty"
        if not name or (unit and _SECONDS[name] >= _SECONDS[unit]):
            return None
        position, value, unit = found.end + 1, found.value, name
        extra = _extra(words, position)
        if extra is not None:
            value, position = value + extra.value, extra.end
        total += value * _SECONDS[unit]
    return round(total) if total > 0 else None


class _Found(NamedTuple):
    value: Fraction
    end: int


def _words(text: str) -> list[str]:
    apart = re.sub(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ", plain_words(text))
    return apart.replace(",", " , ").split()


def _amount(words: list[str], position: int) -> _Found | None:
    """Return the amount at ``position``, with an "of an" that links it to its unit."""
    rest = words[position:]
    value: Fraction | None = None
    used = 0
    match rest:
        case ["a" | "an" | "1", "couple", *_]:
            value, used = Fraction(2), 2
        case ["couple", *_]:
            value, used = Fraction(2), 1
        case ["a" | "an", "half" | "quarter" | "third" as part, *_]:
            value, used = _FRACTIONS[part], 2
        case ["half" | "quarter" as part, *_]:
            value, used = _FRACTIONS[part], 1
        case ["a" | "an", *_]:
            return _Found(Fraction(1), position + 1)
        case [digits, "quarters" | "thirds" as parts, *_] if digits.isdecimal():
            value, used = int(digits) * _FRACTIONS[parts[:-1]], 2
        case ["1", "half" | "quarter" | "third" as part, *_]:
            value, used = _FRACTIONS[part], 2
        case [slashed, *_] if (match_ := _SLASHED.fullmatch(slashed)) and match_[2] != "0":
            value, used = Fraction(int(match_[1]), int(match_[2])), 1
        case [digits, *_] if _DIGITS.fullmatch(digits):
            value, used = Fraction(digits), 1
            if rest[1:2] and (match_ := _SLASHED.fullmatch(rest[1])) and match_[2] != "0":
                return _Found(value + Fraction(int(match_[1]), int(match_[2])), position + 2)
            extra = _extra(words, position + 1)
            if extra is not None:
                return _Found(value + extra.value, extra.end)
            return _Found(value, position + 1)
        case _:
            return None
    if rest[used : used + 1] == ["of"]:
        used += 1
    if rest[used : used + 1] in (["a"], ["an"], ["1"]) and value < 1:
        used += 1
    return _Found(value, position + used)


def _extra(words: list[str], position: int) -> _Found | None:
    """Return the fraction at ``position`` that is added to the amount before it: "and a half", "and three quarters"."""
    match words[position : position + 4]:
        case ["and", "a" | "1", "half" | "quarter" | "third" as part, *rest] if rest[:1] != ["of"]:
            return _Found(_FRACTIONS[part], position + 3)
        case ["and", digits, "quarters" | "quarter" | "thirds" as parts, *_] if digits.isdecimal():
            return _Found(int(digits) * _FRACTIONS[parts.removesuffix("s")], position + 3)
        case _:
            return None


def _unit(word: str) -> str:
    name = word.removesuffix("s") if len(word) > 1 else word
    name = _SHORT.get(name, name)
    return name if name in _SECONDS else ""


def later(now: datetime, seconds: int) -> datetime:
    """Return the time of day after so many seconds, in which clocks may be set forward or back.

    Python adds to what the clock shows: an hour after 1:30 am it is 2:30 am, also in the night in which 2 am comes twice.
    """
    if now.tzinfo is None:
        return now + timedelta(seconds=seconds)
    return (now.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(now.tzinfo)


def seconds_until(moment: datetime, now: datetime) -> int:
    """Return the seconds that pass until ``moment``, in which clocks may be set forward or back."""
    return round(moment.timestamp() - now.timestamp())


def next_clock(text: str, now: datetime) -> datetime | None:
    """Return the next moment with the time of day that ``text`` means; None if it is anything else.

    "At six" without morning or evening is the next six o'clock.
    """
    plain = plain_words(text)
    day = _DAY_PART.search(plain)
    half = "" if day is None else _HALVES.get(day["part"] or day["word"], "")
    rest = plain if day is None else f"{plain[: day.start()]}{half}{plain[day.end() :]}".strip()
    minutes = minutes_of(rest)
    if not minutes:
        return None
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = (1,) if day is not None and day["word"] == "tomorrow" else (0, 1) if day is None else (0,)
    due = [midnight + timedelta(days=later, minutes=minute) for later in days for minute in minutes]
    return min((moment for moment in due if moment > now), default=None)


def minutes_of(text: str) -> tuple[int, ...]:
    """Return the minutes after midnight that a time of day may mean, one or two; none if it is anything else."""
    if text in ("noon", "midday", "midnight"):
        return (0,) if text == "midnight" else (12 * 60,)
    past = _PAST.fullmatch(text)
    if past is not None:
        part = past["part"].removeprefix("a ").split()[0]
        away = 30 if part == "half" else 15 if part == "quarter" else int(part)
        side = -1 if past["side"] in ("to", "before") else 1
        return tuple((minute + side * away) % 1_440 for minute in minutes_of(past["rest"]))
    clock = _CLOCK.fullmatch(text)
    if clock is None:
        return ()
    hour, minute = int(clock["hour"]), int(clock["minute"] or 0)
    half = (clock["half"] or "").replace(".", "")
    if minute > 59 or hour > 24 or (half and not 1 <= hour <= 12):
        return ()
    if half:
        is_late = half in ("pm", "in the afternoon", "in the evening") or (
            half == "at night" and 5 < hour < 12
        )
        return ((hour % 12 + 12 * is_late) * 60 + minute,)
    if hour == 0 or hour > 12:
        return (hour % 24 * 60 + minute,)
    return (hour % 12 * 60 + minute, (hour % 12 + 12) * 60 + minute)


def say_span(seconds: int) -> str:
    """Return a length of time as a person says it: "1 hour and 5 minutes"."""
    parts = [
        f"{count} {unit}{'s' if count != 1 else ''}"
        for unit, count in (
            ("hour", seconds // 3600),
            ("minute", seconds // 60 % 60),
            ("second", seconds % 60),
        )
        if count
    ]
    return " and ".join(parts)
