"""A LiveKit-compatible room with the avatar in it: signalling of both versions, and media on aiortc.

Version 1 (``/rtc/v1``) has one peer connection, which the client offers. Version 0 (``/rtc``) has one for each direction, and
the server offers the one by which the client receives. Only the loopback interface is used. Undocumented requirements of the
SDKs (a field whose absence aborts their process, ids with a certain prefix) are noted where they are met.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final, cast

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp
from livekit.protocol import models, rtc
from starlette.websockets import WebSocket, WebSocketDisconnect

from kai.compat import rtc as compat
from kai.compat.tasks import Tasks
from kai.engine.liveavatar.stage import AvatarStage, PictureTrack, SoundTrack
from kai.wire.liveavatar import AVATAR_IDENTITY

log = logging.getLogger(__name__)

HOST_ADDRESSES: Final = ("127.0.0.1",)
PING_INTERVAL_S: Final = 5
PING_TIMEOUT_S: Final = 15
CLOSE_S: Final = 4.0
RESUMES_WITHIN_S: Final = 30.0
MAX_JOIN_BYTES: Final = 1 << 20
SERVER_VERSION: Final = "1.9.0"
SERVER_PROTOCOL: Final = 16


@dataclass(frozen=True, slots=True)
class Joiner:
    """A participant that wants to join: its identity from the token, the rest from the request."""

    identity: str
    is_v1: bool
    wants_tracks: bool
    resumes: str = ""
    """The participant sid of a connection to be resumed, or ""."""
    offer: Any = None


def joiner_of(identity: str, query: Any, *, is_v1: bool) -> Joiner:
    """Read a request to join. Raises `ValueError`, `OSError` or `EOFError` for one that cannot be read."""
    if not is_v1:
        resumes = query.get("sid", "") if query.get("reconnect") == "1" else ""
        return Joiner(identity, False, query.get("auto_subscribe", "1") != "0", resumes)
    packed = query.get("join_request", "")
    wrapped = rtc.WrappedJoinRequest.FromString(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    raw = wrapped.join_request
    if wrapped.compression == rtc.WrappedJoinRequest.GZIP:
        raw = gzip.decompress(raw)
    if len(raw) > MAX_JOIN_BYTES:
        raise ValueError("the join request is too large")
    request = rtc.JoinRequest.FromString(raw)
    return Joiner(
        identity,
        True,
        request.connection_settings.auto_subscribe,
        request.participant_sid if request.reconnect else "",
        request.publisher_offer if request.HasField("publisher_offer") else None,
    )


class HostedRoom:
    """One room with the avatar and its viewers. `serve` runs one viewer's signalling."""

    def __init__(self, name: str, stage: AvatarStage, *, height_px: int, encoding: str) -> None:
        self.name = name
        self.stage = stage
        self.height_px = height_px
        self.encoding = encoding
        self.sid = _sid("RM_")
        self.avatar_sid = _sid("PA_")
        self.picture_sid = _sid("TR_VC")
        self.sound_sid = _sid("TR_AM")
        self.viewers: dict[str, Viewer] = {}
        self.refuses_resume = False
        self.is_avatar_there = True
        self._version = 1
        self._tasks = Tasks("room")

    # The server's side

    async def serve(self, websocket: WebSocket, joiner: Joiner) -> None:
        """Runs a viewer's signalling on an accepted socket until it ends."""
        viewer = self.viewers.get(joiner.resumes) if joiner.resumes and not self.refuses_resume else None
        if viewer is not None:
            await viewer.resume(websocket)
        elif joiner.resumes:
            leave = rtc.LeaveRequest(action=rtc.LeaveRequest.RECONNECT, reason=models.STATE_MISMATCH)
            await websocket.send_bytes(rtc.SignalResponse(leave=leave).SerializeToString())
            await websocket.close()
            return
        else:
            for other in [v for v in self.viewers.values() if v.identity == joiner.identity]:
                await other.dismiss(models.DUPLICATE_IDENTITY)
            viewer = Viewer(self, joiner)
            self.viewers[viewer.sid] = viewer
            await viewer.begin(websocket, joiner.offer)
        await viewer.listen(websocket)

    async def aclose(self, reason: int = models.ROOM_DELETED) -> None:
        """Removes the avatar, then dismisses all viewers and ends the room's tasks."""
        self.is_avatar_there = False
        await self.tell_avatar()
        for viewer in list(self.viewers.values()):
            await viewer.dismiss(reason)
        await self._tasks.aclose()

    def forget(self, viewer: Viewer) -> None:
        self.viewers.pop(viewer.sid, None)

    def spawn(self, work: Any, name: str) -> asyncio.Task[None]:
        """Starts a task that is cancelled with the room."""
        return self._tasks.spawn(work, name)

    # Faults

    async def drop_signal(self) -> None:
        """Close every signalling socket; the media goes on, and clients reconnect to resume."""
        for viewer in list(self.viewers.values()):
            await viewer.hang_up_signal()

    async def republish(self) -> None:
        """Ask every client for a full reconnect: new connections, new tracks."""
        for viewer in list(self.viewers.values()):
            await viewer.dismiss(models.STATE_MISMATCH, rtc.LeaveRequest.RECONNECT)

    async def kill_media(self) -> None:
        """Close the media transports but keep the signalling."""
        for viewer in list(self.viewers.values()):
            await viewer.close_connections()

    async def vanish(self) -> None:
        """Let the avatar leave the room, which stays open."""
        self.is_avatar_there = False
        await self.tell_avatar()

    async def tell_avatar(self) -> None:
        """Send the avatar's current state to all viewers."""
        for viewer in list(self.viewers.values()):
            await viewer.send(update=rtc.ParticipantUpdate(participants=[self.avatar()]))

    # What the room says of itself

    def room(self) -> Any:
        now_s = int(time.time())
        # The Rust SDK aborts its process if the answer to a join has no room.
        return models.Room(
            sid=self.sid,
            name=self.name,
            num_participants=1 + len(self.viewers),
            num_publishers=1,
            creation_time=now_s,
            empty_timeout=300,
            departure_timeout=20,
        )

    def avatar(self) -> Any:
        self._version += 1
        state = models.ParticipantInfo.ACTIVE if self.is_avatar_there else models.ParticipantInfo.DISCONNECTED
        return _participant(
            self.avatar_sid,
            AVATAR_IDENTITY,
            name=AVATAR_IDENTITY,
            state=state,
            version=self._version,
            is_publisher=True,
            kind=models.ParticipantInfo.STANDARD,
            tracks=() if self.stage.faults.has_no_tracks else self._tracks(),
        )

    def _tracks(self) -> list[Any]:
        mime = f"video/{self.encoding}"
        side = self.height_px
        return [
            models.TrackInfo(
                sid=self.picture_sid,
                type=models.VIDEO,
                name="video",
                width=side,
                height=side,
                source=models.CAMERA,
                mime_type=mime,
                stream="camera",
                layers=[models.VideoLayer(quality=models.HIGH, width=side, height=side)],
                codecs=[models.SimulcastCodecInfo(mime_type=mime, cid="v")],
            ),
            models.TrackInfo(
                sid=self.sound_sid,
                type=models.AUDIO,
                name="audio",
                source=models.MICROPHONE,
                mime_type="audio/opus",
                stream="camera",
            ),
        ]


