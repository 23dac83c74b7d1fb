"""Measures the whole app as a person meets it: started from its command line, with a browser on the same machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from kai.bench.asked import REFLEX, THOUGHT, Asked, asked
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.driver import MIND_MODULE, ROOT, AppProcess, Visitor, visitor
from kai.errors import ConfigError

SPEECH = ROOT / "tests" / "support" / "speech"
BREATH_S = 1.2
"""The person speaks again this long after Kai's last word."""
ANSWER_BEGINS_S = 10.0
ANSWER_ENDS_S = 60.0
ASKED_EVERY_MS = 250.0
"""The interval at which the page is asked for its noted times. Each request takes CPU time from the talk."""
WINDOW_S = 5.0
IDLE_S = 8.0
REST_S = 20.0
SETTLE_S = 7.0
"""After this long without a word the face rests (`kai.adapters.local_face.acting`)."""
BARS_S = {REFLEX: (0.9, 1.5), THOUGHT: (1.4, 2.4)}
"""The limits from the end of speech to the first sound: p50 and p95."""
PREFIXES = {REFLEX: "", THOUGHT: "thought_"}
"""The prefixes of the figures' names."""


def run() -> dict[str, Any]:
    """Return every figure of the talk; the README explains them."""
    chromium = find_chromium()
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        return starts(chromium, Path(folder) / "cache") | talk(chromium) | lip_sync(chromium)


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of a talk, for the reflex and for the language model."""
    early_ms, late_ms = figures.get("sound_against_picture_p5_p95_ms", (None, None))
    found: list[Bar] = []
    for kind, (p50_s, p95_s) in BARS_S.items():
        prefix = PREFIXES[kind]
        name = f"{prefix}end_of_speech_to_sound"
        found += [
            at_least(f"{kind}: turns answered", figures[f"{prefix}answered"], figures[f"{prefix}turns"]),
            at_most(f"{kind}: end of speech to sound, p50", figures[f"{name}_p50_s"], p50_s, "s"),
            at_most(f"{kind}: end of speech to sound, p95", figures[f"{name}_p95_s"], p95_s, "s"),
        ]
    return [
        *found,
        at_least("pictures a second, worst 5 s", figures["frames_per_s_worst_5_s"], 24),
        at_most("CPU with nobody there", figures["cpu_idle_percent"]["sum"], 3, "%"),
        at_most("CPU of app, engine and face at rest", figures["cpu_at_rest_percent"].get("sum"), 35, "%"),
        at_most("CPU of the face while talking", figures["cpu_talking_percent"].get("face"), 30, "%"),
        at_most("Interrupt to silence", max(figures["interrupt_to_silence_ms"], default=None), 200, "ms"),
        at_least("sound against picture, p5", early_ms, -40, "ms"),
        at_most("sound against picture, p95", late_ms, 60, "ms"),
    ]


def find_chromium() -> Path:
    """Return the browser to measure with."""
    named = os.environ.get("KAI_CHROMIUM")
    found = named or next(
        (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
    )
    if found is None:
        raise ConfigError(
            "The bench needs a Chromium. Run `make test` once, which brings one, or set KAI_CHROMIUM."
        )
    return Path(found)


def starts(chromium: Path, cache: Path) -> dict[str, Any]:
    """Return the times of a cold start (nothing compiled or baked) and a warm one, each to the first moving picture."""
    figures: dict[str, Any] = {}
    for kind, env in (("cold", {"XDG_CACHE_HOME": str(cache)}), ("warm", {})):
        with AppProcess(env=env) as app:
            answered_s = time.monotonic() - app.started_at_s
            with visitor(chromium) as person:
                opened_at_s = time.monotonic()
                person.open(app.url)
                person.start()
                pressed_at_s = time.monotonic()
                person.wait_picture(60)
                now_s = time.monotonic()
                figures[f"{kind}_app_answers_s"] = round(answered_s, 2)
                figures[f"{kind}_page_to_moving_picture_s"] = round(now_s - opened_at_s, 2)
                figures[f"{kind}_press_to_moving_picture_s"] = round(now_s - pressed_at_s, 2)
                person.wait_state("Listening", 60)
                figures[f"{kind}_app_to_listening_s"] = round(time.monotonic() - app.started_at_s, 2)
    return figures


def talk(chromium: Path) -> dict[str, Any]:
    """Return the figures of answers, frames, interruption and cost in one talk."""
    figures: dict[str, Any] = {}
    with AppProcess() as app:
        app.wait_ready()
        figures["has_large_mind"] = app.wait_mind()
        time.sleep(4)
        figures["cpu_idle_percent"] = cpu_by_process(app, IDLE_S)
        figures["memory_idle_mb"] = memory_by_process(app)
        with visitor(chromium, speaks=True) as person:
            person.begin(app)
            person.measure()
            person.page.wait_for_timeout(2000)
            figures["cpu_at_rest_percent"] = {}
            cpu = Cpu(app)
            delays = {kind: [] for kind in BARS_S}
            for question in turn_about(asked(REFLEX), asked(THOUGHT)):
                delays[question.kind].append(answered_after_ms(person, question.path))
            figures["cpu_talking_percent"] = cpu.percent()
            figures["memory_talking_mb"] = memory_by_process(app)
            for kind, found in delays.items():
                figures |= answer_figures(kind, found)
            figures |= frames(person.measured()["frames"]) | interruption(person)
            person.page.wait_for_timeout(SETTLE_S * 1000)
            cpu = Cpu(app)
            person.page.wait_for_timeout(REST_S * 1000)
            figures["cpu_at_rest_percent"] = cpu.percent()
    return figures


def turn_about(first: Sequence[Asked], second: Sequence[Asked]) -> list[Asked]:
    """Return one of each in turn, then the rest of the longer sequence."""
    return [each for pair in zip_longest(first, second) for each in pair if each is not None]


def answered_after_ms(person: Visitor, question: Path) -> float | None:
    """Speak and listen to the whole answer; return the time from the end of speech to Kai's first sound, both in the page.

    Returns ``None`` for no answer in ten seconds.
    """
    person.speak(question)

    def since_the_end() -> list[tuple[float, list[list[Any]]]]:
        seen = person.heard()
        ends = [at for kind, at in seen["mic"] if kind == "off" and at > begun_ms]
        return [(ends[-1], [each for each in seen["sound"] if each[1] > ends[-1]])] if ends else []

    begun_ms = float(person.page.evaluate("() => Date.now()")) - 1000
    ended_ms, _ = person.wait(since_the_end, 10, "the end of the person's speech", ASKED_EVERY_MS)[0]
    try:
        sound = person.wait(
            lambda: [at for kind, at in since_the_end()[0][1] if kind == "on"],
            ANSWER_BEGINS_S,
            "an answer",
            ASKED_EVERY_MS,
        )
    except TimeoutError:
        return None
    person.wait(
        lambda: since_the_end()[0][1][-1][0] == "off" and "listening" in person.state_word().lower(),
        ANSWER_ENDS_S,
        "the end of the answer",
        ASKED_EVERY_MS,
    )
    person.page.wait_for_timeout(BREATH_S * 1000)
    return sound[0] - ended_ms


def answer_figures(kind: str, delays_ms: Sequence[float | None]) -> dict[str, Any]:
    """Return how many questions of that kind were answered, and how soon. A missing answer counts only as a turn."""
    found = [delay for delay in delays_ms if delay is not None]
    prefix = PREFIXES[kind]
    return {
        f"{prefix}turns": len(delays_ms),
        f"{prefix}answered": len(found),
        f"{prefix}end_of_speech_to_sound_p50_s": seconds(percentile(found, 50)),
        f"{prefix}end_of_speech_to_sound_p95_s": seconds(percentile(found, 95)),
    }


def lip_sync(chromium: Path) -> dict[str, Any]:
    """Return sound against picture by test marks, in a separate talk, since the marks' clicks would hide an answer's end."""
    with AppProcess(env={"KAI_TEST_MARKS": "1"}) as app, visitor(chromium) as person:
        person.begin(app)
        person.measure()
        person.page.wait_for_timeout(5000)
        quiet_from_ms = float(person.page.evaluate("() => Date.now()"))
        person.page.wait_for_timeout(REST_S * 1000)
        return offsets(person.measured(), quiet_from_ms)


def answers(seen: dict[str, Any]) -> dict[str, Any]:
    """Return the times from the end of the person's speech to Kai's first sound, both in the page."""
    ends = [at for kind, at in seen["mic"] if kind == "off"]
    starts_ms = [at for kind, at in seen["sound"] if kind == "on"]
    delays = [min(later) for end in ends if (later := [at - end for at in starts_ms if 0 < at - end < 4000])]
    return answer_figures(REFLEX, [*delays, *(None for _ in ends[len(delays) :])])


def frames(at_ms: Sequence[float]) -> dict[str, Any]:
    """Return the frames per second in the page: the mean and the worst window."""
    at_s = np.array(at_ms) / 1e3
    begins = np.arange(at_s[0], at_s[-1] - WINDOW_S, 0.25)
    counts = np.array([((at_s >= b) & (at_s < b + WINDOW_S)).sum() for b in begins]) / WINDOW_S
    gaps = np.diff(at_s) * 1e3
    return {
        "frames_per_s_mean": round(len(at_s) / (at_s[-1] - at_s[0]), 2),
        "frames_per_s_worst_5_s": round(float(counts.min()), 2) if len(counts) else None,
        "frame_gap_p99_ms": round(float(np.percentile(gaps, 99))),
        "frame_gap_max_ms": round(float(gaps.max())),
    }


def offsets(seen: dict[str, Any], from_ms: float) -> dict[str, Any]:
    """Return sound against picture by test marks while nobody speaks; see `each_offset`."""
    found = each_offset(seen, from_ms)
    if not found:
        return {"sound_against_picture_p50_ms": None}
    return {
        "sound_against_picture_p50_ms": round(float(np.median(found))),
        "sound_against_picture_p5_p95_ms": [round(float(np.percentile(found, q))) for q in (5, 95)],
        "sound_against_picture_clicks": len(found),
    }


def each_offset(seen: dict[str, Any], from_ms: float, near_ms: float = 1500) -> list[float]:
    """Return sound against picture in milliseconds at each click; positive means that the sound is late.

    A frame carries the media time that it shows, and a click sounds at each full second of the same time.
    """
    marks = np.array([mark for mark in seen["marks"] if mark[0] > from_ms], dtype=float)
    clicks = [at for kind, at in seen["sound"] if kind == "on" and at > from_ms]
    if not len(marks):
        return []
    picture_delay = marks[:, 0] % 2**32 - marks[:, 1]
    found: list[float] = []
    for click in clicks:
        near = np.abs(marks[:, 0] - click) < near_ms
        if near.any():
            media_ms = click % 2**32 - float(np.median(picture_delay[near]))
            found.append((media_ms + 500) % 1000 - 500)
    return found


def interruption(person: Visitor) -> dict[str, Any]:
    """Return the time from pressing Interrupt to silence: to the last sounding sample, or until the page is muted."""
    delays: list[float] = []
    for _ in range(3):
        person.say("What can you do?")
        person.wait_state("Speaking", 15)
        person.page.wait_for_timeout(900)
        person.press("Interrupt")
        pressed_ms = person.pressed_at_ms()
        person.page.wait_for_timeout(1600)
        seen = person.measured()
        ends = [at for kind, at in seen["sound"] if kind == "off" and at > pressed_ms - 50]
        ends += [at for at in seen["muted"] if at > pressed_ms - 50]
        if ends:
            delays.append(min(ends) - pressed_ms)
    return {"interrupt_to_silence_ms": [round(d) for d in delays]}


def name_of(process: psutil.Process, app: AppProcess) -> str:
    """Return which part of Kai a process is."""
    if process.pid == app.process.pid:
        return "app"
    command = " ".join(process.cmdline())
    if MIND_MODULE in command:
        return "mind"
    return "engine" if "kai.engine" in command else "face" if "local_face" in command else "other"


class Cpu:
    """The CPU time of the app's processes from now until ``percent``, in percent of one core."""

    def __init__(self, app: AppProcess) -> None:
        self._app = app
        self._began_s = time.monotonic()
        self._before = self._times()

    def _times(self) -> dict[tuple[str, int], float]:
        times: dict[tuple[str, int], float] = {}
        for process in (self._app.process, *self._app.children()):
            try:
                used = process.cpu_times()
                times[name_of(process, self._app), process.pid] = used.user + used.system
            except psutil.Error:
                continue
        return times

    def percent(self) -> dict[str, float]:
        """Return the load by part, and the sum."""
        passed_s = time.monotonic() - self._began_s
        parts: dict[str, float] = {}
        for key, used_s in self._times().items():
            share = 100 * (used_s - self._before.get(key, 0.0)) / passed_s
            parts[key[0]] = round(parts.get(key[0], 0.0) + share, 1)
        return {**parts, "sum": round(sum(parts.values()), 1)}


def cpu_by_process(app: AppProcess, for_s: float) -> dict[str, float]:
    """Return the CPU load over that time, in percent of one core."""
    cpu = Cpu(app)
    time.sleep(for_s)
    return cpu.percent()


def memory_by_process(app: AppProcess) -> dict[str, int]:
    """Return the private memory in MB."""
    parts: dict[str, int] = {}
    for process in (app.process, *app.children()):
        try:
            name = name_of(process, app)
            parts[name] = parts.get(name, 0) + round(process.memory_full_info().uss / 1e6)
        except psutil.Error:
            continue
    return {**parts, "sum": sum(parts.values())}


def percentile(values: Sequence[float], q: float) -> float | None:
    return float(np.percentile(values, q)) if values else None


def seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else round(value_ms / 1e3, 2)
