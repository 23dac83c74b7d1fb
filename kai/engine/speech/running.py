"""Orders about running timers: which of them a person means, and what is to be done. Pure; timers and time are given.

A person sets three timers and says "cancel the tea timer", "add a minute to the five minute one", "how long until the
alarm rings". Such an order has a verb and a description. The verb is read by a pattern of the whole sentence. The
description is read by `_read_which`: the kind (timer, alarm, reminder), the length or the time at which it rings, the
topic, and the position in the list. The running timers that match are the ones meant. If one matches, the order is carried
out. If several match, without a word like "all", nothing is done and Kai asks which one; the next line ("the tea one",
"both") is read as the missing description. If none matches, Kai says so, and nothing else happens.

For example, with timers of 5 and 10 minutes for tea and rice: "cancel the 5 minute timer" means the first, "cancel the rice"
is not an order about timers, and "cancel the timer" is answered by "Which one: the timer for tea, or the timer for rice?"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from kai.engine.speech.days import say_time
from kai.engine.speech.notes import content_words
from kai.engine.speech.orders import (
    CancelTimers,
    Done,
    Effect,
    MoveTimer,
    RunningTimer,
    SetTimer,
    TimerKind,
    for_you,
    requests_of,
)
from kai.engine.speech.spans import later, minutes_of, plain_words, read_span, say_span, seconds_until

Timers = Sequence[RunningTimer]

_KINDS: Final[dict[str, TimerKind]] = {
    "timer": "timer",
    "countdown": "timer",
    "alarm": "alarm",
    "clock": "alarm",
    "reminder": "reminder",
}
_NOUN: Final = r"(?:timer|alarm clock|alarm|countdown|reminder)s?"
_EVERY: Final = frozenset(("all", "every", "each", "both", "everything", "any"))
_ARTICLES: Final = frozenset(
    """the my a an that this those these our running active current of other little them it's long old existing""".split()  # noqa: SIM905
)
_UNITS: Final = frozenset("second seconds minute minutes min hour hours sec".split())  # noqa: SIM905
_PLACES: Final[dict[str, Callable[[Timers], RunningTimer]]] = {
    **dict.fromkeys(("first", "1st", "oldest", "earliest"), lambda timers: timers[0]),
    **dict.fromkeys(("second", "2nd"), lambda timers: timers[min(1, len(timers) - 1)]),
    **dict.fromkeys(("third", "3rd"), lambda timers: timers[min(2, len(timers) - 1)]),
    **dict.fromkeys(("last", "latest", "newest"), lambda timers: timers[-1]),
    **dict.fromkeys(("next", "soonest"), lambda timers: min(timers, key=lambda each: each.left_s)),
    **dict.fromkeys(("longest", "longer"), lambda timers: max(timers, key=lambda each: each.seconds)),
    **dict.fromkeys(("shortest", "shorter"), lambda timers: min(timers, key=lambda each: each.seconds)),
}
_NO_TOPIC: Final = frozenset(
    """oven phone kitchen microwave car house fire smoke burglar egg's no his her their your same right wrong broken good bad
    best only snooze
    set start make add put create give get cancel stop remind wake tell let delete don't not change and""".split()  # noqa: SIM905
)
"""Words that show that a text is not the topic of a timer of Kai's, but another device or another order."""
_BEHIND_ONE: Final = frozenset("for about at that with i called to of on".split())  # noqa: SIM905
_TAILS: Final = re.compile(
    r"(?:that )?(?:(?:i|you|we)(?:'ve| have)? (?:just )?(?:set|made|started|asked for)|(?:is|are) (?:still )?running|"
    r"(?:is|are) (?:on|set)|again|off|at once|running|any ?more|i have|instead)(?: |$)"
)
_LINKS: Final = re.compile(
    r"(?:for|of|about|to|called|named|labell?ed|at|with|that says|that|which|on|due at) (?P<what>.+)"
)
_EXCEPT: Final = re.compile(
    r"(?P<all>.+?),? (?:except|but|other than|apart from|besides)(?: for)? (?P<kept>.+)"
)
_SHARED_UNIT: Final = re.compile(
    r"(?P<first>.*?\d+),? (?P<and>and|or) (?:the )?(?P<second>\d+ (?P<unit>second|minute|hour).*)"
)
_TAKES_BACK: Final = frozenset(
    ("cancel it", "cancel that", "cancel that 1", "undo that", "undo it", "forget it", "forget that")
)
_NAMES_ONE: Final = re.compile(rf"\b(?:{_NOUN}|1)$")
_PRONOUNS: Final = frozenset(("it", "that", "that 1", "this", "this 1"))


