"""The voice brain on OpenAI's Realtime protocol (GA) over WebRTC.

Start-up: peer connection, microphone track, data channel ``oai-events``, offer, one POST of it through the official client,
answer, then wait for the channel and ``session.created``. Where the answer offers it (``X-Kai-Marks: 1``), a second channel
brings lip and word times. Policy lives elsewhere: this file tries once, reports facts and obeys.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import av
import numpy as np
import openai
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from kai.adapters.openai_realtime.mic import MicTrack
from kai.compat import rtc
from kai.core.events import (
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    AudioStopped,
    BrainComplained,
    LegFailed,
    ResponseCreated,
    ResponseDone,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import LegName, Look
from kai.errors import BrainError, KaiError, ProtocolError
from kai.media.gate import GatedFrame, GateOutput, SpeechGate
from kai.ports import BrainSink, Marks, Pcm, Timed
from kai.wire import marks as wire_marks
from kai.wire import realtime as wire

log = logging.getLogger(__name__)

CALL_S = 15.0
"""For the one POST of the offer; the client's own default is ten minutes."""
CONNECT_S = 15.0
CLOSE_S = 4.0
ITEMS_KEPT = 64
SPEED_RANGE = (0.25, 1.5)
HARMLESS_CODES = frozenset({"response_cancel_not_active", "conversation_already_has_active_response"})
FATAL_CODES = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
    }
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a brain is reached, and how.

    ``host_addresses`` binds the connection's own candidates (``("127.0.0.1",)`` for the local engine: it then needs no
    network at all). ``jitter_packets`` is (capacity, prefetch) of the receive buffer, in packets of 20 ms.
    ``wait_lost`` returns when the endpoint's process is gone, which WebRTC itself notices only after 30 s.
    """

    api_key: str = field(repr=False)
    model: str
    base_url: str | None = None
    host_addresses: tuple[str, ...] | None = None
    jitter_packets: tuple[int, int] = (16, 4)
    wait_lost: Callable[[], Awaitable[KaiError]] | None = None
    transcription_model: str = "gpt-transcribe"


class OpenAIRealtimeBrain:
    """One call to a Realtime endpoint. Implements ``kai.ports.VoiceBrain``."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: openai.AsyncOpenAI | None = None
        self._connection: RTCPeerConnection | None = None
        self._call_id: str | None = None
        self._channel: RTCDataChannel | None = None
        self._mic = MicTrack()
        self._sink: BrainSink | None = None
        self._look = Look()
        self._gate = SpeechGate()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._is_open = False
        self._is_closing = False
        self._failure: BrainError | None = None
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=24_000)
        self._active_response_id: str | None = None
        self._wants_response = False
        self._cancelled: set[str] = set()
        self._stopped_item_id = ""
        self._user_text: dict[str, str] = {}
        self._answer_text: dict[str, str] = {}
        self._response_of_item: dict[str, str] = {}
        self._segment_start: dict[str, int] = {}
        self._early_marks: list[wire_marks.ClauseMarks] = []
        self._receiver: Any = None

    @property
    def call_id(self) -> str | None:
        """The provider's id of this call, once there is one."""
        return self._call_id

    # -------------------------------------------------------------- the port

    async def open(self, look: Look, sink: BrainSink) -> None:
        """See ``VoiceBrain.open``."""
        self._look, self._sink = look, sink
        try:
            async with asyncio.timeout(CALL_S + CONNECT_S):
                await self._connect()
        except TimeoutError as exc:
            await self.aclose()
            raise BrainError(
                "The voice connection did not come up. UDP may be blocked here; try another network.",
                code="connect-timeout",
            ) from exc
        except openai.OpenAIError as exc:
            await self.aclose()
            raise _explain(exc) from exc
        except BaseException:
            await self.aclose()
            raise
        self._is_open = True
        if self._endpoint.wait_lost is not None:
            self._spawn(self._watch(self._endpoint.wait_lost), "watch the endpoint")

    def push_mic(self, pcm: Pcm) -> None:
        self._mic.push(pcm)

    def set_muted(self, is_muted: bool) -> None:
        self._mic.is_muted = is_muted

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None:
        for role, text in lines:
            kind = "output_text" if role == "assistant" else "input_text"
            content = (wire.ContentPart(type=kind, text=text),)
            self._send(wire.ItemCreate(item=wire.Item(type="message", role=role, content=content)))

    def send_text(self, item_id: str, text: str) -> None:
        content = (wire.ContentPart(type="input_text", text=text),)
        item = wire.Item(id=item_id, type="message", role="user", content=content)
        self._send(wire.ItemCreate(item=item))
        self._ask_for_response()

    def cancel(self, response_id: str) -> None:
        self._cancelled.add(response_id)
        if self._active_response_id == response_id:
            self._send(wire.ResponseCancel(response_id=response_id))
        self._send(wire.OutputAudioClear())
        self._gate.cut()

    def update(self, look: Look) -> None:
        if (look.speed, look.instructions) != (self._look.speed, self._look.instructions):
            self._send(wire.SessionUpdate(session=_session(look, None, None)))
        self._look = look

    async def aclose(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._is_open = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(CLOSE_S):
                if self._client is not None and self._call_id is not None:
                    try:
                        await self._client.realtime.calls.hangup(self._call_id, timeout=CLOSE_S / 2)
                    except openai.OpenAIError as exc:
                        # The call ends with its connection anyway; a 404 only says that it already has.
                        log.debug("hang-up was not accepted", extra={"kind": type(exc).__name__})
                if self._connection is not None:
                    await self._connection.close()
                if self._client is not None:
                    await self._client.close()
        except TimeoutError:
            log.warning("the brain's connection did not close in time")
        self._mic.stop()

    # -------------------------------------------------------------- opening

    async def _connect(self) -> None:
        endpoint = self._endpoint
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0, timeout=CALL_S
        )
        connection = rtc.peer_connection(host_addresses=endpoint.host_addresses)
        self._connection = connection
        sender = connection.addTrack(self._mic)
        self._receiver = next(t.receiver for t in connection.getTransceivers() if t.sender is sender)
        rtc.set_audio_jitter_buffer(self._receiver, *endpoint.jitter_packets)
        connection.on("track", self._on_track)
        connection.on("connectionstatechange", self._on_connection_state)
        self._channel = connection.createDataChannel("oai-events")
        self._channel.on("message", self._on_message)
        self._channel.on("close", lambda: self._lose("The voice connection was closed.", "channel-closed"))
        await connection.setLocalDescription(await connection.createOffer())
        session = _session(self._look, endpoint.model, endpoint.transcription_model)
        answer = await self._client.realtime.calls.create(
            sdp=connection.localDescription.sdp,
            session=cast("Any", wire.encode_session(session)),
        )
        headers = answer.response.headers
        self._call_id = headers.get("location", "").rsplit("/", 1)[-1] or None
        await connection.setRemoteDescription(RTCSessionDescription(sdp=answer.text, type="answer"))
        if headers.get(wire_marks.HEADER) == "1":
            marks_channel = connection.createDataChannel(wire_marks.CHANNEL_LABEL)
            marks_channel.on("message", self._on_marks)
        await self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._spawn(self._listen(track), "listen to the brain")

    def _on_connection_state(self) -> None:
        if self._connection is not None and self._connection.connectionState in ("failed", "closed"):
            self._lose("The voice connection was lost.", "connection-lost")

    async def _watch(self, wait_lost: Callable[[], Awaitable[KaiError]]) -> None:
        error = await wait_lost()
        self._lose(error.message, error.code)

    def _lose(self, message: str, code: str, *, is_retryable: bool = True) -> None:
        """The call is over from the other side: fail the opening, or report the leg once."""
        if self._is_closing or self._failure is not None:
            return
        self._failure = BrainError(message, code=code, is_retryable=is_retryable)
        self._ready.set()
        if self._is_open and self._sink is not None:
            self._is_open = False
            self._sink.emit(LegFailed(LegName.BRAIN, code, message, is_retryable))

    def _spawn(self, work: Any, name: str) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=f"brain: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the brain failed", exc_info=error)
            self._lose("Kai's voice connection broke. It is being opened again.", "brain-bug")

    # -------------------------------------------------------------- sound

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Drain the endless track; an unread one piles up without a bound."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, av.AudioFrame)
            pts = frame.pts or 0
            for part in self._resampler.resample(frame):
                pcm = part.to_ndarray().reshape(-1).astype(np.int16, copy=False)
                self._deliver(self._gate.push(pcm, pts))

    def _deliver(self, outputs: Sequence[GateOutput]) -> None:
        assert self._sink is not None
        for output in outputs:
            segment_id = output.segment_id
            if segment_id in self._cancelled:
                continue
            if isinstance(output, GatedFrame):
                if segment_id not in self._segment_start:
                    self._segment_start = {segment_id: output.pts}
                    self._flush_marks()
                self._sink.sound(segment_id, output.pcm)
            else:
                self._sink.end_segment(segment_id)

    # -------------------------------------------------------------- lip and word times

    def _on_marks(self, message: str | bytes) -> None:
        try:
            clause = wire_marks.decode(message)
        except ProtocolError as exc:
            log.warning("marks that cannot be read", extra={"code": exc.code})
            return
        if clause is not None:
            self._early_marks.append(clause)
            del self._early_marks[:-64]
            self._flush_marks()

    def _flush_marks(self) -> None:
        """Hand on the marks whose answer has begun to sound: only then is its first sample's time known."""
        waiting: list[wire_marks.ClauseMarks] = []
        for clause in self._early_marks:
            segment_id = self._response_of_item.get(clause.item_id)
            start = self._segment_start.get(segment_id or "")
            if segment_id in self._cancelled:
                continue
            if segment_id is None or start is None:
                waiting.append(clause)
                continue
            self._hand_on(clause, segment_id, start)
        self._early_marks = waiting

    def _hand_on(self, clause: wire_marks.ClauseMarks, segment_id: str, start_pts: int) -> None:
        origin = rtc.rtp_timestamp_received(self._receiver, start_pts)
        if origin is None or self._sink is None:
            return
        ticks = (clause.rtp_time - origin) % (1 << 32)
        if ticks >= 1 << 31:
            ticks -= 1 << 32
        first = ticks // 2

        def timed(rows: Sequence[wire_marks.Mark]) -> tuple[Timed, ...]:
            return tuple(Timed(m.name, first + m.start_ms * 24, first + m.end_ms * 24) for m in rows)

        self._sink.marks(segment_id, Marks(visemes=timed(clause.visemes), words=timed(clause.words)))

    # -------------------------------------------------------------- events

    def _send(self, event: wire.ClientEvent) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            log.debug("not sent, the channel is not open", extra={"event": event.TYPE})
            return
        channel.send(wire.encode(event))

    def _ask_for_response(self) -> None:
        """One answer at a time: behind a running one the request waits for its ``response.done``."""
        if self._active_response_id is not None:
            self._wants_response = True
            return
        self._wants_response = False
        self._send(wire.ResponseCreate(event_id=f"event_{uuid.uuid4().hex[:12]}"))

    def _on_message(self, message: str | bytes) -> None:
        """In the order of arrival; nothing here waits."""
        try:
            event = wire.decode_server(message)
        except ProtocolError as exc:
            log.warning("an event that cannot be read", extra={"code": exc.code})
            return
        sink = self._sink
        if sink is None or self._is_closing:
            return
        match event:
            case wire.SessionCreated():
                self._ready.set()
            case wire.SpeechStarted(item_id=item_id):
                sink.emit(UserSpeechStarted(item_id))
            case wire.SpeechStopped(item_id=item_id) | wire.InputAudioCommitted(item_id=item_id):
                # "committed" is the one that both kinds of turn detection send; the second of the two says nothing new.
                if item_id != self._stopped_item_id:
                    self._stopped_item_id = item_id
                    sink.emit(UserSpeechStopped(item_id))
            case wire.TranscriptionDelta(item_id=item_id, delta=delta):
                text = self._user_text.get(item_id, "") + (delta or "")
                self._user_text[item_id] = text
                sink.emit(UserTranscriptChanged(item_id, text, is_final=False))
            case wire.TranscriptionCompleted(item_id=item_id, transcript=text):
                self._user_text.pop(item_id, None)
                sink.emit(UserTranscriptChanged(item_id, text.strip(), is_final=True))
            case wire.TranscriptionFailed(item_id=item_id):
                sink.emit(UserTranscriptChanged(item_id, self._user_text.pop(item_id, ""), is_final=True))
            case wire.ResponseCreated(response=response):
                self._active_response_id = response.id
                sink.emit(ResponseCreated(response.id))
            case wire.OutputItemAdded(response_id=response_id, item=item):
                if item.id is not None:
                    self._response_of_item[item.id] = response_id
                    self._flush_marks()
            case (
                wire.OutputTranscriptDelta(response_id=response_id, item_id=item_id, delta=delta)
                | wire.OutputTextDelta(response_id=response_id, item_id=item_id, delta=delta)
            ):
                text = self._answer_text.get(item_id, "") + delta
                self._answer_text[item_id] = text
                sink.emit(AssistantTranscriptChanged(response_id, item_id, text, is_final=False))
            case (
                wire.OutputTranscriptDone(response_id=response_id, item_id=item_id, transcript=text)
                | wire.OutputTextDone(response_id=response_id, item_id=item_id, text=text)
            ):
                self._answer_text.pop(item_id, None)
                sink.emit(AssistantTranscriptChanged(response_id, item_id, text, is_final=True))
            case wire.ResponseDone(response=response):
                self._response_done(response, sink)
            case wire.OutputAudioStarted(response_id=response_id):
                if response_id not in self._cancelled:
                    sink.emit(AudioStarted(response_id))
                    self._deliver(self._gate.started(response_id))
            case wire.OutputAudioStopped(response_id=response_id):
                self._gate.stopped(response_id)
                sink.emit(AudioStopped(response_id))
            case wire.OutputAudioCleared(response_id=response_id):
                if self._gate.segment_id == response_id:
                    self._gate.cut()
                self._cancelled.add(response_id)
                sink.emit(AudioCleared(response_id))
            case wire.ErrorOccurred(error=error):
                self._on_error(error, sink)
            case _:
                log.debug("event", extra={"event": getattr(event, "TYPE", "unknown")})

    def _response_done(self, response: wire.Response, sink: BrainSink) -> None:
        if self._active_response_id == response.id:
            self._active_response_id = None
        detail = response.status_details.error if response.status_details else None
        sink.emit(ResponseDone(response.id, response.status, detail.message if detail else ""))
        while len(self._response_of_item) > ITEMS_KEPT:
            del self._response_of_item[next(iter(self._response_of_item))]
        if self._wants_response and self._active_response_id is None:
            self._ask_for_response()

    def _on_error(self, error: wire.ErrorDetail, sink: BrainSink) -> None:
        code = error.code or error.type or "error"
        if code == "session_expired":
            self._lose("The talk reached the provider's time limit. Kai is calling again.", code)
        elif code in FATAL_CODES:
            self._lose(_FATAL_ADVICE.get(code, error.message), code, is_retryable=False)
        elif code not in HARMLESS_CODES:
            sink.emit(BrainComplained(code, error.message))


