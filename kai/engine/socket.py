"""A conversation over a WebSocket, and side channels to calls: events, and sound in base64, sent as soon as they are made."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from kai.compat.format import HEARING_HZ, SPEECH_HZ
from kai.engine.answer import CONTENT_INDEX, Place
from kai.engine.call import Call, HungUp
from kai.engine.conversation import Conversation, Dropped
from kai.engine.items import new_id
from kai.engine.new_session import NewSession
from kai.engine.speech.clauses import Clause
from kai.media import pcm
from kai.wire import realtime as wire

logger = logging.getLogger(__name__)

MAX_AUDIO_BYTES: Final = 15 * 1024 * 1024
MAX_UNSENT_EVENTS: Final = 2_000
DELTA_SAMPLES: Final = 4_800
SLICE_SAMPLES: Final = 24_000
GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011
CLOSE_S: Final = 5.0
TAIL_S: Final = 0.7
"""How long after its estimated end Kai's sound may still be heard: the client's own buffers and a face delay it."""


@dataclass(frozen=True, slots=True)
class Close:
    """The end of a WebSocket."""

    code: int
    reason: str


class Outbox:
    """The queue of events to one WebSocket, which only its `pump` sends. Bound: 2 000 events.

    A client that reads too slowly to stay under the bound is disconnected.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str | Close] = asyncio.Queue(MAX_UNSENT_EVENTS)
        self._overflowed = asyncio.Event()

    def put_nowait(self, entry: str | Close) -> None:
        """Queue an event, or the WebSocket's close once everything before it has been sent."""
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            self._overflowed.set()

    async def pump(self, websocket: WebSocket) -> None:
        """Sends the queued events until a close is sent."""
        while True:
            entry = await self._queue.get()
            if isinstance(entry, Close):
                await websocket.close(entry.code, entry.reason)
                return
            await websocket.send_text(entry)

    async def leave_when_overflowed(self) -> None:
        """Raises `HungUp` when the queue overflows; the connection is then dropped, since a close could not be sent."""
        await self._overflowed.wait()
        logger.warning("a client does not read its events")
        raise HungUp


class SocketTransport:
    """Kai's side of a WebSocket: the client plays the sound, so the server does not know what was heard.

    It assumes that the client plays each answer from its first delta on, without a pause, until the client says otherwise or
    is interrupted. So a nod over Kai's voice is let pass here as well as in a call.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float] = time.monotonic) -> None:
        self._outbox = outbox
        self._clock = clock
        self._plays_until_s = -math.inf

    @property
    def plays_sound(self) -> bool:
        """False: the client plays it."""
        return False

    @property
    def is_sounding(self) -> bool:
        """Whether the client is probably playing Kai's sound, or did a moment ago."""
        return self._clock() < self._plays_until_s + TAIL_S

    @property
    def is_playing(self) -> bool:
        """Whether the client is probably playing an answer."""
        return self._clock() < self._plays_until_s

    def foreign_share(self) -> float:
        """Return 1: the client keeps Kai's sound out of its microphone."""
        return 1.0

    def send(self, event: wire.ServerEvent) -> None:
        """Queues an event for the client."""
        self._outbox.put_nowait(wire.encode(event))

    def speak(self, place: Place, clause: Clause) -> None:
        """Queues a clause as base64, 200 ms of sound in each event."""
        self._plays_until_s = max(self._clock(), self._plays_until_s) + len(clause.pcm) / SPEECH_HZ
        for start in range(0, len(clause.pcm), DELTA_SAMPLES):
            sound = pcm.to_bytes(clause.pcm[start : start + DELTA_SAMPLES])
            delta = wire.OutputAudioDelta(
                response_id=place.response_id,
                item_id=place.item_id,
                output_index=place.output_index,
                content_index=CONTENT_INDEX,
                delta=base64.b64encode(sound).decode(),
                event_id=new_id("event"),
            )
            self.send(delta)

    def end_speech(self, response_id: str) -> None:
        """Does nothing, since ``response.output_audio.done`` tells the client."""

    def cut_off(self, reason: str) -> None:
        """Closes the WebSocket after the queued events."""
        self._outbox.put_nowait(Close(GOING_AWAY if reason else INTERNAL_ERROR, reason))

    def drop_speech(self) -> Sequence[Dropped]:
        """Return nothing: the client already has all the sound. It stops playing it now."""
        self._plays_until_s = -math.inf
        return ()


