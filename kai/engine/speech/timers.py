"""Reads which timer, alarm or reminder a sentence asks for, and says what Kai says when it ends. Pure; the time is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from kai.engine.speech.days import say_time
from kai.engine.speech.orders import MAX_TIMERS, Done, SetTimer, TimerKind, for_you, requests_of
from kai.engine.speech.spans import next_clock, plain_words, read_span, say_span, seconds_until

MAX_TIMER_S: Final = 24 * 3600
_KIND: Final = r"(?:timer|alarm|countdown|alarm clock|reminder)"
_SET: Final = (
    r"(?:(?:set|start|make|create|put|run|begin|add|give|get|have|i need|i want|i'd like|i would like|need|want|"
    r"can i have|can i get|could i have|could i get|may i have)"
    r"(?: me| up| on| in)*)"
)
_SPECIFIC: Final = r"(?:(?:a|an|the|another|1|1 more|new|my|me|quick|short|little|long)(?: |$))*"
_SET_TIMER: Final = re.compile(
    rf"(?:{_SET} )?{_SPECIFIC}(?:(?P<span>(?:\d|half|quarter|couple).*?|hour|minute|half hour) )?(?:long )?"
    rf"(?:(?P<label>(?!second|minute|hour)[a-z]+) )?"
    rf"(?P<kind>{_KIND})(?: (?:to go off|going|on))?"
    r"(?:,? (?:(?P<link>for|of|in|to|at|on|until|till|with|that (?:lasts|runs)|lasting|from now) )?(?P<rest>.+))?"
)
_SET_ONE: Final = re.compile(
    rf"(?:set|start|make)(?: me)? (?:{_SPECIFIC}|1 |it )(?:1 )?(?:for|to|of) (?P<rest>.+)"
)
_CORRECTED: Final = re.compile(
    r"(?P<head>.*?\b(?:for|in|at)) (?P<first>.+?),? (?:no|sorry|wait|i mean|i meant|or rather|rather|actually)"
    r"(?:,? (?:no|sorry|wait|i mean|i meant|rather|actually))*(?:,? (?:make (?:it|that)|for|in|at))?,? (?P<second>.+)"
)
"""A self-correction: "for five, no, ten minutes"."""
_ON_A_DAY: Final = re.compile(
    r"(?P<verb>remind me|wake me(?: up)?) (?P<day>tomorrow|today|tonight|this (?:morning|afternoon|evening))"
    r"(?P<part> morning| afternoon| evening| night)? at (?P<rest>.+)"
)
_REMIND: Final = re.compile(
    r"(?:(?:in|after|at) (?P<first>.+?),? )?(?P<verb>remind me|wake me(?: up)?|ping me|alert me|nudge me|notify "
    r"me|tell me|"
    r"let me know|beep|ring|buzz me|come back to me|give me a (?:shout|call|sign|nudge))(?: again)?(?: (?P<rest>.+))?"
)
_OVER: Final = re.compile(
    r"when (?P<span>.+?) (?:are|is|have|has)(?: been)? (?:over|up|passed|done|gone|elapsed|gone by)"
)
_SEVERAL: Final = re.compile(
    rf"{_SET} (?:(?P<count>\d{{1,2}}|some|several|a few|a couple of) )?(?P<kind>timer|alarm|reminder)s"
    r"(?:[,:]? (?P<rest>.+))?"
)
_PAIR: Final = re.compile(
    rf"{_SET} an? (?P<first>\d+) (?P<unit>(?:second|minute|hour) )?(?:timer )?and (?:an? )?(?P<second>\d+) "
    rf"(?P<last_unit>second|minute|hour) timers?"
)
_NEXT_ONE: Final = re.compile(r",? and (?=(?:1|another|the other) )|, (?=(?:1|another|the other) )")
_NEXT: Final = re.compile(r",? and |, ")
_ONE_OF: Final = re.compile(r"(?:(?:1|another|the other)(?: 1)? )?(?:(?:for|of|at|in) )?")
_ASKS_LENGTHS: Final = "For how long each? Say, for example: one for five minutes and one for ten."
_COUNT_DOWN: Final = re.compile(r"count down(?: from| for)? (?P<rest>.+)")
_NOT_LABELS: Final = frozenset(
    """oven phone kitchen microwave egg's no any every each that this his her their your our same right wrong old broken good
    bad best first last only of for and or not hear check see use like love hate what which whose""".split()  # noqa: SIM905
)
_HALVES: Final = re.compile(r" (?:to|for|about|that|called|named|so that i) ")
_CLOCKWISE: Final = re.compile(r"(?P<first>\d{1,2}):(?P<second>\d\d)(?: minutes)?")
_COUNTS_DOWN: Final = re.compile(r"\b(?:timer|countdown|count down)\b")
_NAMES: Final = re.compile(r"alarm|wake|remind")
_BOUNDS: Final = "A timer can run for a second at least and a day at most."
_NO_LENGTH: Final = re.compile(r"(?:0|minus \d+) (?:seconds?|minutes?|hours?)")
_ASKS_LENGTH: Final = "For how long? Say, for example: five minutes."
_SOME: Final = re.compile(
    r"(?:a few|some|several|a|an|a little|a short) (?:seconds|minutes|hours|while|bit|time|moment)"
)


def answer_timer(sentence: str, now: datetime) -> Done | None:
    """Return what is done for the order ``sentence`` to set a timer; None if it is anything else."""
    plain = _as_meant(plain_words(sentence).removesuffix(" from now"))
    if (several := _answer_several(plain, now)) is not None:
        return several
    wish = _timer_wish(plain)
    if wish is None:
        return None
    when, about = wish
    unclear = _CLOCKWISE.fullmatch(when)
    if unclear is not None and not about:
        first, second = int(unclear["first"]), int(unclear["second"])
        short, long = say_span(first * 60 + second), say_span(first * 3600 + second * 60)
        return Done(f"Do you mean {short}, or {long}?", "timer")
    if not when or _SOME.fullmatch(when) or (when.isdecimal() and _COUNTS_DOWN.search(plain)):
        return Done(_ASKS_LENGTH, "timer")
    if _NO_LENGTH.fullmatch(when):
        return Done(_BOUNDS, "timer")
    return _set_timer(when.removeprefix("at "), _as_written(about, sentence), _kind_of(plain), now)


def _answer_several(plain: str, now: datetime) -> Done | None:
    """Return what is done for an order to set several timers at once; None if it is anything else."""
    pair = _PAIR.fullmatch(plain)
    if pair is not None:
        first_unit = (pair["unit"] or pair["last_unit"]).strip()
        plain = f"set timers for {pair['first']} {first_unit}s and {pair['second']} {pair['last_unit']}s"
    several = _SEVERAL.fullmatch(plain)
    if several is None or not (several["count"] or several["rest"]):
        return None
    if not several["rest"]:
        return Done(_ASKS_LENGTHS, "timer")
    count = int(several["count"]) if (several["count"] or "").isdecimal() else 0
    for joint in (_NEXT_ONE, _NEXT):
        whens = _with_units([_ONE_OF.sub("", part, count=1) for part in joint.split(several["rest"])])
        if several["kind"] == "timer" and any(when.isdecimal() for when in whens):
            continue
        done = [done for when in whens if (done := _set_timer(when, "", _kind_of(plain), now)) is not None]
        if len(done) == len(whens):
            done = done * count if len(done) == 1 and count else done
            is_clear = len(done) == (count or max(2, len(done))) <= MAX_TIMERS
            return _together(done) if is_clear else Done(_ASKS_LENGTHS, "timer")
    return None


def _with_units(whens: list[str]) -> list[str]:
    """Return the lengths, those that are a mere number with their neighbour's unit: "5, 10 and 15 minutes"."""
    units = [when.rpartition(" ")[2] for when in whens if " " in when]
    return [f"{when} {units[-1]}" if when.isdecimal() and units else when for when in whens]


