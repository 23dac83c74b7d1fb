"""Measures the cloud face in the whole app, with the local LiveAvatar in place of HeyGen: lip sync and interruption."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar.face import AvatarChoice
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.driver import AppProcess, Visitor, visitor
from kai.bench.part import local_server
from kai.bench.talk import Cpu, each_offset, find_chromium, frames, percentile
from kai.core.events import Event, PlayoutStarted
from kai.core.state import Look
from kai.ports import Picture
from kai.records.paid_sessions import PaidSessions

KEY = "bench"
MAX_SESSION_S = 3600
DELAYS_S = (0.0, 1.0, 2.0)
AT_EACH_S = 45.0
SETTLE_S = 4.0
"""The sound follows a change of the avatar's delay within this time, by at most one pitch period every 60 ms."""
INTERRUPTIONS = 50
MOUTH_OPEN_BELOW = 90.0
EARLY_MS, LATE_MS = 40, 60
NEAR_MS = 700
"""A click is held against the pictures of this time around it, since the picture's delay moves."""


def run() -> dict[str, Any]:
    """Return every figure of the cloud face."""
    figures: dict[str, Any] = {}
    with cloud_talk(DELAYS_S[0]) as (app, person, url):
        person.page.wait_for_timeout(8000)
        person.wait_picture(20)
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
    with local_liveavatar(has_plain_picture=True, picture_delay_s=0.4) as url:
        figures |= asyncio.run(interruptions(url))
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: lip sync by EBU R37, and how soon an interruption is heard and seen."""
    within = figures["seconds_within_40_early_60_late_percent"]
    sound_ms = figures["interrupt_to_last_sounding_sample_p50_p95_ms"][1]
    mouth_ms = figures["interrupt_to_closed_mouth_p50_p95_ms"][1]
    return [
        at_least("seconds in which sound and picture fit", within, 99, "%"),
        at_most("stopping the face to its last sounding sample, p95", sound_ms, 80, "ms"),
        at_most("stopping the face to a closed mouth, p95", mouth_ms, 300, "ms"),
    ]


@contextlib.contextmanager
def cloud_talk(
    delay_s: float, *, minutes: float = 20, session_s: int = MAX_SESSION_S
) -> Generator[tuple[AppProcess, Visitor, str]]:
    """Yield an app, a person who talks with its marked cloud face for as many minutes at most, and the face's server, whose
    sessions last ``session_s``."""
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder, local_liveavatar() as url:
        env = {
            "KAI_TEST_MARKS": "1",
            "LIVEAVATAR_API_KEY": KEY,
            "KAI_LIVEAVATAR_URL": url,
            "KAI_LIVEAVATAR_ENCODING": "VP8",
            "KAI_LIVEAVATAR_MINUTES": str(minutes),
            "KAI_STATE_DIR": folder,
        }
        with AppProcess(env=env) as app, visitor(find_chromium()) as person:
            set_delay(url, delay_s, max_session_s=session_s)
            person.begin(app)
            yield app, person, url


def at_delay(person: Visitor, url: str, delay_s: float, figures: dict[str, Any]) -> list[float]:
    """Set that delay of the avatar's picture and, some seconds later, return sound minus picture for each second."""
    set_delay(url, delay_s)
    person.page.wait_for_timeout(SETTLE_S * 1000)
    from_ms = float(person.page.evaluate("() => Date.now()"))
    person.page.wait_for_timeout(AT_EACH_S * 1000)
    found = each_offset(person.measured(), from_ms, NEAR_MS)
    name = f"delay_{delay_s:g}_s_sound_against_picture"
    figures[f"{name}_p50_ms"] = percentile_ms(found, 50)
    figures[f"{name}_p5_p95_ms"] = [percentile_ms(found, 5), percentile_ms(found, 95)]
    return found


