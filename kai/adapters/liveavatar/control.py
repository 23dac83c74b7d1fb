"""The control WebSocket: commands to the avatar, events from it, and the cutting of speech into chunks.

The service accepts commands once the session is ready and silently drops earlier ones. It sends ``connected`` when that is
so. Clients measured on the service disagree on how often: some saw it on each socket of a session, others once in a session,
so that a socket that attaches later would wait without end. Therefore a socket counts as ready when it has received
``connected``, or `ASSUMED_S` after it opened if the session was ready before. For a first socket that time counts from the
avatar's first picture if that comes later, since commands between the picture and a late ``connected`` would be lost.

A connection can be lost with sound in it, and a half-open one accepts sound for minutes. The service confirms each piece
(``audio_buffer_appended``, ``audio_buffer_committed``). If confirmations arrived and then stop for `UNANSWERED_S`, the
connection is dropped and dialled again. If pieces of an utterance are unconfirmed when it is back, ``on_back`` is called with
the news that sound may be missing, and the owner of the sound sends again what was not heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from kai.adapters.liveavatar.troubles import trouble
from kai.compat import http
from kai.compat.format import SPEECH_HZ
from kai.compat.recent import Recent
from kai.errors import ConfigError, FaceError, ProtocolError
from kai.ports import Pcm
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

# websockets writes the URL, which gives access to the session, into its debug log; so it gets a logger without a debug level.
_SOCKET_LOG = logging.getLogger("kai.avatar_socket")
_SOCKET_LOG.setLevel(logging.WARNING)

FIRST_CHUNK_MS: Final = 200
"""The first piece of an utterance. Sound that arrives as it is spoken needs this long to fill it, and the avatar waits.
Other clients send 400 to 600 ms; the smallest piece that moves the lips on the service is known after a first paid run."""
CHUNK_SAMPLES: Final = 24_000
"""1 s, as the service recommends, for sound that arrives faster than it is spoken."""
START_DELAY_S: Final = 0.1
"""The avatar begins at least this long after the first piece arrives. The service needs up to a second; a shorter time is
assumed, because the delay varies and a hole is worse than a small chunk."""
SPARE_S: Final = 0.06
"""The next chunk leaves this long before the avatar has said all that it has."""
IDLE_FLUSH_S: Final = 0.2
"""A piece that is smaller than a first one is sent when no more sound arrives for this long."""
FRAME_SAMPLES: Final = 960
"""One picture at 25 per second. Chunks are a whole number of pictures long; the last one is padded with silence."""
ASSUMED_S: Final = 2.5
UNANSWERED_S: Final = 2.0
CHECK_S: Final = 0.25
DIAL_S: Final = 10.0
KEEP_ALIVE_S: Final = 60.0
"""Sent on a fixed timer, whatever else is sent, as clients in production do; it costs nothing."""
AGAIN_AFTER_S: Final = (0.0, 0.5)
"""A lost socket is dialled again at once and then once more; if that fails, the local face takes over."""
OUTBOX: Final = 2_000
UTTERANCES_OWED: Final = 16
"""The bound of utterances that await confirmations, for a service that confirms nothing."""
MAX_EVENT_BYTES: Final = 1 << 20
CLOSE_S: Final = 1.0


class Chunker:
    """Cuts one utterance's sound into chunks that never leave the avatar without sound. Pure.

    Over WebRTC a brain's sound arrives as it is spoken, so the avatar's lead never grows beyond the first chunk and its own
    delay at the start. A chunk that takes longer than that lead to fill leaves a hole, as 1 s after 400 ms did (100 ms in
    every answer). Each chunk is therefore due when the avatar is about to run out, `SPARE_S` before. Sound that arrives
    faster fills a whole second first.

    Example, with a first chunk of 200 ms at 0 s: the avatar has sound until 0.1 + 0.2 = 0.30 s, so the next chunk leaves at
    0.24 s with the 240 ms that have arrived, and so on.
    """

    def __init__(self, first_ms: int = FIRST_CHUNK_MS) -> None:
        self._first_samples = max(1, round(first_ms * SPEECH_HZ / 1000 / FRAME_SAMPLES)) * FRAME_SAMPLES
        self._parts: list[Pcm] = []
        self._samples = 0
        self._pushed_s = 0.0
        self._lasts_until_s = -math.inf

    @property
    def due_s(self) -> float | None:
        """When the sound that waits has to be sent, if no more arrives before; ``None`` if too little waits."""
        if self._samples < FRAME_SAMPLES:
            return None
        if self._pushed_s < self._lasts_until_s:
            return self._lasts_until_s - SPARE_S
        return self._pushed_s + IDLE_FLUSH_S

    def push(self, pcm: Pcm, now_s: float) -> list[Pcm]:
        """Add sound that arrives now, and return the chunks to send now."""
        self._parts.append(pcm)
        self._samples += len(pcm)
        self._pushed_s = now_s
        chunks: list[Pcm] = []
        # After a gap in the sound the avatar has run out, which is a beginning again.
        if now_s >= self._lasts_until_s and self._samples >= self._first_samples:
            chunks.append(self._take(self._first_samples, now_s))
        while self._samples >= CHUNK_SAMPLES:
            chunks.append(self._take(CHUNK_SAMPLES, now_s))
        return chunks

    def flush(self, now_s: float, *, is_last: bool) -> Pcm | None:
        """Return the rest as a chunk of whole pictures. At the end of an utterance it is padded with silence; otherwise the
        incomplete picture's sound is kept for the next chunk."""
        broken = self._samples % FRAME_SAMPLES
        if not self._samples or (self._samples == broken and not is_last):
            return None
        if broken and is_last:
            self._parts.append(np.zeros(FRAME_SAMPLES - broken, np.int16))
            self._samples += FRAME_SAMPLES - broken
        return self._take(self._samples // FRAME_SAMPLES * FRAME_SAMPLES, now_s)

    def _take(self, samples: int, now_s: float) -> Pcm:
        whole = np.concatenate(self._parts)
        self._parts, self._samples = [whole[samples:]], len(whole) - samples
        if now_s >= self._lasts_until_s:
            self._lasts_until_s = now_s + START_DELAY_S
        self._lasts_until_s += samples / SPEECH_HZ
        return whole[:samples]


@dataclass(slots=True)
class _Utterance:
    """One utterance's id, its chunker, and the timer that sends what waits in it."""

    id: str
    chunker: Chunker
    flush: asyncio.TimerHandle | None = None

    def cancel_flush(self) -> None:
        if self.flush is not None:
            self.flush.cancel()
            self.flush = None


class ControlSocket:
    """Dials, waits until the session is ready, sends and receives; dials again when the connection drops. Kai's loop only.

    ``on_event`` gets every event. ``on_back`` is called when the connection is back, with whether sound may be missing;
    ``on_lost`` once when it is lost for good. The outbox holds `OUTBOX` messages. While the connection is down nothing is
    queued, since sound from the gap must not be played after it.
    """

    def __init__(
        self,
        on_event: Callable[[wire.Event], None],
        on_lost: Callable[[FaceError], None],
        on_back: Callable[[bool], None] = lambda _is_missing: None,
        first_chunk_ms: int = FIRST_CHUNK_MS,
    ) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_back = on_back
        self._first_chunk_ms = first_chunk_ms
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._utterances: dict[str, _Utterance] = {}
        self._failure: FaceError | None = None
        self._is_closing = False
        self._picture_s = math.inf
        self._was_ready = False
        self._owed = Recent[str, int](UTTERANCES_OWED)
        self._answered_s = 0.0
        self._may_drop = False
        self.dropped_messages = 0

    @property
    def is_ready(self) -> bool:
        """True while the service accepts commands."""
        return self._ready.is_set() and self._failure is None

    async def open(self, url: str) -> None:
        """Dial and wait until the service accepts commands, without a time limit of its own. Raises `FaceError`."""
        self._task = asyncio.create_task(self._run(url), name="avatar: control")
        await self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def fail(self, error: FaceError) -> None:
        """End the wait for readiness, because the session was lost in another way."""
        self._failure = self._failure or error
        self._ready.set()

    def picture_came(self) -> None:
        """Note that the avatar's picture has arrived, so that the session is up."""
        self._picture_s = min(self._picture_s, time.monotonic())

    def speak(self, segment_id: str, pcm: Pcm) -> None:
        """Send sound of a segment, ``(samples,)`` int16, 24 000 Hz."""
        utterance = self._utterance(segment_id)
        now_s = time.monotonic()
        for chunk in utterance.chunker.push(pcm, now_s):
            self._send_chunk(utterance.id, chunk)
        utterance.cancel_flush()
        due_s = utterance.chunker.due_s
        if due_s is not None:
            loop = asyncio.get_running_loop()
            utterance.flush = loop.call_later(due_s - now_s, self._flush, segment_id)

    def end_segment(self, segment_id: str) -> None:
        """End a segment; nothing is sent for a segment without sound."""
        self._flush(segment_id, is_last=True)
        utterance = self._utterances.pop(segment_id, None)
        if utterance is not None:
            self._owe(utterance.id)
            self._send(wire.SpeakEnd(event_id=utterance.id))

    def interrupt(self) -> None:
        """Drop what was not sent, then tell the avatar to drop the rest."""
        for utterance in self._utterances.values():
            utterance.cancel_flush()
        self._utterances.clear()
        self._owed.clear()
        while not self._outbox.empty():
            self._outbox.get_nowait()
        self._send(wire.Interrupt(event_id=str(uuid.uuid4())))

    def set_listening(self, is_listening: bool) -> None:
        command = wire.StartListening if is_listening else wire.StopListening
        self._send(command(event_id=str(uuid.uuid4())))

    async def aclose(self) -> None:
        self._is_closing = True
        for utterance in self._utterances.values():
            utterance.cancel_flush()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _utterance(self, segment_id: str) -> _Utterance:
        return self._utterances.setdefault(
            segment_id, _Utterance(str(uuid.uuid4()), Chunker(self._first_chunk_ms))
        )

    def _flush(self, segment_id: str, *, is_last: bool = False) -> None:
        utterance = self._utterances.get(segment_id)
        if utterance is None:
            return
        utterance.cancel_flush()
        rest = utterance.chunker.flush(time.monotonic(), is_last=is_last)
        if rest is not None:
            self._send_chunk(utterance.id, rest)

    def _send_chunk(self, utterance_id: str, chunk: Pcm) -> None:
        audio = wire.encode_pcm(chunk.astype("<i2", copy=False).tobytes())
        self._owe(utterance_id)
        self._send(wire.Speak(event_id=utterance_id, audio=audio))

    def _send(self, command: wire.Command) -> None:
        if not self._ready.is_set() or self._outbox.full():
            self.dropped_messages += 1
            return
        self._outbox.put_nowait(wire.encode(command))

    async def _run(self, url: str) -> None:
        tries = 0
        while True:
            came_up = False
            try:
                came_up = await self._converse(url)
            except ssl.SSLError:
                self._lose("avatar-tls")
                return
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, ConfigError) as exc:
                log.info("avatar's control cannot be dialled", extra={"kind": type(exc).__name__})
            tries = 0 if came_up else tries + 1
            if self._failure is None:
                self._ready.clear()
            while not self._outbox.empty():
                self._outbox.get_nowait()
            if self._failure is not None or tries >= len(AGAIN_AFTER_S):
                self._lose("avatar-control-lost")
                return
            await asyncio.sleep(AGAIN_AFTER_S[tries])

    async def _converse(self, url: str) -> bool:
        """Run one socket until it ends; return whether it became ready."""
        # We send no pings: the service delays pongs under load, and a healthy connection would be cut.
        async with (
            asyncio.timeout(DIAL_S) as dialling,
            connect(
                url,
                ping_interval=None,
                max_size=MAX_EVENT_BYTES,
                close_timeout=CLOSE_S,
                open_timeout=DIAL_S,
                logger=_SOCKET_LOG,
                proxy=http.websocket_proxy(url),
            ) as socket,
        ):
            dialling.reschedule(None)
            tasks = [
                asyncio.create_task(self._write(socket), name="avatar: commands"),
                asyncio.create_task(self._keep_alive(), name="avatar: keep alive"),
                asyncio.create_task(self._check(socket), name="avatar: check the line"),
            ]
            try:
                async for text in socket:
                    self._take(text)
                    if self._failure is not None:
                        break
            except WebSocketException as exc:
                log.info("avatar's control dropped", extra={"kind": type(exc).__name__})
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            return self._ready.is_set()

    async def _write(self, socket: ClientConnection) -> None:
        with contextlib.suppress(WebSocketException):
            while True:
                await socket.send(await self._outbox.get())

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            self._send(wire.KeepAlive(event_id=str(uuid.uuid4())))

    async def _check(self, socket: ClientConnection) -> None:
        """Stop waiting for "connected" in time, and drop a connection on which confirmations have stopped."""
        opened_s = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_S)
            now_s = time.monotonic()
            up_since_s = opened_s if self._was_ready else max(opened_s, self._picture_s)
            if now_s - up_since_s >= ASSUMED_S:
                self._set_ready()
            is_owed = self._ready.is_set() and self._may_drop and any(self._owed.values())
            if is_owed and now_s - self._answered_s > UNANSWERED_S:
                log.info("avatar's control does not answer")
                self._may_drop = (
                    False  # until a piece is confirmed again, because dropping it repeatedly does not help
                )
                socket.transport.abort()
                return

    def _set_ready(self) -> None:
        if self._ready.is_set():
            return
        is_back, self._was_ready = self._was_ready, True
        is_missing = any(self._owed.values())
        self._owed.clear()
        self._ready.set()
        if is_back:
            self._on_back(is_missing)

    def _owe(self, utterance_id: str) -> None:
        """Count one more piece of that utterance that awaits its confirmation."""
        if not any(self._owed.values()):
            self._answered_s = time.monotonic()
        self._owed[utterance_id] = self._owed.get(utterance_id, 0) + 1

    def _confirmed(self, utterance_id: str | None) -> None:
        if utterance_id is not None and utterance_id in self._owed:
            self._may_drop = True
            self._answered_s = time.monotonic()
            self._owed[utterance_id] -= 1

    def _take(self, text: str | bytes) -> None:
        """Handle one message of the service."""
        try:
            event = wire.decode_event(text)
        except ProtocolError as exc:
            log.warning("an avatar's event that cannot be read", extra={"code": exc.code})
            return
        match event:
            case wire.SessionStateUpdated() if event.is_ready:
                self._set_ready()
            case wire.SessionStateUpdated() if event.is_gone:
                self.fail(trouble("avatar-ended"))
            case wire.BufferAppended() | wire.BufferCommitted():
                self._confirmed(event.utterance_id)
            case _:
                pass
        self._on_event(event)

    def _lose(self, code: str) -> None:
        if self._is_closing:
            return
        self.fail(trouble(code))
        assert self._failure is not None
        self._on_lost(self._failure)
