"""A conversation over WebRTC: RTP in both directions, events on ``oai-events``, lip and word times on ``kai-marks``."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import av
import numpy as np
from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from kai.compat import rtc
from kai.compat.format import BLOCK_SAMPLES, HEARING_HZ, LIVE_HZ, SPEECH_HZ, Pcm
from kai.compat.paced import PacedTrack
from kai.engine.answer import Place
from kai.engine.conversation import Conversation, Dropped
from kai.engine.items import new_id
from kai.engine.new_session import NewSession
from kai.engine.playout import CallPlayout
from kai.engine.speech.clauses import Clause
from kai.media import pcm
from kai.media.echo import EchoGate
from kai.wire import marks
from kai.wire import realtime as wire

logger = logging.getLogger(__name__)

EVENTS_LABEL: Final = "oai-events"
HOST_ADDRESSES: Final = ("127.0.0.1",)
CONNECT_S: Final = 20.0
VANISHED_S: Final = 10.0
CLOSE_S: Final = 5.0
MAX_LATE_S: Final = 0.2
MAX_GAP_SAMPLES: Final = LIVE_HZ
"""A longer jump of the client's timestamps is no gap in its sound."""
MAX_MESSAGE_BYTES: Final = 1 << 20
MAX_UNHANDLED_EVENTS: Final = 1_000

_BAD_OFFER = (ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError)
_WRONG_OFFER = (InvalidAccessError, InvalidStateError, OperationError)


class HungUp(Exception):
    """Raised to end the task group of a conversation; not a failure."""


class SpokenTrack(PacedTrack):
    """Kai's sound as 20 ms frames on the monotonic clock, zeros during silence; the pts advance with every frame."""

    def __init__(self, playout: CallPlayout, echo: EchoGate) -> None:
        super().__init__(self._next, most_late_s=MAX_LATE_S)
        self._playout = playout
        self._echo = echo
        self.sender: RTCRtpSender | None = None
        self.rtp_origin: int | None = None
        """The RTP timestamp of the playout's first sample, known once a packet was sent."""

    async def recv(self) -> av.AudioFrame:
        # aiortc calls this as soon as the previous block is sent; set the origin here, before an answer can begin.
        pulled_samples = self._playout.pulled_samples
        if self.rtp_origin is None and pulled_samples and self.sender is not None:
            self.rtp_origin = rtc.rtp_timestamp_sent(self.sender) - (pulled_samples - BLOCK_SAMPLES)
        return await super().recv()

    def _next(self) -> Pcm:
        sound = self._playout.pull()
        self._echo.play(sound)
        return sound


