"""HeyGen's LiveAvatar protocol in LITE mode as frozen messages, for both roles: the bodies of the REST calls, and the events
of the control WebSocket.

A client encodes `Command` and decodes `Event`; a server does the reverse. Field names and each ``TYPE`` are those of the
wire. Additions by a peer are harmless: extra fields are dropped, unknown events become `UnknownEvent`, and a ``payload``
wrapper around an event's fields is removed.

A client reads leniently, because messages of the service have been observed in several forms: numbers as whole floats,
``state`` in place of ``new_state``, a string in place of an object, a start without its ``session_id``. An unreadable field
must not invalidate a start, which is paid, or an event. A server reads strictly, as the service does.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import ClassVar, Final, TypeAlias, TypeVar, cast

from kai.errors import ProtocolError
from kai.wire import _shape
from kai.wire._shape import JsonObject
from kai.wire.retry_after import parse_retry_after

T = TypeVar("T")

MAX_PACKET_BYTES: Final = 1_000_000
SUCCESS_CODE: Final = 1000
"""The reference says 100, but the published SDK throws unless it is 1000. We go by the HTTP status."""
CONCURRENCY_CODE: Final = 4003
SANDBOX_AVATAR_ID: Final = "dd73ea75-1218-4ef3-92ce-606d5f7fbc0a"
SANDBOX_S: Final = 60
AVATAR_IDENTITY: Final = "heygen"

QUALITIES: Final[Mapping[str, int]] = {"very_high": 1080, "high": 720, "medium": 480, "low": 360}
"""Picture heights in pixels."""
ENCODINGS: Final = ("H264", "VP8")


class EndReason(StrEnum):
    """Why a session ended."""

    UNKNOWN = "UNKNOWN"
    USER_DISCONNECTED = "USER_DISCONNECTED"
    SERVER_ERROR = "SERVER_ERROR"
    IDLE_TIMEOUT = "IDLE_TIMEOUT"
    NO_CREDITS = "NO_CREDITS"
    USER_CLOSED = "USER_CLOSED"
    AVATAR_DELETED = "AVATAR_DELETED"
    MAX_DURATION_REACHED = "MAX_DURATION_REACHED"
    ZOMBIE_SESSION_REAP = "ZOMBIE_SESSION_REAP"
    AGENT_HANG_UP = "AGENT_HANG_UP"


class Refusal(ProtocolError):
    """The service answered with an error: the HTTP ``status``, its own ``number`` (0 if absent), and the seconds to wait
    before another try, if given. ``said`` is the service's text, for logs and to distinguish refusals."""

    def __init__(self, status: int, number: int, said: str, retry_after_s: float = 0.0) -> None:
        super().__init__(
            f"The avatar service refused the request ({status}).",
            code=f"liveavatar-{number or status}",
            retry_after_s=retry_after_s,
        )
        self.status = status
        self.number = number
        self.said = said

    @property
    def longest_s(self) -> int | None:
        """The longest allowed session, if the service named it when it refused a longer one."""
        found = re.search(r"maximum allowed \(?(\d+)", self.said)
        return int(found[1]) if found else None


# REST bodies


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    quality: str = "high"
    encoding: str = "H264"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """Body of ``POST /v1/sessions/token``. ``max_session_duration`` is in seconds, at most the plan's limit."""

    avatar_id: str
    mode: str = "LITE"
    is_sandbox: bool = False
    video_settings: VideoSettings | None = None
    max_session_duration: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenGrant:
    """Answer to `TokenRequest`. Nothing is billed yet. The token is valid for `start`, `stop` and `keep-alive` of this
    session."""

    session_id: str
    session_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGrant:
    """Answer to ``POST /v1/sessions/start``; billing has begun. ``ws_url`` contains its own authorisation.

    ``ws_url`` is absent unless the session is plain LITE; ``max_session_duration`` (seconds) is sometimes absent.
    ``session_id`` is empty if the answer has none; it is then the token's.
    """

    livekit_url: str
    livekit_client_token: str = field(repr=False)
    session_id: str = ""
    livekit_agent_token: str | None = field(default=None, repr=False)
    max_session_duration: int | None = None
    ws_url: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """Body of ``stop`` and ``keep-alive``. Both fields may be omitted with the session's own token."""

    session_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEntry:
    """One session of the account. ``duration`` is in seconds; ``end_reason`` is set once it has ended."""

    id: str
    created_at: str = ""
    updated_at: str = ""
    duration: float = 0.0
    source: str = "API"
    mode: str = "LITE"
    is_sandbox: bool = False
    credits_consumed: float = 0.0
    end_at: str | None = None
    end_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Avatar:
    """An avatar of the account or of the public list."""

    id: str
    name: str
    status: str = "ACTIVE"
    type: str = "VIDEO"
    preview_url: str | None = None
    is_1080p: bool = False
    is_expired: bool = False

    @property
    def is_usable(self) -> bool:
        """True when a session can be started with the avatar."""
        return self.status == "ACTIVE" and not self.is_expired


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    results: tuple[JsonObject, ...]
    next: str | None = None