class _Hearing:
    """Decodes appended base64 and passes the sound to the conversation."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._resampler = pcm.Resampler(SPEECH_HZ, HEARING_HZ)
        self._odd = b""

    async def append(self, event: wire.InputAudioAppend) -> None:
        """Passes the sound of `event` on in slices of a second, so that other conversations go on in between."""
        if len(event.audio) > MAX_AUDIO_BYTES:
            self._refuse(event, "The audio is larger than 15 MiB.")
            return
        try:
            data = self._odd + base64.b64decode(event.audio, validate=True)
        except binascii.Error:
            self._refuse(event, "Invalid 'audio'. Expected base64-encoded audio bytes.")
            return
        whole = len(data) // 2 * 2
        self._odd = data[whole:]
        samples = pcm.from_bytes(data[:whole])
        for start in range(0, len(samples), SLICE_SAMPLES):
            self._conversation.push_audio(
                pcm.to_float32(self._resampler.push(samples[start : start + SLICE_SAMPLES]))
            )
            await asyncio.sleep(0)

    def _refuse(self, event: wire.InputAudioAppend, message: str) -> None:
        self._conversation.refuse(message, code="invalid_value", event_id=event.event_id, param="audio")


async def converse(websocket: WebSocket, session: NewSession) -> None:
    """Run a whole conversation on an accepted WebSocket, which is closed or gone at the end."""
    outbox = Outbox()
    try:
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(outbox.pump(websocket), name="ws-pump")
            tasks.create_task(outbox.leave_when_overflowed(), name="ws-overflow")
            conversation = session.begin(SocketTransport(outbox), tasks)
            conversation.open()
            try:
                async with asyncio.timeout(session.longest_s):
                    await _read(websocket, conversation, _Hearing(conversation))
            except TimeoutError:
                conversation.expire()
                outbox.put_nowait(Close(GOING_AWAY, "Your session hit the maximum duration of 60 minutes."))
                await asyncio.wait([pump], timeout=CLOSE_S)
            raise HungUp
    except* (HungUp, WebSocketDisconnect):
        pass


async def join_call(websocket: WebSocket, call: Call) -> None:
    """Run a side channel to a call on an accepted WebSocket: it gets every event, and may act like the call's client."""
    outbox = Outbox()
    conversation = call.listen(outbox.put_nowait)
    if conversation is None:
        await websocket.close(GOING_AWAY, "The call is over.")
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(outbox.pump(websocket), name="sideband-pump")
            tasks.create_task(outbox.leave_when_overflowed(), name="sideband-overflow")
            tasks.create_task(_leave_with(call, outbox), name="sideband-over")
            outbox.put_nowait(wire.encode(conversation.greet_sideband()))
            await _read(websocket, conversation, None)
            raise HungUp
    except* (HungUp, WebSocketDisconnect):
        pass
    finally:
        call.unlisten(outbox.put_nowait)


async def _leave_with(call: Call, outbox: Outbox) -> None:
    await call.over.wait()
    outbox.put_nowait(Close(GOING_AWAY, "The call is over."))


async def _read(websocket: WebSocket, conversation: Conversation, hearing: _Hearing | None) -> None:
    """Handle the client's events in order until it disconnects."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text: str | bytes | None = message.get("text")
        event = conversation.decode(text if text is not None else message.get("bytes") or b"")
        if event is None:
            continue
        if hearing is not None and isinstance(event, wire.InputAudioAppend):
            await hearing.append(event)
        else:
            conversation.handle(event)