@dataclass(frozen=True, slots=True)
class _Which:
    """A description of timers; a part that was not said is empty."""

    kind: TimerKind | None = None
    seconds: int | None = None
    clock: str = ""
    topic: str = ""
    place: str = ""
    is_every: bool = False
    is_named: bool = False
    """Whether the description contains a word for timers."""
    is_last_set: bool = False
    others: tuple[_Which, ...] = ()
    """Further descriptions: "the tea timer and the egg timer"."""
    kept: _Which | None = None
    """The exception: "all timers but the tea timer"."""


@dataclass(frozen=True, slots=True)
class _Order:
    verb: str
    which: _Which
    span_s: int = 0
    when: str = ""


def _read_which(text: str, *, is_bare: bool = False) -> _Which | None:
    """Return the description that the whole ``text``, in plain words, is; None if it is anything else.

    A description without a word for timers, "the rice", counts only with ``is_bare``: as the answer to "which one?".
    """
    apart = _EXCEPT.fullmatch(text)
    if apart is not None:
        everything, kept = _read_which(apart["all"], is_bare=True), _read_which(apart["kept"], is_bare=True)
        if everything is None or kept is None or not everything.is_every:
            return None
        return replace(everything, kept=kept)
    shared = _SHARED_UNIT.fullmatch(text)
    if shared is not None:
        text = f"{shared['first']} {shared['unit']} timer {shared['and']} the {shared['second']}"
    whole = _read_single(text, is_bare=is_bare)
    first, joint, rest = text.partition(" and ")
    # "The timer for the tea and the alarm" are two; "the reminder to buy milk and eggs" is one.
    if not joint or (whole is not None and _NAMES_ONE.search(rest) is None):
        return whole
    one, others = _read_which(first, is_bare=True), _read_which(rest, is_bare=is_bare)
    if one is None or others is None:
        return whole
    return replace(one, others=(others, *one.others), is_named=one.is_named or others.is_named)


def _read_single(text: str, *, is_bare: bool) -> _Which | None:
    words = text.split()
    is_every = bool(words) and words[0] in _EVERY
    words = words[is_every:]
    while words and words[0] in _ARTICLES:
        words = words[1:]
    if not words:
        return _Which(is_every=True, is_named=True) if is_every else None
    end = next((place for place in range(len(words)) if _is_noun(words, place)), None)
    if end is None and not is_bare and not is_every:
        return None
    head = words if end is None else words[:end]
    noun = "" if end is None else words[end]
    rest = "" if end is None else " ".join(words[end + 1 :])
    if noun == "alarm" and rest.startswith("clock"):
        rest = rest.removeprefix("clocks").removeprefix("clock").strip()
    is_many = noun in ("1s", "ones") or (noun.endswith("s") and noun not in ("1",))
    which = _Which(
        kind=_KINDS.get(noun.removesuffix("s")),
        is_every=is_every or is_many,
        is_named=bool(_KINDS.get(noun.removesuffix("s"))),
    )
    described = _with_head(which, head)
    return None if described is None else _with_tail(described, rest)


def _is_noun(words: list[str], place: int) -> bool:
    word = words[place]
    if word.removesuffix("s") in _KINDS and word != "clock":
        return True
    if word not in ("1", "1s", "ones"):
        return False
    # "The tea one", "one for ten minutes"; "one minute" has no such noun.
    return place > 0 if place == len(words) - 1 else words[place + 1] in _BEHIND_ONE


def _with_head(which: _Which, words: list[str]) -> _Which | None:
    """Return ``which`` with the words before the noun: a position, a length or a time of day, a topic."""
    if words and words[0] in _PLACES and words[1:2] != ["hand"]:
        which, words = replace(which, place=words[0]), words[1:]
    for end in range(len(words), 0, -1):
        described = _with_moment(which, " ".join(words[:end]))
        if described is not None:
            which, words = described, words[end:]
            break
    words = words[1:] if words[:1] == ["long"] else words
    if any(word in _NO_TOPIC for word in words) or len(words) > 4:
        return None
    return replace(which, topic=" ".join(words)) if words else which


def _with_moment(which: _Which, text: str) -> _Which | None:
    seconds = read_span(text) or read_span(f"an {text}")  # "the hour timer"
    if seconds is not None:
        return replace(which, seconds=seconds)
    return replace(which, clock=text) if minutes_of(text) else None