class _Watcher:
    """A face's sink that notes when the mouth of the plain picture was last seen open."""

    def __init__(self) -> None:
        self.open_at_s = 0.0
        self.started = asyncio.Event()

    def emit(self, event: Event) -> None:
        if isinstance(event, PlayoutStarted):
            self.started.set()

    def picture(self, picture: Picture, at_s: float) -> None:
        if is_mouth_open(picture):
            self.open_at_s = time.monotonic()


def is_mouth_open(picture: Picture) -> bool:
    """Return whether the plain picture, which the local LiveAvatar draws on request, has an open mouth (a dark centre)."""
    side = picture.shape[1]
    middle = slice(round(side * 0.655), round(side * 0.68))
    return float(picture[middle, side * 45 // 100 : side * 55 // 100].mean()) < MOUTH_OPEN_BELOW


async def interruptions(url: str) -> dict[str, Any]:
    """Return the times from stopping the face to its last sounding block and to a closed mouth, over `INTERRUPTIONS`."""
    api = LiveAvatarApi(Account(KEY, url))
    choice = AvatarChoice(avatar_id="", quality="low", encoding="VP8")
    silent_ms: list[float] = []
    closed_ms: list[float] = []
    speech = (9_000 * np.sin(np.arange(24_000 * 6) * 2 * np.pi * 180 / 24_000)).astype(np.int16)
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as folder:
        sink = _Watcher()
        face = LiveAvatarFace(api, choice, PaidSessions(Path(folder)))
        await face.open(Look(), sink)
        for number in range(INTERRUPTIONS):
            sink.started.clear()
            face.speak(f"s{number}", speech)
            await play(face, lambda: sink.started.is_set())
            await play_for(face, 1.2)
            stopped_s = time.monotonic()
            face.stop_speaking()
            sounded_s = await play_for(face, 1.0)
            silent_ms.append(max(0.0, sounded_s - stopped_s) * 1000)
            closed_ms.append(max(0.0, sink.open_at_s - stopped_s) * 1000)
        await face.aclose()
    await api.aclose()
    return {
        "interrupt_to_last_sounding_sample_p50_p95_ms": [percentile_ms(silent_ms, q) for q in (50, 95)],
        "interrupt_to_closed_mouth_p50_p95_ms": [percentile_ms(closed_ms, q) for q in (50, 95)],
        "interruptions": len(silent_ms),
    }


async def play(face: LiveAvatarFace, until: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not until():
            face.pull_sound()
            await asyncio.sleep(0.02)


async def play_for(face: LiveAvatarFace, for_s: float) -> float:
    """Play for that time; return when the last sounding block was pulled."""
    sounded_s, until_s = 0.0, time.monotonic() + for_s
    while time.monotonic() < until_s:
        if face.pull_sound().any():
            sounded_s = time.monotonic()
        await asyncio.sleep(0.02)
    return sounded_s


def percentile_ms(values: list[float], q: float) -> int | None:
    found = percentile(values, q)
    return None if found is None else round(found)


def set_delay(url: str, delay_s: float, *, max_session_s: int = MAX_SESSION_S) -> None:
    """Set how much later than its sound the avatar's picture leaves the server from now on."""
    set_faults(url, picture_delay_s=delay_s, has_test_marks=True, max_session_s=max_session_s)


def set_faults(url: str, **switches: Any) -> None:
    """Set the server's switches; those that are not named get their defaults."""
    wanted = {"max_session_s": MAX_SESSION_S, **switches}
    reply = httpx.put(f"{url}/kai/faults", json=wanted, headers={"X-API-KEY": KEY}, trust_env=False)
    reply.raise_for_status()


@contextlib.contextmanager
def local_liveavatar(**faults: Any) -> Generator[str]:
    """Run a local LiveAvatar for the block and yield its address."""
    switches = json.dumps({"max_session_s": MAX_SESSION_S, **faults})
    with local_server("liveavatar", "kai.engine.liveavatar", "--faults", switches) as url:
        yield url