class Viewer:
    """A participant that joined: its signalling and its connections.

    The connection ``own`` is the one by which the client publishes, and ``avatar`` the one by which it receives. Version 1
    uses ``own`` for both.
    """

    def __init__(self, room: HostedRoom, joiner: Joiner) -> None:
        self.sid = _sid("PA_")
        self.identity = joiner.identity
        self._room = room
        self._is_v1 = joiner.is_v1
        self._wants_tracks = joiner.wants_tracks
        self._socket: WebSocket | None = None
        self._own: RTCPeerConnection | None = None
        self._avatar: RTCPeerConnection | None = None
        self._tracks: tuple[SoundTrack, PictureTrack] | None = None
        self._senders: dict[str, RTCRtpSender] = {}
        self._published: list[Any] = []
        self._early: dict[bool, list[Any]] = {True: [], False: []}
        self._negotiating = asyncio.Lock()
        self._sending = asyncio.Lock()
        self._gone: asyncio.Task[None] | None = None
        self._is_closed = False

    # Life

    async def begin(self, websocket: WebSocket, offer: Any) -> None:
        """Greet a new viewer."""
        self._socket = websocket
        room = self._room
        await self.send(
            join=rtc.JoinResponse(
                room=room.room(),
                participant=self._info(),
                other_participants=[room.avatar()] if room.is_avatar_there else [],
                server_version=SERVER_VERSION,
                subscriber_primary=not self._is_v1,
                # An interval of 0 makes the Rust SDK abort its process.
                ping_timeout=PING_TIMEOUT_S,
                ping_interval=PING_INTERVAL_S,
                server_info=self._server_info(),
                enabled_publish_codecs=[
                    models.Codec(mime="video/VP8"),
                    models.Codec(mime="video/H264"),
                    models.Codec(mime="audio/opus"),
                ],
            )
        )
        if not self._is_v1:
            await self._offer()
        elif offer is not None and offer.sdp:
            await self._answer(offer)

    async def resume(self, websocket: WebSocket) -> None:
        """Resume a viewer whose signalling reconnected."""
        if self._gone is not None:
            self._gone.cancel()
        self._socket = websocket
        await self.send(reconnect=rtc.ReconnectResponse(server_info=self._server_info(), last_message_seq=0))
        await self.send(update=rtc.ParticipantUpdate(participants=[self._room.avatar()]))

    async def listen(self, websocket: WebSocket) -> None:
        """Handle requests until the socket ends. A viewer that does not resume within `RESUMES_WITHIN_S` is removed."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while True:
                message = await websocket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                data = message.get("bytes")
                if data:
                    await self._on_request(rtc.SignalRequest.FromString(data))
        if self._socket is websocket and not self._is_closed:
            self._socket = None
            self._gone = self._room.spawn(self._forget_later(), f"forget {self.sid}")

    async def _forget_later(self) -> None:
        await asyncio.sleep(RESUMES_WITHIN_S)
        await self._close()

    async def dismiss(self, reason: int, action: int = rtc.LeaveRequest.DISCONNECT) -> None:
        """Tell the viewer to leave, and close its signalling and connections."""
        await self.send(leave=rtc.LeaveRequest(action=cast("Any", action), reason=cast("Any", reason)))
        await self.hang_up_signal()
        await self._close()

    async def hang_up_signal(self) -> None:
        socket = self._socket
        if socket is not None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close(1001)

    async def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._room.forget(self)
        if self._tracks is not None:
            self._room.stage.leave(self._tracks[0])
        await self.close_connections()

    async def close_connections(self) -> None:
        connections = [c for c in {self._own, self._avatar} if c is not None]
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*(connection.close() for connection in connections))
        except TimeoutError:
            log.warning("a viewer's connection did not close in time")

    async def send(self, **message: Any) -> None:
        """Send one signalling message, if there is a socket."""
        socket = self._socket
        if socket is None:
            return
        data = rtc.SignalResponse(**message).SerializeToString()
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            async with self._sending:
                await socket.send_bytes(data)

    # Requests

    async def _on_request(self, request: Any) -> None:
        kind = request.WhichOneof("message")
        message = getattr(request, kind) if kind else None
        match kind:
            case "ping":
                await self.send(pong=_now_ms())
            case "ping_req":
                await self.send(pong=_now_ms())
                await self.send(
                    pong_resp=rtc.Pong(
                        last_ping_timestamp=cast("Any", message).timestamp, timestamp=_now_ms()
                    )
                )
            case "offer":
                await self._answer(message)
            case "answer":
                await self._take_answer(message)
            case "trickle":
                await self._on_candidate(message)
            case "add_track":
                await self._publish(message)
            case "subscription":
                await self._subscribe(cast("Any", message))
            case "update_metadata":
                request_id = cast("Any", message).request_id
                await self.send(
                    request_response=rtc.RequestResponse(request_id=request_id, reason=rtc.RequestResponse.OK)
                )
            case "leave":
                await self._close()
                await self.hang_up_signal()
            case _:
                log.debug("signalling that needs no answer", extra={"kind": kind})

    async def _publish(self, wish: Any) -> None:
        """Accept a track that the client wants to send (a browser's microphone); it is received and discarded."""
        is_sound = wish.type == models.AUDIO
        info = models.TrackInfo(
            sid=_sid("TR_AM" if is_sound else "TR_VC"),
            type=wish.type,
            name=wish.name,
            muted=wish.muted,
            source=wish.source,
            width=wish.width,
            height=wish.height,
            mime_type="audio/opus" if is_sound else "video/VP8",
        )
        self._published.append(info)
        await self.send(track_published=rtc.TrackPublishedResponse(cid=wish.cid, track=info))
        await self.send(update=rtc.ParticipantUpdate(participants=[self._info()]))

    async def _subscribe(self, wish: Any) -> None:
        if wish.subscribe and self._tracks is None:
            self._wants_tracks = True
            if not self._is_v1:
                await self._offer()
            elif self._own is not None:
                self._add_tracks(self._own)
                await self.send(
                    media_sections_requirement=rtc.MediaSectionsRequirement(num_audios=0, num_videos=0)
                )

    # Connections

    def _connection(self) -> RTCPeerConnection:
        connection = compat.peer_connection(host_addresses=HOST_ADDRESSES)

        def on_channel(channel: RTCDataChannel) -> None:
            log.debug("data channel of a viewer", extra={"label": channel.label})

        def on_track(track: MediaStreamTrack) -> None:
            self._room.spawn(_drain(track), f"drain {self.sid}")

        connection.on("datachannel", on_channel)
        connection.on("track", on_track)
        return connection

    def _add_tracks(self, connection: RTCPeerConnection) -> None:
        room = self._room
        if self._tracks is not None or not self._wants_tracks or room.stage.faults.has_no_tracks:
            return
        self._tracks = sound, picture = room.stage.join()
        for track, sid in ((sound, room.sound_sid), (picture, room.picture_sid)):
            sender = connection.addTrack(track)
            # The SDKs assign a track by "participant|stream" and its sid, and play tracks of the same stream in sync.
            compat.name_stream(sender, f"{room.avatar_sid}|camera", sid)
            self._senders[sid] = sender
            compat.age_sender_reports(sender, lambda track=track: track.age_s)
            if track.kind == "video":
                transceiver = next(t for t in connection.getTransceivers() if t.sender is sender)
                wanted = (f"video/{room.encoding}".lower(), "video/rtx")
                codecs = [c for c in sender.getCapabilities("video").codecs if c.mimeType.lower() in wanted]
                transceiver.setCodecPreferences(codecs)
        compat.code_audio_inline(connection)

    def _track_ids(self, connection: RTCPeerConnection) -> dict[str, str]:
        """Return the track sid of each media line, without which a version 1 client silently shows no frame."""
        ids = {id(sender): sid for sid, sender in self._senders.items()}
        return {
            t.mid: ids[id(t.sender)]
            for t in connection.getTransceivers()
            if t.mid is not None and id(t.sender) in ids
        }

    async def _offer(self) -> None:
        """Offer the connection by which a version 0 client receives."""
        async with self._negotiating:
            connection = self._avatar
            if connection is None:
                connection = self._avatar = self._connection()
                # Add the tracks first: with the channels first aiortc stops the transport that both share.
                self._add_tracks(connection)
                connection.createDataChannel("_reliable")
                connection.createDataChannel("_lossy", ordered=False, maxRetransmits=0)
            self._add_tracks(connection)
            await connection.setLocalDescription(await connection.createOffer())
            await self.send(
                offer=rtc.SessionDescription(
                    type="offer",
                    sdp=connection.localDescription.sdp,
                    id=1,
                    mid_to_track_id=self._track_ids(connection),
                )
            )

    async def _take_answer(self, answer: Any) -> None:
        connection = self._avatar
        if connection is None:
            return
        with contextlib.suppress(InvalidStateError):
            await connection.setRemoteDescription(RTCSessionDescription(answer.sdp, answer.type))
        await self._add_early(connection, is_own=False)

    async def _answer(self, offer: Any) -> None:
        async with self._negotiating:
            if self._own is None:
                self._own = self._connection()
            connection = self._own
            if connection.connectionState == "closed":
                return
            await connection.setRemoteDescription(RTCSessionDescription(offer.sdp, offer.type))
            if self._is_v1:
                self._add_tracks(connection)
            await connection.setLocalDescription(await connection.createAnswer())
            await self.send(
                answer=rtc.SessionDescription(
                    type="answer",
                    sdp=connection.localDescription.sdp,
                    id=offer.id,
                    mid_to_track_id=self._track_ids(connection) if self._is_v1 else {},
                )
            )
            await self._add_early(connection, is_own=True)

    async def _on_candidate(self, trickle: Any) -> None:
        init = json.loads(trickle.candidateInit or "{}")
        text = init.get("candidate") or ""
        if not text:
            return
        candidate = candidate_from_sdp(text.partition(":")[2])
        if not candidate.ip.startswith("127.") or candidate.protocol != "udp":
            return  # loopback only; the client's packets reveal its other addresses
        candidate.sdpMid, candidate.sdpMLineIndex = init.get("sdpMid"), init.get("sdpMLineIndex")
        is_own = self._is_v1 or trickle.target == rtc.PUBLISHER
        connection = self._own if is_own else self._avatar
        if connection is None or cast("Any", connection).remoteDescription is None:
            self._early[is_own].append(
                candidate
            )  # candidates for the receiving side often arrive before its answer
        else:
            await connection.addIceCandidate(candidate)

    async def _add_early(self, connection: RTCPeerConnection, *, is_own: bool) -> None:
        early, self._early[is_own] = self._early[is_own], []
        for candidate in early:
            await connection.addIceCandidate(candidate)

    def _info(self) -> Any:
        return _participant(
            self.sid,
            self.identity,
            state=models.ParticipantInfo.ACTIVE,
            version=1,
            tracks=self._published,
        )

    @staticmethod
    def _server_info() -> Any:
        return models.ServerInfo(
            edition=models.ServerInfo.Standard,
            version=SERVER_VERSION,
            protocol=SERVER_PROTOCOL,
            region="local",
            node_id="ND_kai",
        )


async def _drain(track: MediaStreamTrack) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            await track.recv()


def _participant(sid: str, identity: str, **told: Any) -> Any:
    """Return a participant that joined now. The SDKs do not accept one whose sid does not begin with "PA_"."""
    return models.ParticipantInfo(
        sid=sid,
        identity=identity,
        joined_at=int(time.time()),
        joined_at_ms=_now_ms(),
        permission=models.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True),
        **told,
    )


def _sid(prefix: str) -> str:
    return prefix + secrets.token_hex(6)


def _now_ms() -> int:
    return int(time.time() * 1000)