def _with_tail(which: _Which, text: str) -> _Which | None:
    """Return ``which`` with the words after the noun: "that I set for five minutes", "about the rent"."""
    while text:
        tail = _TAILS.match(text)
        if tail is not None:
            text = text[tail.end() :]
            continue
        link = _LINKS.fullmatch(text)
        if link is None:
            return None
        what = link["what"]
        moment = _with_moment(which, what)
        if moment is not None:
            return moment
        while what.split() and what.split()[0] in _ARTICLES:
            what = what.split(" ", 1)[1] if " " in what else ""
        return replace(which, topic=what) if what else None
    return which


def _fitting(which: _Which, timers: Timers, now: datetime, *, is_strict: bool = False) -> list[RunningTimer]:
    """Return the timers that ``which`` describes, in the order in which they were set; ``is_strict``: of its very kind."""
    if which.is_last_set:
        return list(timers[-1:])
    found = [
        each
        for each in timers
        if (which.seconds is None or each.seconds == which.seconds)
        and (not which.clock or _rings_at(each, now) in minutes_of(which.clock))
        and (not which.topic or _is_about(each, which.topic))
    ]
    of_kind = [each for each in found if which.kind in (None, each.kind)]
    # People also call a single timer an "alarm", but "all alarms" means alarms only.
    if of_kind or is_strict or which.is_every or which.kind == "reminder":
        found = of_kind
    if which.place and found:
        found = [_PLACES[which.place](found)]
    kept = [] if which.kept is None else _fitting(which.kept, timers, now, is_strict=True)
    more = [each for other in which.others for each in _fitting(other, timers, now)]
    return [each for each in timers if (each in found or each in more) and each not in kept]


def _rings_at(timer: RunningTimer, now: datetime) -> int:
    """Return the minute of the day in which ``timer`` rings."""
    due = later(now, timer.left_s + 30)
    return due.hour * 60 + due.minute


def _is_about(timer: RunningTimer, topic: str) -> bool:
    wanted = content_words(topic)
    return bool(wanted) and wanted <= content_words(timer.about)