class Call:
    """One call. `run` owns all its resources and has released them when it returns.

    It ends when the client hangs up or closes its connection, when no packet arrived for 10 s, when the client did not
    connect within 20 s, and at the session's maximum duration.
    """

    def __init__(self, session: NewSession) -> None:
        self.call_id = new_id("rtc")
        self.answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._session = session
        self.over = asyncio.Event()
        """Set when the call is over."""
        self._connected = asyncio.Event()
        self._playout = CallPlayout(
            lambda response_id: self._send_own(wire.OutputAudioStarted(response_id=response_id)),
            lambda response_id: self._send_own(wire.OutputAudioStopped(response_id=response_id)),
        )
        self._echo = EchoGate()
        self._track = SpokenTrack(self._playout, self._echo)
        self._events: RTCDataChannel | None = None
        self._marks: RTCDataChannel | None = None
        self._listeners: list[Callable[[str], None]] = []
        self._conversation: Conversation | None = None
        self._inbox: asyncio.Queue[str | bytes] = asyncio.Queue(MAX_UNHANDLED_EVENTS)

    # What the server calls

    async def run(self, offer: str) -> None:
        """Runs the whole call from the client's offer on; `answered` gets the SDP answer, or the client's mistake."""
        connection = rtc.peer_connection(host_addresses=HOST_ADDRESSES)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._conversation = self._session.begin(self, tasks)
                self._listen(connection, tasks)
                self.answered.set_result(await self._negotiate(connection, offer))
                tasks.create_task(self._read(self._conversation), name=f"events-{self.call_id}")
                tasks.create_task(self._watch(connection), name=f"watch-{self.call_id}")
                tasks.create_task(self._end_at_longest(), name=f"longest-{self.call_id}")
                await self.over.wait()
                raise HungUp
        except* HungUp:
            pass
        except* wire.ClientMistake as mistakes:
            self.answered.set_exception(mistakes.exceptions[0])
        finally:
            self._track.stop()
            self._listeners.clear()
            async with asyncio.timeout(CLOSE_S):
                await connection.close()

    def hang_up(self) -> None:
        """Ends the call; `run` then closes the connection."""
        self.over.set()

    def listen(self, listener: Callable[[str], None]) -> Conversation | None:
        """Adds a side channel that gets every event as text; returns the conversation, if it has begun."""
        if self._conversation is not None:
            self._listeners.append(listener)
        return self._conversation

    def unlisten(self, listener: Callable[[str], None]) -> None:
        """Removes the side channel."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def cut_off(self, reason: str) -> None:
        """Ends the call by closing its connection, which cannot carry a reason; events sent before it still arrive."""
        del reason
        asyncio.get_running_loop().call_later(0.1, self.over.set)

    # What the conversation calls

    @property
    def plays_sound(self) -> bool:
        """True: the call plays the sound, so it knows what was heard."""
        return True

    def send(self, event: wire.ServerEvent) -> None:
        """Sends an event to the client and to the side channels."""
        text = wire.encode(event)
        channel = self._events
        if channel is not None and channel.readyState == "open":
            try:
                channel.send(text)
            except ValueError:  # larger than the client's SDP allows
                logger.warning("an event was too large for the data channel", extra={"bytes": len(text)})
        for listener in list(self._listeners):
            listener(text)

    def speak(self, place: Place, clause: Clause) -> None:
        """Queues a clause, and sends its lip and word times."""
        position = self._playout.push(place.response_id, place.item_id, clause.pcm)
        if not (clause.visemes or clause.words):
            return  # the voice has no times, so the face derives the lips from the sound
        channel, origin = self._marks, self._track.rtp_origin
        if position is None or origin is None or channel is None or channel.readyState != "open":
            return
        channel.send(marks.encode(marks_of(clause, place.item_id, (origin + position) % (1 << 32))))

    def end_speech(self, response_id: str) -> None:
        """Marks the answer's sound as complete; it plays to its end."""
        self._playout.end(response_id)

    def drop_speech(self) -> Sequence[Dropped]:
        """Silences Kai at once; returns the answers that were cut off."""
        return self._playout.drop()

    @property
    def is_sounding(self) -> bool:
        """Whether Kai can be heard now, or could a moment ago."""
        return self._playout.is_sounding

    @property
    def is_playing(self) -> bool:
        """Whether an answer is sounding, or about to."""
        return self._playout.is_playing

    def foreign_share(self) -> float:
        """Return the share of the heard sound that is not Kai's own, 0 to 1."""
        return self._echo.foreign_share()

    # Inside

    def _send_own(self, event: wire.OutputAudioStarted | wire.OutputAudioStopped) -> None:
        self.send(replace(event, event_id=new_id("event")))

    def _listen(self, connection: RTCPeerConnection, tasks: asyncio.TaskGroup) -> None:
        def on_track(track: MediaStreamTrack) -> None:
            if track.kind == "audio":
                tasks.create_task(self._push_audio(track), name=f"rtp-{self.call_id}")

        def on_state() -> None:
            if connection.connectionState == "connected":
                self._connected.set()
            elif connection.connectionState in ("closed", "failed"):
                self.over.set()

        connection.on("track", on_track)
        connection.on("datachannel", self._on_channel)
        connection.on("connectionstatechange", on_state)

    async def _negotiate(self, connection: RTCPeerConnection, offer: str) -> str:
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        except (*_BAD_OFFER, *_WRONG_OFFER) as exc:
            raise wire.ClientMistake(
                "Invalid SDP offer. Please try again with a WHIP-compliant offer.",
                code="invalid_offer",
                param="sdp",
            ) from exc
        spoken = [t for t in connection.getTransceivers() if t.kind == "audio"]
        if len(spoken) != 1 or connection.sctp is None:
            raise wire.ClientMistake(
                "The offer needs one audio track and one data channel.", code="invalid_offer", param="sdp"
            )
        rtc.set_audio_jitter_buffer(spoken[0].receiver)
        self._track.sender = connection.addTrack(self._track)
        leaves_out = rtc.wants_dtx(offer)
        # Within an answer a silence is as long as it is meant to be, so it is sent whole.
        rtc.code_audio_inline(connection, may_leave_out=lambda: leaves_out and not self._playout.is_playing)
        await connection.setLocalDescription(await connection.createAnswer())
        answer = connection.localDescription.sdp
        return rtc.offer_dtx(answer) if leaves_out else answer

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == marks.CHANNEL_LABEL:
            self._marks = channel
        elif channel.label == EVENTS_LABEL and self._events is None and self._conversation is not None:
            self._events = channel
            channel.on("message", self._on_message)
            channel.on("close", self.over.set)
            self._conversation.open()

    def _on_message(self, message: str | bytes) -> None:
        try:
            self._inbox.put_nowait(message)
        except asyncio.QueueFull:
            logger.warning("a client floods its call with events", extra={"call_id": self.call_id})
            self.over.set()

    async def _read(self, conversation: Conversation) -> None:
        """Handles the client's events in order, in a task of the call, so that a bug ends this call alone."""
        while True:
            message = await self._inbox.get()
            if len(message) > MAX_MESSAGE_BYTES:
                conversation.refuse("The event is larger than 1 MiB.", code="event_too_large")
                continue
            event = conversation.decode(message)
            if event is not None:
                conversation.handle(event)

    async def _push_audio(self, track: MediaStreamTrack) -> None:
        resampler = pcm.Resampler(LIVE_HZ, HEARING_HZ)
        due_pts: int | None = None
        try:
            while True:
                frame: Any = await track.recv()
                gap_samples = 0 if due_pts is None else frame.pts - due_pts
                due_pts = frame.pts + frame.samples
                if self._conversation is None or self._events is None:
                    continue  # the client was not greeted yet
                interleaved = np.ascontiguousarray(frame.to_ndarray()).reshape(-1)
                mono = pcm.mix_to_mono(interleaved, frame.layout.nb_channels)
                if 0 < gap_samples <= MAX_GAP_SAMPLES:
                    # Silence that was left out, or lost packets: a turn ends by the time that has passed.
                    mono = np.concatenate((np.zeros(gap_samples, np.int16), mono))
                heard = pcm.to_float32(resampler.push(mono))
                self._echo.push_mic(heard)
                self._conversation.push_audio(heard)
        except MediaStreamError:
            return  # the track ended; the connection's state decides whether the call does

    async def _watch(self, connection: RTCPeerConnection) -> None:
        """Ends a call whose client never connected or vanished without closing; ICE alone would notice after 30 s."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._connected.wait()
        except TimeoutError:
            logger.warning("the client did not connect", extra={"call_id": self.call_id})
            self.over.set()
            return
        count, heard_at_s = rtc.received_packet_count(connection), time.monotonic()
        while time.monotonic() - heard_at_s < VANISHED_S:
            await asyncio.sleep(1.0)
            if (now := rtc.received_packet_count(connection)) != count:
                count, heard_at_s = now, time.monotonic()
        logger.warning("the client vanished", extra={"call_id": self.call_id})
        self.over.set()

    async def _end_at_longest(self) -> None:
        await asyncio.sleep(self._session.longest_s)
        if self._conversation is not None:
            self._conversation.expire()
        await asyncio.sleep(0.2)  # gives the event time to leave
        self.over.set()


def marks_of(clause: Clause, item_id: str, rtp_time: int) -> marks.ClauseMarks:
    """Return the marks of a clause whose first sample has the RTP timestamp `rtp_time`."""

    def rows(spans: Sequence[tuple[str, int, int]]) -> tuple[marks.Mark, ...]:
        return tuple(marks.Mark(name, _ms(start), _ms(end)) for name, start, end in spans)

    return marks.ClauseMarks(
        item_id=item_id,
        rtp_time=rtp_time,
        duration_ms=_ms(len(clause.pcm)),
        text=clause.text,
        phonemes=rows(clause.phonemes),
        visemes=rows(clause.visemes),
        words=rows(clause.words),
    )


def _ms(samples: int) -> int:
    return samples * 1000 // SPEECH_HZ
