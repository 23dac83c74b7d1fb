"""The control WebSocket: the avatar's commands out, its events in; and the cutting of speech into chunks."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
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

# websockets writes the address into its debug log, and the address is the key to the session; this logger has no debug level.
_SOCKET_LOG = logging.getLogger("kai.avatar_socket")
_SOCKET_LOG.setLevel(logging.WARNING)

FIRST_CHUNK_SAMPLES: Final = 9_600
"""400 ms: the first words start soon."""
CHUNK_SAMPLES: Final = 24_000
"""1 s, as recommended."""
IDLE_FLUSH_S: Final = 0.2
"""A partial chunk goes out after so long without more, or a slow voice makes the avatar starve."""
CONNECTED_S: Final = 15.0
DIAL_S: Final = 10.0
KEEP_ALIVE_S: Final = 60.0
AGAIN_AFTER_S: Final = (0.0, 0.5)
"""A lost socket is dialled again at once and once more; the local face stands by for what takes longer."""
OUTBOX: Final = 2_000
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
        """The chunks that are full now."""
        self._parts.append(pcm)
        self._samples += len(pcm)
        chunks: list[Pcm] = []
        while self._samples >= (wanted := FIRST_CHUNK_SAMPLES if self._is_first else CHUNK_SAMPLES):
            whole = np.concatenate(self._parts)
            chunks.append(whole[:wanted])
            self._parts, self._samples = [whole[wanted:]], len(whole) - wanted
            self._is_first = False
        return chunks

    def flush(self) -> Pcm | None:
        """What is left, as a chunk."""
        if not self._samples:
            return None
        chunk = np.concatenate(self._parts)
        self._parts, self._samples, self._is_first = [], 0, False
        return chunk


class ControlSocket:
    """Dials, waits for "connected", sends and listens; dials again when the line drops. Kai's loop only.

    ``on_event`` gets every event; ``on_lost`` is called once when the line is gone for good. The outbox holds `OUTBOX`
    messages; while the line is down nothing is kept for later, since sound of a gap must not be played after it.
    """

    def __init__(self, on_event: Callable[[wire.Event], None], on_lost: Callable[[FaceError], None]) -> None:
        self._on_event = on_event
        self._on_lost = on_lost
        self._socket: ClientConnection | None = None
        self._outbox: asyncio.Queue[str] = asyncio.Queue(OUTBOX)
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._utterances: dict[str, tuple[str, Chunker]] = {}
        self._flushes: dict[str, asyncio.TimerHandle] = {}
        self._failure: FaceError | None = None
        self._is_closing = False
        self.dropped_messages = 0

    async def open(self, url: str) -> None:
        """Dial and wait until commands are heard. Raises `FaceError`."""
        self._task = asyncio.create_task(self._run(url), name="avatar: control")
        try:
            async with asyncio.timeout(CONNECTED_S):
                await self._ready.wait()
        except TimeoutError as exc:
            raise trouble("avatar-not-ready") from exc
        if self._failure is not None:
            raise self._failure

    # Commands

    def speak(self, segment_id: str, pcm: Pcm) -> None:
        """Sound of a segment, ``(samples,)`` int16, 24 000 Hz."""
        utterance_id, chunker = self._utterance(segment_id)
        for chunk in chunker.push(pcm):
            self._send_chunk(utterance_id, chunk)
        self._cancel_flush(segment_id)
        if chunker.has_rest:
            loop = asyncio.get_running_loop()
            self._flushes[segment_id] = loop.call_later(IDLE_FLUSH_S, self._flush, segment_id)

    def end_segment(self, segment_id: str) -> None:
        """The segment is complete. Of one without sound nothing is told."""
        self._flush(segment_id)
        utterance = self._utterances.pop(segment_id, None)
        if utterance is not None:
            self._send(wire.SpeakEnd(event_id=utterance[0]))

    def interrupt(self) -> None:
        """Drop what was not sent, then tell the avatar to drop the rest."""
        for segment_id in list(self._flushes):
            self._cancel_flush(segment_id)
        self._utterances.clear()
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

    # Inside

    def _utterance(self, segment_id: str) -> tuple[str, Chunker]:
        return self._utterances.setdefault(segment_id, (str(uuid.uuid4()), Chunker()))

    def _flush(self, segment_id: str) -> None:
        self._cancel_flush(segment_id)
        utterance = self._utterances.get(segment_id)
        rest = utterance[1].flush() if utterance is not None else None
        if utterance is not None and rest is not None:
            self._send_chunk(utterance[0], rest)

    def _cancel_flush(self, segment_id: str) -> None:
        timer = self._flushes.pop(segment_id, None)
        if timer is not None:
            timer.cancel()

    def _send_chunk(self, utterance_id: str, chunk: Pcm) -> None:
        audio = wire.encode_pcm(chunk.astype("<i2", copy=False).tobytes())
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
            self._ready.clear()
            while not self._outbox.empty():
                self._outbox.get_nowait()
            if self._failure is not None or tries >= len(AGAIN_AFTER_S):
                self._lose("avatar-control-lost")
                return
            await asyncio.sleep(AGAIN_AFTER_S[tries])

    async def _converse(self, url: str) -> bool:
        """One life of the socket; whether it got ready."""
        # No pings of our own: the service stalls pongs under load, and a healthy line would be cut.
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
            self._socket = socket
            sender = asyncio.create_task(self._write(socket), name="avatar: commands")
            was_ready = False
            try:
                async for text in socket:
                    was_ready = self._take(text) or was_ready
                    if self._failure is not None:
                        break
            except WebSocketException as exc:
                log.info("avatar's control dropped", extra={"kind": type(exc).__name__})
            finally:
                sender.cancel()
                await asyncio.gather(sender, return_exceptions=True)
            return was_ready

    async def _write(self, socket: ClientConnection) -> None:
        with contextlib.suppress(WebSocketException):
            while True:
                try:
                    async with asyncio.timeout(KEEP_ALIVE_S):
                        text = await self._outbox.get()
                except TimeoutError:
                    text = wire.encode(wire.KeepAlive(event_id=str(uuid.uuid4())))
                await socket.send(text)

    def _take(self, text: str | bytes) -> bool:
        """One message; whether it said that the session is ready."""
        try:
            event = wire.decode_event(text)
        except ProtocolError as exc:
            log.warning("an avatar's event that cannot be read", extra={"code": exc.code})
            return False
        is_ready = isinstance(event, wire.SessionStateUpdated) and event.is_ready
        if is_ready:
            self._ready.set()
        if isinstance(event, wire.SessionStateUpdated) and event.is_gone:
            self._failure = trouble("avatar-ended")
            self._ready.set()
        self._on_event(event)
        return is_ready

    def _lose(self, code: str) -> None:
        if self._is_closing:
            return
        if self._failure is None:
            self._failure = trouble(code)
        self._ready.set()
        self._on_lost(self._failure)