def _together(done: Sequence[Done]) -> Done:
    if any(not each.effects for each in done):
        return Done(_BOUNDS, "timer")
    said = [each.text.removeprefix("Okay, ").removesuffix(".") for each in done]
    effects = tuple(effect for each in done for effect in each.effects)
    return Done(f"Okay, {', '.join(said[:-1])} and {said[-1]}.", "timer", effects)


def sets_timer(line: str) -> bool:
    """Return whether the last sentence of a person's ``line`` asks for a timer."""
    requests = requests_of(line)
    return bool(requests) and _timer_wish(plain_words(requests[-1])) is not None


def _kind_of(plain: str) -> TimerKind:
    """Return the kind that the person's words mean: "wake me at six" asks for an alarm."""
    found = _NAMES.search(plain)
    if found is None:
        return "timer"
    return "alarm" if found[0] in ("alarm", "wake") else "reminder"


def _as_meant(plain: str) -> str:
    """Return ``plain`` with self-corrections applied, and with a reminder's day after its time."""
    corrected = _CORRECTED.fullmatch(plain)
    if corrected is not None:
        first, second = corrected["first"], corrected["second"]
        if second.isdecimal() and " " in first:
            second = f"{second} {first.rpartition(' ')[2]}"  # "five minutes, no, ten"
        if not _is_moment(second):
            return plain
        if first.isdecimal() or _is_moment(first) or _CLOCKWISE.fullmatch(first):
            plain = f"{corrected['head']} {second}"
    on_a_day = _ON_A_DAY.fullmatch(plain)
    if on_a_day is not None:
        rest, link, about = on_a_day["rest"].partition(" to ")
        if not link:
            rest, link, about = on_a_day["rest"].partition(" about ")
        when = f"{rest} {on_a_day['day']}{on_a_day['part'] or ''}"
        plain = f"{on_a_day['verb']} at {when}{link}{about}"
    return plain


