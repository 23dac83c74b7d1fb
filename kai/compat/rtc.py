"""Every reliance of Kai on a private part or a default of aiortc and aioice.

Each function here touches something that these packages do not promise. So their minor versions are checked when this module
is imported (a newer patch is used with a warning, another minor version is refused), `PRIVATE` names every use, and
`tests/unit/test_compat_rtc.py` springs each trap. Nothing here changes how other connections of the process behave, except
`set_vp8_bitrate`, which says so.
"""

# The private parts are the whole point of this module.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import importlib.metadata
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import aiortc.codecs.vpx
from aioice import ice
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender, clock
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtcpSrPacket

from kai.errors import ConfigError

PINS: Final = {"aiortc": "1.16.0", "aioice": "0.13.0"}


PRIVATE: Final = {
    "_RTCPeerConnection__createDtlsTransport": "aiortc",
    "_RTCDtlsTransport__rx_packets": "aiortc",
    "_RTCRtpReceiver__jitter_buffer": "aiortc",
    "_RTCRtpReceiver__kind": "aiortc",
    "_RTCRtpReceiver__timestamp_mapper": "aiortc",
    "_RTCRtpSender__rtp_timestamp": "aiortc",
    "_connection": "aiortc",
    "_next_encoded_frame": "aiortc",
    "_origin": "aiortc",
    "_send_rtcp": "aiortc",
    "_stream_id": "aiortc",
    "_track_id": "aiortc",
}
"""Every private name that this module uses, and the package that it belongs to."""

_log = logging.getLogger(__name__)


def assert_pins(
    pins: Mapping[str, str] = PINS, version_of: Callable[[str], str] = importlib.metadata.version
) -> None:
    """Nothing, when the installed versions are of the minor versions whose private parts we know.

    A newer patch of one, which may mend a weakness, is used with a warning. Any other version raises `ConfigError`.
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


def peer_connection(
    ice_servers: Sequence[RTCIceServer] = (), host_addresses: Sequence[str] | None = None
) -> RTCPeerConnection:
    """A peer connection that asks no STUN server unless one is given.

    aiortc's own default is a public STUN server, which costs up to 5 s where it cannot be reached.

    `host_addresses`: the only local addresses that this one connection gathers, for example ``["127.0.0.1"]``, which
    aioice alone would leave out, so that a computer whose only interface is the loopback could not connect.
    """
    configuration = RTCConfiguration(iceServers=list(ice_servers))
    if host_addresses is None:
        return RTCPeerConnection(configuration)
    return _HostBoundPeerConnection(configuration, host_addresses)


class _HostBoundPeerConnection(RTCPeerConnection):
    """aiortc makes each DTLS transport, and the ICE connection in it, by one private method; that one is wrapped."""

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
    """The addresses of this computer's own interfaces that a connection may use: all but the loopback's.

    Without one no WebRTC connection with a browser can be made, not even on this computer: browsers leave the loopback
    out as well.
    """
    return ice.get_host_addresses(use_ipv4=True, use_ipv6=True)


def set_audio_jitter_buffer(receiver: RTCRtpReceiver, capacity: int = 4, prefetch: int = 1) -> None:
    """Gives one audio receiver a shorter jitter buffer; to be called before its first packet.

    aiortc's 16 packets with 4 of prefetch cost 60 ms more than 1 of prefetch, and a single lost packet raises the
    delay for the rest of the call. 4/1 suits a peer on this computer; one behind Wi-Fi needs more. `capacity` is a
    power of 2, in packets of 20 ms. Video receivers are left alone.
    """
    private = cast("Any", receiver)
    if private._RTCRtpReceiver__kind == "audio":
        private._RTCRtpReceiver__jitter_buffer = JitterBuffer(capacity=capacity, prefetch=prefetch)


def set_vp8_bitrate(
    start_bps: int = 600_000, *, min_bps: int | None = None, max_bps: int | None = None
) -> None:
    """Sets the bit rates of every VP8 encoder of this process that is made from now on.

    With one rate for all three the encoder is never rebuilt: aiortc rebuilds it, and sends a key frame, whenever the
    browser's estimate moves by a tenth. Give `min_bps` below `max_bps` for links that may be narrow.
    """
    vpx = cast("Any", aiortc.codecs.vpx)
    vpx.DEFAULT_BITRATE = start_bps
    vpx.MIN_BITRATE = start_bps if min_bps is None else min_bps
    vpx.MAX_BITRATE = start_bps if max_bps is None else max_bps


def rtp_timestamp_sent(sender: RTCRtpSender) -> int:
    """The RTP timestamp of the last packet that `sender` sent; 0 before the first.

    Read inside the track's ``recv``: aiortc sends a frame before it asks for the next, so this is then the timestamp
    of the frame returned last. Their difference to our ``pts`` is random for each call and constant in it.
    """
    return cast("Any", sender)._RTCRtpSender__rtp_timestamp


def rtp_timestamp_received(receiver: RTCRtpReceiver, pts: int) -> int | None:
    """The RTP timestamp (32 bits) of a received frame's ``pts``; ``None`` before the first packet.

    aiortc counts ``pts`` from the first packet that arrived; the sender's own timestamp is what both ends share.
    """
    origin = cast("Any", receiver)._RTCRtpReceiver__timestamp_mapper._origin
    return None if origin is None else (origin + pts) % (1 << 32)


def name_stream(sender: RTCRtpSender, stream_id: str, track_id: str) -> None:
    """Gives a sender the two ids of its ``msid``; to be called before the offer or the answer is made.

    LiveKit's clients read from them whose track it is. aiortc makes random ones.
    """
    private = cast("Any", sender)
    private._stream_id, private._track_id = stream_id, track_id


def age_sender_reports(sender: RTCRtpSender, age_s: Callable[[], float]) -> None:
    """Have a sender's RTCP reports say that its frames are ``age_s()`` seconds older than the moment of sending.

    `date_sender_reports` takes the time from the frames' timestamps instead.

    aiortc reports each frame as if it were captured when it is sent. A receiver that plays two tracks in sync goes by
    these reports, so one whose pictures leave later than their sound has to say so.
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
    """True for a report from before the first frame. aiortc gives it the time 0, which libwebrtc takes for no time and turns
    into an infinity; LiveKit's SDK then panics when it is asked for statistics, and ends its process."""
    return any(isinstance(p, RtcpSrPacket) and not p.sender_info.packet_count for p in packets)


def date_sender_reports(sender: RTCRtpSender, clock_hz: int, began_s: Callable[[], float | None]) -> None:
    """Have a sender's RTCP reports say when its frames were made, by their timestamps, which count at ``clock_hz``.

    ``began_s`` returns the time (``time.monotonic``) of timestamp 0 of its track, or ``None`` until it is known. aiortc
    reports the moment at which a frame happened to be sent: behind its encoder, and on a busy computer 100 ms later. A
    browser that plays two tracks in sync relies on these reports, and errs by as much. A second call changes nothing.
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
            # aiortc has sent the frame before when it asks for the next one; the two timestamps differ by a random number.
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
    """How many packets of any kind came from the peer. One that lives sends at least RTCP, about every second.

    aioice itself notices a peer that vanished only after 30 s.
    """
    transports: set[Any] = {transceiver.receiver.transport for transceiver in connection.getTransceivers()}
    if connection.sctp is not None:
        transports.add(connection.sctp.transport)
    return sum(cast("int", transport._RTCDtlsTransport__rx_packets) for transport in transports)
