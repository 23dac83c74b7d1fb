"""The avatar's room behind a small client of our own: pictures, sound, the offset between them, and the room's end.

Only this file uses the ``livekit`` package, and it runs in a separate process (`room_process`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Final, Protocol

import numpy as np
from livekit import rtc

from kai.adapters.liveavatar.attention import Attention
from kai.adapters.liveavatar.troubles import trouble
from kai.errors import FaceError
from kai.ports import Pcm, Picture
from kai.wire.liveavatar import AVATAR_IDENTITY

log = logging.getLogger(__name__)

CONNECT_S: Final = 10.0
RENDER_WITHIN_S: Final = 0.5
"""The SDK says, some 10 ms ahead, when a picture is to be shown. If its clock is not Python's, the arrival time counts."""
GONE_S: Final = 10.0
"""An avatar that left may return within this time, since a full reconnect removes it and adds it again."""
CLOSE_S: Final = 2.0
SOUND_FRAMES: Final = 50
"""The bound of the SDK's queue, 0.5 s; the oldest frame is dropped."""


class RoomSink(Protocol):
    """Receives a room's media and reports. Kai's loop."""

    def picture(self, picture: Picture, shown_s: float) -> None:
        """Take a picture with the time at which to show it (monotonic clock)."""
        ...

    def sound(self, pcm: Pcm, at_s: float) -> None:
        """Take 10 ms of sound, ``(480,)`` int16, 48 000 Hz, with its arrival time (monotonic clock)."""
        ...

    def plays(self, at_s: float, sound_s: float, picture_s: float) -> None:
        """Measured: at ``at_s`` (monotonic clock) the room plays the sound of the moment ``sound_s`` and shows the
        picture of the moment ``picture_s`` (both on the sender's clock)."""
        ...

    def fresh(self) -> None:
        """The room's tracks were replaced by new ones; earlier measurements no longer hold."""
        ...

    def gone(self, error: FaceError) -> None:
        """The room, or the avatar in it, is gone for good. Called once."""
        ...