_FATAL_ADVICE = {
    "insufficient_quota": "The OpenAI account has no credit left. Add credit, or remove the key to talk offline.",
    "credit_balance_exhausted": "The OpenAI account has no credit left. Add credit, or remove the key to talk offline.",
    "invalid_api_key": "OpenAI does not accept the key. Check OPENAI_API_KEY.",
}


def _session(look: Look, model: str | None, transcription_model: str | None) -> wire.SessionConfig:
    """The session object; without a model, only what may change in a running talk."""
    speed = min(max(look.speed, SPEED_RANGE[0]), SPEED_RANGE[1])
    if model is None:
        audio = wire.AudioConfig(output=wire.AudioOutputConfig(speed=speed))
        return wire.SessionConfig(type="realtime", instructions=look.instructions, audio=audio)
    transcription = wire.TranscriptionConfig(model=transcription_model or "gpt-transcribe")
    turns = wire.TurnDetection(
        type="semantic_vad",
        eagerness="auto",
        create_response=True,
        interrupt_response=True,
    )
    audio = wire.AudioConfig(
        input=wire.AudioInputConfig(
            noise_reduction=wire.NoiseReduction(type="near_field"),
            transcription=transcription,
            turn_detection=turns,
        ),
        output=wire.AudioOutputConfig(voice=look.voice, speed=speed),
    )
    return wire.SessionConfig(
        type="realtime",
        model=model,
        instructions=look.instructions or wire.UNSET,
        output_modalities=("audio",),
        audio=audio,
    )


def _explain(exc: openai.OpenAIError) -> BrainError:
    """What went wrong in a person's words. The provider's own text may quote the key, so it is not passed on."""
    match exc:
        case openai.AuthenticationError():
            return BrainError(
                "The key was not accepted. Check OPENAI_API_KEY.", code="wrong-key", is_retryable=False
            )
        case openai.PermissionDeniedError() | openai.NotFoundError():
            return BrainError(
                "This key may not use that model. Choose another model, or another key.",
                code="no-access",
                is_retryable=False,
            )
        case openai.RateLimitError() if exc.code in FATAL_CODES:
            return BrainError(_FATAL_ADVICE["insufficient_quota"], code="quota", is_retryable=False)
        case openai.RateLimitError():
            return BrainError("Too many talks at once. Kai tries again in a moment.", code="rate-limit")
        case openai.APIStatusError() if exc.status_code < 500:
            return BrainError(
                f"The voice service refused the call ({exc.code or exc.status_code}).",
                code="refused",
                is_retryable=False,
            )
        case openai.APITimeoutError() | openai.APIConnectionError():
            return BrainError("The voice service cannot be reached.", code="unreachable")
        case _:
            return BrainError(
                "The voice service has a fault of its own. Kai tries again.", code="server-error"
            )