_NOW: Final = r"(?: (?:set|running|now|right now|left|on|active|going))*"
_WHOSE: Final = rf"(?P<which>(?:[a-z]+ )??{_NOUN})"
_LENGTH: Final = r"how (?:much time|much longer|much more time|long|many (?:minutes|seconds|hours))"
_LEFT: Final = r"(?: (?:left|to go|remaining|still|over|more))*"
_HAS: Final = (
    r"(?: (?:is|are|do i have|have i got|has|does|remains?|there|it|still|left|remaining|to go|more))*"
)
_RINGS: Final = (
    r"(?:goes off|rings|ends|is (?:over|up|done|finished)|finishes|still has|has(?: got)?(?: left)?)"
)
_RING: Final = (
    r"(?:go off|ring|end|finish|be (?:over|up|done)|going to (?:ring|go off)|run out|expire|due|over|up|done)"
)
_ONE: Final = r"(?P<which>it|that|(?:the|my|that|this) [^,]*?(?:timer|alarm|countdown|reminder|1))"
_OTHER_VERBS: Final = (
    r"cancel|stop|delete|remove|clear|forget(?: about)?|end|kill|dismiss|silence|abort|drop|turn off|switch off|shut off|"
    r"get rid of|(?:i|we) (?:don't|do not) need|never mind|scrap|scratch|quit|unset"
)
_VERBS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (verb, re.compile(pattern))
    for verb, pattern in (
        ("cancel", rf"(?:{_OTHER_VERBS}) (?:off )?(?P<which>.+?)(?: any ?more)?"),
        ("cancel", r"(?:turn|switch|shut) (?P<which>.+?) off"),
        ("cancel", rf"no more (?P<which>{_NOUN})"),
        (
            "cancel",
            r"(?:don't|do not|you (?:don't|do not) (?:have|need) to) (?:remind|wake) me(?: up)? "
            r"(?P<which>(?:to|about|of|that|at) .+?)(?: any ?more)?",
        ),
        (
            "list",
            rf"(?:what|which)(?: other)? {_WHOSE} (?:do i have|have i(?: got)?|are there|did i set|are){_NOW}",
        ),
        ("list", rf"what are (?P<which>(?:my|the) (?:running |active )?{_NOUN})"),
        (
            "list",
            rf"(?:list|show(?: me)?|read(?: me)?|tell me(?: about)?|name|give me)(?: all)?(?: of)? "
            rf"(?P<which>(?:my|the) (?:running |active )?(?:timers|alarms|reminders)){_NOW}",
        ),
        ("list", rf"(?:(?:is|are) there|do i (?:still )?have) (?:a|an|any) {_WHOSE}{_NOW}"),
        ("list", rf"how many {_WHOSE} (?:are there|are|do i have|have i (?:got|set)|did i set){_NOW}"),
        ("list", rf"(?:are|is) any {_WHOSE}{_NOW}"),
        ("list", rf"(?:did you set|have you set|is) (?P<which>(?:the|my) .*?{_NOUN}.*?)(?: still)?{_NOW}"),
        ("move", r"(?:add|put|give)(?: me)? (?P<span>.+?) (?:to|on|onto|on to) (?P<which>.+)"),
        (
            "move",
            r"(?:extend|lengthen|prolong|increase|delay|postpone|push back) (?P<which>.+?) (?:by|for) (?P<span>.+)",
        ),
        (
            "move",
            r"(?:i need |i want |give me |add |i'd like )?"
            r"(?P<span>(?:another|an extra|an additional) .+?|.+? (?:more|extra) [a-z]+|.+? more)"
            r"(?: (?:on|to|for) (?P<which>(?:it|(?:the|my|that) .+)))?",
        ),
        ("move", rf"make {_ONE} (?P<span>.+?) longer"),
        ("take", r"(?:shorten|reduce|decrease|cut) (?P<which>.+?) by (?P<span>.+)"),
        ("take", r"(?:take|subtract|remove|knock|cut|shave) (?P<span>.+?) (?:off of|off|from) (?P<which>.+)"),
        ("take", rf"make {_ONE} (?P<span>.+?) shorter"),
        (
            "change",
            r"(?:change|adjust|move|switch|correct|set) (?P<which>.+?) from (?P<span>.+?) to (?P<when>.+?)(?: instead)?",
        ),
        (
            "change",
            rf"(?:change|adjust|move|switch|correct) {_ONE} (?:to|into) (?:be )?(?P<when>.+?)(?: instead)?",
        ),
        ("change", rf"(?:no,? |i meant,? )*make {_ONE} (?P<when>.+?)(?: instead)?"),
        ("restart", r"(?:restart|reset|repeat) (?P<which>.+?)"),
        ("restart", r"start (?P<which>.+?) (?:again|over|anew|from the beginning|afresh)"),
        ("pause", r"(?:pause|hold|freeze|resume|continue|unpause) (?P<which>.+?)"),
        (
            "left",
            rf"{_LENGTH}{_HAS}(?: (?:on|for|of|in|until|till|til|before|with|does|is) (?P<which>.+?))?"
            rf"(?: {_RINGS})*{_LEFT}",
        ),
        (
            "left",
            rf"{_LENGTH} (?:does|has|will) (?P<which>.+?) (?:still )?(?:have|got|run|last|take|need)"
            rf"(?: (?:got|to go|to run))?{_LEFT}",
        ),
        (
            "left",
            r"(?:what's|what is|how's|how is) (?:left (?:on|of)|remaining on|the (?:status|remaining time|time left|time) "
            r"(?:of|on|for)) (?P<which>.+)",
        ),
        ("left", r"(?:check|check on|look at) (?P<which>.+)"),
        ("left", r"(?:how's|how is) (?P<which>.+?) (?:doing|going|coming along)"),
        ("left", r"(?:the )?(?:time (?:left|remaining)|remaining time)(?: (?:on|for|of) (?P<which>.+))?"),
        ("left", rf"(?:at )?(?:when|what time) (?:does|will|do|is) (?P<which>.+?) (?:set(?: for)?|{_RING})"),
        ("left", r"(?:when|what time) is (?P<which>.+)"),
        ("left", r"what(?: time)? (?:is|did i set) (?P<which>.+?)(?: set)? (?:for|to)"),
    )
)


def answer_running(
    sentence: str, said_before: Sequence[str], timers: Timers, now: datetime, is_set: Callable[[str], bool]
) -> Done | None:
    """Return what is done for the order ``sentence`` about running timers; None if it is anything else.

    ``is_set`` returns whether a line of the person's sets a timer, so that "make it ten" after such a line means that one.
    """
    plain = plain_words(sentence)
    sets_last = bool(said_before) and is_set(said_before[-1])
    for order in _orders_of(plain, is_last_set=bool(timers) and sets_last):
        done = _carry_out(order, timers, now)
        if done is not None:
            return done
    return _answer_choice(plain, said_before, timers, now)


