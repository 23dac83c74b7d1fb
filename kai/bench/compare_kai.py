"""One talk of Kai's own app, without its page: ``python -m kai.bench.compare_kai PLAN``.

The legs, the talk and the page's tracks are those that `kai.compose` makes for a person with two keys. Only the encoders and
the browser are left out, as they are for the others: the tracks are read as a connected page reads them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from kai.adapters.browser import VideoTrack
from kai.bench.compare_notes import (
    PICTURE_S,
    READS_S,
    NotedOutlet,
    Notes,
    Plan,
    PlayedMicrophone,
    hold_talk,
    until,
)
from kai.compat.format import LIVE_HZ
from kai.compat.paced import PacedTrack
from kai.compose import SharedServices
from kai.core.events import ResponseCreated, StartRequested, StopRequested, TextSubmitted
from kai.core.state import Look
from kai.media.pcm import Resampler
from kai.records.memory import Memory
from kai.settings import Settings


async def _play(track: PacedTrack, outlet: NotedOutlet) -> None:
    """Read the page's sound as aiortc does when a browser is connected."""
    while True:
        frame = await track.recv()
        outlet.play(frame.to_ndarray().reshape(-1).astype(np.int16, copy=False), LIVE_HZ)


async def _watch(track: VideoTrack, outlet: NotedOutlet, height_px: int) -> None:
    """Read the page's pictures in the same way. Until the avatar is shown, they are the local face's, of another height."""
    while True:
        frame = await track.recv()
        if frame.height == height_px:
            outlet.show(partial(_luma, frame))


def _luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return frame.to_ndarray()[: frame.height, : frame.width].astype(np.uint8, copy=False)


async def main(plan: Plan, folder: str) -> None:
    """Hold the talk of that plan."""
    note = Notes(plan.notes, "client")
    settings = Settings(
        OPENAI_API_KEY="k",  # pyright: ignore[reportCallIssue]
        OPENAI_BASE_URL=plan.realtime,  # pyright: ignore[reportCallIssue]
        LIVEAVATAR_API_KEY="k",  # pyright: ignore[reportCallIssue]
        openai_model=plan.model,
        openai_transport=plan.transport,  # pyright: ignore[reportArgumentType]
        liveavatar_url=plan.liveavatar,
        liveavatar_avatar_id=plan.avatar_id,
        liveavatar_quality=plan.quality,  # pyright: ignore[reportArgumentType]
        state_dir=Path(folder),
        history=False,
        log_level="WARNING",
    )
    shared = SharedServices(settings, Memory(Path(folder), may_keep_talks=False))
    shared.open()
    session, link = shared.make_session("bench")
    await session.open()
    await asyncio.sleep(READS_S)
    outlet, microphone, answers = NotedOutlet(plan, note), PlayedMicrophone(), list[float]()
    resampler = Resampler(16_000, LIVE_HZ)

    async def push(pcm: np.ndarray[Any, Any]) -> None:
        frame = av.AudioFrame.from_ndarray(resampler.push(pcm)[None], format="s16", layout="mono")
        frame.sample_rate = LIVE_HZ
        link.on_mic_frame(frame)

    def on_change(*_: Any) -> None:
        created = sum(isinstance(event, ResponseCreated) for _, event in session.journal()[1])
        answers.extend([time.monotonic()] * (created - len(answers)))

    session.subscribe(on_change)
    note("start")
    # Without a greeting, because the others begin when they are asked, and without the engine that stands by for OpenAI.
    look = Look(stays_in_cloud=True)
    session.dispatch(StartRequested(time.time(), replace(look, brain=replace(look.brain, greeting=""))))
    picture, sound = link.tracks()
    reading = [
        asyncio.create_task(_play(sound, outlet)),
        asyncio.create_task(_watch(picture, outlet, plan.height_px)),
    ]
    await until(lambda: outlet.pictures and session.snapshot().brain.is_up, PICTURE_S, "a picture", note)
    reading.append(asyncio.create_task(microphone.run(push)))

    async def begin() -> None:
        session.dispatch(TextSubmitted("t1", "Hello."))

    await hold_talk(plan, note, begin=begin, microphone=microphone, outlet=outlet, answers=answers)
    for task in reading:
        task.cancel()
    session.dispatch(StopRequested())
    await session.aclose()
    await shared.aclose()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kai-bench-") as state:
        asyncio.run(main(Plan.from_json(sys.argv[1]), state))
    os._exit(0)