class RoomClient:
    """One connection to a room, in this process. One loop only."""

    def __init__(self, sink: RoomSink) -> None:
        self._sink = sink
        self._room = rtc.Room()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stats: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None
        self._subscriptions = 0
        self._is_closing = False

    @property
    def is_avatar_gone(self) -> bool:
        """True while the avatar has left; it may return."""
        return self._leaving is not None

    async def prepare(self) -> None:
        """Do nothing: this client needs no preparation."""

    async def open(self, url: str, token: str) -> None:
        """Join the room. Raises `FaceError`. The tracks arrive later."""
        room = self._room
        room.on("track_subscribed", self._subscribed)
        room.on("track_unsubscribed", self._unsubscribed)
        room.on("participant_connected", self._came)
        room.on("participant_disconnected", self._left)
        room.on("disconnected", self._disconnected)
        try:
            async with asyncio.timeout(CONNECT_S):
                await room.connect(url, token, rtc.RoomOptions(auto_subscribe=True))
        except (rtc.ConnectError, TimeoutError) as exc:
            raise trouble("avatar-no-room") from exc
        self._stats = asyncio.create_task(self._measure(), name="avatar: measure")

    async def aclose(self) -> None:
        """Leave the room, with at most `CLOSE_S` for each step."""
        self._is_closing = True
        if self._leaving is not None:
            self._leaving.cancel()
        tasks = [*self._tasks.values(), *([self._stats] if self._stats is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._room.disconnect()

    def _subscribed(self, track: Any, _publication: Any, participant: Any) -> None:
        if self._is_closing:
            return
        if participant.identity != AVATAR_IDENTITY:
            log.warning("an avatar under another name", extra={"identity_length": len(participant.identity)})
        self._subscriptions += 1
        is_video = track.kind == rtc.TrackKind.KIND_VIDEO
        kind = "video" if is_video else "audio"
        old = self._tasks.pop(kind, None)
        if old is not None:
            old.cancel()
        read = self._watch if is_video else self._listen
        # Keyed by kind, not by track: a full reconnect brings new tracks, and the old streams never end.
        self._tasks[kind] = asyncio.create_task(read(track), name=f"avatar: {kind}")
        self._sink.fresh()

    def _unsubscribed(self, track: Any, *_: Any) -> None:
        log.info("an avatar's track is gone", extra={"kind": int(track.kind)})

    def _came(self, _participant: Any) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _left(self, participant: Any) -> None:
        if participant.identity == AVATAR_IDENTITY and not self._is_closing and self._leaving is None:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(GONE_S, self._sink.gone, trouble("avatar-vanished"))

    def _disconnected(self, reason: Any = None) -> None:
        if self._is_closing:
            return
        if self._leaving is not None:
            self._leaving.cancel()
        is_replaced = reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
        self._sink.gone(trouble("avatar-replaced" if is_replaced else "avatar-ended"))

    async def _watch(self, track: Any) -> None:
        stream = rtc.VideoStream(track, capacity=1)
        try:
            async for event in stream:
                frame = event.frame
                if frame.type != rtc.VideoBufferType.I420:
                    frame = frame.convert(rtc.VideoBufferType.I420)
                now_s, shown_s = time.monotonic(), event.timestamp_us / 1e6
                is_ours = abs(shown_s - now_s) < RENDER_WITHIN_S
                self._sink.picture(_picture(frame), shown_s if is_ours else now_s)
        finally:
            await _end(stream)

    async def _listen(self, track: Any) -> None:
        stream = rtc.AudioStream(track, sample_rate=48_000, num_channels=1, capacity=SOUND_FRAMES)
        try:
            async for event in stream:
                self._sink.sound(np.frombuffer(event.frame.data, np.int16).copy(), time.monotonic())
        finally:
            await _end(stream)

    async def _measure(self) -> None:
        """Report the two streams' estimated playout times on the sender's clock, which tell what is playing now."""
        attention = Attention()
        while True:
            await asyncio.sleep(attention.wait_s)
            try:
                async with asyncio.timeout(CLOSE_S):
                    stats = await self._room.get_rtc_stats()
            except (TimeoutError, RuntimeError) as exc:
                log.debug("no statistics of the room", extra={"kind": type(exc).__name__})
                continue
            at_s, at_ms = time.monotonic(), dict[str, float]()
            # With one connection the statistics are in the first list, with two in the second.
            for entry in (*stats.publisher_stats, *stats.subscriber_stats):
                if entry.WhichOneof("stats") == "inbound_rtp":
                    inbound = entry.inbound_rtp
                    at_ms[inbound.stream.kind] = inbound.inbound.estimated_playout_timestamp
            if at_ms.get("audio") and at_ms.get("video"):
                sound_s, picture_s = at_ms["audio"] / 1000, at_ms["video"] / 1000
                attention.take(at_s - sound_s, at_s - picture_s)
                self._sink.plays(at_s, sound_s, picture_s)


def _picture(frame: Any) -> Picture:
    """Return a tightly packed I420 frame as ``(height * 3 // 2, width)`` uint8; an odd edge is cut off."""
    width, height = frame.width, frame.height
    across, down = (width + 1) // 2, (height + 1) // 2
    data = np.frombuffer(frame.data, np.uint8, width * height + 2 * across * down)
    if not (width % 2 or height % 2):
        return data.reshape(height * 3 // 2, width).copy()
    luma = data[: width * height].reshape(height, width)[: height // 2 * 2, : width // 2 * 2]
    chroma = data[width * height :].reshape(2, down, across)[:, : height // 2, : width // 2]
    return np.concatenate([luma.reshape(-1), chroma.reshape(-1)]).reshape(height // 2 * 3, width // 2 * 2)


async def _end(stream: Any) -> None:
    """Close a stream of the SDK, whose close may wait for its own task without end; the time-out cancels it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S / 2):
            await stream.aclose()
