"""Small things that Kai does himself: units, days to come, timers, notes, pace and loudness. Pure; times are given.

Each skill looks for its own words and gives nothing when they are not there, so that the next may look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from kai.engine.speech.sums import with_digits

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
MAX_TIMER_S: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Manner:
    """How Kai shall speak: so many times faster, so many decibels louder."""

    pace: float = 1.0
    gain_db: float = 0.0


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Say something of your own accord after `seconds`; `about` is what the person wanted to be reminded of, or ""."""

    seconds: int
    about: str = ""


@dataclass(frozen=True, slots=True)
class CancelTimers:
    """Forget every timer."""


Effect: TypeAlias = SetTimer | CancelTimers


@dataclass(frozen=True, slots=True)
class Done:
    """What a skill says, its name, and what it does besides."""

    text: str
    skill: str
    effects: tuple[Effect, ...] = ()


def do(heard: str, said_before: Sequence[str], now: datetime) -> Done | None:
    """What the first skill that understands ``heard`` does; ``said_before`` are the person's earlier lines, oldest first."""
    plain = _plain(heard)
    return (
        _timer(plain)
        or _manner(plain)
        or _convert(plain)
        or _day(plain, [with_digits(line).lower() for line in said_before], now)
        or _note(heard, said_before)
    )


def _plain(heard: str) -> str:
    counted = with_digits(re.sub(r"\ba (?=hundred|thousand)", "one ", heard))
    return re.sub(r"\s+", " ", counted.lower().replace("-", " ")).strip(" .!?,")


# -- timers ------------------------------------------------------------------------------------------------------------

_NUMBER: Final = r"(\d+(?:\.\d+)?|an?|half an?)"
_SPAN: Final = re.compile(rf"{_NUMBER} ?(seconds?|minutes?|hours?)(?: and a half)?\b")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
_WANTS_TIMER: Final = re.compile(
    r"\b(?:timer|alarm|countdown|remind me|wake me|ping me|tell me when|let me know)\b"
)
_NO_TIMER: Final = re.compile(
    r"\b(?:cancel|stop|delete|remove|clear|forget|turn off)\b.*\b(?:timer|timers|alarm|reminder)s?\b"
)
_ABOUT: Final = re.compile(r"\bremind me (?:in [^,]*? )?(?:to|about|that) (.+?)(?: in \d.*)?$")


def _timer(plain: str) -> Done | None:
    if _NO_TIMER.search(plain):
        return Done("All right, no timer is running any more.", "timer", (CancelTimers(),))
    if not _WANTS_TIMER.search(plain):
        return None
    found = list(_SPAN.finditer(plain))
    if not found:
        return None
    seconds = round(sum(_seconds(match) for match in found))
    if not 1 <= seconds <= MAX_TIMER_S:
        return Done("A timer can run for a second at least and a day at most.", "timer")
    about = _ABOUT.search(plain)
    topic = _SPAN.sub("", about[1]).removesuffix(" in ").strip(" .,") if about is not None else ""
    topic = topic.removesuffix(" in")
    what = f" and remind you: {_for_you(topic)}" if topic else ""
    return Done(
        f"All right. In {say_span(seconds)} I will speak up{what}.", "timer", (SetTimer(seconds, topic),)
    )


def _seconds(match: re.Match[str]) -> float:
    word, unit = match[1], match[2].rstrip("s")
    count = 0.5 if word.startswith("half") else 1.0 if word in ("a", "an") else float(word)
    return (count + (0.5 if match[0].endswith("half") else 0.0)) * _SECONDS[unit]


def say_span(seconds: int) -> str:
    """A length of time as a person says it: "an hour and 5 minutes"."""
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


def time_is_up(timer: SetTimer) -> str:
    """What Kai says when a timer ends."""
    if timer.about:
        return f"Here is your reminder: {_for_you(timer.about)}."
    return f"Your {say_span(timer.seconds)} are over." if timer.seconds != 1 else "Your second is over."


def _for_you(text: str) -> str:
    """``text`` with the person's "my" and "I" as Kai says them."""
    swaps = {
        "my": "your",
        "i": "you",
        "me": "you",
        "mine": "yours",
        "am": "are",
        "i'm": "you're",
        "myself": "yourself",
    }
    return re.sub(r"[\w']+", lambda match: swaps.get(match[0].lower(), match[0]), text)


# -- pace and loudness -------------------------------------------------------------------------------------------------

