"""One running LITE session: its stage, its room and its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypedDict

from starlette.websockets import WebSocket, WebSocketDisconnect

from kai.avatar.animate import Mood
from kai.avatar.hearing import VisemeNet
from kai.compat.tasks import Tasks
from kai.engine.liveavatar.account import AVATARS, AccountBook, Paid
from kai.engine.liveavatar.faults import Act, Faults, Step
from kai.engine.liveavatar.painter import FacePainter, PlainPainter
from kai.engine.liveavatar.replaying import Replay, SessionReplay
from kai.engine.liveavatar.room import HostedRoom
from kai.engine.liveavatar.stage import AvatarStage
from kai.engine.liveavatar.voice import AvatarVoice
from kai.errors import ProtocolError
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

SILENT_BEFORE_END_S: Final = 10.0
"""At its maximum duration a session silently stops playing sound; it ends this much later."""
POLL_S: Final = 0.25
EVENTS_WAITING: Final = 256


class _Ids(TypedDict):
    event_id: str | None
    source_event_id: str | None


class LiteSession:
    """Owns all resources of a session, which `end` releases. The control socket may be closed and opened again."""

    def __init__(
        self,
        paid: Paid,
        account: AccountBook,
        faults: Faults,
        *,
        net: VisemeNet,
        drawing: ThreadPoolExecutor,
        replay: Replay | None = None,
    ) -> None:
        self.paid = paid
        self.faults = faults
        self._account = account
        self._replay = SessionReplay(replay)
        self._began_s = time.monotonic()
        self._voice = AvatarVoice(self, net, time.monotonic)
        self._voice.is_mute = faults.is_speechless
        height_px = wire.QUALITIES[paid.quality]
        painter = (
            PlainPainter(height_px)
            if faults.has_plain_picture
            else FacePainter(AVATARS[paid.avatar_id][1], height_px, drawing)
        )
        self.stage = AvatarStage(self._voice, painter, drawing, faults)
        self.room = HostedRoom(f"room-{paid.id}", self.stage, height_px=height_px, encoding=paid.encoding)
        self._outbox: asyncio.Queue[str] | None = None
        self._socket: WebSocket | None = None
        self._state = "idle"
        self._hears_from_s: float | None = None
        self._half_open: WebSocket | None = None
        self._tasks = Tasks("session")
        self._closing: asyncio.Task[None] | None = None
        self.commands: list[str] = []
        """The types of the received commands, for tests; bounded by the session's duration."""

    @property
    def holes(self) -> int:
        """How many blocks of 20 ms within utterances were silent, because their sound had not come in time."""
        return self._voice.holes

    def begin(self) -> None:
        self._tasks.spawn(self.stage.run(), "stage")
        self._tasks.spawn(self._watch(), "watch")

    def end(self, reason: wire.EndReason) -> asyncio.Task[None]:
        """End the session: billing stops now, and the returned task releases the rest."""
        self._account.end(self.paid, reason)
        if self._closing is None:
            self._closing = asyncio.create_task(self._aclose(), name="session: close")
        return self._closing

    async def _aclose(self) -> None:
        self._send(wire.SessionStateUpdated(state="closed"))
        await asyncio.sleep(0.02)  # gives the event time to leave
        await self._tasks.aclose()
        await self.room.aclose()
        await self._close_socket(1000)

    async def _watch(self) -> None:
        """End the session at its idle timeout, its maximum duration, or when the account has no credits left."""
        while True:
            await asyncio.sleep(POLL_S)
            now_s = time.time()
            age_s = time.monotonic() - self._began_s
            if now_s - self.paid.touched_at_s > self.faults.idle_timeout_s:
                self.end(wire.EndReason.IDLE_TIMEOUT)
            elif (
                self.paid.is_sandbox
                and age_s > self.paid.longest_s
                or age_s > self.paid.longest_s + SILENT_BEFORE_END_S
            ):
                self.end(wire.EndReason.MAX_DURATION_REACHED)
            elif age_s > self.paid.longest_s:
                self._voice.is_mute = True
            elif self._account.used > self._account.credits:
                self.end(wire.EndReason.NO_CREDITS)

    # The control socket

    async def converse(self, websocket: WebSocket) -> None:
        """Serve one accepted control socket until it ends."""
        await self._close_socket(1000)
        self._socket = websocket
        outbox = self._outbox = asyncio.Queue[str](EVENTS_WAITING)
        self._replay.begin(outbox, self._close_soon)
        sender = asyncio.create_task(self._write(websocket, outbox), name="session: events")
        greeter = asyncio.create_task(self._greet(), name="session: greet")
        try:
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if websocket is not self._half_open:
                    self._hear(message.get("text") or "")
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self._replay.end()
            for task in (sender, greeter):
                task.cancel()
            await asyncio.gather(sender, greeter, return_exceptions=True)
            if self._socket is websocket:
                self._socket = self._outbox = None

    async def _write(self, websocket: WebSocket, outbox: asyncio.Queue[str]) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                await websocket.send_text(await outbox.get())

    async def _greet(self) -> None:
        is_first = self._hears_from_s is None
        now_s = time.monotonic()
        if self._hears_from_s is None:
            self._hears_from_s = now_s + self.faults.connected_after_s
            self._send(wire.SessionStateUpdated(state="new"))
            self._send(wire.SessionStateUpdated(state="connecting"))
        await asyncio.sleep(max(0.0, self._hears_from_s - now_s))
        if self.faults.connected == "each" or (self.faults.connected == "once" and is_first):
            self._send(wire.SessionStateUpdated(state="connected"))

    def _close_soon(self) -> None:
        self._tasks.spawn(self._close_socket(1000), "close the socket")

    async def _close_socket(self, code: int) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(code)

    def _send(self, event: wire.KnownEvent) -> None:
        outbox = self._outbox
        if (
            self._replay.is_on
            or outbox is None
            or self.faults.is_deaf
            or outbox.full()
            or self._socket is self._half_open
        ):
            return
        text = wire.encode(event)
        outbox.put_nowait(_loosened(text) if self.faults.shapes == "loose" else text)

    def _hear(self, text: str) -> None:
        is_up = self._hears_from_s is not None and time.monotonic() >= self._hears_from_s
        if not (is_up or self._replay.is_on) or self.faults.is_deaf:
            return  # like the real service, ignore commands that arrive before the session is up
        self._account.touch(self.paid)
        try:
            command = wire.decode_command(text)
        except ProtocolError as exc:
            self._complain("invalid_request_error", exc.message)
            return
        if command is None:
            return
        self.commands.append(command.TYPE)
        self._replay.follow(command.TYPE, command.event_id or "")
        match command:
            case wire.Speak(audio=audio, event_id=event_id):
                self._speak(audio, event_id)
            case wire.SpeakEnd(audio=audio, event_id=event_id):
                if audio:
                    self._speak(audio, event_id)
                self._voice.end()
                self._send(wire.BufferCommitted(**self._ids(event_id)))
            case wire.Interrupt(event_id=event_id):
                self._interrupt(event_id)
            case wire.StartListening():
                self._set_state("listening")
            case wire.StopListening():
                self._set_state("idle")
            case wire.KeepAlive():
                pass

    def _speak(self, audio: str, event_id: str | None) -> None:
        if len(audio) > wire.MAX_PACKET_BYTES:
            self._complain("invalid_request_error", "audio packet is larger than 1 MB", event_id)
            return
        try:
            pcm = wire.decode_pcm(audio)
        except ProtocolError as exc:
            self._complain("invalid_request_error", exc.message, event_id)
            return
        if len(pcm) % 2:
            log.warning("half a sample at the end of a chunk")
        self._voice.add(event_id, pcm, after_s=self.faults.speak_after_s)
        self._send(wire.BufferAppended(**self._ids(event_id)))

    def _interrupt(self, event_id: str | None) -> None:
        was_speaking, utterance_id = self._voice.drop()
        self.stage.clear()
        self._send(wire.BufferCleared(**self._ids(event_id)))
        if was_speaking:
            self._tell_speaking(wire.SpeakInterrupted, utterance_id)
            self._set_state("idle")

    def _complain(self, kind: str, message: str, event_id: str | None = None) -> None:
        self._send(wire.ErrorOccurred(error=wire.ErrorDetail(type=kind, message=message, event_id=event_id)))

    # What the voice reports

    def started(self, utterance_id: str | None) -> None:
        for _ in range(2 if self.faults.has_double_starts else 1):
            self._set_state("talking")
            self._tell_speaking(wire.SpeakStarted, utterance_id)

    def ended(self, utterance_id: str | None) -> None:
        self._tell_speaking(wire.SpeakEnded, utterance_id)
        self._set_state("idle")

    def starving(self, utterance_id: str | None) -> None:
        self._complain("video_starvation", "the sound comes slower than it plays", utterance_id)

    def _set_state(self, state: str) -> None:
        before, self._state = self._state, state
        self.stage.mood = {"listening": Mood.LISTENING, "talking": Mood.SPEAKING}.get(state, Mood.IDLE)
        is_news = before != state or self.faults.has_double_starts
        if is_news and self.faults.events in ("both", "state"):
            self._send(wire.AgentStateUpdated(previous_state=before, new_state=state))

    def _tell_speaking(
        self,
        kind: type[wire.SpeakStarted] | type[wire.SpeakEnded] | type[wire.SpeakInterrupted],
        utterance_id: str | None,
    ) -> None:
        if self.faults.events in ("both", "speak"):
            self._send(kind(**self._ids(utterance_id), task=wire.Task(id=self.paid.id)))

    def _ids(self, source: str | None) -> _Ids:
        if self.faults.has_old_ids:
            return _Ids(event_id=source, source_event_id=None)
        return _Ids(event_id=str(uuid.uuid4()), source_event_id=source)

    # Faults

    def change_faults(self, faults: Faults) -> None:
        self.faults = self.stage.faults = faults

    def play(self, script: tuple[Step, ...]) -> None:
        """Perform the acts of a script, one after the other."""

        async def run() -> None:
            for step in script:
                await asyncio.sleep(step.after_s)
                await self.act(step.act)

        self._tasks.spawn(run(), "script")

    async def act(self, act: Act) -> None:
        """Cause one fault now."""
        log.info("fault", extra={"act": act})
        match act:
            case "close_control":
                await self._close_socket(1000)
            case "break_control":
                await self._close_socket(1011)
            case "half_open":
                self._half_open = self._socket
            case "say_closed":
                self._send(wire.SessionStateUpdated(state="closed"))
            case "drop_signal":
                await self.room.drop_signal()
            case "refuse_resume":
                self.room.refuses_resume = True
                await self.room.drop_signal()
            case "republish":
                await self.room.republish()
            case "kill_media":
                await self.room.kill_media()
            case "stall_video":
                self.stage.is_stalled = True
            case "freeze_video":
                self.stage.is_frozen = True
            case "mute_sound":
                self._voice.is_mute = True
            case "heal":
                self.stage.is_stalled = self.stage.is_frozen = self._voice.is_mute = False
                self._half_open = None
                self.room.refuses_resume = False
            case "vanish":
                await self.room.vanish()
            case "end_room":
                self.end(wire.EndReason.SERVER_ERROR)
            case "no_credits":
                self.end(wire.EndReason.NO_CREDITS)
            case "complain":
                self._complain("server_error", "something is wrong")


def _loosened(text: str) -> str:
    """Return the event in the other shape that clients have received: strings for objects, ``state`` for ``new_state``."""
    event = json.loads(text)
    for name, text_field in (("task", "id"), ("error", "message"), ("warning", "message")):
        if isinstance(event.get(name), dict):
            event[name] = event[name].get(text_field, "")
    if "new_state" in event:
        event["state"] = event.pop("new_state")
    return json.dumps(event, separators=(",", ":"))
