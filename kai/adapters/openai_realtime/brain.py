"""The voice brain on OpenAI's Realtime protocol (GA) over WebRTC.

Start-up creates the peer connection, the microphone track and the data channel ``oai-events``, POSTs the offer through the
official client, takes the answer, then waits for the channel and ``session.created``. If the answer offers it
(``X-Kai-Marks: 1``), a second channel carries lip and word times. This file tries once; the caller repeats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import av
import numpy as np
import openai
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from kai.adapters.openai_realtime import faults
from kai.adapters.openai_realtime.client import client_of, post_offer
from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.talk import CALL_S, CLOSE_S, CONNECT_S, RealtimeTalk, new_event_id
from kai.compat import rtc
from kai.compat.recent import Recent
from kai.core.events import AudioCleared, AudioStarted, AudioStopped
from kai.errors import ProtocolError
from kai.media.gate import GatedFrame, GateOutput, SpeechGate
from kai.ports import BrainSink, Marks, Timed
from kai.wire import marks as wire_marks
from kai.wire import realtime as wire

log = logging.getLogger(__name__)

CUTS_KEPT = 8
MS_A_WORD = 330
"""The time that a quick speaker takes for a word."""
ICE_S = 8.0
"""A public server without NAT answers the first check within one round trip; after 8 s no answer can be expected."""


class OpenAIRealtimeBrain(RealtimeTalk):
    """One call to a Realtime endpoint over WebRTC. Implements ``kai.ports.VoiceBrain``."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, "webrtc")
        self._client: openai.AsyncOpenAI | None = None
        self._connection: RTCPeerConnection | None = None
        self.call_id: str | None = None
        """The provider's id of this call, once there is one."""
        self._channel: RTCDataChannel | None = None
        self._gate = SpeechGate()
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=24_000)
        self._segment_start = Recent[str, int](CUTS_KEPT)
        self.can_truncate = endpoint.can_truncate
        """True while the service is believed to accept ``conversation.item.truncate`` over this connection."""
        self._cuts = Recent[str, tuple[str, int, str | None]](CUTS_KEPT)
        self._said = Recent[str, str](CUTS_KEPT)
        self._sound_ms = Recent[str, int](CUTS_KEPT)
        self._early_marks: list[wire_marks.ClauseMarks] = []
        self._receiver: Any = None
        self._is_connected = asyncio.Event()

    def cancel(self, response_id: str) -> None:
        self._forget_answer(response_id)
        if self._active_response_id == response_id:
            self._send(wire.ResponseCancel(response_id=response_id))
        self._send(wire.OutputAudioClear())
        self._gate.cut()

    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        """Cut the server's memory of an answer where the person stopped hearing it.

        The server paces the sound and cuts its memory where it stopped sending, but the face plays later, a cloud face by a
        second. If the service takes no cut over WebRTC, or the answer has several items, whose lengths are not known here, a
        system message tells the service in words.
        """
        items = [item for item, response in self._response_of_item.items() if response == response_id]
        if not items or response_id not in self._segment_start:
            return
        if self.can_truncate and len(items) == 1:
            event_id = new_event_id()
            self._cuts[event_id] = (response_id, heard_ms, heard_text)
            self._send(
                wire.ItemTruncate(
                    item_id=items[0], content_index=0, audio_end_ms=max(0, heard_ms), event_id=event_id
                )
            )
            return
        self._tell_cut(response_id, heard_ms, heard_text)

    def _tell_cut(self, response_id: str, heard_ms: int, heard_text: str | None) -> None:
        """Send a system message that says how much of the answer the person heard."""
        heard = heard_text
        if heard is None:
            words = self._said.get(response_id, "").split()
            # The words arrive ahead of the sound, so the answer's length is at least that of its words at a quick pace.
            whole_ms = max(self._sound_ms.get(response_id, 0), len(words) * MS_A_WORD, 1)
            heard = " ".join(words[: round(len(words) * min(1.0, heard_ms / whole_ms))])
        what = f"only about this of it: “{heard}”" if heard else "nothing of it"
        text = f"The person interrupted your last answer and heard {what}. Do not take the rest for said."
        content = (wire.ContentPart(type="input_text", text=text),)
        self._send(wire.ItemCreate(item=wire.Item(type="message", role="system", content=content)))

    def _is_cut_refused(self, error: wire.ErrorDetail) -> bool:
        """Return whether an error answers one of our cuts. A refused cut is told in words instead, unless the memory already
        ends earlier."""
        cut = self._cuts.pop(error.event_id or "", None)
        if cut is None:
            return False
        is_shorter = error.param == "audio_end_ms" or "already shorter" in error.message
        if not is_shorter and error.code not in faults.HARMLESS_CODES:
            log.info("the service takes no cut over WebRTC", extra={"code": error.code})
            self.can_truncate = False
            self._tell_cut(*cut)
        return True

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                await self._call()
        except TimeoutError as exc:
            raise faults.TIMEOUT.error() from exc
        except openai.OpenAIError as exc:
            raise faults.explain(exc, self._endpoint.base_url) from exc
        await self._wait_for_ice()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._ready.wait()
        except TimeoutError as exc:
            raise faults.CONNECT_TIMEOUT.error() from exc

    async def _call(self) -> None:
        endpoint = self._endpoint
        self._client = client_of(endpoint)
        connection = rtc.peer_connection(host_addresses=endpoint.host_addresses)
        self._connection = connection
        sender = connection.addTrack(self._mic)
        self._receiver = next(t.receiver for t in connection.getTransceivers() if t.sender is sender)
        rtc.set_audio_jitter_buffer(self._receiver, *endpoint.jitter_packets)
        may_leave_out = False
        rtc.code_audio_inline(connection, may_leave_out=lambda: may_leave_out)
        connection.on("track", self._on_track)
        connection.on("connectionstatechange", self._on_connection_state)
        self._channel = connection.createDataChannel("oai-events")
        self._channel.on("message", self._take)
        self._channel.on("close", lambda: self._lose(faults.LOST))
        await connection.setLocalDescription(await connection.createOffer())
        offer = connection.localDescription.sdp
        # Silence would cost both processes of this computer as much as speech does.
        offer = rtc.offer_dtx(offer) if endpoint.is_near else offer
        answer, self.left_out = await post_offer(self._client, endpoint, self._look, offer)
        if not answer.text.startswith("v=0"):
            raise faults.NO_SERVICE.error()
        may_leave_out = rtc.wants_dtx(answer.text)
        headers = answer.response.headers
        self.call_id = headers.get("location", "").rsplit("/", 1)[-1] or None
        await connection.setRemoteDescription(RTCSessionDescription(sdp=answer.text, type="answer"))
        if headers.get(wire_marks.HEADER) == "1":
            marks_channel = connection.createDataChannel(wire_marks.CHANNEL_LABEL)
            marks_channel.on("message", self._on_marks)

    async def _wait_for_ice(self) -> None:
        """Wait for the media path. Without UDP there is none, because aiortc has no TCP candidates: raises ``BrainError``."""
        try:
            async with asyncio.timeout(ICE_S):
                await self._is_connected.wait()
            is_up = self._connection is not None and self._connection.connectionState == "connected"
        except TimeoutError:
            is_up = False
        if not is_up and self._failure is None:
            if self._endpoint.on_udp_blocked is not None:
                self._endpoint.on_udp_blocked()
            raise faults.UDP_BLOCKED.error()

    async def _disconnect(self) -> None:
        if self._client is not None and self.call_id is not None:
            try:
                await self._client.realtime.calls.hangup(self.call_id, timeout=CLOSE_S / 2)
            except openai.OpenAIError as exc:
                # The call ends with its connection anyway; a 404 only means that it has already ended.
                log.debug("hang-up was not accepted", extra={"kind": type(exc).__name__})
        if self._connection is not None:
            await self._connection.close()
        if self._client is not None:
            await self._client.close()

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._tasks.spawn(self._listen(track), "listen to the brain")

    def _on_connection_state(self) -> None:
        state = self._connection.connectionState if self._connection is not None else "closed"
        if state in ("connected", "failed", "closed"):
            was_up = self._is_connected.is_set()
            self._is_connected.set()
            if was_up and state != "connected":
                self._lose(faults.LOST)

    def _arrived_count(self) -> int:
        return 0 if self._connection is None else rtc.received_packet_count(self._connection)

    async def _is_answering(self) -> bool:
        return self._connection is not None and await rtc.is_answering(self._connection)

    def _transmit(self, event: wire.ClientEvent) -> None:
        channel = self._channel
        if channel is None or channel.readyState != "open":
            log.debug("not sent, the channel is not open", extra={"event": event.TYPE})
            return
        try:
            channel.send(wire.encode(event))
        except ValueError:
            # aiortc raises for a message above the size that the peer announced; the talk continues without it.
            log.warning("an event was too large for the channel", extra={"event": event.TYPE})

    async def _listen(self, track: MediaStreamTrack) -> None:
        """Drain the endless track, because an unread track queues frames without a bound."""
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
                self._sound_ms[segment_id] = self._sound_ms.get(segment_id, 0) + len(output.pcm) // 24
                if segment_id not in self._segment_start:
                    self._segment_start[segment_id] = output.pts
                    self._flush_marks()
                self._answers.sounded(segment_id, output.pcm)
                self._sink.sound(segment_id, output.pcm)
            else:
                self._sink.end_segment(segment_id)

    def _on_sound_event(self, event: wire.ServerEvent, sink: BrainSink) -> bool:
        match event:
            case wire.OutputAudioStarted(response_id=response_id):
                if response_id not in self._cancelled:
                    sink.emit(AudioStarted(response_id))
                    self._deliver(self._gate.started(response_id))
            case wire.OutputAudioStopped(response_id=response_id):
                self._gate.stopped(response_id)
                sink.emit(AudioStopped(response_id))
                if response_id not in self._cancelled:
                    self._compare_written(response_id, self._sound_ms.get(response_id, 0), sink)
            case wire.OutputAudioCleared(response_id=response_id):
                if self._gate.segment_id == response_id:
                    self._gate.cut()
                self._forget_answer(response_id)
                sink.emit(AudioCleared(response_id))
            case wire.OutputItemAdded():
                if event.item.id is not None:
                    self._response_of_item[event.item.id] = event.response_id
                    self._flush_marks()
            case wire.OutputTranscriptDelta(response_id=response_id, delta=delta):
                self._said[response_id] = self._said.get(response_id, "") + delta
                return False
            case wire.ErrorOccurred(error=error):
                return self._is_cut_refused(error)
            case _:
                return False
        return True

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
        """Hand on the marks of answers that have begun to play: only then is the time of the first sample known."""
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