_SLOWER: Final = re.compile(r"\b(?:slower|slow down|more slowly|not so fast|too fast|less quickly)\b")
_FASTER: Final = re.compile(r"\b(?:faster|speed up|more quickly|quicker|too slow|too slowly)\b")
_LOUDER: Final = re.compile(
    r"\b(?:louder|speak up|more loudly|too quiet|turn it up|volume up|raise your voice)\b"
)
_SOFTER: Final = re.compile(
    r"\b(?:softer|quieter|more quietly|more softly|too loud|turn it down|volume down|not so loud)\b"
)
_MANNER_WORDS: Final = 9
_MANNERS: Final = (
    (_SLOWER, Done("All right, I speak more slowly now.", "slower"), Manner(pace=0.82)),
    (_FASTER, Done("All right, I speak faster now.", "faster"), Manner(pace=1.22)),
    (_LOUDER, Done("All right, I am louder now.", "louder"), Manner(gain_db=6.0)),
    (_SOFTER, Done("All right, I am softer now.", "softer"), Manner(gain_db=-6.0)),
)
_LEAST, _MOST = Manner(0.5, -18.0), Manner(1.6, 12.0)


def manner_of(said: Iterable[str]) -> Manner:
    """How Kai shall speak after the person ``said`` these lines, oldest first.

    What was asked for earlier in the talk holds, so it holds in a call that takes the talk over.
    """
    manner = Manner()
    for line in said:
        if (found := _manner_in(_plain(line))) is not None:
            change = found[1]
            manner = Manner(
                min(_MOST.pace, max(_LEAST.pace, manner.pace * change.pace)),
                min(_MOST.gain_db, max(_LEAST.gain_db, manner.gain_db + change.gain_db)),
            )
    return manner


def _manner(plain: str) -> Done | None:
    found = _manner_in(plain)
    return None if found is None else found[0]


def _manner_in(plain: str) -> tuple[Done, Manner] | None:
    if len(plain.split()) > _MANNER_WORDS:
        return None
    return next(((done, change) for words, done, change in _MANNERS if words.search(plain)), None)


# -- units -------------------------------------------------------------------------------------------------------------

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
    **dict.fromkeys(("celsius", "centigrade"), ("heat", 1.0, "degrees Celsius")),
    "fahrenheit": ("heat", 5 / 9, "degrees Fahrenheit"),
}
_UNIT: Final = rf"(?:degrees? )?({'|'.join(sorted(_UNITS, key=len, reverse=True))})(?:e?s)?"
_COUNT: Final = r"(-?\d+(?:\.\d+)?|an?|half an?)"
_FROM_TO: Final = re.compile(
    rf"\b{_COUNT} {_UNIT} (?:in|into|to|as|are|is|makes?)(?: how many)? (?:an? )?{_UNIT}\b"
)
_HOW_MANY: Final = re.compile(
    rf"\bhow (?:many|much) {_UNIT} (?:are|is|go|does|do|make|has|have)?\s?(?:there |it take )?"
    rf"(?:in|into|to|make|makes|for)? ?{_COUNT} {_UNIT}\b"
)


def _convert(plain: str) -> Done | None:
    match = _FROM_TO.search(plain)
    if match is not None:
        count, source, target = match.groups()
    else:
        match = _HOW_MANY.search(plain)
        if match is None:
            return None
        target, count, source = match.groups()
    kind, size, source_name = _UNITS[source]
    target_kind, target_size, target_name = _UNITS[target]
    if kind != target_kind:
        return Done(f"I cannot turn {source_name} into {target_name}.", "units")
    amount = 0.5 if count.startswith("half") else 1.0 if count in ("a", "an") else float(count)
    if kind == "heat":
        celsius = amount if source != "fahrenheit" else (amount - 32) * 5 / 9
        value = celsius if target != "fahrenheit" else celsius * 9 / 5 + 32
    else:
        value = amount * size / target_size
    exact = f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    is_exact = abs(float(exact.replace(",", "")) - value) < 1e-9 * max(1.0, abs(value))
    return Done(
        f"{_one(amount, source_name)} {'are' if amount != 1 else 'is'} {'' if is_exact else 'about '}"
        f"{_one(float(exact.replace(',', '')), target_name, exact)}.",
        "units",
    )


def _one(amount: float, name: str, written: str | None = None) -> str:
    singular = {"feet": "foot", "inches": "inch", "stone": "stone"}.get(name, name.removesuffix("s"))
    if name.startswith("degrees"):
        singular = name.replace("degrees", "degree")
    return f"{written or f'{amount:g}'} {singular if abs(amount) == 1 else name}"


# -- days --------------------------------------------------------------------------------------------------------------

_DAY_WORDS: Final = {
    "the day after tomorrow": 2,
    "the day before yesterday": -2,
    "tomorrow": 1,
    "yesterday": -1,
    "today": 0,
}
_AHEAD: Final = re.compile(r"\bin (\d+|a) (day|week)s?\b|\b(\d+|a) (day|week)s? from (?:now|today)\b")
_AGO: Final = re.compile(r"\b(\d+|a) (day|week)s? ago\b")
_ABOUT_DATE: Final = re.compile(
    r"\b(?:what|which) (?:day|date|weekday)\b|\bdate\b|\bday of the week\b|"
    r"\bwhat (?:is|was|will be)\b.*\b(?:tomorrow|yesterday)$"
)
_FOLLOWS: Final = re.compile(r"^(?:and|what about|how about|and what about|ok and|or)\b")
_TIME_AHEAD: Final = re.compile(r"\bwhat time\b.*\bin (\d+|an?|half an?) (minute|hour)s?\b")


