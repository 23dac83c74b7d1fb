"""Measures the delays of our adapter for Realtime brains against the local engine: ``python -m kai.bench brain``.

Connecting is measured from the adapter's ``open`` until it is ready. The added delay is the time from when a received RTP
frame leaves aiortc's jitter buffer until its sound leaves the port. Silence is from ``cancel`` to the last sound at the port.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import av
import numpy as np

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.bench.bars import Bar, at_most
from kai.bench.part import RunningEngine, local_engine
from kai.core.events import Event, ResponseCreated
from kai.core.state import Look
from kai.ports import Marks, Pcm

REPEATS: Final = 5
PATIENCE_S: Final = 15.0
QUESTION: Final = "What can you do?"


class Ear:
    """A sink that notes when sound arrived, and of which answer."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.sounds: list[tuple[str, float]] = []
        self.delays_ms: list[float] = []
        self.received_s = 0.0
        self._news = asyncio.Event()

    def emit(self, event: Event) -> None:
        if isinstance(event, ResponseCreated):
            self.created.append(event.response_id)
        self._news.set()

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        now_s = time.perf_counter()
        self.sounds.append((segment_id, now_s))
        if self.received_s:
            self.delays_ms.append((now_s - self.received_s) * 1000)
        self._news.set()

    def marks(self, segment_id: str, marks: Marks) -> None:
        pass

    def end_segment(self, segment_id: str) -> None:
        self._news.set()

    async def wait(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():
                self._news.clear()
                await self._news.wait()


class _TimedBrain(OpenAIRealtimeBrain):
    """A brain that notes when a frame left aiortc."""

    def __init__(self, endpoint: Endpoint, ear: Ear) -> None:
        super().__init__(endpoint)
        self._ear = ear

    async def _listen(self, track: Any) -> None:
        receive: Callable[[], Awaitable[av.AudioFrame]] = track.recv

        async def timed() -> av.AudioFrame:
            frame = await receive()
            self._ear.received_s = time.perf_counter()
            return frame

        track.recv = timed
        await super()._listen(track)


def run() -> dict[str, Any]:
    """Return the figures over ``REPEATS`` calls for each transport."""
    with local_engine() as engine:
        return asyncio.run(_measure(engine))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: a pressed button silences Kai at once, and the adapter adds almost no delay."""
    return [
        *(
            at_most(f"interrupt to silence, {name}", figures[f"{name}_interrupt_to_silence_ms_max"], 80, "ms")
            for name in ("webrtc", "websocket")
        ),
        at_most(
            "delay of the brain's sound in the adapter, p95", figures["webrtc_added_delay_ms_p95"], 250, "ms"
        ),
    ]


async def _measure(engine: RunningEngine) -> dict[str, Any]:
    endpoint = engine.endpoint()
    figures: dict[str, Any] = {}
    for name in ("webrtc", "websocket"):
        connects_ms: list[float] = []
        silences_ms: list[float] = []
        delays_ms: list[float] = []
        for _ in range(REPEATS):
            ear = Ear()
            brain = _TimedBrain(endpoint, ear) if name == "webrtc" else OpenAISocketBrain(endpoint)
            await brain.open(Look(), ear)
            connects_ms.append(brain.opened_in_s * 1000)
            try:
                silences_ms.append(await _interrupt(brain, ear))
            finally:
                await brain.aclose()
            delays_ms += ear.delays_ms
        figures[f"{name}_connect_ms_p50"] = round(float(np.median(connects_ms)), 1)
        figures[f"{name}_connect_ms_max"] = round(max(connects_ms), 1)
        figures[f"{name}_interrupt_to_silence_ms_max"] = round(max(silences_ms), 1)
        if delays_ms:
            figures[f"{name}_added_delay_ms_p50"] = round(float(np.median(delays_ms)), 2)
            figures[f"{name}_added_delay_ms_p95"] = round(float(np.percentile(delays_ms, 95)), 2)
    return figures


async def _interrupt(brain: OpenAIRealtimeBrain | OpenAISocketBrain, ear: Ear) -> float:
    """Return how long after ``cancel`` the last sound of that answer left the port, in ms."""
    brain.send_text("bench-1", QUESTION)
    await ear.wait(lambda: len(ear.sounds) > 5)
    response_id = ear.sounds[0][0]
    cut_s = time.perf_counter()
    brain.cancel(response_id)
    await asyncio.sleep(0.5)
    last_s = max(at_s for segment_id, at_s in ear.sounds if segment_id == response_id)
    return max(0.0, last_s - cut_s) * 1000
