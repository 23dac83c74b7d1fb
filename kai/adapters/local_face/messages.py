"""The messages between the app and the face's process, as bytes on a socket pair.

A message is the length of its content (4 bytes, little-endian) and the content: a pickle of one of the values below. Both
ends are of one build, so there are no versions, and only these values are unpickled. Segments are numbered; their names stay
in the app. Positions are samples at 24 000 Hz from the start of their segment; times are seconds of CLOCK_MONOTONIC, which
processes share.
"""

from __future__ import annotations

import io
import pickle
import struct
from dataclasses import dataclass
from typing import Any, get_args

from kai.errors import ProtocolError

MOST_BYTES = 4_000_000
"""A message longer than this is a broken stream."""

_HEAD = struct.Struct("<I")
_BROKEN = "The face's process sent something unreadable. Restart Kai."


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
    """The feeling that the face shows from this sample of a segment on; see `kai.avatar.feeling.Feeling`."""

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
    """The mood: idle, listening, thinking or speaking."""

    mood: str


@dataclass(frozen=True, slots=True)
class SetEmotion:
    """The feeling of speech that has none of its own (`Feel`), and of the moments before it."""

    emotion: str
    strength: float


@dataclass(frozen=True, slots=True)
class Rest:
    """Whether nobody speaks and nothing is awaited."""

    is_resting: bool


@dataclass(frozen=True, slots=True)
class SetLook:
    """The fields of a `kai.avatar.style.Style`."""

    style: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Load:
    """Load the face now. Without it a face that stands by loads what draws only when it was wanted for a while."""


@dataclass(frozen=True, slots=True)
class WantFrames:
    """Whether to draw or to rest."""

    wanted: bool


@dataclass(frozen=True, slots=True)
class WantSize:
    """The size of the square in which to draw: `kai.avatar.ladder.STANDARD_PX` or ``LARGE_PX``."""

    size_px: int


@dataclass(frozen=True, slots=True)
class Started:
    """The process runs and has its first picture (of the idle loop)."""


@dataclass(frozen=True, slots=True)
class Live:
    """The live face is ready, after this time."""

    mesh: str
    after_s: float


@dataclass(frozen=True, slots=True)
class FrameReady:
    """Frame number ``sequence`` is in the ring."""

    sequence: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The process cannot continue, or cannot make the requested look; with a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class DrawingPace:
    """The pace of the last seconds: the rung of the load ladder and the drawing time's 50th and 95th percentile."""

    size_px: int
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
    | SetEmotion
    | Rest
    | SetLook
    | Load
    | WantFrames
    | WantSize
    | Started
    | Live
    | FrameReady
    | Failed
    | DrawingPace
)


def missing(exc: ImportError) -> Failed:
    """Return what a process says that cannot import a package."""
    package = (exc.name or "a package").split(".")[0]
    return Failed(
        "face-import",
        f"The face needs {package}, which is not installed or does not work here. Run `make install`. "
        "Until then you see a still picture; the voice and the captions go on.",
    )


def encode(message: Message) -> bytes:
    """Return the message as bytes."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(content)) + content


_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Message)}


class _Unpickler(pickle.Unpickler):
    """Unpickles only the values of this module."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if module_name != __name__ or global_name not in _KINDS:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no message")
        return _KINDS[global_name]


_UNREADABLE = (
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    EOFError,
    struct.error,
)
"""The errors that the standard library raises for bytes that are no pickle."""


def _decode(content: bytes) -> Message:
    try:
        message = _Unpickler(io.BytesIO(content)).load()
    except _UNREADABLE as exc:
        raise ProtocolError(_BROKEN) from exc
    if not isinstance(message, Message):
        raise ProtocolError(_BROKEN)
    return message


class Decoder:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Add bytes and return the messages that are complete now. Raises `ProtocolError` when the stream is broken."""
        self._rest += data
        messages: list[Message] = []
        start = 0
        while len(self._rest) - start >= _HEAD.size:
            (length,) = _HEAD.unpack_from(self._rest, start)
            if length > MOST_BYTES:
                raise ProtocolError(_BROKEN)
            end = start + _HEAD.size + length
            if len(self._rest) < end:
                break
            messages.append(_decode(bytes(self._rest[start + _HEAD.size : end])))
            start = end
        del self._rest[:start]
        return messages