def _day(plain: str, said_before: Sequence[str], now: datetime) -> Done | None:
    later = _TIME_AHEAD.search(plain)
    if later is not None:
        count = 0.5 if later[1].startswith("half") else 1.0 if later[1] in ("a", "an") else float(later[1])
        then = now + timedelta(seconds=count * _SECONDS[later[2]])
        return Done(f"It will be {say_time(then)} then.", "time")
    days = _days_off(plain)
    if days is None:
        return None
    is_asked = _ABOUT_DATE.search(plain) is not None
    previous = next((line for line in reversed(said_before) if not _FOLLOWS.search(line)), "")
    is_follow_up = _FOLLOWS.search(plain) is not None and (
        _ABOUT_DATE.search(previous) is not None
        or re.search(r"\bwhat(?:'s| is) (?:it )?today\b", previous) is not None
    )
    if days == 0 or not (is_asked or is_follow_up) or "weather" in plain:
        return None
    then = now + timedelta(days=days)
    verb = "was" if days < 0 else "will be" if days > 1 else "is"
    name = next((word for word, off in _DAY_WORDS.items() if off == days), None)
    subject = name.capitalize() if name else f"In {days} days it" if days > 0 else f"{-days} days ago it"
    return Done(f"{subject} {verb} {say_date(then)}.", "date")


def _days_off(plain: str) -> int | None:
    for match, sign in ((_AHEAD.search(plain), 1), (_AGO.search(plain), -1)):
        if match is not None:
            count, unit = [group for group in match.groups() if group]
            return sign * (1 if count == "a" else min(int(count), 36_500)) * (7 if unit == "week" else 1)
    return next((off for word, off in _DAY_WORDS.items() if word in plain), None)


def say_date(day: datetime) -> str:
    """A date as a person says it, whatever the machine's locale."""
    return f"{WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {day.day}, {day.year}"


def say_time(now: datetime) -> str:
    """The time of day as a person says it, whatever the machine's locale: "3:05 pm", "noon"."""
    if now.minute == 0 and now.hour in (0, 12):
        return "noon" if now.hour == 12 else "midnight"
    return f"{(now.hour + 11) % 12 + 1}:{now.minute:02d} {'am' if now.hour < 12 else 'pm'}"


# -- notes -------------------------------------------------------------------------------------------------------------

_NOTES: Final = re.compile(
    r"\b(?i:(?:please )?(?:remember|note|don't forget|make a note|keep in mind|take a note|note down)(?:,|:)?"
    r"(?: that| this|:)?)\s+(.{4,200})$"
)
_NO_NOTE: Final = re.compile(
    r"\b(?:do|can|could|will|did) you (?:remember|note)|\?\s*$|^remember me\b", re.IGNORECASE
)
_ASKS_NOTES: Final = re.compile(
    r"\b(?:what|which)\b.*\b(?:remember|notes?|noted|keep in mind)\b|\b(?:my|the) notes\b|\bread (?:me )?(?:my|the) notes?\b",
    re.IGNORECASE,
)
_STOP_WORDS: Final = frozenset(
    "what where when who which how is are was were do does did the a an my your i you me of in on at to for it that".split()  # noqa: SIM905
)


def _note(heard: str, said_before: Sequence[str]) -> Done | None:
    text = heard.strip().rstrip(".! ")
    if (match := _NOTES.search(text)) is not None and not _NO_NOTE.search(heard):
        return Done(f"I will remember for this talk: {_for_you(match[1])}.", "note")
    notes = list(_notes(said_before))
    if _ASKS_NOTES.search(heard):
        if not notes:
            return Done("You have not asked me to remember anything yet.", "note")
        return Done(f"You asked me to remember: {'; '.join(_for_you(note) for note in notes[-5:])}.", "note")
    if not re.match(r"(?:so |and |kai,? |hey )*(?:what|where|when|who|which|how)\b", heard.lower()):
        return None
    wanted = _content_words(heard)
    best = max(notes, key=lambda note: len(wanted & _content_words(note)), default="")
    shared = wanted & _content_words(best)
    if wanted and len(shared) * 2 >= len(wanted) and re.search(r"\bmy\b", heard.lower()):
        return Done(f"You told me: {_for_you(best)}.", "note")
    return None


def _notes(said_before: Sequence[str]) -> Iterator[str]:
    for line in said_before:
        match = _NOTES.search(line.strip().rstrip(".! "))
        if match is not None and not _NO_NOTE.search(line):
            yield match[1]


def _content_words(text: str) -> set[str]:
    words = {word.removesuffix("'s") for word in re.findall(r"[\w']+", text.lower())}
    return {word for word in words if word not in _STOP_WORDS}
