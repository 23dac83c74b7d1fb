"""Measures how many talks this machine's engine carries and what they cost: ``python -m kai.bench capacity``.

Each talk is a separate WebSocket client that asks the reflex a question in real time every few seconds. The delay is measured
from the last sound of the question to the first sound of the answer, and includes the engine's patience. The clients' own
work loads the machine but is not in the engine's share. The cost of one call over WebRTC, idle and talking, is measured too,
and then whole talks, with their pages (`kai.bench.capacity_pages`).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import psutil

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.bench import capacity_pages
from kai.bench.asked import REFLEX, asked
from kai.bench.bars import Bar, at_least, at_most, percent_of
from kai.bench.brain import Ear
from kai.bench.part import RunningEngine, local_engine
from kai.bench.talk import percentile
from kai.core.state import Look
from kai.errors import BrainError
from kai.media import pcm

NEVER: Final = "never"
ANSWER_BAR_S: Final = 1.5
ROUNDS: Final = 3
ROUND_S: Final = 8.0
WATCH_S: Final = 8.0
COUNTS: Final = (1, 2, 4, 8)
MIC_HZ: Final = 48_000
FRAME_SAMPLES: Final = 960


def run() -> dict[str, Any]:
    """Return the figures by number of talks; CPU is the engine's own, in percent of one core."""
    with local_engine() as engine:
        figures = asyncio.run(_measure(engine))
    return figures | capacity_pages.run()


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: every talk is answered, eight at once as quickly as one, and the ninth learns why it is refused."""
    most = f"{COUNTS[-1]}_talks"
    return [
        *(
            at_least(f"{count} at once answered", percent_of(figures[f"{_name(count)}_answered"]), 100, "%")
            for count in COUNTS
        ),
        at_most(
            f"{COUNTS[-1]} talks at once, p95", figures[f"{most}_answers_after_s_p95"], ANSWER_BAR_S, "s"
        ),
        at_least("refuses one too many", float(figures["refused_when_full"] != NEVER), 1),
        *(capacity_pages.bars(figures) if "2_pages" in figures else ()),
    ]


def _name(count: int) -> str:
    return f"{count}_talk{'s' if count > 1 else ''}"


async def _measure(running: RunningEngine) -> dict[str, Any]:
    engine, endpoint = running.process, running.endpoint()
    sentence = said_in_frames(asked(REFLEX)[0].path)
    figures: dict[str, Any] = {
        "nobody_cpu_percent": await _cpu_of(engine, asyncio.sleep(WATCH_S)),
        "nobody_memory_mb": _memory_mb(engine),
    }
    ear = Ear()
    call = OpenAIRealtimeBrain(endpoint)
    await call.open(Look(), ear)
    try:
        figures["a_silent_call_cpu_percent"] = await _cpu_of(
            engine, talk(call, ear, [sentence[:0]], ROUND_S, [])
        )
        delays: list[float] = []
        figures["a_talking_call_cpu_percent"] = await _cpu_of(
            engine, talk(call, ear, [sentence] * ROUNDS, ROUND_S, delays)
        )
        figures["a_talking_call_answers_after_s_p50"] = percentile(delays, 50)
    finally:
        await call.aclose()
    for count in COUNTS:
        figures |= await _talks_at_once(endpoint, engine, sentence, count)
    figures["refused_when_full"] = await _refusal(endpoint, running)
    figures["memory_mb_after"] = _memory_mb(engine)
    return figures


async def _talks_at_once(
    endpoint: Endpoint, engine: psutil.Process, sentence: np.ndarray, count: int
) -> dict[str, Any]:
    delays: list[float] = []
    async with talks_in_turn(endpoint, [[sentence] * ROUNDS] * count, ROUND_S, delays) as held:
        cpu = await _cpu_of(engine, held)
    name = _name(count)
    return {
        f"{name}_answered": f"{len(delays)} of {count * ROUNDS}",
        f"{name}_answers_after_s_p50": percentile(delays, 50),
        f"{name}_answers_after_s_p95": percentile(delays, 95),
        f"{name}_cpu_percent": cpu,
    }


@contextlib.asynccontextmanager
async def talks_in_turn(
    endpoint: Endpoint, sentences: Sequence[Sequence[np.ndarray]], round_s: float, delays_s: list[float]
) -> AsyncGenerator[Awaitable[Any]]:
    """Open a talk for each list of sentences, and yield the work of holding them all, begun one after the other within a
    round, because people do not begin at the same moment. See `talk`."""
    talks = [(OpenAISocketBrain(endpoint), Ear()) for _ in sentences]
    try:
        for brain, ear in talks:
            await brain.open(Look(), ear)
        yield asyncio.gather(
            *(
                later(number * round_s / len(talks), talk(brain, ear, sentences[number], round_s, delays_s))
                for number, (brain, ear) in enumerate(talks)
            )
        )
    finally:
        await asyncio.gather(*(brain.aclose() for brain, _ in talks))


async def later(delay_s: float, work: Any) -> None:
    """Await ``work`` after that delay."""
    await asyncio.sleep(delay_s)
    await work


async def talk(
    brain: OpenAIRealtimeBrain | OpenAISocketBrain,
    ear: Ear,
    sentences: Sequence[np.ndarray],
    round_s: float,
    delays_s: list[float],
) -> None:
    """Say each sentence (48 kHz, whole frames) in a round of its own, in real time; append each answer's delay."""
    silence = np.zeros(FRAME_SAMPLES, np.int16)
    for sentence in sentences:
        begun_s = time.monotonic()
        frames: list[np.ndarray] = list(sentence.reshape(-1, FRAME_SAMPLES))
        ended_s = time.perf_counter() + len(frames) * 0.02
        heard_before = len(ear.sounds)
        for number in range(round(round_s / 0.02)):
            brain.push_mic(frames[number] if number < len(frames) else silence)
            await asyncio.sleep(max(0.0, begun_s + (number + 1) * 0.02 - time.monotonic()))
        answers = [at_s - ended_s for _, at_s in ear.sounds[heard_before:] if at_s > ended_s]
        if len(frames) and answers:
            delays_s.append(round(min(answers), 3))


