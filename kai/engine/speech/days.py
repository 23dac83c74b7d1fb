"""Reads the names of days, and answers questions about days and the time: "what's the date next Friday". Pure.

`read_day` reads a text completely or not at all. parsedatetime, dateparser and recognizers-text were tried: the first two do
not know feasts and read "a week from Tuesday" as Tuesday; the third needs a package that was withdrawn.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta

from kai.engine.speech.orders import Done
from kai.engine.speech.spans import later, plain_words, read_amount, read_span
from kai.engine.speech.zones import find_place

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final[tuple[str, ...]] = tuple(
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)
_MONTH_NUMBERS: Final[dict[str, int]] = {month.lower(): place + 1 for place, month in enumerate(MONTHS)}
_DAY_WORDS: Final = {
    "today": 0,
    "tomorrow": 1,
    "yesterday": -1,
    "day after tomorrow": 2,
    "day before yesterday": -2,
}
_ORDINALS: Final[tuple[str, ...]] = tuple(
    """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth""".split()  # noqa: SIM905
)
_ORDINAL: Final = re.compile(rf"\b(?:(twenty|thirty)[ -])?({'|'.join(_ORDINALS)}|thirtieth)\b", re.IGNORECASE)
_WEEKDAY: Final = rf"(?P<weekday>{'|'.join(day.lower() for day in WEEKDAYS)})"
_MONTH: Final = rf"(?P<month>{'|'.join(month.lower() for month in MONTHS)})"
_YEAR: Final = r"(?P<year>\d{4}|20 \d\d|19 \d\d)"
_NAMED: Final = re.compile(
    rf"(?:on )?(?:(?P<which>next|last|this|this coming|the coming|coming|the next|the last|this past) )?{_WEEKDAY}"
    r"(?P<later> week| next week| in a week)?"
)
_WEEK_FROM: Final = re.compile(
    rf"(?P<count>.+) weeks? from (?:next )?(?P<from>tomorrow|today|now|{_WEEKDAY})"
)
_STEP: Final = re.compile(
    r"(?P<ahead>in )?(?P<count>.+?) (?P<unit>day|week|month|year|fortnight)s?(?: ?'?s time)?"
    r"(?: (?P<side>ago|from (?:now|today)|before today|after today))?"
)
_IN_YEAR: Final = re.compile(
    rf"(?:on |the )*(?P<rest>.+?),? (?:in |of )?(?P<when>this year|next year|last year|{_YEAR})"
)
_DAY: Final = r"(?:the )?(?P<day>\d\d?)(?:st|nd|rd|th)?"
_DATED: Final = (re.compile(rf"{_DAY} (?:of )?{_MONTH}"), re.compile(rf"{_MONTH} {_DAY}"))


def _nth(month: int, weekday: int, count: int) -> Callable[[int], date]:
    """Return a function from a year to the ``count``-th such weekday of the month; -1 is the last."""

    def in_year(year: int) -> date:
        days = [
            week[weekday]
            for week in calendar.Calendar().monthdatescalendar(year, month)
            if week[weekday].month == month
        ]
        return days[count if count < 0 else count - 1]

    return in_year


def _fixed(month: int, day: int) -> Callable[[int], date]:
    return lambda year: date(year, month, day)


def _after_easter(days: int, year: int) -> date:
    return easter(year) + timedelta(days=days)


_FEASTS: Final[dict[str, Callable[[int], date]]] = {
    "christmas eve": _fixed(12, 24),
    "christmas day": _fixed(12, 25),
    "christmas": _fixed(12, 25),
    "xmas": _fixed(12, 25),
    "boxing day": _fixed(12, 26),
    "saint nicholas day": _fixed(12, 6),
    "new year's eve": _fixed(12, 31),
    "new years eve": _fixed(12, 31),
    "silvester": _fixed(12, 31),
    "new year's day": _fixed(1, 1),
    "new year's": _fixed(1, 1),
    "new years": _fixed(1, 1),
    "new year": _fixed(1, 1),
    "epiphany": _fixed(1, 6),
    "valentine's day": _fixed(2, 14),
    "valentines day": _fixed(2, 14),
    "saint patrick's day": _fixed(3, 17),
    "st. patrick's day": _fixed(3, 17),
    "st patrick's day": _fixed(3, 17),
    "april fools' day": _fixed(4, 1),
    "april fool's day": _fixed(4, 1),
    "may day": _fixed(5, 1),
    "independence day": _fixed(7, 4),
    "fourth of july": _fixed(7, 4),
    "bastille day": _fixed(7, 14),
    "halloween": _fixed(10, 31),
    "all saints' day": _fixed(11, 1),
    "veterans day": _fixed(11, 11),
    "martin luther king day": _nth(1, 0, 3),
    "memorial day": _nth(5, 0, -1),
    "labor day": _nth(9, 0, 1),
    "columbus day": _nth(10, 0, 2),
    "thanksgiving": _nth(11, 3, 4),
    "thanksgiving day": _nth(11, 3, 4),
    "black friday": lambda year: _nth(11, 3, 4)(year) + timedelta(days=1),
    "father's day": _nth(6, 6, 3),
    "easter": easter,
    "easter sunday": easter,
    "good friday": partial(_after_easter, -2),
    "easter monday": partial(_after_easter, 1),
    "ash wednesday": partial(_after_easter, -46),
    "palm sunday": partial(_after_easter, -7),
    "ascension day": partial(_after_easter, 39),
    "pentecost": partial(_after_easter, 49),
    "whit monday": partial(_after_easter, 50),
}
"""Feasts whose day is the same in all countries; Mother's Day, for example, is not among them."""