def encode_body(
    body: TokenRequest | TokenGrant | StartGrant | SessionRequest | SessionEntry | Avatar,
) -> JsonObject:
    """Return the JSON object of a body, without fields that are ``None``."""
    return _shape.to_json(body)


def decode_request(cls: type[T], value: object) -> T:
    """Read a ``cls`` strictly from the body of a client's request. Raises `ProtocolError`, which names the field."""
    return _shape.from_json(cls, value)


def decode_answer(cls: type[T], value: object) -> T:
    """Read a ``cls`` leniently from the service's answer. Raises `ProtocolError`, which names a required field."""
    return _shape.from_json(cls, value, is_lenient=True)


def decode_page(cls: type[T], value: object) -> tuple[tuple[T, ...], bool]:
    """Return the entries of one page, and whether another page follows. Unreadable entries are skipped."""
    page = _shape.from_json(_Page, value, is_lenient=True)
    entries: list[T] = []
    for entry in page.results:
        try:
            entries.append(_shape.from_json(cls, entry, is_lenient=True))
        except ProtocolError:
            continue
    return tuple(entries), bool(page.next)


def decode_credits(value: object) -> Decimal:
    """Return the credits left from ``GET /v1/users/credits``, which gives them as a string. Raises `ProtocolError`."""
    match value:
        case {"credits_left": str() | int() | float() as left}:
            try:
                return Decimal(str(left))
            except InvalidOperation as exc:
                raise ProtocolError("The credits left are no number.", code="bad_credits") from exc
        case _:
            raise ProtocolError("The answer does not tell the credits left.", code="bad_credits")


def envelope(data: object, *, number: int = SUCCESS_CODE, message: str = "OK") -> JsonObject:
    """Return the envelope of every answer except a 422."""
    return {"code": number, "data": data, "message": message}


def open_envelope(status: int, text: str | bytes, retry_after: str | None = None) -> object:
    """Return the ``data`` of an answer. Raises `Refusal` for any status but 2xx, and `ProtocolError` for a broken answer.

    A 422 has FastAPI's form without an envelope; other errors have their text in ``message`` or in ``data``.
    """
    is_good = 200 <= status < 300
    try:
        body = _shape.parse(text) if text else {}
    except ProtocolError:
        if is_good:
            raise
        body = {}
    if is_good:
        return body.get("data")
    number = body.get("code")
    wait_s = parse_retry_after(retry_after) or 0.0
    raise Refusal(status, number if isinstance(number, int) else 0, _error_text(body), wait_s)


def _error_text(body: JsonObject) -> str:
    match body:
        case {"message": str(text)} if text:
            return text
        case {"detail": [{"msg": str(text)}, *_]} | {"detail": str(text)}:
            return text
        case {"data": {"message": str(text)}} | {"data": [{"message": str(text)}, *_]}:
            return text
        case _:
            return ""


# Commands of the client


@_shape.message("agent.speak")
class Speak(_shape.WireMessage):
    """Sound to speak: base64 of 16-bit PCM, 24 000 Hz. An utterance has one ``event_id``."""

    audio: str = field(repr=False)


@_shape.message("agent.speak_end")
class SpeakEnd(_shape.WireMessage):
    """The utterance is complete. Without this command the avatar stays talking. It may contain a last piece of sound."""

    audio: str | None = field(default=None, repr=False)


@_shape.message("agent.interrupt")
class Interrupt(_shape.WireMessage):
    """Drop the queued sound and the video that was not rendered. Sound sent afterwards begins a new utterance."""


@_shape.message("agent.start_listening")
class StartListening(_shape.WireMessage):
    """Have the avatar look as if it listened."""


@_shape.message("agent.stop_listening")
class StopListening(_shape.WireMessage):
    """Have the avatar stop looking as if it listened."""


@_shape.message("session.keep_alive")
class KeepAlive(_shape.WireMessage):
    """Put off the end of a session in which nothing happens."""