def _as_written(about: str, sentence: str) -> str:
    """Return the topic with its capitals."""
    start = sentence.lower().find(about)
    return sentence[start : start + len(about)] if start >= 0 else about


def _timer_wish(plain: str) -> tuple[str, str] | None:
    """Return when the timer that ``plain`` asks for shall end, and its topic; None if it does not ask for one."""
    set_timer = _SET_TIMER.fullmatch(plain)
    if set_timer is not None:
        label = set_timer["label"] or ""
        rest, span = set_timer["rest"] or "", set_timer["span"] or ""
        if label in _NOT_LABELS:
            return None
        named = re.match(r"(?:called|named) ", rest)
        rest = rest[named.end() :] if named is not None else rest
        if span and read_span(_with_article(span)) is not None:
            if named is not None:
                return _with_article(span), rest
            is_about = (
                re.match(r"(?:to|for|about|called|named) ", plain[set_timer.start("rest") - 4 :])
                if rest
                else None
            )
            return None if rest and is_about is None else (_with_article(span), rest or label)
        if span:
            return None
        is_clock = set_timer["kind"].startswith("alarm") or set_timer["link"] in ("at", "until", "till")
        if is_clock and _CLOCKWISE.fullmatch(rest):
            return f"at {rest}", label
        if not rest:
            return ("", label) if plain.split()[0] not in ("timer", "alarm", "reminder") else None
        return _split_wish(rest, label)
    one = _SET_ONE.fullmatch(plain)
    if one is not None:
        return _split_wish(one["rest"], "")
    count = _COUNT_DOWN.fullmatch(plain)
    if count is not None:
        return _split_wish(count["rest"], "")
    remind = _REMIND.fullmatch(plain)
    if remind is None:
        return None
    first, rest = remind["first"] or "", remind["rest"] or ""
    over = _OVER.fullmatch(rest)
    if over is not None and not first:
        return over["span"], ""
    if first:
        about = re.fullmatch(r"(?:to|about|that|of) (?P<about>.+)", rest)
        if not _is_moment(first) or (rest and about is None):
            return None
        return first, "" if about is None else about["about"]
    return _split_reminder(rest, is_reminder=remind["verb"] == "remind me")