def with_ordinals(text: str) -> str:
    """Return ``text`` with ordinals in digits: "24th" for "twenty fourth"."""

    def digits(match: re.Match[str]) -> str:
        word = match[2].lower()
        value = 30 if word == "thirtieth" else _ORDINALS.index(word) + 1
        tens = {"twenty": 20, "thirty": 30}.get((match[1] or "").lower(), 0)
        return f"{tens + value}th" if not tens or value < 10 else match[0]

    return _ORDINAL.sub(digits, text)


def read_day(text: str, today: date) -> date | None:
    """Return the day that the whole ``text`` names, without a year the next such day; None if it is anything else."""
    text = text.strip(" ,.?!").removeprefix("the ").removeprefix("on ")
    if text in _DAY_WORDS:
        return today + timedelta(days=_DAY_WORDS[text])
    try:
        return _read_weekday(text, today) or _read_step(text, today) or _read_dated(text, today)
    except (ValueError, OverflowError):
        return None  # the 31st of June, or a million years ahead


def _read_weekday(text: str, today: date) -> date | None:
    from_day = _WEEK_FROM.fullmatch(text)
    if from_day is not None:
        first, count = (
            read_day(from_day["from"].replace("now", "today"), today),
            read_amount(from_day["count"]),
        )
        return None if first is None or count is None else first + timedelta(weeks=int(count))
    named = _NAMED.fullmatch(text)
    if named is None:
        return None
    wanted = [day.lower() for day in WEEKDAYS].index(named["weekday"])
    ahead = (wanted - today.weekday()) % 7
    if named["which"] in ("last", "the last", "this past"):
        return today - timedelta(days=(today.weekday() - wanted) % 7 or 7)
    if not ahead and named["which"] != "this":
        ahead = 7
    return today + timedelta(days=ahead + (7 if named["later"] else 0))


def _read_step(text: str, today: date) -> date | None:
    if text in ("next week", "next month", "next year", "last week", "last month", "last year"):
        return None  # it does not name a single day
    step = _STEP.fullmatch(text)
    if step is None or not (step["ahead"] or step["side"]):
        return None
    count = read_amount(step["count"])
    if count is None or count.denominator != 1:
        return None
    sign = -1 if step["side"] in ("ago", "before today") else 1
    number = int(count) * (2 if step["unit"] == "fortnight" else 1)
    unit = "week" if step["unit"] == "fortnight" else step["unit"]
    moved = sign * number
    match unit:
        case "day" | "week":
            return today + timedelta(days=moved * (7 if unit == "week" else 1))
        case "month":
            return today + relativedelta(months=moved)
        case _:
            return today + relativedelta(years=moved)


