"""The whole app as a person meets it: started from its command line, talked to by a browser on the same machine."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from kai.bench.driver import ROOT, AppProcess, Visitor, visitor, write_mic
from kai.errors import ConfigError

SPEECH = ROOT / "tests" / "support" / "speech"
SHORT = ("LJ001-0002.wav", "LJ001-0008.wav", "sense_and_sensibility_01_austen_64kb-0880.wav")
TURNS = 9
LEAD_S = 5.0
GAP_S = 7.0
WINDOW_S = 5.0
IDLE_S = 8.0
REST_S = 20.0


def run() -> dict[str, Any]:
    """Every figure of the talk; see the README for what they mean."""
    chromium = find_chromium()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        mic = write_mic(Path(folder) / "mic.wav", microphone_script())
        figures |= starts(chromium, Path(folder) / "cache")
        figures |= talk(chromium, mic)
    return figures


def find_chromium() -> Path:
    """The browser to measure with."""
    named = os.environ.get("KAI_CHROMIUM")
    found = named or next(
        (p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None
    )
    if found is None:
        raise ConfigError(
            "The bench needs a Chromium. Run `make test` once, which brings one, or set KAI_CHROMIUM."
        )
    return Path(found)


def microphone_script() -> list[Path | float]:
    """What the person says: short sentences with room for the answers."""
    script: list[Path | float] = [LEAD_S]
    for turn in range(TURNS):
        script += [SPEECH / SHORT[turn % len(SHORT)], GAP_S]
    return [*script, 300.0]


def starts(chromium: Path, cache: Path) -> dict[str, Any]:
    """Cold (nothing compiled, nothing baked) and warm start, each to the first moving picture."""
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


def talk(chromium: Path, mic: Path) -> dict[str, Any]:
    """Answers, frames, interruption, sound against picture, and what it costs."""
    figures: dict[str, Any] = {}
    with AppProcess() as app:
        app.wait_ready()
        time.sleep(4)
        figures["cpu_idle_percent"] = cpu_by_process(app, IDLE_S)
        figures["memory_idle_mb"] = memory_by_process(app)
        with visitor(chromium, mic=mic) as person:
            person.open(app.url)
            person.start()
            person.wait_picture(60)
            person.measure()
            figures["cpu_at_rest_percent"] = {}
            until_s = time.monotonic() + TURNS * (GAP_S + 2.5)
            cpu = Cpu(app)
            while time.monotonic() < until_s:
                person.page.wait_for_timeout(500)
            figures["cpu_talking_percent"] = cpu.percent()
            figures["memory_talking_mb"] = memory_by_process(app)
            seen = person.measured()
            figures |= answers(seen) | frames(seen["frames"]) | interruption(person)
            person.page.wait_for_timeout(3000)
            cpu = Cpu(app)
            person.page.wait_for_timeout(REST_S * 1000)
            figures["cpu_at_rest_percent"] = cpu.percent()
    return figures | lip_sync(chromium)


def lip_sync(chromium: Path) -> dict[str, Any]:
    """Sound against picture by test marks, in a talk of its own: their clicks would hide an answer's end."""
    with AppProcess(env={"KAI_TEST_MARKS": "1"}) as app, visitor(chromium) as person:
        app.wait_ready()
        person.open(app.url)
        person.start()
        person.wait_picture(60)
        person.wait_state("Listening", 60)
        person.measure()
        person.page.wait_for_timeout(5000)
        quiet_from_ms = float(person.page.evaluate("() => Date.now()"))
        person.page.wait_for_timeout(REST_S * 1000)
        return offsets(person.measured(), quiet_from_ms)


def answers(seen: dict[str, Any]) -> dict[str, Any]:
    """End of the person's speech (in the page) to Kai's first sound (in the page)."""
    ends = [at for kind, at in seen["mic"] if kind == "off"]
    starts_ms = [at for kind, at in seen["sound"] if kind == "on"]
    delays = [min(later) for end in ends if (later := [at - end for at in starts_ms if 0 < at - end < 4000])]
    return {
        "turns": len(ends),
        "answered": len(delays),
        "end_of_speech_to_sound_p50_s": seconds(percentile(delays, 50)),
        "end_of_speech_to_sound_p95_s": seconds(percentile(delays, 95)),
    }


def frames(at_ms: Sequence[float]) -> dict[str, Any]:
    """Frames a second in the page: mean, and the worst window."""
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
    """Sound against picture by test marks, while nobody speaks; see `each_offset`."""
    found = each_offset(seen, from_ms)
    if not found:
        return {"sound_against_picture_p50_ms": None}
    return {
        "sound_against_picture_p50_ms": round(float(np.median(found))),
        "sound_against_picture_p5_p95_ms": [round(float(np.percentile(found, q))) for q in (5, 95)],
        "sound_against_picture_clicks": len(found),
    }


def each_offset(seen: dict[str, Any], from_ms: float) -> list[float]:
    """Sound against picture in milliseconds at each click: plus means that the sound is late.

    A frame carries the media time that it shows, and a click sounds at each full second of the same time.
    """
    marks = np.array([mark for mark in seen["marks"] if mark[0] > from_ms], dtype=float)
    clicks = [at for kind, at in seen["sound"] if kind == "on" and at > from_ms]
    if not len(marks):
        return []
    picture_delay = marks[:, 0] % 2**32 - marks[:, 1]
    found: list[float] = []
    for click in clicks:
        near = np.abs(marks[:, 0] - click) < 1500
        if near.any():
            media_ms = click % 2**32 - float(np.median(picture_delay[near]))
            found.append((media_ms + 500) % 1000 - 500)
    return found


def interruption(person: Visitor) -> dict[str, Any]:
    """Pressing Interrupt to the last sounding sample in the page."""
    delays: list[float] = []
    for _ in range(3):
        person.say("What can you do?")
        person.wait_state("Speaking", 15)
        person.page.wait_for_timeout(900)
        person.press("Interrupt")
        pressed_ms = person.pressed_at_ms()
        person.page.wait_for_timeout(1600)
        ends = [at for kind, at in person.measured()["sound"] if kind == "off" and at > pressed_ms - 50]
        if ends:
            delays.append(ends[0] - pressed_ms)
    return {"interrupt_to_silence_ms": [round(d) for d in delays]}


# ------------------------------------------------------------------ processes


def name_of(process: psutil.Process, app: AppProcess) -> str:
    """Which part of Kai a process is."""
    if process.pid == app.process.pid:
        return "app"
    command = " ".join(process.cmdline())
    return "engine" if "kai.engine" in command else "face" if "local_face" in command else "other"


class Cpu:
    """CPU time of the app's processes from here to ``percent`` (of one core)."""

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
        """By part, and in sum."""
        passed_s = time.monotonic() - self._began_s
        parts: dict[str, float] = {}
        for key, used_s in self._times().items():
            share = 100 * (used_s - self._before.get(key, 0.0)) / passed_s
            parts[key[0]] = round(parts.get(key[0], 0.0) + share, 1)
        return {**parts, "sum": round(sum(parts.values()), 1)}


def cpu_by_process(app: AppProcess, for_s: float) -> dict[str, float]:
    """CPU in percent of one core, over that time."""
    cpu = Cpu(app)
    time.sleep(for_s)
    return cpu.percent()


def memory_by_process(app: AppProcess) -> dict[str, int]:
    """Private memory in MB."""
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
