"""All of Kai's dependencies on private parts and defaults of aiortc and aioice.

Each function here relies on something that these packages do not guarantee. Their versions are therefore checked when this
module is imported (a newer patch is used with a warning, another minor version is refused), `PRIVATE` lists every use, and
`tests/unit/test_compat_rtc.py` tests each of them. Nothing here affects other connections of the process, except
`set_vp8_bitrate` and `set_vp8_for_rendered_pictures`, which say so.
"""

# This module exists to access private parts.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import importlib.metadata
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import aiortc.codecs.opus
import aiortc.codecs.vpx
import av
import numpy as np
from aioice import ice, stun
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, clock
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtcrtpsender import RTCEncodedFrame
from aiortc.rtp import RtcpSrPacket
from av.error import FFmpegError

from kai.errors import ConfigError

PINS: Final = {"aiortc": "1.16.0", "aioice": "0.13.0"}


SILENT_DBOV: Final = -127
"""The level of a frame of zeros."""
RESTS_AFTER_FRAMES: Final = 10
"""After 200 ms of zeros each packet of an Opus encoder is the same."""
DTX_EVERY_FRAMES: Final = 5
"""Where silence need not be sent, one packet in 100 ms still is: a peer tells by its packets that we are there."""
VP8_FINEST: Final = 8
"""The least quantiser. aiortc's 2 spends most of the packets of a face at rest on differences that nobody sees."""
OPUS_OPTIONS: Final = {"application": "lowdelay", "compression_level": "0"}
"""At aiortc's 96 000 bit/s a voice needs neither a model of speech, which its "voip" adds, nor libopus' effort."""

PRIVATE: Final = {
    "_RTCPeerConnection__createDtlsTransport": "aiortc",
    "_RTCDtlsTransport__rx_packets": "aiortc",
    "_RTCRtpReceiver__decoder_queue": "aiortc",
    "_RTCRtpReceiver__jitter_buffer": "aiortc",
    "_RTCRtpReceiver__kind": "aiortc",
    "_RTCRtpReceiver__timestamp_mapper": "aiortc",
    "_RTCRtpSender__encoder": "aiortc",
    "_RTCRtpSender__rtp_timestamp": "aiortc",
    "_RTCRtpSender__track": "aiortc",
    "_connection": "aiortc",
    "_enabled": "aiortc",
    "_next_encoded_frame": "aiortc",
    "_nominated": "aioice",
    "_origin": "aiortc",
    "_queue": "aiortc",
    "_send_rtcp": "aiortc",
    "_stream_id": "aiortc",
    "_track": "aiortc",
    "_track_id": "aiortc",
}
"""Every private name that this module uses, and its package."""

_log = logging.getLogger(__name__)