def _read_dated(text: str, today: date) -> date | None:
    year: int | None = None
    rest = text
    in_year = _IN_YEAR.fullmatch(text)
    if in_year is not None:
        rest = in_year["rest"]
        when = in_year["when"]
        moves = {"this year": 0, "next year": 1, "last year": -1}
        year = today.year + moves[when] if when in moves else int(when.replace(" ", ""))
    which, _, name = rest.partition(" ")
    if which in ("last", "next", "this", "coming") and name in _FEASTS and year is None:
        days = sorted(_FEASTS[name](today.year + off) for off in (-1, 0, 1))
        return (
            [day for day in days if day < today][-1]
            if which == "last"
            else [day for day in days if day >= today][0]
        )
    feast = _FEASTS.get(rest) or _FEASTS.get(rest.removesuffix(" day"))
    if feast is None:
        dated = _DATED[0].fullmatch(rest) or _DATED[1].fullmatch(rest)
        if dated is None:
            return None
        month, day = _MONTH_NUMBERS[dated["month"]], int(dated["day"])
        if (month, day) == (2, 29) and year is None:
            year = next(
                y for y in range(today.year, today.year + 9) if calendar.isleap(y) and date(y, 2, 29) >= today
            )
        feast = _fixed(month, day)
    if year is not None:
        return feast(year)
    found = feast(today.year)
    return found if found >= today else feast(today.year + 1)


def say_date(day: date) -> str:
    """Return a date as a person says it, independent of the computer's locale."""
    return f"{WEEKDAYS[day.weekday()]}, {MONTHS[day.month - 1]} {day.day}, {day.year}"


def say_time(now: datetime) -> str:
    """Return the time of day as a person says it, independent of the computer's locale: "3:05 pm", "noon"."""
    if now.minute == 0 and now.hour in (0, 12):
        return "noon" if now.hour == 12 else "midnight"
    return f"{(now.hour + 11) % 12 + 1}:{now.minute:02d} {'am' if now.hour < 12 else 'pm'}"


