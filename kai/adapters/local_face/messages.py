"""What the app and the face's process say to each other over a socket pair, as bytes.

A message is its length (4 bytes, of what follows the kind), its kind (1 byte) and its content, little-endian. Both ends
are of one build, so there are no versions. Segments are counted, their names stay with the app. Positions are samples
at 24 000 Hz from the start of their segment; times are seconds of CLOCK_MONOTONIC, which processes share.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, assert_never

from kai.errors import ProtocolError

MOST_BYTES = 4_000_000
"""A message longer than this is a broken stream."""

_HEAD = struct.Struct("<IB")


@dataclass(frozen=True, slots=True)
class Speak:
    """Sound of a segment: ``pcm`` holds int16, 24 000 Hz mono."""

    segment: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Lip times of a segment: viseme, start, end."""

    segment: int
    visemes: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Feel:
    """From this sample of a segment on the face shows a feeling; see `kai.avatar.feeling.Feeling`."""

    segment: int
    sample: int
    emotion: str
    strength: float


@dataclass(frozen=True, slots=True)
class EndSegment:
    """The segment's sound is complete."""

    segment: int


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Forget all segments and close the mouth."""


@dataclass(frozen=True, slots=True)
class Playing:
    """This sample leaves the app at this time."""

    segment: int
    sample: int
    at_s: float


@dataclass(frozen=True, slots=True)
class SetMood:
    """idle, listening, thinking or speaking."""

    mood: str


@dataclass(frozen=True, slots=True)
class SetLook:
    """The fields of a `kai.avatar.style.Style`."""

    style: dict[str, Any]


@dataclass(frozen=True, slots=True)
class WantFrames:
    """Draw, or rest."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class Started:
    """The process runs and has its first picture (of the idle loop)."""


@dataclass(frozen=True, slots=True)
class Live:
    """The live face is ready; it took so long."""

    mesh: str
    after_s: float


@dataclass(frozen=True, slots=True)
class FrameReady:
    """Frame number ``sequence`` lies in the ring."""

    sequence: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The process cannot go on, or cannot make the look that was asked for; a sentence for a person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How the last seconds went: the rung of the load ladder and the drawing's 50th and 95th percentile."""

    supersample: float
    frames_per_s: float
    wall_p50_ms: float
    wall_p95_ms: float
    late_frames: int


Message = (
    Speak
    | Mark
    | Feel
    | EndSegment
    | StopSpeaking
    | Playing
    | SetMood
    | SetLook
    | WantFrames
    | Started
    | Live
    | FrameReady
    | Failed
    | Pace
)

_SEGMENT = struct.Struct("<I")
_FEEL = struct.Struct("<IQf")
_PLAYING = struct.Struct("<IQd")
_FRAME = struct.Struct("<Qd")
_PACE = struct.Struct("<ffffI")


def encode(message: Message) -> bytes:
    """The message as bytes."""
    match message:
        case Speak():
            kind, content = 1, _SEGMENT.pack(message.segment) + message.pcm
        case Mark():
            kind, content = 2, _SEGMENT.pack(message.segment) + json.dumps(message.visemes).encode()
        case EndSegment():
            kind, content = 3, _SEGMENT.pack(message.segment)
        case StopSpeaking():
            kind, content = 4, b""
        case Playing():
            kind, content = 5, _PLAYING.pack(message.segment, message.sample, message.at_s)
        case SetMood():
            kind, content = 6, message.mood.encode()
        case SetLook():
            kind, content = 7, json.dumps(message.style).encode()
        case WantFrames():
            kind, content = 8, bytes([message.wanted])
        case Feel():
            place = _FEEL.pack(message.segment, message.sample, message.strength)
            kind, content = 9, place + message.emotion.encode()
        case Started():
            kind, content = 20, b""
        case Live():
            kind, content = 21, json.dumps([message.mesh, message.after_s]).encode()
        case FrameReady():
            kind, content = 22, _FRAME.pack(message.sequence, message.at_s)
        case Failed():
            kind, content = 23, json.dumps([message.code, message.message]).encode()
        case Pace():
            kind, content = (
                24,
                _PACE.pack(
                    message.supersample,
                    message.frames_per_s,
                    message.wall_p50_ms,
                    message.wall_p95_ms,
                    message.late_frames,
                ),
            )
        case _:
            assert_never(message)
    return _HEAD.pack(len(content), kind) + content


def decode(kind: int, content: bytes) -> Message:
    """The message of a kind and its content; raises `ProtocolError`."""
    try:
        return _decode(kind, content)
    except (struct.error, ValueError, TypeError) as exc:
        raise ProtocolError("The face's process sent something unreadable. Restart Kai.") from exc


def _decode(kind: int, content: bytes) -> Message:
    match kind:
        case 1:
            return Speak(_SEGMENT.unpack_from(content)[0], content[4:])
        case 2:
            visemes = tuple((str(v), int(a), int(b)) for v, a, b in json.loads(content[4:]))
            return Mark(_SEGMENT.unpack_from(content)[0], visemes)
        case 3:
            return EndSegment(*_SEGMENT.unpack(content))
        case 4:
            return StopSpeaking()
        case 5:
            return Playing(*_PLAYING.unpack(content))
        case 6:
            return SetMood(content.decode())
        case 7:
            return SetLook(dict(json.loads(content)))
        case 8:
            return WantFrames(content == b"\x01")
        case 9:
            segment, sample, strength = _FEEL.unpack_from(content)
            return Feel(segment, sample, content[_FEEL.size :].decode(), strength)
        case 20:
            return Started()
        case 21:
            mesh, after_s = json.loads(content)
            return Live(str(mesh), float(after_s))
        case 22:
            return FrameReady(*_FRAME.unpack(content))
        case 23:
            code, message = json.loads(content)
            return Failed(str(code), str(message))
        case 24:
            return Pace(*_PACE.unpack(content))
        case _:
            raise ValueError(f"unknown kind {kind}")


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now. Raises `ProtocolError` when the stream is broken."""
        self._rest += data
        messages: list[Message] = []
        start = 0
        while len(self._rest) - start >= _HEAD.size:
            length, kind = _HEAD.unpack_from(self._rest, start)
            if length > MOST_BYTES:
                raise ProtocolError("The face's process sent something unreadable. Restart Kai.")
            end = start + _HEAD.size + length
            if len(self._rest) < end:
                break
            messages.append(decode(kind, bytes(self._rest[start + _HEAD.size : end])))
            start = end
        del self._rest[:start]
        return messages
