"""The skills of the small mind: time and dates, timers, units, notes, names, pace and loudness. Pure; the time is given.

People give Kai an order in a sentence that says nothing else. So each skill, once the courtesies ("Hey Kai, could you …
please?") are removed, understands a sentence completely or leaves it alone: a single further word may reverse its meaning.
"Set a timer for five minutes" is an order; "do not set a timer for five minutes" and "the alarm went off for five minutes"
are not. Two orders may be joined by "and". Notes, a name and a manner of speaking are read from the person's earlier lines
by the same rules, so that no state is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from kai.engine.speech.days import answer_about_time, is_follow_up
from kai.engine.speech.names import forgets_name, mentioned_name, told_name
from kai.engine.speech.notes import answer_note
from kai.engine.speech.orders import (
    LINES_KNOWN,
    MAX_ORDER_CHARS,
    MAX_TIMERS,
    Done,
    Manner,
    RunningTimer,
    requests_of,
    without_courtesy,
)
from kai.engine.speech.pace import answer_manner, changed
from kai.engine.speech.running import answer_running
from kai.engine.speech.spans import plain_words
from kai.engine.speech.sums import answer_sum
from kai.engine.speech.timers import answer_length, answer_timer, sets_timer
from kai.engine.speech.units import convert

_MAX_COUNT: Final = 100
_MAX_JOINTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Talk:
    """The context of a sentence: the person's earlier lines, oldest first, the time, Kai's other name, running timers."""

    said_before: tuple[str, ...]
    now: datetime
    name: str = ""
    timers: tuple[RunningTimer, ...] = ()


def do(
    heard: str,
    said_before: Sequence[str],
    now: datetime,
    name: str = "",
    timers: Sequence[RunningTimer] = (),
) -> Done | None:
    """Return what the skills that understand ``heard`` do; None if none does, or if a request in it is not understood.

    ``said_before`` are the person's earlier lines, oldest first. ``name`` is another name of Kai. ``timers`` are the
    running timers in the order in which they were set.
    """
    found = _all_done(heard, _Talk(tuple(said_before), now, name, tuple(timers)))
    if not found:
        return None
    text = " ".join(dict.fromkeys(done.text for done in found))
    effects = tuple(effect for done in found for effect in done.effects)
    return Done(text, found[-1].skill, effects, is_whole=all(done.is_whole for done in found))


def manner_of(said: Iterable[str]) -> Manner:
    """Return how Kai shall speak after the person ``said`` these lines, oldest first.

    Earlier orders stay in force, also in a new call that continues the talk.
    """
    manner = Manner()
    for line in said:
        for skill in _skills_of(line):
            manner = changed(manner, skill)
    return manner


@lru_cache(maxsize=LINES_KNOWN)
def _skills_of(line: str) -> tuple[str, ...]:
    talk = _Talk((), datetime(2000, 1, 1))  # noqa: DTZ001 - no pace turns on it
    return tuple(done.skill for done in _all_done(line, talk))


def _all_done(heard: str, talk: _Talk) -> list[Done]:
    found: list[Done] = []
    left: list[str] = []
    for sentence in requests_of(heard, talk.name):
        done = _do_joined(sentence, talk)
        talk = replace(talk, said_before=(*talk.said_before, sentence))
        if done:
            found += done
        else:
            left.append(sentence)
    if any(_IS_REQUEST.match(sentence) or sentence.endswith("?") for sentence in left):
        return []
    # A timer is set even if the person adds what it is for; a remark next to a name needs an answer of its own.
    if left and not any(done.effects or done.skill in _ORDERS for done in found):
        return []
    return found


_ORDERS: Final = frozenset(("timer", "slower", "faster", "louder", "softer", "normal", "note"))
_IS_REQUEST: Final = re.compile(
    r"(?:what|who|whose|which|when|where|why|how|is|are|do|does|did|can|could|will|would|should|tell|explain|show|give|"
    r"find|play|open|write|read|translate|set|start|turn|remind|don't|do not|never)\b",
    re.IGNORECASE,
)


def _do_joined(sentence: str, talk: _Talk) -> list[Done]:
    """Return what is done for one sentence, or for several orders that "and" joins; nothing unless all are understood."""
    if len(sentence) > MAX_ORDER_CHARS:
        return []
    whole = _do_one(sentence, talk)
    if whole is not None:
        return [whole]
    for joint in list(_JOINT.finditer(sentence))[:_MAX_JOINTS]:
        first = _do_one(without_courtesy(sentence[: joint.start()], talk.name), talk)
        rest = without_courtesy(sentence[joint.end() :], talk.name)
        if first is not None and first.effects:
            rest = _ANOTHER.sub("set one ", rest)
        if first is not None and (others := _do_joined(rest, talk)):
            return [first, *others]
    return []


_ANOTHER: Final = re.compile(r"^(?:another )?one (?=for )", re.IGNORECASE)
_JOINT: Final = re.compile(r",? (?:and then|and also|and|then|but) |[,;] ")


def _do_one(sentence: str, talk: _Talk) -> Done | None:
    plain = plain_words(sentence)
    if not plain:
        return None
    said_before, now = talk.said_before, talk.now
    before = next((line for line in reversed(said_before) if not is_follow_up(line)), "")
    earlier = next(iter(requests_of(before)), "")
    return (
        _timer(sentence, plain, talk)
        or answer_manner(plain)
        or convert(plain)
        or answer_about_time(sentence, earlier, now)
        or answer_note(sentence, said_before)
        or _name(sentence)
        or _count(plain)
        or _sum(sentence)
    )


def _timer(sentence: str, plain: str, talk: _Talk) -> Done | None:
    """Set or change a timer: "Make the tea timer ten minutes" changes that timer if it runs, and sets it if not."""
    running = answer_running(sentence, talk.said_before, talk.timers, talk.now, sets_timer)
    if running is not None and talk.timers:
        return running
    done = answer_timer(sentence, talk.now) or answer_length(plain, talk.said_before, talk.now)
    if done is not None and done.effects and len(talk.timers) >= MAX_TIMERS:
        return Done(f"{MAX_TIMERS} timers are running already. Cancel one of them first.", "timer")
    return done or running


def _name(sentence: str) -> Done | None:
    name = told_name(sentence)
    if name is not None:
        return Done(f"Nice to meet you, {name}.", "told_name")
    if (name := mentioned_name(sentence)) is not None:
        return Done(f"Nice to meet you, {name}.", "told_name", is_whole=False)
    return Done("All right, I have forgotten your name.", "told_name") if forgets_name(sentence) else None


def name_of(said: Iterable[str]) -> str:
    """Return the newest name that the person gave in the lines ``said``, oldest first, or ""."""
    name = ""
    for line in said:
        for sentence in requests_of(line):
            name = "" if forgets_name(sentence) else told_name(sentence) or mentioned_name(sentence) or name
    return name


def _count(plain: str) -> Done | None:
    counted = re.fullmatch(r"count (?:from 1 )?(?:up )?to (?P<last>\d{1,3})", plain)
    if counted is None or not 1 <= int(counted["last"]) <= _MAX_COUNT:
        return None
    return Done(", ".join(str(number) for number in range(1, int(counted["last"]) + 1)) + ".", "count")


def _sum(sentence: str) -> Done | None:
    total = answer_sum(sentence)
    return None if total is None else Done(total, "sum")