_TELL: Final = r"(?:(?:tell|give) me |say |do you (?:happen to )?know |i (?:want|need|would like|'d like) to know |and |so )*"
_NOW: Final = r"(?: (?:now|right now|just now|currently|at the moment|today|exactly|here))*"
_CLOCK: Final = (
    r"(?:what(?:'s|s| is) the (?:current |local |exact )?time(?: is it)?|what(?: the)? (?:current |local |exact )?time"
    r"(?: is it| it is| is| do (?:you|we) have| have (?:you|we) got)|(?:the )?(?:current |local |exact )?time|"
    r"(?:do you have|have you got) the time|what hour is it|how late (?:is it|it is)|what does the clock say|"
    r"what time does your clock (?:say|show))"
)
_ASKS_TIME: Final = re.compile(rf"{_TELL}{_CLOCK}{_NOW}(?: (?:over )?(?:in|at|for|of) (?P<place>.+?))?{_NOW}")
_PLACE_TIME: Final = re.compile(
    rf"{_TELL}what(?:'s|s| is) (?P<place>.+?)(?:'s)? (?:local |current )?time{_NOW}"
)
_TIME_THEN: Final = re.compile(
    rf"{_TELL}what(?:'s| will| was| is)? (?:(?:the )?time )?(?:will |was |is |would )?(?:it |the time )?(?:be )?"
    r"(?P<then>in .+|.+ ago|.+ from now)"
)
_DATE_NAME: Final = r"(?:current |exact )?(?:date|day|weekday|day of the week|day of the month)"
_TODAY: Final = re.compile(
    rf"{_TELL}(?:(?:what|which)(?:'s|s| is)? (?:the )?{_DATE_NAME}(?: of the week)?"
    r"(?: is it| it is| is| do we have| have we got)?(?: (?:today|now|right now|today's))?|"
    rf"(?:the |today's )?{_DATE_NAME}(?: today)?|what is it today|what(?:'s|s| is) today(?:'s date|'s day)?)"
)
_PART: Final = re.compile(
    rf"{_TELL}(?:what|which)(?:'s|s| is)? (?:the )?(?:current )?(?P<part>month|year)"
    r"(?: is it| is this| are we in| do we have| it is)?(?: (?:now|today|right now|currently))?|what month and "
    r"year is it"
)
_WEEK: Final = re.compile(
    rf"{_TELL}(?:what|which) (?:calendar )?week(?: number)?(?: of the year)?(?: is it| is this| are we in| do we have)"
    r"(?: of the year)?(?: (?:now|today|right now|currently))?"
)
_IS_IT: Final = re.compile(rf"(?:is it|is today|isn't it) (?P<day>{_WEEKDAY})(?: today)?")
_ASKS_DAY: Final = re.compile(
    rf"{_TELL}(?:on )?(?:what|which)(?:'s|s)? (?:(?:is|was|will be|are|were) )?(?:the )?(?:exact )?"
    r"(?:date|day|weekday|day of the week)(?: of the week)?"
    r"(?: (?:is|was|will|would|be|does|do|did|it|we|have|on|of|for|to|that|fall|falls))*(?: it)? (?P<day>.+?)"
    r"(?: (?:fall|falls|falling|be|on|land|this time))*"
)
_ASKS_WHEN: Final = re.compile(
    rf"{_TELL}(?:when(?:'s| is| was| will| does)? (?:be )?(?P<day>.+?)(?: be| fall| start)?|"
    r"what(?:'s| is| was) (?P<word>tomorrow|yesterday)(?:'s date|'s day)?)"
)
_HOW_LONG: Final = re.compile(
    rf"{_TELL}how (?:many (?P<unit>days|weeks)|long)"
    r"(?: (?:are|is|do|does|have|has|was|were|it|there|we|left|still|more|to go|got|remain|take))*?"
    r" (?:until|till|til|to|before|since) (?P<day>.+)"
)
_FOLLOWS: Final = re.compile(
    r"(?:and |or |what about |how about |and what about |ok |okay )+(?:in |on |at )?(?P<what>.+?)(?: then)?"
)


def answer_about_time(asked: str, said_before: str, now: datetime) -> Done | None:
    """Return the answer to a question about days or the time; None if the whole of ``asked`` is anything else.

    ``asked`` has no courtesies. ``said_before`` is the person's last line that was not a follow-up itself; a follow-up such
    as "and tomorrow?" refers to it.
    """
    plain = plain_words(with_ordinals(asked))
    return _answer(plain, now) or _follow(plain, plain_words(with_ordinals(said_before)), now)


def _answer(plain: str, now: datetime) -> Done | None:
    today = now.date()
    asks_time = _ASKS_TIME.fullmatch(plain)
    place = asks_time or _PLACE_TIME.fullmatch(plain)
    if place is not None and place["place"]:
        return _time_at(place["place"], now)
    if asks_time is not None:
        return Done(f"It is {say_time(now)}.", "time")
    then = _TIME_THEN.fullmatch(plain)
    if then is not None and "time" in plain:
        return _time_then(then["then"], now)
    if _TODAY.fullmatch(plain):
        return Done(f"Today is {say_date(today)}.", "date")
    part = _PART.fullmatch(plain)
    if part is not None:
        month = MONTHS[today.month - 1]
        if part["part"] is None:
            return Done(f"It is {month} {today.year}.", "date")
        return Done(f"It is {month if part['part'] == 'month' else today.year}.", "date")
    if _WEEK.fullmatch(plain):
        return Done(f"It is week {today.isocalendar().week} of {today.isocalendar().year}.", "date")
    is_it = _IS_IT.fullmatch(plain)
    if is_it is not None:
        is_so = WEEKDAYS[today.weekday()].lower() == is_it["weekday"]
        return Done(f"{'Yes' if is_so else 'No'}, today is {say_date(today)}.", "date")
    how_long = _HOW_LONG.fullmatch(plain)
    if how_long is not None:
        return _days_between(how_long["day"], how_long["unit"] or "days", now)
    for asks_day in (_ASKS_DAY.fullmatch(plain), _ASKS_WHEN.fullmatch(plain)):
        name = None if asks_day is None else next(filter(None, asks_day.groupdict().values()), None)
        told = None if name is None else _tell_day(name, today)
        if told is not None:
            return told
    return None