def _orders_of(plain: str, *, is_last_set: bool) -> list[_Order]:
    found: list[_Order] = []
    if is_last_set and plain in _TAKES_BACK:
        return [_Order("cancel", _Which(is_last_set=True))]
    for verb, pattern in _VERBS:
        match = pattern.fullmatch(plain)
        if match is None:
            continue
        parts = match.groupdict()
        named = (parts.get("which") or "").strip()
        if verb == "cancel" and plain.startswith(("don't", "do not", "you")):
            named = f"reminder {named}" if "remind" in plain else f"alarm {named}"
        which = _Which(is_every=verb == "left", is_named=False) if not named else _read_which(named)
        if named in _PRONOUNS:
            which = _Which(is_last_set=True) if is_last_set else _Which()
        span = _span_of(parts.get("span") or "")
        if which is None or ("span" in parts and not span):
            continue
        if verb == "change" and span:
            which = replace(which, seconds=span)
        found.append(_Order(verb, which, span, parts.get("when") or ""))
    return found


def _span_of(text: str) -> int:
    """Return the seconds of "another 5 minutes" or "2 more minutes"; 0 if ``text`` is not a length."""
    bare = re.sub(r"\b(?:another|an extra|an additional|extra|additional|more)\b", " ", text)
    bare = re.sub(r"\s+", " ", bare).strip()
    if bare.split() and bare.split()[0] in _UNITS:
        bare = f"1 {bare}"
    return read_span(bare) or 0


def _carry_out(order: _Order, timers: Timers, now: datetime) -> Done | None:
    which = order.which
    if not timers:
        return _none_runs(order)
    found = _fitting(which, timers, now)
    if order.verb == "list" and (found or " " not in which.topic):
        return _listed(which, found, now)
    if not found:
        if not which.is_named or (" " in which.topic and order.verb != "cancel"):
            return None
        running = _row(timers, now)
        return Done(f"There is no such {which.kind or 'timer'}. Running: {running}.", "timer")
    if order.verb == "left":
        return Done(" ".join(_left(each, now) for each in found), "timer")
    if order.verb == "pause":
        return Done("I cannot pause a timer. I can cancel it, or add time to it.", "timer")
    if len(found) > 1 and not which.is_every and not which.others:
        return Done(f"Which one: {_choice(found, now)}?", "timer")
    text, effects = _done_to(found, order, timers, now)
    return None if not text else Done(text, "timer", tuple(effects))


def _none_runs(order: _Order) -> Done | None:
    """Return the answer when no timer is running; None where the words may be about anything else."""
    which = order.which
    if not which.is_named or (" " in which.topic and order.verb != "cancel"):
        return None
    if order.verb in ("move", "take", "change", "pause") and which.kind is None:
        return None
    if which == _Which(is_every=True, is_named=True):
        return None  # "stop everything" means the speech
    kind = which.kind or "timer"
    said = f"No {kind} is {'running' if kind == 'timer' else 'set'}."
    return Done(said, "timer", (CancelTimers(),) if order.verb == "cancel" else ())


def _done_to(found: Timers, order: _Order, timers: Timers, now: datetime) -> tuple[str, list[Effect]]:
    ids = tuple(each.timer_id for each in found)
    match order.verb:
        case "cancel" if len(found) == len(timers):
            return "Okay, no timer is running any more.", [CancelTimers()]
        case "cancel":
            verb = "is" if len(found) == 1 else "are"
            return f"Okay, {_row(found, now)} {verb} cancelled.", [CancelTimers(ids)]
        case "move":
            later = [
                replace(each, seconds=each.seconds + order.span_s, left_s=each.left_s + order.span_s)
                for each in found
            ]
            return " ".join(["Okay.", *(_left(each, now) for each in later)]), [
                MoveTimer(timer_id, order.span_s) for timer_id in ids
            ]
        case "take":
            sooner = [
                replace(each, seconds=each.seconds - order.span_s, left_s=each.left_s - order.span_s)
                for each in found
            ]
            if any(each.left_s < 1 for each in sooner):
                return " ".join(_left(each, now) for each in found), []
            return " ".join(["Okay.", *(_left(each, now) for each in sooner)]), [
                MoveTimer(timer_id, -order.span_s) for timer_id in ids
            ]
        case "restart":
            again: list[Effect] = [SetTimer(each.seconds, each.about, each.kind) for each in found]
            fresh = [replace(each, left_s=each.seconds) for each in found]
            return " ".join(["Okay.", *(_left(each, now) for each in fresh)]), [CancelTimers(ids), *again]
        case _:
            return _changed(found, order.when, now)


