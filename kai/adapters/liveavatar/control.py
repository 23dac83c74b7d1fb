"""The control WebSocket: commands to the avatar, events from it, and the cutting of speech into chunks.

The service accepts commands once the session is ready and silently drops earlier ones. It sends ``connected`` when that is
so. Clients measured on the service disagree on how often: some saw it on each socket of a session, others once in a session,
so that a socket that attaches later would wait without end. Therefore a socket counts as ready when it has received
``connected``, or `ASSUMED_S` after it opened if the session itself is known to be up, because it was ready before or the
avatar's picture has arrived.

A connection can be lost with sound in it, and a half-open one accepts sound for minutes. The service confirms each piece
(``audio_buffer_appended``, ``audio_buffer_committed``). If confirmations arrived and then stop for `UNANSWERED_S`, the
connection is dropped and dialled again. If pieces of an utterance are unconfirmed when it is back, ``on_back`` is called with
the news that sound may be missing, and the owner of the sound sends again what was not heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
import uuid
from collections.abc import Callable
from typing import Final

import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from kai.adapters.liveavatar.troubles import trouble
from kai.compat import http
from kai.errors import ConfigError, FaceError, ProtocolError
from kai.ports import Pcm
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

# websockets writes the URL, which gives access to the session, into its debug log; so it gets a logger without a debug level.
_SOCKET_LOG = logging.getLogger("kai.avatar_socket")
_SOCKET_LOG.setLevel(logging.WARNING)

FIRST_CHUNK_SAMPLES: Final = 9_600
"""400 ms, so that the first words start soon."""
CHUNK_SAMPLES: Final = 24_000
"""1 s, as the service recommends."""
IDLE_FLUSH_S: Final = 0.2
"""A partial chunk is sent when no more sound arrives for this long; otherwise a slow voice would starve the avatar."""
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
    """Cuts one utterance's sound into chunks: a short first one, then 1 s. Pure."""

    def __init__(self) -> None:
        self._parts: list[Pcm] = []
        self._samples = 0
        self._is_first = True

    @property
    def has_rest(self) -> bool:
        return self._samples > 0

    def push(self, pcm: Pcm) -> list[Pcm]:
        """Add sound and return the chunks that are full now."""
        self._parts.append(pcm)
        self._samples += len(pcm)
        chunks: list[Pcm] = []
        while self._samples >= (wanted := FIRST_CHUNK_SAMPLES if self._is_first else CHUNK_SAMPLES):
            whole = np.concatenate(self._parts)
            chunks.append(whole[:wanted])
            self._parts, self._samples = [whole[wanted:]], len(whole) - wanted
            self._is_first = False
        return chunks

    def flush(self, *, is_last: bool) -> Pcm | None:
        """Return the rest as a chunk of whole pictures. At the end of an utterance it is padded with silence; otherwise the
        incomplete picture's sound is kept for the next chunk."""
        broken = self._samples % FRAME_SAMPLES
        if not self._samples or (self._samples == broken and not is_last):
            return None
        chunk = np.concatenate(self._parts)
        rest = chunk[:0]
        if broken and is_last:
            chunk = np.pad(chunk, (0, FRAME_SAMPLES - broken))
        elif broken:
            chunk, rest = chunk[:-broken], chunk[-broken:]
        self._parts, self._samples, self._is_first = [rest], len(rest), False
        return chunk


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
    ) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._on_back = on_back
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._utterances: dict[str, tuple[str, Chunker]] = {}
        self._flushes: dict[str, asyncio.TimerHandle] = {}
        self._failure: FaceError | None = None
        self._is_closing = False
        self._has_picture = False
        self._was_ready = False
        self._is_patient = True
        self._owed: dict[str, int] = {}
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
        if not self._has_picture:
            self._has_picture = True
            self._assume()

    def speak(self, segment_id: str, pcm: Pcm) -> None:
        """Send sound of a segment, ``(samples,)`` int16, 24 000 Hz."""
        utterance_id, chunker = self._utterance(segment_id)
        for chunk in chunker.push(pcm):
            self._send_chunk(utterance_id, chunk)
        self._cancel_flush(segment_id)
        if chunker.has_rest:
            loop = asyncio.get_running_loop()
            self._flushes[segment_id] = loop.call_later(IDLE_FLUSH_S, self._flush, segment_id)

    def end_segment(self, segment_id: str) -> None:
        """End a segment; nothing is sent for a segment without sound."""
        self._flush(segment_id, is_last=True)
        utterance = self._utterances.pop(segment_id, None)
        if utterance is not None:
            self._owe(utterance[0])
            self._send(wire.SpeakEnd(event_id=utterance[0]))

    def interrupt(self) -> None:
        """Drop what was not sent, then tell the avatar to drop the rest."""
        for segment_id in list(self._flushes):
            self._cancel_flush(segment_id)
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
        for segment_id in list(self._flushes):
            self._cancel_flush(segment_id)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _utterance(self, segment_id: str) -> tuple[str, Chunker]:
        return self._utterances.setdefault(segment_id, (str(uuid.uuid4()), Chunker()))

    def _flush(self, segment_id: str, *, is_last: bool = False) -> None:
        self._cancel_flush(segment_id)
        utterance = self._utterances.get(segment_id)
        rest = utterance[1].flush(is_last=is_last) if utterance is not None else None
        if utterance is not None and rest is not None:
            self._send_chunk(utterance[0], rest)

    def _cancel_flush(self, segment_id: str) -> None:
        timer = self._flushes.pop(segment_id, None)
        if timer is not None:
            timer.cancel()

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
            self._is_patient = True
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
                self._is_patient = True
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
        await asyncio.sleep(ASSUMED_S)
        self._is_patient = False
        self._assume()
        while True:
            await asyncio.sleep(CHECK_S)
            is_owed = self._may_drop and any(self._owed.values())
            if is_owed and time.monotonic() - self._answered_s > UNANSWERED_S:
                log.info("avatar's control does not answer")
                self._may_drop = (
                    False  # until a piece is confirmed again, because dropping it repeatedly does not help
                )
                socket.transport.abort()
                return

    def _assume(self) -> None:
        """Count the socket as ready, because the session is up although "connected" did not arrive."""
        if not self._is_patient and (self._has_picture or self._was_ready):
            self._set_ready()

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
        while len(self._owed) > UTTERANCES_OWED:
            del self._owed[next(iter(self._owed))]

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