def _follow(plain: str, before: str, now: datetime) -> Done | None:
    follows = _FOLLOWS.fullmatch(plain)
    previous = None if follows is None else _answer(before, now)
    if follows is None or previous is None:
        return None
    if previous.skill == "time":
        return _time_at(follows["what"], now)
    return _tell_day(follows["what"], now.date())


def is_follow_up(asked: str) -> bool:
    """Return whether a line is a follow-up to an earlier one: "And tomorrow?"."""
    return _FOLLOWS.fullmatch(plain_words(asked)) is not None


def _time_at(name: str, now: datetime) -> Done | None:
    place = find_place(name)
    if place is None:
        return None
    there, *others = place.times(now)
    if others:
        return Done(f"There are several time zones in {place.name}. Ask me for a city there.", "time")
    day = "" if there.date() == now.date() else f" on {WEEKDAYS[there.weekday()]}"
    return Done(f"In {place.name} it is {say_time(there)}{day}.", "time")


def _time_then(then: str, now: datetime) -> Done | None:
    span = re.fullmatch(r"in (?P<ahead>.+)|(?P<ago>.+) ago|(?P<from>.+) from now", then)
    if span is None:
        return None
    seconds = read_span(span["ahead"] or span["ago"] or span["from"])
    if seconds is None:
        return None
    try:
        moment = later(now, -seconds if span["ago"] else seconds)
    except OverflowError:
        return None
    said = say_time(moment)
    if moment.date() != now.date():
        said += f" on {say_date(moment)}"
    return Done(f"It was {said} then." if span["ago"] else f"It will be {said} then.", "time")


def _tell_day(text: str, today: date) -> Done | None:
    day = read_day(text, today)
    if day is None:
        return None
    days = (day - today).days
    if days == 0:
        return Done(f"That is today, {say_date(today)}.", "date")
    named = {off: word for word, off in _DAY_WORDS.items()}
    bare = text.removeprefix("the ").removeprefix("on ")
    if bare in _DAY_WORDS:
        return Done(
            f"{text.capitalize()} {'was' if days < 0 else 'is' if days < 2 else 'will be'} {say_date(day)}.",
            "date",
        )
    feast = re.sub(
        rf"^(?:last|next|this|coming) |(?: in| of)?,? (?:this year|next year|last year|{_YEAR})$", "", bare
    )
    if feast in _FEASTS:
        return Done(f"{_title(feast)} {'was' if days < 0 else 'is'} on {say_date(day)}.", "date")
    if _STEP.fullmatch(bare) and not _NAMED.fullmatch(bare):
        if days in named:
            return Done(f"{named[days].capitalize()} {'was' if days < 0 else 'is'} {say_date(day)}.", "date")
        where = f"In {days} days it will be" if days > 0 else f"{-days} days ago it was"
        return Done(f"{where} {say_date(day)}.", "date")
    return Done(f"That {'was' if days < 0 else 'is'} {say_date(day)}.", "date")


def _days_between(text: str, unit: str, now: datetime) -> Done | None:
    day = read_day(text, now.date())
    if day is None:
        return None
    days = abs((day - now.date()).days)
    bare = text.removeprefix("the ")
    name = _title(bare) if bare in _FEASTS else say_date(day)
    if unit == "weeks":
        weeks, rest = divmod(days, 7)
        more = f" and {rest} day{'s' if rest != 1 else ''}" if rest else ""
        return Done(f"{weeks} week{'s' if weeks != 1 else ''}{more} between today and {name}.", "date")
    link = "since" if day < now.date() else "until"
    return Done(f"It is {days} day{'s' if days != 1 else ''} {link} {name}.", "date")


def _title(name: str) -> str:
    small = {"of", "the"}
    return " ".join(word if word in small else word[:1].upper() + word[1:] for word in name.split())
