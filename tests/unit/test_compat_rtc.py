"""Springs every trap in aiortc and aioice that kai/compat/rtc.py steps round."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import aioice.ice
import aiortc.codecs.vpx
import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, clock
from aiortc.codecs.vpx import Vp8Encoder
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket

from kai.compat import rtc
from kai.errors import ConfigError
from kai.ui import compat as page
from tests.support.privates import private_names, stands_in

ROOT = Path(__file__).resolve().parents[2]

LOOPBACK = ["127.0.0.1"]


class Tone(MediaStreamTrack):
    """`(960,)` int16, 48 000 Hz mono frames; the n-th has the pts n * 960."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.timestamps: list[tuple[int, int]] = []
        self.sender = None

    async def recv(self) -> av.AudioFrame:
        if self.count and self.sender is not None:
            self.timestamps.append(((self.count - 1) * 960, rtc.rtp_timestamp_sent(self.sender)))
        await asyncio.sleep(0.02)
        frame = av.AudioFrame.from_ndarray(np.full((1, 960), 1000, np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        frame.pts = self.count * 960
        frame.time_base = Fraction(1, 48_000)
        self.count += 1
        return frame


async def connect(caller: RTCPeerConnection, callee: RTCPeerConnection) -> None:
    await caller.setLocalDescription(await caller.createOffer())
    await callee.setRemoteDescription(caller.localDescription)
    await callee.setLocalDescription(await callee.createAnswer())
    await caller.setRemoteDescription(callee.localDescription)
    async with asyncio.timeout(10):
        while {caller.connectionState, callee.connectionState} != {"connected"}:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def two_peers() -> AsyncIterator[tuple[RTCPeerConnection, RTCPeerConnection]]:
    pair = rtc.peer_connection(host_addresses=LOOPBACK), rtc.peer_connection(host_addresses=LOOPBACK)
    try:
        yield pair
    finally:
        for peer in pair:
            await peer.close()


def addresses(sdp: str) -> set[str]:
    return set(re.findall(r"a=candidate:\S+ \d udp \d+ (\S+)", sdp))


def test_other_versions_are_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"aiortc 0\.0\.1.*make install"):
        rtc.assert_pins({"aiortc": "0.0.1"})


@pytest.mark.parametrize("found", ["1.16.0", "1.16.1", "1.16.12"])
def test_the_minor_version_that_we_know_is_taken_and_a_newer_patch_of_it_warned_of(
    found: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rtc.assert_pins({"aiortc": "1.16.0"}, lambda _package: found)
    warned = [record.__dict__["found"] for record in caplog.records if record.name == "kai.compat.rtc"]
    assert warned == ([found] if found != "1.16.0" else [])


@pytest.mark.parametrize("found", ["1.15.9", "1.17.0", "2.16.1", "1.16.0", "0.16.2"])
def test_an_older_patch_and_every_other_minor_version_are_refused(found: str) -> None:
    with pytest.raises(ConfigError, match=rf"aiortc 1\.16\.1, but {re.escape(found)} is installed"):
        rtc.assert_pins({"aiortc": "1.16.1"}, lambda _package: found)


@pytest.mark.parametrize("path", ["kai/compat/rtc.py", "kai/ui/compat.py"])
def test_every_private_name_in_use_is_listed_and_stands_in_its_package(path: str) -> None:
    listed = {"kai/compat/rtc.py": rtc.PRIVATE, "kai/ui/compat.py": page.PRIVATE}[path]
    assert private_names(ROOT / path) == set(listed)
    assert [name for name, package in listed.items() if not stands_in(package, name)] == []


def test_a_private_name_that_is_gone_is_seen() -> None:
    assert not stands_in("aiortc", "_RTCRtpReceiver__rtp_timestamp")
    assert not stands_in("aiortc", "_no_such_name")


async def test_two_peers_connect_by_the_loopback_alone() -> None:
    async with two_peers() as (caller, callee):
        caller.createDataChannel("oai-events")
        caller.addTrack(Tone())
        await connect(caller, callee)
        assert addresses(caller.localDescription.sdp) == {"127.0.0.1"}
        assert addresses(callee.localDescription.sdp) == {"127.0.0.1"}


async def test_host_addresses_of_one_connection_leave_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.2"])
    bound, free = rtc.peer_connection(host_addresses=LOOPBACK), rtc.peer_connection()
    for peer in (bound, free):
        peer.createDataChannel("oai-events")
    await asyncio.gather(*[peer.setLocalDescription(await peer.createOffer()) for peer in (bound, free)])
    assert addresses(bound.localDescription.sdp) == {"127.0.0.1"}
    assert addresses(free.localDescription.sdp) == {"127.0.0.2"}
    await bound.close()
    await free.close()


async def test_no_stun_server_is_asked_by_default() -> None:
    for host_addresses in (None, LOOPBACK):
        peer = rtc.peer_connection(host_addresses=host_addresses)
        peer.createDataChannel("oai-events")
        assert peer.sctp.transport.transport.iceGatherer._connection.stun_server is None
        await peer.close()


async def test_the_jitter_buffer_of_one_receiver_is_set() -> None:
    async with two_peers() as (caller, callee):
        one = caller.addTransceiver("audio").receiver
        other = callee.addTransceiver("audio").receiver
        video = caller.addTransceiver("video").receiver
        for receiver in (one, video):
            rtc.set_audio_jitter_buffer(receiver)
        sizes = [
            (r._RTCRtpReceiver__jitter_buffer.capacity, r._RTCRtpReceiver__jitter_buffer._prefetch)
            for r in (one, other, video)
        ]
        assert sizes == [(4, 1), (16, 4), (512, 0)]


async def test_sound_passes_a_small_jitter_buffer_and_both_ends_agree_on_its_rtp_time() -> None:
    async with two_peers() as (caller, callee):
        tone = Tone()
        tone.sender = caller.addTrack(tone)
        receiver = callee.addTransceiver("audio", direction="recvonly").receiver
        rtc.set_audio_jitter_buffer(receiver)
        assert rtc.rtp_timestamp_received(receiver, 0) is None
        await connect(caller, callee)
        pts: list[int] = []
        async with asyncio.timeout(5):
            while len(pts) < 10:
                pts.append((await receiver.track.recv()).pts)
        assert [b - a for a, b in zip(pts, pts[1:], strict=False)] == [960] * 9
        sent_at = dict(tone.timestamps)
        origins = {(timestamp - p) % (1 << 32) for p, timestamp in sent_at.items()}
        assert len(origins) == 1
        received = rtc.rtp_timestamp_received(receiver, pts[-1])
        assert received is not None
        assert (received - origins.pop()) % 960 == 0
        assert received in sent_at.values()


async def test_sender_reports_tell_when_frames_were_made_and_not_when_they_were_sent() -> None:
    began_s = time.monotonic() - 500.0
    async with two_peers() as (caller, callee):
        tone = Tone()
        sender: Any = caller.addTrack(tone)
        told: list[RtcpSenderInfo] = []
        send = sender._send_rtcp

        async def record(packets: list[Any]) -> None:
            told.extend(p.sender_info for p in packets if isinstance(p, RtcpSrPacket))
            await send(packets)

        sender._send_rtcp = record
        for _ in range(2):
            rtc.date_sender_reports(sender, 48_000, lambda: began_s)
        await connect(caller, callee)
        async with asyncio.timeout(8):
            while len(told) < 2:
                await asyncio.sleep(0.02)
        made_s = [info.ntp_timestamp / (1 << 32) for info in told]
        sent = [info.rtp_timestamp for info in told]
        # By the frames' own clock, to the sample; and as old as their track says.
        assert made_s[1] - made_s[0] == pytest.approx((sent[1] - sent[0]) % (1 << 32) / 48_000, abs=0.002)
        age_s = clock.current_ntp_time() / (1 << 32) - made_s[1]
        played_s = tone.count * 0.02
        assert age_s == pytest.approx(500.0 + (time.monotonic() - began_s - 500.0) - played_s, abs=0.3)


async def test_nothing_is_reported_before_the_first_frame() -> None:
    async with two_peers() as (caller, _callee):
        for rule in (
            lambda sender: rtc.age_sender_reports(sender, lambda: 0.0),
            lambda sender: rtc.date_sender_reports(sender, 48_000, lambda: 0.0),
        ):
            sender: Any = caller.addTrack(Tone())
            told: list[int] = []

            async def record(packets: list[Any], told: list[int] = told) -> None:
                told.extend(p.sender_info.packet_count for p in packets)

            sender._send_rtcp = record
            rule(sender)
            for count in (0, 0, 7):
                info = RtcpSenderInfo(0, 0, count, 9)
                await sender._send_rtcp([RtcpSrPacket(ssrc=1, sender_info=info)])
            assert told == [7]


async def test_packets_are_counted_while_the_peer_lives() -> None:
    async with two_peers() as (caller, callee):
        assert rtc.received_packet_count(callee) == 0
        caller.addTrack(Tone())
        await connect(caller, callee)
        async with asyncio.timeout(5):
            while rtc.received_packet_count(callee) < 20:
                await asyncio.sleep(0.02)


def test_the_vp8_encoder_starts_at_and_keeps_the_bitrate(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEFAULT_BITRATE", "MIN_BITRATE", "MAX_BITRATE"):
        monkeypatch.setattr(aiortc.codecs.vpx, name, getattr(aiortc.codecs.vpx, name))
    rtc.set_vp8_bitrate(600_000)
    encoder = Vp8Encoder()
    assert encoder.target_bitrate == 600_000
    encoder.target_bitrate = 300_000
    assert encoder.target_bitrate == 600_000
    rtc.set_vp8_bitrate(600_000, min_bps=250_000)
    encoder.target_bitrate = 300_000
    assert encoder.target_bitrate == 300_000


def drawn(number: int) -> av.VideoFrame:
    """A drawn picture: a soft shape that moves before a background that does not."""
    x, y = np.meshgrid(np.arange(256), np.arange(256))
    luma = 90 + 40 * np.sin(x / 40) + 80 * np.exp(-((x - 100 - number) ** 2 + (y - 120) ** 2) / 900)
    picture = np.concatenate([luma, np.full((128, 256), 128.0)]).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
    frame.pts, frame.time_base = number * 3_600, Fraction(1, 90_000)
    return frame


def error_of(encoder: Vp8Encoder, monkeypatch: pytest.MonkeyPatch) -> float:
    """The mean squared error of what arrives of 40 drawn pictures."""
    coded: list[bytes] = []
    packetize = encoder._packetize
    monkeypatch.setattr(
        encoder, "_packetize", lambda data, number: (coded.append(data), packetize(data, number))[1]
    )
    decoder, errors = av.CodecContext.create("libvpx", "r"), []
    for number in range(40):
        frame = drawn(number)
        assert encoder.encode(frame, force_keyframe=number == 20)[0]
        for shown in decoder.decode(av.Packet(coded[-1])):
            errors.append(
                float(np.square(shown.to_ndarray()[:256] - frame.to_ndarray()[:256].astype(float)).mean())
            )
    return float(np.mean(errors))


def test_drawn_pictures_are_coded_without_the_filter_for_a_cameras_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aiortc.codecs, "Vp8Encoder", Vp8Encoder)
    rtc.set_vp8_for_rendered_pictures()
    vp8 = next(c for c in aiortc.codecs.CODECS["video"] if c.name.lower() == "vp8")
    ours = aiortc.codecs.get_encoder(vp8)
    assert isinstance(ours, Vp8Encoder)
    assert error_of(ours, monkeypatch) < error_of(Vp8Encoder(), monkeypatch)


async def ended(track: MediaStreamTrack) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            await track.recv()


@pytest.mark.parametrize("is_late", [False, True])
async def test_sound_that_is_coded_inline_arrives_in_order_and_ends_with_its_connection(
    is_late: bool,
) -> None:
    """``is_late``: as the page's, whose tracks run already when its connection is prepared."""
    async with two_peers() as (caller, callee):
        tracks: list[MediaStreamTrack] = []
        for peer in (caller, callee):
            peer.addTrack(Tone())
            peer.on("track", tracks.append)
            if not is_late:
                rtc.code_audio_inline(peer)
        await connect(caller, callee)
        if is_late:
            for track in tracks:
                await track.recv()
            for peer in (caller, callee):
                rtc.code_audio_inline(peer)
                rtc.code_audio_inline(peer)
        async with asyncio.timeout(5):
            for track in tracks:
                frames = [await track.recv() for _ in range(30)]
                assert [b.pts - a.pts for a, b in pairwise(frames)] == [960] * 29  # pyright: ignore
    async with asyncio.timeout(5):
        for track in tracks:
            await ended(track)


@pytest.mark.parametrize("amplitude", [0, 1, 300, 32_767])
def test_the_level_of_a_frame_is_the_one_that_aiortc_computes(amplitude: int) -> None:
    pcm = (amplitude * np.sin(np.arange(960) / 7)).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
    assert rtc._level_dbov(frame) == aiortc.rtp.compute_audio_level_dbov(frame)


def test_silence_is_not_coded_again_and_again_and_the_sound_after_it_is_whole() -> None:
    opus = next(c for c in aiortc.codecs.CODECS["audio"] if c.name.lower() == "opus")
    encoder, decoder = aiortc.codecs.get_encoder(opus), aiortc.codecs.get_decoder(opus)
    coded: list[int] = []
    encode = encoder.encode
    encoder.encode = lambda frame, force_keyframe=False: (
        coded.append(frame.pts),
        encode(frame, force_keyframe),
    )[1]  # type: ignore[method-assign]
    silence, heard, timestamps = rtc._Silence(), [], []
    for number in range(80):
        sounds = 5 <= number < 10 or number >= 60
        pcm = (sounds * 8_000 * np.sin(np.arange(number * 960, number * 960 + 960) / 20)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
        sent = silence.encode(encoder, frame)
        if sent is not None:
            timestamps.append(sent.timestamp)
            for shown in decoder.decode(JitterFrame(sent.payloads[0], sent.timestamp)):
                heard.append(shown.to_ndarray().reshape(-1)[::2])
    assert [b - a for a, b in pairwise(timestamps)] == [960] * (len(timestamps) - 1)
    assert len(coded) == 80 - (60 - 10 - rtc.RESTS_AFTER_FRAMES)
    sound = np.concatenate(heard).astype(int)
    assert not sound[25 * 960 : 59 * 960].any()
    # Mono made stereo is 3 dB softer in aiortc.
    assert np.abs(sound[62 * 960 : 64 * 960]).max() == pytest.approx(8_000 * 0.707, rel=0.1)


def test_lasting_silence_is_sent_as_one_packet_in_five_to_who_wishes_so_and_only_where_it_may() -> None:
    opus = next(c for c in aiortc.codecs.CODECS["audio"] if c.name.lower() == "opus")
    encoder, may_leave_out = aiortc.codecs.get_encoder(opus), True
    silence, timestamps = rtc._Silence(lambda: may_leave_out), []
    for number in range(120):
        may_leave_out = number < 80
        pcm = np.full(960, 500 * (number == 100), np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
        if (sent := silence.encode(encoder, frame)) is not None:
            timestamps.append(sent.timestamp // 960)
    whole = rtc.RESTS_AFTER_FRAMES
    assert timestamps[:whole] == list(range(whole))
    assert {b - a for a, b in pairwise(t for t in timestamps if whole < t < 80)} == {rtc.DTX_EVERY_FRAMES}
    assert timestamps[-39:] == list(range(timestamps[-1] - 38, timestamps[-1] + 1))


async def test_the_wish_for_no_silence_is_read_from_an_offer() -> None:
    async with two_peers() as (caller, callee):
        caller.addTrack(Tone())
        await caller.setLocalDescription(await caller.createOffer())
        plain = caller.localDescription.sdp
        assert not rtc.wants_dtx(plain)
        assert rtc.wants_dtx(rtc.offer_dtx(plain))
        await callee.setRemoteDescription(RTCSessionDescription(sdp=rtc.offer_dtx(plain), type="offer"))


async def test_a_peer_answers_as_long_as_it_is_there() -> None:
    async with two_peers() as (caller, callee):
        caller.addTrack(Tone())
        await connect(caller, callee)
        assert await rtc.is_answering(caller)
        await callee.close()
        assert not await rtc.is_answering(caller)
