"""A stranger in the avatar's room: the official ``livekit`` SDK, keeping what it saw and heard."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from livekit import rtc


@dataclass
class Watcher:
    """``pictures`` are (time, luma), ``sound`` (time, 10 ms at 48 000 Hz), ``events`` names of the room's events."""

    room: rtc.Room = field(default_factory=rtc.Room)
    pictures: list[tuple[float, Any]] = field(default_factory=list)
    sound: list[tuple[float, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    identities: set[str] = field(default_factory=set)
    subscriptions: int = 0
    is_closed: bool = False
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.room.on("track_subscribed", self._subscribed)
        self.room.on("track_unsubscribed", lambda track, *_: self._unsubscribed(track))
        for name in ("reconnecting", "reconnected", "disconnected", "participant_disconnected"):
            self.room.on(name, lambda *_, name=name: self.events.append(name))

    def _subscribed(self, track: Any, _publication: Any, participant: Any) -> None:
        if self.is_closed:
            return
        self.subscriptions += 1
        self.identities.add(participant.identity)
        watch = self._watch if track.kind == rtc.TrackKind.KIND_VIDEO else self._listen
        self._tasks[f"{track.sid}-{self.subscriptions}"] = asyncio.create_task(watch(track))

    def _unsubscribed(self, track: Any) -> None:
        for name in [name for name in self._tasks if name.startswith(track.sid)]:
            self._tasks[name].cancel()

    async def _watch(self, track: Any) -> None:
        stream = rtc.VideoStream(track, capacity=1)
        try:
            async for event in stream:
                frame = event.frame
                luma = np.frombuffer(frame.data, np.uint8, frame.width * frame.height)
                self.pictures.append((time.monotonic(), luma.reshape(frame.height, frame.width).copy()))
        finally:
            await _end(stream)

    async def _listen(self, track: Any) -> None:
        stream = rtc.AudioStream(track, sample_rate=48_000, num_channels=1, capacity=50)
        try:
            async for event in stream:
                self.sound.append((time.monotonic(), np.frombuffer(event.frame.data, np.int16).copy()))
        finally:
            await _end(stream)

    def heard(self) -> Any:
        """All sound so far: ``(samples,)`` int16 at 48 000 Hz."""
        return np.concatenate([np.zeros(0, np.int16), *(pcm for _, pcm in self.sound)])

    async def wait(self, is_true: Callable[[], object], within_s: float = 15.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_true():
                await asyncio.sleep(0.02)

    async def aclose(self) -> None:
        self.is_closed = True
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await self.room.disconnect()


async def _end(stream: Any) -> None:
    """Close a stream of the SDK, which may wait for ever for its own task; the time-out cancels that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            await stream.aclose()


@asynccontextmanager
async def watching(
    url: str, token: str, *, single_peer_connection: bool | None = None
) -> AsyncIterator[Watcher]:
    """A watcher that has joined."""
    watcher = Watcher()
    await watcher.room.connect(url, token, rtc.RoomOptions(single_peer_connection=single_peer_connection))
    try:
        yield watcher
    finally:
        await watcher.aclose()
