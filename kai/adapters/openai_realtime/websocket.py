"""The same brain over a WebSocket, for networks that block UDP.

Sound arrives as base64 in the events, faster than it is played, so the server does not know how much was heard: we truncate
an interrupted answer at the sample that the face reached. This transport has no lip and word times.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from dataclasses import replace
from typing import Any, cast

import numpy as np
import openai
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from kai.adapters.openai_realtime import faults, optional
from kai.adapters.openai_realtime.client import client_of, socket_proxy
from kai.adapters.openai_realtime.config import session_for
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.talk import CALL_S, CONNECT_S, RealtimeTalk, new_event_id
from kai.compat.format import LIVE_HZ, SPEECH_HZ
from kai.compat.recent import Recent
from kai.compat.sockets import is_answering
from kai.core.events import AudioCleared, AudioStarted, AudioStopped
from kai.media import pcm
from kai.ports import BrainSink
from kai.wire import realtime as wire
from kai.wire.session_object import UNSET

log = logging.getLogger(__name__)

# websockets writes every header, with the key, into its debug log, so it gets a logger without a debug level.
_HANDSHAKE_LOG = logging.getLogger("kai.websocket")
_HANDSHAKE_LOG.setLevel(logging.WARNING)

UNSENT_KEPT = 500
"""Ten seconds of microphone. A connection that falls further behind is useless for a talk and is given up."""
ITEMS_KEPT = 8
EXPIRED = "maximum duration"


class OpenAISocketBrain(RealtimeTalk):
    """One WebSocket to a Realtime endpoint. Implements ``kai.ports.VoiceBrain``."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, "websocket")
        self._client: openai.AsyncOpenAI | None = None
        self._connection: AsyncRealtimeConnection | None = None
        self._outbox: asyncio.Queue[wire.ClientEvent] = asyncio.Queue(UNSENT_KEPT)
        self._is_configured = asyncio.Event()
        self._sounding: dict[str, None] = {}
        self._ended: dict[str, None] = {}
        self._items = Recent[str, list[list[Any]]](ITEMS_KEPT)

    def cancel(self, response_id: str) -> None:
        self._forget_answer(response_id)
        self._sounding.pop(response_id, None)
        if self._active_response_id == response_id:
            self._send(wire.ResponseCancel(response_id=response_id))

    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        """Truncate the server's memory of each item of an answer where the person stopped hearing it."""
        left_ms = heard_ms
        for item_id, samples in self._items.pop(response_id, []):
            length_ms = samples * 1000 // SPEECH_HZ
            if left_ms < length_ms:
                self._send(
                    wire.ItemTruncate(
                        item_id=item_id,
                        content_index=0,
                        audio_end_ms=max(0, left_ms),
                        event_id=new_event_id(),
                    )
                )
            left_ms = max(0, left_ms - length_ms)

    async def _connect(self) -> None:
        endpoint = self._endpoint
        self._client = client_of(endpoint)
        proxy = socket_proxy(endpoint)
        try:
            async with asyncio.timeout(CALL_S):
                self._connection = await self._client.realtime.connect(
                    model=endpoint.model_of(self._look.brain),
                    extra_headers=endpoint.headers,
                    # We stop reading before we close, so the peer's close frame can be stuck behind unread sound: bound
                    # the wait for it.
                    websocket_connection_options=cast(
                        "Any", {"close_timeout": 1.0, "logger": _HANDSHAKE_LOG, **proxy}
                    ),
                ).enter()
        except (openai.OpenAIError, InvalidHandshake, OSError) as exc:
            raise faults.explain(exc, endpoint.base_url) from exc
        self._tasks.spawn(self._receive(self._connection), "receive events")
        self._tasks.spawn(self._pump(self._connection), "send events")
        # The model is named in the URL; an update that names it is refused, even with the same value.
        self._configure()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._ready.wait()
                if self._failure is None:
                    await self._is_configured.wait()
        except TimeoutError as exc:
            raise faults.CONNECT_TIMEOUT.error() from exc
        self._tasks.spawn(self._speak_up(), "send the microphone")

    def _configure(self) -> None:
        session = replace(session_for(self._look, self._endpoint, self.left_out), model=UNSET)
        self._transmit(wire.SessionUpdate(session=session, event_id=new_event_id()))

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._client is not None:
            await self._client.close()

    def _arrived_count(self) -> int:
        return self._heard_events

    async def _is_answering(self) -> bool:
        return self._connection is not None and await is_answering(self._connection)

    def _transmit(self, event: wire.ClientEvent) -> None:
        try:
            self._outbox.put_nowait(event)
        except asyncio.QueueFull:
            self._lose(faults.OVERFLOW)

    async def _pump(self, connection: AsyncRealtimeConnection) -> None:
        """Send the queued events. Only this task sends, so that events keep their order."""
        while True:
            event = await self._outbox.get()
            try:
                await connection.send_raw(wire.encode(event))
            except ConnectionClosed:
                return

    async def _receive(self, connection: AsyncRealtimeConnection) -> None:
        """Receive messages until the connection closes. A clean close, as after an hour, is reported as a loss too; iterating
        over the connection would end silently."""
        while True:
            try:
                message = await connection.recv_bytes()
            except ConnectionClosed as exc:
                reason = exc.rcvd.reason if exc.rcvd is not None else ""
                self._lose(faults.SESSION_EXPIRED if EXPIRED in reason else faults.LOST)
                self._is_configured.set()
                return
            self._take(message)

    async def _speak_up(self) -> None:
        """Send the microphone, or silence in its place, in blocks of 20 ms without a gap."""
        resampler = pcm.Resampler(LIVE_HZ, SPEECH_HZ)
        while True:
            frame = await self._mic.recv()
            sound = resampler.push(frame.to_ndarray().reshape(-1).astype(np.int16, copy=False))
            if len(sound):
                audio = base64.b64encode(pcm.to_bytes(sound)).decode("ascii")
                self._send(wire.InputAudioAppend(audio=audio))

    def _on_sound_event(self, event: wire.ServerEvent, sink: BrainSink) -> bool:
        match event:
            case wire.SessionUpdated():
                self._is_configured.set()
                return False
            case wire.ErrorOccurred(error=error):
                if not self._is_configured.is_set():
                    if self._leave_out(400, f"{error.param} {error.message}"):
                        self._configure()
                        return True
                    # The whole session was refused, so the talk would run with settings that nobody chose.
                    self._lose(faults.fault_of_status(400, error.code))
                    self._is_configured.set()
                return False
            case wire.SpeechStarted():
                if self._look.brain.can_interrupt:
                    self._take_back(sink)
                return False
            case wire.OutputAudioDelta(response_id=response_id, item_id=item_id, delta=delta):
                self._on_delta(response_id, item_id, delta, sink)
            case wire.OutputAudioDone():
                pass
            case wire.ResponseDone(response=response):
                self._end_sound(response, sink)
                return False
            case _:
                return False
        return True

    def _leave_out(self, status: int, said: str) -> bool:
        """Leave out the part of the session that a refusal is about; return whether there is such a part."""
        part = optional.refused_part(status, said, self._look.brain, self._endpoint, self.left_out)
        if part is None:
            return False
        log.info("a part of the session was refused", extra={"part": part})
        self.left_out |= {part}
        return True

    def _on_delta(self, response_id: str, item_id: str, delta: str, sink: BrainSink) -> None:
        try:
            sound = pcm.from_bytes(base64.b64decode(delta, validate=True))
        except (binascii.Error, ValueError):
            log.warning("sound that cannot be read")
            return
        items = self._items.get(response_id, [])
        if not items or items[-1][0] != item_id:
            items.append([item_id, 0])
        items[-1][1] += len(sound)
        self._items[response_id] = items
        if response_id in self._cancelled:
            return
        if response_id not in self._sounding:
            self._sounding[response_id] = None
            sink.emit(AudioStarted(response_id))
        self._answers.sounded(response_id, sound)
        sink.sound(response_id, sound)

    def _end_sound(self, response: wire.Response, sink: BrainSink) -> None:
        """End the sound of an answer, which has arrived long before it is played. All items of an answer are one segment."""
        if response.id not in self._sounding:
            return
        del self._sounding[response.id]
        if response.id in self._cancelled:
            return
        if response.status == "cancelled":
            self._forget_answer(response.id)
            sink.emit(AudioCleared(response.id))
            return
        sink.end_segment(response.id)
        sink.emit(AudioStopped(response.id))
        samples = sum(count for _, count in self._items.get(response.id, []))
        self._compare_written(response.id, samples * 1000 // SPEECH_HZ, sink)

    def _take_back(self, sink: BrainSink) -> None:
        """Drop the sound of running answers: the person speaks, and the server stops making the answer."""
        for response_id in list(self._sounding):
            del self._sounding[response_id]
            self._forget_answer(response_id)
            sink.emit(AudioCleared(response_id))