async def _refusal(endpoint: Endpoint, running: RunningEngine) -> str:
    """Return the engine's message to one talk too many."""
    headers = {"Authorization": f"Bearer {running.key}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        status = await client.get(f"{running.url.removesuffix('/v1')}/kai/status")
    most = int(status.json()["max_conversations"])
    held: list[OpenAISocketBrain] = []
    try:
        for _ in range(most + 1):
            brain = OpenAISocketBrain(endpoint)
            await brain.open(Look(), Ear())
            held.append(brain)
    except BrainError as error:
        return f"after {len(held)}: {error.message}"
    finally:
        await asyncio.gather(*(brain.aclose() for brain in held))
    return NEVER


async def _cpu_of(engine: psutil.Process, work: Any) -> float:
    """Return the engine's share of a core during `work`, in percent."""
    before, begun_s = engine.cpu_times(), time.monotonic()
    await work
    after = engine.cpu_times()
    used_s = after.user + after.system - before.user - before.system
    return round(100 * used_s / (time.monotonic() - begun_s), 1)


def _memory_mb(engine: psutil.Process) -> int:
    return round(engine.memory_full_info().uss / 1e6)


def said_in_frames(path: Path) -> np.ndarray:
    """Return a recording as ``(samples,)`` int16 at 48 kHz, in whole frames, without the silence after it."""
    whole = pcm.read_wav(path, MIC_HZ)
    last = int(np.nonzero(np.abs(whole.astype(np.int32)) > 900)[0][-1])
    return np.ascontiguousarray(whole[: last // FRAME_SAMPLES * FRAME_SAMPLES])
