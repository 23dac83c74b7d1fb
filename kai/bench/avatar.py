"""The cloud face through the whole app, the local LiveAvatar in HeyGen's place: sound against picture, and interruption."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from kai.bench.driver import ROOT, AppProcess, Visitor, visitor
from kai.bench.talk import Cpu, find_chromium, frames, percentile

KEY = "bench"
DELAYS_S = (0.0, 1.0, 2.0)
AT_EACH_S = 45.0
SETTLE_S = 4.0
"""After a change of the avatar's delay the sound follows within this time, by at most a pitch period every 60 ms."""
INTERRUPTIONS = 20
EARLY_MS, LATE_MS = 40, 60


def run() -> dict[str, Any]:
    """Every figure of the cloud face."""
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder, local_liveavatar() as url:
        env = {
            "KAI_TEST_MARKS": "1",
            "LIVEAVATAR_API_KEY": KEY,
            "KAI_LIVEAVATAR_URL": url,
            "KAI_LIVEAVATAR_ENCODING": "VP8",
            "KAI_STATE_DIR": folder,
        }
        with AppProcess(env=env) as app, visitor(find_chromium()) as person:
            app.wait_ready()
            set_delay(url, DELAYS_S[0])
            person.open(app.url)
            person.start()
            person.wait_picture(60)
            person.wait_state("Listening", 60)
            person.page.wait_for_timeout(8000)
            person.measure()
            cpu = Cpu(app)
            everything: list[float] = []
            for delay_s in (*DELAYS_S, DELAYS_S[0]):
                everything += at_delay(person, url, delay_s, figures)
            within = [-EARLY_MS <= offset <= LATE_MS for offset in everything]
            figures["seconds_within_40_early_60_late_percent"] = round(100 * float(np.mean(within)), 1)
            figures["seconds_counted"] = len(within)
            figures["cpu_percent"] = cpu.percent()
            figures |= frames(person.measured()["frames"])
            figures |= interruptions(person)
    return figures


def at_delay(person: Visitor, url: str, delay_s: float, figures: dict[str, Any]) -> list[float]:
    """Sound minus picture of each second at that delay of the avatar's picture, some seconds after it was set."""
    set_delay(url, delay_s)
    person.page.wait_for_timeout(SETTLE_S * 1000)
    from_ms = float(person.page.evaluate("() => Date.now()"))
    person.page.wait_for_timeout(AT_EACH_S * 1000)
    found = offsets(person.measured(), from_ms)
    name = f"delay_{delay_s:g}_s_sound_against_picture"
    figures[f"{name}_p50_ms"] = percentile_ms(found, 50)
    figures[f"{name}_p5_p95_ms"] = [percentile_ms(found, 5), percentile_ms(found, 95)]
    return found


def offsets(seen: dict[str, Any], from_ms: float) -> list[float]:
    """How late each click was against the picture of its time; silence between talks has nothing but clicks in it."""
    marks = np.array([mark for mark in seen["marks"] if mark[0] > from_ms], dtype=float)
    found: list[float] = []
    for kind, at_ms in seen["sound"]:
        if kind != "on" or at_ms <= from_ms or not len(marks):
            continue
        near = np.abs(marks[:, 0] - at_ms) < 700
        if near.any():
            picture_delay = float(np.median(marks[near, 0] % 2**32 - marks[near, 1]))
            found.append((at_ms % 2**32 - picture_delay + 500) % 1000 - 500)
    return found


def interruptions(person: Visitor) -> dict[str, Any]:
    """Pressing Interrupt to the last sounding sample in the page."""
    delays: list[float] = []
    for _ in range(INTERRUPTIONS):
        person.say("What can you do?")
        person.wait_state("Speaking", 20)
        person.page.wait_for_timeout(900)
        person.press("Interrupt")
        pressed_ms = person.pressed_at_ms()
        person.page.wait_for_timeout(1600)
        ends = [at for kind, at in person.measured()["sound"] if kind == "off" and at > pressed_ms - 50]
        if ends:
            delays.append(ends[0] - pressed_ms)
    return {
        "interrupt_to_silence_in_page_p50_ms": percentile_ms(delays, 50),
        "interrupt_to_silence_in_page_p95_ms": percentile_ms(delays, 95),
        "interruptions": len(delays),
    }


def percentile_ms(values: list[float], q: float) -> int | None:
    found = percentile(values, q)
    return None if found is None else round(found)


def set_delay(url: str, delay_s: float) -> None:
    """How much later than its sound the avatar's picture leaves the server, from now on."""
    switches = {"picture_delay_s": delay_s, "has_test_marks": True, "max_session_s": 3600}
    reply = httpx.put(f"{url}/kai/faults", json=switches, headers={"X-API-KEY": KEY}, trust_env=False)
    reply.raise_for_status()


@contextlib.contextmanager
def local_liveavatar() -> Generator[str]:
    """The address of a local LiveAvatar that ends with the block."""
    command = [sys.executable, "-m", "kai.engine.liveavatar"]
    switches = json.dumps({"has_test_marks": True, "picture_delay_s": 0.0, "max_session_s": 3600})
    with subprocess.Popen(
        [*command, "--faults", switches], cwd=Path(ROOT), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["liveavatar"]
        finally:
            process.terminate()
            time.sleep(0.1)
