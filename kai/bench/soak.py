"""A long talk with the cloud face, with the local LiveAvatar in place of HeyGen: checks growth and lip sync."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psutil

from kai.bench.avatar import NEAR_MS, cloud_talk
from kai.bench.bars import Bar, at_most
from kai.bench.driver import AppProcess, Visitor
from kai.bench.part import Wanted
from kai.bench.talk import each_offset, percentile

QUESTIONS = ("What can you do?", "What is your name?", "What day is it today?", "Who made you?")
ASK_EVERY_S = 12.0
SAMPLE_EVERY_S = 15.0
WARM_S = 120.0
"""By then everything that loads late (another model, a second session's library) is loaded."""
SESSION_S = 600
"""Sessions are short, so that a talk of half an hour has several."""


MINUTES = 8.0
LONG_MINUTES = 30.0
"""The length that the design promises, measured with ``--long``."""
MEMORY_GROWTH_PERCENT = 3.0
COUNT_GROWTH = 3.0
"""The allowed growth, since a thread, a task or a file may be in use at one moment only. A leak grows with each question."""
PARTING_MS = 20.0


def run(wanted: Wanted | None = None) -> dict[str, Any]:
    """Return memory, threads, open files and sockets, and tasks of the app and its children, at the start and at the end."""
    wanted = wanted or Wanted()
    minutes = wanted.minutes or (LONG_MINUTES if wanted.is_long else MINUTES)
    samples: list[dict[str, float]] = []
    with cloud_talk(0.4, minutes=minutes + 10, session_s=SESSION_S) as (app, person, _url):
        person.measure()
        from_ms = float(person.page.evaluate("() => Date.now()"))
        began_s = time.monotonic()
        next_ask_s = next_sample_s = began_s
        asked = 0
        while (now_s := time.monotonic()) < began_s + 60 * minutes:
            if now_s >= next_ask_s:
                person.say(QUESTIONS[asked % len(QUESTIONS)])
                asked, next_ask_s = asked + 1, now_s + ASK_EVERY_S
            if now_s >= next_sample_s:
                samples.append({"at_s": now_s - began_s, **sample(app)})
                next_sample_s = now_s + SAMPLE_EVERY_S
            person.page.wait_for_timeout(500)
        answered = sum(role == "assistant" for role, _ in person.lines())
        apart = halves(person, from_ms)
    return {
        "minutes": minutes,
        "asked": asked,
        "answered": answered,
        **growth(samples),
        **apart,
    }


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: nothing grows, lip sync holds, and every question is answered, except perhaps the last one."""
    first_mb, last_mb = figures["memory_mb_first_and_last_quarter"]
    found = [
        at_most("growth of memory", 100 * (last_mb / first_mb - 1), MEMORY_GROWTH_PERCENT, "%"),
        at_most("questions without an answer", figures["asked"] - figures["answered"], 1),
    ]
    for name in ("threads", "tasks", "files_and_sockets", "children"):
        first, last = figures[f"{name}_first_and_last_quarter"]
        found.append(at_most(f"growth of {name.replace('_', ' ')}", last - first, COUNT_GROWTH))
    sooner_ms, later_ms = figures["sound_against_picture_p50_by_half_ms"]
    parted_ms = None if sooner_ms is None or later_ms is None else abs(later_ms - sooner_ms)
    return [*found, at_most("sound and picture part between the halves", parted_ms, PARTING_MS, "ms")]


def sample(app: AppProcess) -> dict[str, float]:
    """Return what the app and its children hold now, by kind."""
    found = {"memory_mb": 0.0, "threads": 0.0, "files_and_sockets": 0.0, "children": 0.0}
    for process in (app.process, *app.children()):
        with contextlib.suppress(psutil.Error):
            found["memory_mb"] += process.memory_full_info().uss / 2**20
            found["threads"] += process.num_threads()
            found["files_and_sockets"] += process.num_fds()
            found["children"] += process is not app.process
    health = app.health() or {}
    found["tasks"] = float(health.get("tasks", np.nan))
    return found


def growth(samples: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return the median of each quantity in the first and in the last quarter of the time after `WARM_S`."""
    warm = [s for s in samples if s["at_s"] >= min(WARM_S, samples[-1]["at_s"] / 2)]
    quarter = max(1, len(warm) // 4)
    told: dict[str, Any] = {"samples": len(warm)}
    for name in sorted(set(warm[0]) - {"at_s"}):
        ends = [float(np.median([s[name] for s in part])) for part in (warm[:quarter], warm[-quarter:])]
        told[f"{name}_first_and_last_quarter"] = [round(value, 1) for value in ends]
    return told


def halves(person: Visitor, from_ms: float) -> dict[str, Any]:
    """Return sound against picture in the page, in the first and in the second half."""
    seen = person.measured()
    middle_ms = (from_ms + float(person.page.evaluate("() => Date.now()"))) / 2
    both = each_offset(seen, from_ms, NEAR_MS)
    later = each_offset(seen, middle_ms, NEAR_MS)
    sooner = both[: len(both) - len(later)]
    medians = [percentile(part, 50) for part in (sooner, later)]
    return {"sound_against_picture_p50_by_half_ms": [None if m is None else round(m) for m in medians]}