def assert_pins(
    pins: Mapping[str, str] = PINS, version_of: Callable[[str], str] = importlib.metadata.version
) -> None:
    """Check that the installed versions are of the minor versions whose private parts we know.

    A newer patch, which may fix a vulnerability, is accepted with a warning. Any other version raises `ConfigError`.
    """
    for package, known in pins.items():
        found = version_of(package)
        if found == known:
            continue
        if _numbers(found)[:2] != _numbers(known)[:2] or _numbers(found) < _numbers(known):
            raise ConfigError(
                f"Kai needs {package} {known}, but {found} is installed. Run `make install` (or "
                f"`pip install -r requirements.txt`).",
                code="wrong_version",
            )
        _log.warning(
            "a newer patch than was tested", extra={"package": package, "known": known, "found": found}
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


assert_pins()


def peer_connection(host_addresses: Sequence[str] | None = None) -> RTCPeerConnection:
    """Make a peer connection that contacts no STUN server.

    aiortc's default is a public STUN server, which costs up to 5 s when it cannot be reached.

    `host_addresses` are the only local addresses that this connection gathers, for example ``["127.0.0.1"]``. By default
    aioice omits the loopback, so that a computer without another interface could not connect.
    """
    configuration = RTCConfiguration(iceServers=[])
    if host_addresses is None:
        return RTCPeerConnection(configuration)
    return _HostBoundPeerConnection(configuration, host_addresses)


class _HostBoundPeerConnection(RTCPeerConnection):
    """Wraps the private method by which aiortc makes each DTLS transport and its ICE connection."""

    def __init__(self, configuration: RTCConfiguration, host_addresses: Sequence[str]) -> None:
        super().__init__(configuration)
        self._kai_host_addresses = tuple(host_addresses)

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:
        dtls = cast("Any", super())._RTCPeerConnection__createDtlsTransport()
        connection = dtls.transport._connection
        gather = connection.get_component_candidates
        ours = list(self._kai_host_addresses)

        async def get_component_candidates(component: int, addresses: list[str], timeout: int = 5) -> Any:
            return await gather(component=component, addresses=ours, timeout=timeout)

        connection.get_component_candidates = get_component_candidates
        return dtls


def host_addresses() -> list[str]:
    """Return the addresses of this computer's interfaces that a connection may use: all but the loopback's.

    Without one, no WebRTC connection with a browser is possible, even on this computer, since browsers omit the loopback
    too.
    """
    return ice.get_host_addresses(use_ipv4=True, use_ipv6=True)


def set_audio_jitter_buffer(receiver: RTCRtpReceiver, capacity: int = 4, prefetch: int = 1) -> None:
    """Give one audio receiver a shorter jitter buffer. Call this before its first packet.

    aiortc's 16 packets with 4 of prefetch cost 60 ms more than 1 of prefetch, and a single lost packet raises the
    delay for the rest of the call. 4/1 suits a peer on this computer; one behind Wi-Fi needs more. `capacity` is a
    power of 2, in packets of 20 ms. Video receivers are not changed.
    """
    private = cast("Any", receiver)
    if private._RTCRtpReceiver__kind == "audio":
        private._RTCRtpReceiver__jitter_buffer = JitterBuffer(capacity=capacity, prefetch=prefetch)


def set_vp8_bitrate(start_bps: int = 600_000, *, min_bps: int | None = None) -> None:
    """Set the bit rates of every VP8 encoder that this process makes from now on.

    aiortc rebuilds the encoder, and sends a key frame, whenever the browser's estimate changes by a tenth. With the same
    rate for all three this never happens. Pass a lower `min_bps` for links that may be slow.
    """
    vpx = cast("Any", aiortc.codecs.vpx)
    vpx.DEFAULT_BITRATE = start_bps
    vpx.MIN_BITRATE = start_bps if min_bps is None else min_bps
    vpx.MAX_BITRATE = start_bps


def set_vp8_for_rendered_pictures() -> None:
    """Make every VP8 encoder that this process makes from now on suit pictures that were drawn, not filmed.

    aiortc removes a camera's noise before it codes. A drawn face has none, so this blurs it and costs more than the coding.
    Blocks that hardly change are left as they are (``static-thresh``; aiortc's 1 leaves none). `kai.bench.face_stream`
    measures how much of a face is left.
    """
    cast("Any", aiortc.codecs).Vp8Encoder = _RenderedVp8Encoder


class _RenderedVp8Encoder(aiortc.codecs.vpx.Vp8Encoder):
    """Makes the codec that aiortc would make, with two other options, before aiortc does."""

    def encode(self, frame: Any, force_keyframe: bool = False) -> tuple[list[bytes], int]:
        codec: Any = cast("Any", self).codec
        bps = self.target_bitrate
        is_same = (
            codec is not None
            and (codec.width, codec.height) == (frame.width, frame.height)
            and abs(bps - codec.bit_rate) <= codec.bit_rate / 10
        )
        if not is_same:
            cast("Any", self).codec = _rendered_vp8(frame.width, frame.height, bps)
        return super().encode(frame, force_keyframe)


def _rendered_vp8(width: int, height: int, bps: int) -> Any:
    codec: Any = av.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.bit_rate = width, height, bps
    codec.pix_fmt = "yuv420p"
    codec.gop_size = 3_000
    codec.qmin, codec.qmax = VP8_FINEST, 56
    codec.options = {
        "bufsize": str(bps),
        "cpu-used": "-6",
        "deadline": "realtime",
        "lag-in-frames": "0",
        "minrate": str(bps),
        "maxrate": str(bps),
        "noise-sensitivity": "0",
        "overshoot-pct": "15",
        "partitions": "0",
        "static-thresh": "500",
        "undershoot-pct": "100",
    }
    codec.thread_count = aiortc.codecs.vpx.number_of_threads(width * height, os.cpu_count() or 1)
    return codec


def code_audio_inline(
    connection: RTCPeerConnection, *, may_leave_out: Callable[[], bool] = lambda: False
) -> None:
    """Encode and decode this connection's sound where its packets are handled, without a thread in between.

    aiortc hands each 20 ms to a thread and back, which costs more than the coding, and computes their level sample by sample
    in Python. While ``may_leave_out`` returns true, lasting silence is sent as one packet in 100 ms (DTX); the timestamps
    tell the peer of the gap. Call this once the tracks are added. A second call has no effect.
    """
    for transceiver in connection.getTransceivers():
        if transceiver.kind == "audio":
            _encode_inline(transceiver.sender, may_leave_out)
            _decode_inline(transceiver.receiver)


def offer_dtx(sdp: str) -> str:
    """Return an offer or an answer with the wish not to be sent silence (``usedtx``, RFC 7587)."""
    return re.sub(r"(a=rtpmap:(\d+) opus/48000/2\r?\n)", r"\1a=fmtp:\2 usedtx=1\r\n", sdp)


def wants_dtx(sdp: str) -> bool:
    """Return whether the peer wishes not to be sent silence."""
    return re.search(r"^a=fmtp:\d+ (.*[; ])?usedtx=1\b", sdp, re.MULTILINE) is not None


def _encode_inline(sender: RTCRtpSender, may_leave_out: Callable[[], bool]) -> None:
    private = cast("Any", sender)
    if getattr(private, "_kai_is_inline", False):
        return
    private._kai_is_inline = True

    silence = _Silence(may_leave_out)

    async def next_encoded_frame(codec: Any) -> RTCEncodedFrame | None:
        data = await private._RTCRtpSender__track.recv()
        if not private._enabled:
            return None
        encoder = private._RTCRtpSender__encoder
        if encoder is None:
            # The sender's own, which it keeps: a second encoder's timestamps would begin anew.
            encoder = private._RTCRtpSender__encoder = aiortc.codecs.get_encoder(codec)
            if isinstance(encoder, aiortc.codecs.opus.OpusEncoder):
                cast("Any", encoder.codec).options = dict(OPUS_OPTIONS)
        return silence.encode(encoder, data)

    private._next_encoded_frame = next_encoded_frame


class _MonoOpusDecoder(aiortc.codecs.opus.OpusDecoder):
    """Decodes to one channel, whatever was sent."""

    def __init__(self) -> None:
        super().__init__()
        cast("Any", self.codec).layout = "mono"


class _Silence:
    """Sends the same packet again for frames of zeros, once the encoder has come to rest. Kai is silent most of the time.

    Each frame of 20 ms gives one packet, whose timestamp is the frame's ``pts`` less that of the first; the encoder's own
    timestamps do not know of the frames that it did not get.
    """

    def __init__(self, may_leave_out: Callable[[], bool] = lambda: False) -> None:
        self._may_leave_out = may_leave_out
        self._frames = 0
        self._payloads: list[bytes] = []
        self._first_pts: int | None = None

    def encode(self, encoder: Any, frame: av.AudioFrame) -> RTCEncodedFrame | None:
        """Return the frame, coded, or ``None`` if it is left out or the encoder still fills up."""
        level_dbov, pts = _level_dbov(frame), frame.pts or 0
        self._frames = self._frames + 1 if level_dbov == SILENT_DBOV else 0
        first_pts = self._first_pts
        if self._frames <= RESTS_AFTER_FRAMES or first_pts is None:
            self._payloads, timestamp = encoder.encode(frame)
            if not self._payloads:
                return None
            if first_pts is None:
                first_pts = self._first_pts = pts - timestamp
        elif self._frames % DTX_EVERY_FRAMES and self._may_leave_out():
            return None
        return RTCEncodedFrame(self._payloads, pts - first_pts, level_dbov)


def _level_dbov(frame: av.AudioFrame) -> int:
    """Return the level of a frame of s16, 0 to -127 (RFC 6465)."""
    data = bytes(frame.planes[0])
    if data == bytes(len(data)):
        return SILENT_DBOV
    samples = np.frombuffer(data, np.int16, frame.samples).astype(np.float32)
    rms = math.sqrt(float(np.dot(samples, samples)) / len(samples)) / 32_767
    return round(min(0.0, max(SILENT_DBOV, 20 * math.log10(rms)))) if rms > 0 else SILENT_DBOV


def _decode_inline(receiver: RTCRtpReceiver) -> None:
    private = cast("Any", receiver)
    queue = private._RTCRtpReceiver__decoder_queue
    if not isinstance(queue, _InlineDecoder):
        private._RTCRtpReceiver__decoder_queue = _InlineDecoder(private, queue)


class _InlineDecoder:
    """Stands in for the queue to a receiver's decoding thread: it decodes what is put into it, on the loop.

    The thread waits at the real queue for the end alone, and then ends the track.
    """

    def __init__(self, receiver: Any, queue: Any) -> None:
        self._receiver = receiver
        self._queue = queue
        self._decoders: dict[str, Any] = {}

    def get(self) -> object:
        return self._queue.get()

    def put(self, item: tuple[Any, Any] | None) -> None:
        if item is None:
            self._queue.put(None)
            return
        codec, encoded = item
        if codec.name not in self._decoders:
            is_opus = codec.name.lower() == "opus"
            decoder = _MonoOpusDecoder() if is_opus else aiortc.codecs.get_decoder(codec)
            self._decoders = {codec.name: decoder}
        try:
            frames = self._decoders[codec.name].decode(encoded)
        except FFmpegError as exc:
            _log.warning("sound that cannot be decoded", extra={"kind": type(exc).__name__})
            return
        for frame in frames:
            self._receiver._track._queue.put_nowait(frame)


def rtp_timestamp_sent(sender: RTCRtpSender) -> int:
    """Return the RTP timestamp of the last packet that `sender` sent, or 0 before the first.

    Call this inside the track's ``recv``. aiortc sends a frame before it requests the next, so this is then the timestamp
    of the frame returned last. Its difference to our ``pts`` is random, but constant within a call.
    """
    return cast("Any", sender)._RTCRtpSender__rtp_timestamp


def rtp_timestamp_received(receiver: RTCRtpReceiver, pts: int) -> int | None:
    """Return the RTP timestamp (32 bits) of a received frame's ``pts``, or ``None`` before the first packet.

    aiortc counts ``pts`` from the first packet that arrived, but only the sender's timestamp is known to both ends.
    """
    origin = cast("Any", receiver)._RTCRtpReceiver__timestamp_mapper._origin
    return None if origin is None else (origin + pts) % (1 << 32)


def name_stream(sender: RTCRtpSender, stream_id: str, track_id: str) -> None:
    """Set the two ids of a sender's ``msid``. Call this before the offer or the answer is made.

    LiveKit's clients find a track's owner by them. aiortc's default ids are random.
    """
    private = cast("Any", sender)
    private._stream_id, private._track_id = stream_id, track_id


def age_sender_reports(sender: RTCRtpSender, age_s: Callable[[], float]) -> None:
    """Make a sender's RTCP reports say that its frames were captured ``age_s()`` seconds before they were sent.

    aiortc reports each frame as captured when it is sent. A receiver synchronises two tracks by these reports, so a sender
    whose pictures leave later than their sound must report it.
    """
    private = cast("Any", sender)
    send = private._send_rtcp

    async def send_aged(packets: list[Any]) -> None:
        if _is_before_the_first_frame(packets):
            return
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                packet.sender_info.ntp_timestamp -= int(age_s() * (1 << 32))
        await send(packets)

    private._send_rtcp = send_aged


def _is_before_the_first_frame(packets: list[Any]) -> bool:
    """Return whether a report is sent before the first frame, when aiortc reports a time of 0.

    libwebrtc treats that as an infinite time, over which LiveKit's SDK panics, and ends its process, when asked for
    statistics."""
    return any(isinstance(p, RtcpSrPacket) and not p.sender_info.packet_count for p in packets)


def date_sender_reports(sender: RTCRtpSender, clock_hz: int, began_s: Callable[[], float | None]) -> None:
    """Make a sender's RTCP reports give the time at which its frames were made, by their timestamps of ``clock_hz``.

    ``began_s`` returns the time (``time.monotonic``) of the track's timestamp 0, once it is known. aiortc reports the moment
    at which a frame was sent, after its encoder and on a busy computer 100 ms later. A browser synchronises two tracks by
    these reports, and would be wrong by as much. A second call has no effect.
    """
    private = cast("Any", sender)
    if getattr(private, "_kai_is_dated", False):
        return
    private._kai_is_dated = True
    encode, send = private._next_encoded_frame, private._send_rtcp
    newest: int | None = None
    origin: int | None = None

    async def next_encoded_frame(codec: object) -> Any:
        nonlocal newest, origin
        if origin is None and newest is not None:
            # aiortc has sent the previous frame when it requests the next; the two timestamps differ by a random number.
            origin = private._RTCRtpSender__rtp_timestamp - newest
        frame = await encode(codec)
        newest = newest if frame is None else frame.timestamp
        return frame

    async def send_dated(packets: list[Any]) -> None:
        if _is_before_the_first_frame(packets):
            return
        began = began_s()
        for packet in packets:
            if isinstance(packet, RtcpSrPacket) and origin is not None and began is not None:
                since = (packet.sender_info.rtp_timestamp - origin + (1 << 31)) % (1 << 32) - (1 << 31)
                age_s = time.monotonic() - began - since / clock_hz
                packet.sender_info.ntp_timestamp = clock.current_ntp_time() - int(age_s * (1 << 32))
        await send(packets)

    private._next_encoded_frame, private._send_rtcp = next_encoded_frame, send_dated


def received_packet_count(connection: RTCPeerConnection) -> int:
    """Return how many packets of any kind the peer has sent. A live peer sends at least RTCP, about every second.

    aioice notices a peer that vanished only after 30 s.
    """
    return sum(cast("int", transport._RTCDtlsTransport__rx_packets) for transport in _transports(connection))


async def is_answering(connection: RTCPeerConnection) -> bool:
    """Return whether the peer answers an ICE consent check (RFC 7675) within 0.5 s, aioice's first time-out.

    A check that cannot be sent, since the address that it leaves from is gone, has no answer either."""
    for transport in _transports(connection):
        check: Any = transport.transport._connection
        for pair in tuple(check._nominated.values()):
            try:
                await pair.protocol.request(
                    check.build_request(pair, nominate=False),
                    pair.remote_addr,
                    integrity_key=check.remote_password.encode(),
                    retransmissions=0,
                )
            except (stun.TransactionError, OSError):
                return False
    return True


def cut_off(connection: RTCPeerConnection) -> None:
    """Let nothing pass on this connection any more and tell nobody, like a pulled cable. For tests and measurements."""
    for transport in _transports(connection):
        for pair in transport.transport._connection._nominated.values():
            pair.protocol.transport = _Deaf(pair.protocol.transport)
            pair.protocol.datagram_received = lambda *_given: None


class _Deaf:
    """A datagram transport through which nothing leaves."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def sendto(self, _data: bytes, _address: object = None) -> None:
        """Send nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _transports(connection: RTCPeerConnection) -> set[Any]:
    transports: set[Any] = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    return transports