def _with_article(span: str) -> str:
    return f"an {span}" if span.startswith(("hour", "minute")) else span


def _is_moment(text: str) -> bool:
    return read_span(text) is not None or next_clock(text, datetime(2000, 1, 1)) is not None  # noqa: DTZ001


def _split_wish(rest: str, label: str) -> tuple[str, str] | None:
    """Split ``rest``, the text after "a timer for", into its moment and topic: "5 minutes for the eggs"."""
    if _is_moment(rest) or any(each.fullmatch(rest) for each in (_CLOCKWISE, _SOME, _NO_LENGTH)):
        return rest, label
    for link in _HALVES.finditer(rest):
        if _is_moment(rest[: link.start()]) and not _is_moment(rest[link.end() :]):
            return rest[: link.start()], rest[link.end() :]
    ending = re.fullmatch(r"(?P<about>(?:(?!\b(?:second|minute|hour)).)+?) (?:in|for|at) (?P<when>.+)", rest)
    if ending is not None and _is_moment(ending["when"]):
        return ending["when"], re.sub(r"^(?:to|for|called|named) ", "", ending["about"])
    return None


def _split_reminder(rest: str, *, is_reminder: bool) -> tuple[str, str] | None:
    """Split ``rest``, the text after "remind me", into its moment and topic, which may be in either order."""
    early = re.fullmatch(r"(?:in|after|at) (?P<rest>.+)", rest)
    if early is not None:
        wish = _split_wish(early["rest"], "")
        if wish is not None and _is_moment(wish[0]):
            return wish
    late = re.fullmatch(r"(?:to|about|that|of) (?P<about>.+) (?:in|after|at) (?P<when>.+?)", rest)
    if late is not None and is_reminder and _is_moment(late["when"]):
        return late["when"], late["about"]
    return None


def _set_timer(when: str, about: str, kind: TimerKind, now: datetime) -> Done | None:
    seconds = read_span(when)
    if seconds is None:
        moment = next_clock(when, now)
        if moment is None:
            return None
        seconds, said = seconds_until(moment, now), f"at {say_time(moment)}"
    else:
        said = f"{say_span(seconds)} from now"
    if not 1 <= seconds <= MAX_TIMER_S:
        return Done(_BOUNDS, "timer")
    what = f" I will remind you: {for_you(about)}." if about else ""
    return Done(f"Okay, {said}.{what}", "timer", (SetTimer(seconds, about, kind),))


def answer_length(plain: str, said_before: Sequence[str], now: datetime) -> Done | None:
    """Return what is done if ``plain`` gives the length of a timer that the person's last line asked for without one."""
    if not said_before:
        return None
    seconds_text = re.sub(r"^(?:for|in|make it|say) ", "", plain)
    requests = requests_of(said_before[-1])
    asked = plain_words(requests[-1]) if requests else ""
    if (several := _SEVERAL.fullmatch(asked)) is not None and not several["rest"]:
        return _answer_several(f"{asked} {plain}", now)
    wish = _timer_wish(asked)
    if (
        wish is None
        or read_span(seconds_text) is None
        or (wish[0] and not _CLOCKWISE.fullmatch(wish[0]) and not _SOME.fullmatch(wish[0]))
    ):
        return None
    return _set_timer(seconds_text, wish[1], _kind_of(asked), now)


def time_is_up(timer: SetTimer) -> str:
    """Return what Kai says when a timer ends."""
    if timer.about:
        return f"Here is your reminder: {for_you(timer.about)}."
    return "Time's up."
