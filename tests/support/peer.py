"""A plain WebRTC client of the Realtime protocol, as a stranger would write it with aiortc: a microphone and an ear."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
import openai
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from numpy.typing import NDArray

Event = dict[str, Any]
LOUD = 500
WAIT_S = 15.0

SESSION: dict[str, Any] = {
    "type": "realtime",
    "model": "kai-local",
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 448},
        }
    },
}


class Microphone(MediaStreamTrack):
    """Plays what it is given, 48 000 Hz int16, in real time; silence otherwise, for ever."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue = np.zeros(0, np.int16)
        self._count = 0
        self._started_s: float | None = None
        self.fell_silent_s = 0.0

    def play(self, samples: NDArray[np.int16]) -> None:
        self._queue = np.concatenate([self._queue, samples])

    @property
    def is_playing(self) -> bool:
        return len(self._queue) > 0

    async def recv(self) -> av.AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._started_s is None:
            self._started_s = time.monotonic()
        await asyncio.sleep(max(0.0, self._started_s + self._count * 0.02 - time.monotonic()))
        samples, self._queue = self._queue[:960], self._queue[960:]
        if len(samples) and not len(self._queue):
            self.fell_silent_s = time.monotonic()
        samples = np.pad(samples, (0, 960 - len(samples)))
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self._count * 960
        frame.time_base = Fraction(1, 48_000)
        self._count += 1
        return frame


def make_connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


class Peer:
    """One call: `events` in the order in which they came, `heard` as (monotonic time, pts, samples) of 20 ms each."""

    def __init__(self, microphone: Any = None) -> None:
        self.connection = make_connection()
        self.microphone = microphone or Microphone()
        self.on_heard: Callable[[NDArray[np.int16]], None] = lambda samples: None
        self.events: list[Event] = []
        self.heard: list[tuple[float, int, NDArray[np.int16]]] = []
        self.call_id = ""
        self.headers: Any = {}
        self._changed = asyncio.Event()
        self._ear: asyncio.Task[None] | None = None
        self.connection.addTrack(self.microphone)
        self.channel = self.connection.createDataChannel("oai-events")
        self.channel.on("message", self._on_message)
        self.connection.on("track", self._on_track)
        self.connection.on("connectionstatechange", self._changed.set)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def call(self, client: openai.AsyncOpenAI, session: dict[str, Any] = SESSION) -> None:
        answer = await client.realtime.calls.create(sdp=await self.offer(), session=session)
        self.headers = answer.response.headers
        self.call_id = self.headers["location"].rsplit("/", 1)[-1]
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp=answer.text, type="answer"))
        await self.wait("session.created")

    def send(self, kind: str, **fields: Any) -> None:
        self.channel.send(json.dumps({"type": kind, **fields}))

    def ask(self, text: str, **response: Any) -> None:
        content = [{"type": "input_text", "text": text}]
        self.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
        self.send("response.create", **({"response": response} if response else {}))

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def wait(self, kind: str, *, after: int = 0, timeout_s: float = WAIT_S) -> Event:
        """The first event of that type from index `after` on."""
        await self.wait_until(lambda: any(event["type"] == kind for event in self.events[after:]), timeout_s)
        return next(event for event in self.events[after:] if event["type"] == kind)

    def types(self, after: int = 0) -> list[str]:
        return [event["type"] for event in self.events[after:]]

    def loudness(self, since_s: float) -> list[tuple[float, int]]:
        """(time, peak) of each 20 ms that was heard since then."""
        return [(at_s, int(np.abs(x.astype(np.int32)).max())) for at_s, _, x in self.heard if at_s >= since_s]

    async def wait_sound(self, since_s: float) -> float:
        """When the first loud 20 ms since then came."""
        await self.wait_until(lambda: any(peak > LOUD for _, peak in self.loudness(since_s)))
        return next(at_s for at_s, peak in self.loudness(since_s) if peak > LOUD)

    def _on_message(self, message: str) -> None:
        self.events.append(json.loads(message))
        self._changed.set()

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._ear = asyncio.get_running_loop().create_task(self._listen(track), name="peer-ear")

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame: Any = await track.recv()
                samples = frame.to_ndarray().reshape(-1)[::2]
                self.heard.append((time.monotonic(), frame.pts, samples))
                self.on_heard(samples)
                self._changed.set()
        except MediaStreamError:
            return

    async def close(self) -> None:
        self.microphone.stop()
        await self.connection.close()
        if self._ear is not None:
            await self._ear


@asynccontextmanager
async def calling(client: openai.AsyncOpenAI, session: dict[str, Any] = SESSION) -> AsyncIterator[Peer]:
    """A peer in a call; the client and the call are closed at the end."""
    peer = Peer()
    try:
        await peer.call(client, session)
        yield peer
    finally:
        await peer.close()
        await client.close()