Command: TypeAlias = Speak | SpeakEnd | Interrupt | StartListening | StopListening | KeepAlive


# Events of the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    FROM_TEXT: ClassVar[str] = "id"
    id: str = ""


@_shape.message("session.state_updated")
class SessionStateUpdated(_shape.WireMessage):
    state: str

    @property
    def is_ready(self) -> bool:
        """True when commands are accepted from now on. Earlier commands are silently ignored."""
        return self.state == "connected"

    @property
    def is_gone(self) -> bool:
        return self.state in ("closing", "closed", "disconnected")


@_shape.message("agent.state_updated")
class AgentStateUpdated(_shape.WireMessage):
    """``new_state`` is ``idle``, ``listening`` or ``talking``; some versions call it ``state``."""

    new_state: str
    previous_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfUtterance(_shape.WireMessage):
    """``event_id`` is the server's own in some versions and the command's in others; `utterance_id` is right in both."""

    source_event_id: str | None = None
    task: Task | None = None

    @property
    def utterance_id(self) -> str | None:
        return self.source_event_id or self.event_id


@_shape.message("agent.speak_started")
class SpeakStarted(_OfUtterance):
    """The avatar begins to speak the utterance."""


@_shape.message("agent.speak_ended")
class SpeakEnded(_OfUtterance):
    """The avatar has spoken the utterance."""


@_shape.message("agent.speak_interrupted")
class SpeakInterrupted(_OfUtterance):
    """The avatar was interrupted in the utterance."""


@_shape.message("agent.audio_buffer_appended")
class BufferAppended(_OfUtterance):
    """A `Speak` arrived."""


@_shape.message("agent.audio_buffer_committed")
class BufferCommitted(_OfUtterance):
    """A `SpeakEnd` arrived. This does not mean that the utterance was played."""


@_shape.message("agent.audio_buffer_cleared")
class BufferCleared(_OfUtterance):
    """An `Interrupt` was carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """``type`` is ``invalid_request_error``, ``server_error`` or ``video_starvation``."""

    FROM_TEXT: ClassVar[str] = "message"
    type: str = ""
    message: str = ""
    event_id: str | None = None


@_shape.message("error")
class ErrorOccurred(_shape.WireMessage):
    error: ErrorDetail = ErrorDetail()


@_shape.message("warning")
class WarningGiven(_shape.WireMessage):
    warning: ErrorDetail = ErrorDetail()


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of an unknown type."""

    type: str


KnownEvent: TypeAlias = (
    SessionStateUpdated
    | AgentStateUpdated
    | SpeakStarted
    | SpeakEnded
    | SpeakInterrupted
    | BufferAppended
    | BufferCommitted
    | BufferCleared
    | ErrorOccurred
    | WarningGiven
)
Event: TypeAlias = KnownEvent | UnknownEvent

_COMMANDS: dict[str, type[Command]] = {cls.TYPE: cls for cls in Command.__args__}
_EVENTS: dict[str, type[KnownEvent]] = {cls.TYPE: cls for cls in KnownEvent.__args__}


# The codec


def encode(message: Command | KnownEvent) -> str:
    """Return the message as one line of JSON."""
    return _shape.encode(message)


def decode_command(text: str | bytes) -> Command | None:
    """Return the client's command, or ``None`` for an unknown type (the service ignores those). Raises `ProtocolError`."""
    message = _shape.parse(text)
    cls = _COMMANDS.get(str(message.get("type")))
    return None if cls is None else _shape.from_json(cls, message)


def decode_event(text: str | bytes) -> Event:
    """Return the server's event. Raises `ProtocolError` if it is not a JSON object with a ``type``, or lacks a field."""
    message = _shape.parse(text)
    kind = message.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("The avatar service sent a message without a type.", code="no_type")
    cls = _EVENTS.get(kind)
    if cls is None:
        return UnknownEvent(kind)
    payload = message.get("payload")
    if isinstance(payload, dict):
        message = {**message, **cast("dict[str, object]", payload)}
    if cls is AgentStateUpdated:
        message = {**message, "new_state": message.get("new_state") or message.get("state")}
    return _shape.from_json(cls, message, is_lenient=True)


def encode_pcm(pcm: bytes) -> str:
    """Return little-endian 16-bit PCM in base64."""
    return base64.b64encode(pcm).decode("ascii")


def decode_pcm(audio: str) -> bytes:
    """Return the PCM in base64 text. Raises `ProtocolError` in the service's own words."""
    try:
        return base64.b64decode(audio, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ProtocolError("invalid base64 audio data", code="invalid_request_error") from exc