def _changed(found: Timers, when: str, now: datetime) -> tuple[str, list[Effect]]:
    """Set each of ``found`` to ``when``, a length or a time of day; return the answer and the effects."""
    effects: list[Effect] = [CancelTimers(tuple(each.timer_id for each in found))]
    told: list[str] = []
    seconds = read_span(when)
    for each in found:
        # "Change it to ten" uses the unit in which the timer was set.
        length = seconds if seconds is not None else _same_unit(when, each)
        if length is None:
            minutes = minutes_of(when.removeprefix("at "))
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            due = [midnight + timedelta(days=day, minutes=minute) for day in (0, 1) for minute in minutes]
            length = min((seconds_until(moment, now) for moment in due if moment > now), default=None)
        if length is None or not 1 <= length <= 86_400:
            return "", []
        effects.append(SetTimer(length, each.about, each.kind))
        told.append(_left(replace(each, seconds=length, left_s=length), now))
    return " ".join(["Okay.", *told]), effects


def _same_unit(when: str, timer: RunningTimer) -> int | None:
    if not when.isdecimal() or timer.kind == "alarm":
        return None
    unit = 3600 if timer.seconds % 3600 == 0 else 60 if timer.seconds % 60 == 0 else 1
    return int(when) * unit


def _answer_choice(plain: str, said_before: Sequence[str], timers: Timers, now: datetime) -> Done | None:
    """Carry out the person's last, ambiguous order on the timers that ``plain`` names; None if there was none."""
    if not said_before or len(timers) < 2:
        return None
    which = _read_which(plain, is_bare=True)
    if which is None or which.kept is not None:
        return None
    asked = requests_of(said_before[-1])
    for order in _orders_of(plain_words(asked[-1]), is_last_set=False) if asked else ():
        if order.verb in ("left", "list", "pause") or order.which.is_every or order.which.others:
            continue
        open_ones = _fitting(order.which, timers, now)
        found = _fitting(which, open_ones, now)
        if len(open_ones) > 1 and found:
            if len(found) > 1 and not which.is_every and not which.others:
                return Done(f"Which one: {_choice(found, now)}?", "timer")
            text, effects = _done_to(found, order, timers, now)
            return Done(text, "timer", tuple(effects)) if text else None
    return None


def _called(timer: RunningTimer, now: datetime) -> str:
    """Return Kai's name for it: "the timer for 5 minutes", "the alarm at 7:00 am", 'the reminder "call your mother"'."""
    if timer.kind == "alarm":
        about = f" for {for_you(timer.about)}" if timer.about else ""
        return f"the alarm at {_clock(timer, now)}{about}"
    if timer.about:
        about = for_you(timer.about)
        return f'the reminder "{about}"' if timer.kind == "reminder" else f"the timer for {about}"
    return f"the {timer.kind} for {say_span(timer.seconds)}"


def _clock(timer: RunningTimer, now: datetime) -> str:
    minute = _rings_at(timer, now)
    return say_time(now.replace(hour=minute // 60, minute=minute % 60))


def _left(timer: RunningTimer, now: datetime) -> str:
    called = _called(timer, now)
    # With hours left, the seconds are not interesting.
    left_s = timer.left_s // 60 * 60 if timer.left_s >= 3600 else timer.left_s
    left = say_span(left_s) or "less than a second"
    if timer.kind == "timer":
        return f"{called[0].upper()}{called[1:]} has {left} left."
    return f"{called[0].upper()}{called[1:]} rings in {left}."


def _row(timers: Timers, now: datetime) -> str:
    *names, last = [_called(each, now) for each in timers]
    return f"{', '.join(names)} and {last}" if names else last


def _choice(timers: Timers, now: datetime) -> str:
    names = [_called(each, now) for each in timers]
    if len(set(names)) < len(names):
        names = [
            f"{name} with {say_span(each.left_s)} left" for name, each in zip(names, timers, strict=True)
        ]
    return ", or ".join(names)


def _listed(which: _Which, found: Timers, now: datetime) -> Done:
    kind = which.kind or "timer"
    if not found:
        return Done(f"No such {kind} is {'running' if kind == 'timer' else 'set'}.", "timer")
    return Done(" ".join(_left(each, now) for each in found), "timer")
