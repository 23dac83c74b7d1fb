"""OpenAI's Realtime protocol (GA) as frozen messages, for both roles.

Class names follow our vocabulary; field names and the ``TYPE`` of each class are those of the wire. An absent optional field
is ``None``. The session, whose absent fields are `UNSET`, is `kai.wire.session_object`.

A client encodes `ClientEvent` and decodes `ServerEvent`; a server does the reverse. Additions by a peer are harmless: extra
fields are dropped and unknown server events become `UnknownEvent`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TypeAlias

from kai.errors import ProtocolError
from kai.wire import _shape
from kai.wire._shape import UNSET, JsonObject, Unset
from kai.wire.session_object import AudioOutputConfig, SessionConfig


class ClientMistake(ProtocolError):
    """A client's message cannot be accepted. Holds the parts of the ``error`` event that answers it."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        code: str = "invalid_value",
        event_id: str | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.param = param
        self.event_id = event_id


# Values inside messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPart:
    """One part of an item. In ``response.content_part.*`` `type` is ``text`` or ``audio``; in an item it is ``input_text``,
    ``input_audio``, ``input_image``, ``output_text`` or ``output_audio``.

    A person's speech has a ``transcript`` of ``null`` until it is known, because clients treat an absent one as an error.
    """

    type: str
    text: str | None = None
    transcript: str | None = field(default=None, metadata=_shape.as_null_in("input_audio"))
    audio: str | None = None
    image_url: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of the conversation: a ``message``, ``function_call``, ``function_call_output`` or newer kind."""

    type: str
    id: str | None = None
    object: str | None = None
    status: str | None = None
    role: str | None = None
    content: tuple[ContentPart, ...] | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTokensDetails:
    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTokenDetails:
    """Input tokens by kind. Cached tokens are included in the other counts."""

    text_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0
    cached_tokens: int = 0
    cached_tokens_details: CachedTokensDetails = CachedTokensDetails()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTokenDetails:
    text_tokens: int = 0
    audio_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one response."""

    total_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: InputTokenDetails = InputTokenDetails()
    output_token_details: OutputTokenDetails = OutputTokenDetails()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionUsage:
    """The cost of one transcription. ``type`` is ``tokens`` or ``duration`` (then `seconds` is set)."""

    type: str
    seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProb:
    """The confidence of one transcribed token, as the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetail:
    """``event_id`` is the id of the client event that caused the error, if any."""

    message: str
    type: str | None = None
    code: str | None = field(default=None, metadata=_shape.AS_NULL)
    param: str | None = field(default=None, metadata=_shape.AS_NULL)
    event_id: str | None = field(default=None, metadata=_shape.AS_NULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDetails:
    """Why a response ended: `reason` is ``turn_detected``, ``client_cancelled``, ``max_output_tokens``..."""

    type: str | None = None
    reason: str | None = None
    error: ErrorDetail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """``status`` is ``in_progress``, ``completed``, ``cancelled``, ``incomplete`` or ``failed``."""

    id: str
    status: str
    object: str = "realtime.response"
    status_details: StatusDetails | None = field(default=None, metadata=_shape.AS_NULL)
    output: tuple[Item, ...] = ()
    output_modalities: tuple[str, ...] | None = None
    conversation_id: str | None = None
    max_output_tokens: int | str | None = None
    metadata: JsonObject | None = field(default=None, metadata=_shape.AS_NULL)
    usage: Usage | None = field(default=None, metadata=_shape.AS_NULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    id: str
    object: str = "realtime.conversation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseAudioConfig:
    output: AudioOutputConfig | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseParams:
    """The settings that ``response.create`` may change for one response."""

    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    audio: ResponseAudioConfig | None = None
    max_output_tokens: int | str | None = None
    conversation: str | None = None
    input: tuple[Item, ...] | None = None
    metadata: JsonObject | None = None
    tools: tuple[JsonObject, ...] | None = None
    tool_choice: str | JsonObject | None = None


# Client events


@_shape.message("session.update")
class SessionUpdate(_shape.WireMessage):
    session: SessionConfig


@_shape.message("conversation.item.create")
class ItemCreate(_shape.WireMessage):
    """A `previous_item_id` of ``root`` puts the item first; without one the item is last."""

    item: Item
    previous_item_id: str | None = None


@_shape.message("conversation.item.retrieve")
class ItemRetrieve(_shape.WireMessage):
    item_id: str


@_shape.message("conversation.item.delete")
class ItemDelete(_shape.WireMessage):
    item_id: str


@_shape.message("conversation.item.truncate")
class ItemTruncate(_shape.WireMessage):
    item_id: str
    content_index: int
    audio_end_ms: int


@_shape.message("input_audio_buffer.append")
class InputAudioAppend(_shape.WireMessage):
    """`audio` is base64 in the session's input format."""

    audio: str


@_shape.message("input_audio_buffer.commit")
class InputAudioCommit(_shape.WireMessage):
    """The person's turn is over: the sound that was appended becomes an item."""


@_shape.message("input_audio_buffer.clear")
class InputAudioClear(_shape.WireMessage):
    """Drop the sound that was appended since the last item."""


@_shape.message("output_audio_buffer.clear")
class OutputAudioClear(_shape.WireMessage):
    """Drop the sound of the answer that was not sent yet. WebRTC only."""


@_shape.message("response.create")
class ResponseCreate(_shape.WireMessage):
    response: ResponseParams | None = None


@_shape.message("response.cancel")
class ResponseCancel(_shape.WireMessage):
    response_id: str | None = None


ClientEvent: TypeAlias = (
    SessionUpdate
    | ItemCreate
    | ItemRetrieve
    | ItemDelete
    | ItemTruncate
    | InputAudioAppend
    | InputAudioCommit
    | InputAudioClear
    | OutputAudioClear
    | ResponseCreate
    | ResponseCancel
)


# Server events


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfContent(_shape.WireMessage):
    """An event of one part of an item of a response."""

    response_id: str
    item_id: str
    output_index: int
    content_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfCall(_shape.WireMessage):
    """An event of a function call that is an item of a response."""

    response_id: str
    item_id: str
    output_index: int
    call_id: str


@_shape.message("session.created")
class SessionCreated(_shape.WireMessage):
    session: SessionConfig


@_shape.message("session.updated")
class SessionUpdated(_shape.WireMessage):
    session: SessionConfig


@_shape.message("conversation.created")
class ConversationCreated(_shape.WireMessage):
    conversation: Conversation


@_shape.message("conversation.item.added")
class ItemAdded(_shape.WireMessage):
    item: Item
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)


@_shape.message("conversation.item.done")
class ItemDone(_shape.WireMessage):
    item: Item
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)


@_shape.message("conversation.item.retrieved")
class ItemRetrieved(_shape.WireMessage):
    item: Item


@_shape.message("conversation.item.deleted")
class ItemDeleted(_shape.WireMessage):
    item_id: str


@_shape.message("conversation.item.truncated")
class ItemTruncated(_shape.WireMessage):
    item_id: str
    content_index: int
    audio_end_ms: int


@_shape.message("conversation.item.input_audio_transcription.delta")
class TranscriptionDelta(_shape.WireMessage):
    """A part of the person's words, provisional until `TranscriptionCompleted` of the same item."""

    item_id: str
    content_index: int | None = None
    delta: str | None = None


@_shape.message("conversation.item.input_audio_transcription.completed")
class TranscriptionCompleted(_shape.WireMessage):
    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptionUsage | None = None
    logprobs: tuple[LogProb, ...] | None = None


@_shape.message("conversation.item.input_audio_transcription.failed")
class TranscriptionFailed(_shape.WireMessage):
    item_id: str
    content_index: int
    error: ErrorDetail


@_shape.message("input_audio_buffer.speech_started")
class SpeechStarted(_shape.WireMessage):
    item_id: str
    audio_start_ms: int


@_shape.message("input_audio_buffer.speech_stopped")
class SpeechStopped(_shape.WireMessage):
    item_id: str
    audio_end_ms: int


@_shape.message("input_audio_buffer.timeout_triggered")
class TimeoutTriggered(_shape.WireMessage):
    """The person was silent for `idle_timeout_ms` after Kai spoke. The silence is committed as `item_id` and answered."""

    item_id: str
    audio_start_ms: int
    audio_end_ms: int


@_shape.message("input_audio_buffer.committed")
class InputAudioCommitted(_shape.WireMessage):
    item_id: str
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)


@_shape.message("input_audio_buffer.cleared")
class InputAudioCleared(_shape.WireMessage):
    """The sound that was appended is dropped."""


@_shape.message("output_audio_buffer.started")
class OutputAudioStarted(_shape.WireMessage):
    """The first sound of the response is sent as RTP."""

    response_id: str


@_shape.message("output_audio_buffer.stopped")
class OutputAudioStopped(_shape.WireMessage):
    """The last sound of the response was sent as RTP."""

    response_id: str


@_shape.message("output_audio_buffer.cleared")
class OutputAudioCleared(_shape.WireMessage):
    """The unplayed sound of the response was dropped."""

    response_id: str


@_shape.message("response.created")
class ResponseCreated(_shape.WireMessage):
    response: Response


@_shape.message("response.done")
class ResponseDone(_shape.WireMessage):
    """The response was generated. It has been heard only at `OutputAudioStopped`."""

    response: Response


@_shape.message("response.output_item.added")
class OutputItemAdded(_shape.WireMessage):
    response_id: str
    output_index: int
    item: Item


@_shape.message("response.output_item.done")
class OutputItemDone(_shape.WireMessage):
    response_id: str
    output_index: int
    item: Item


@_shape.message("response.content_part.added")
class ContentPartAdded(_OfContent):
    part: ContentPart


@_shape.message("response.content_part.done")
class ContentPartDone(_OfContent):
    part: ContentPart


@_shape.message("response.output_text.delta")
class OutputTextDelta(_OfContent):
    delta: str


@_shape.message("response.output_text.done")
class OutputTextDone(_OfContent):
    text: str


@_shape.message("response.output_audio_transcript.delta")
class OutputTranscriptDelta(_OfContent):
    """The next words of Kai's answer."""

    delta: str


@_shape.message("response.output_audio_transcript.done")
class OutputTranscriptDone(_OfContent):
    transcript: str


@_shape.message("response.output_audio.delta")
class OutputAudioDelta(_OfContent):
    """Sound as base64 in the session's output format. WebSocket only."""

    delta: str


@_shape.message("response.output_audio.done")
class OutputAudioDone(_OfContent):
    """The response's last `OutputAudioDelta` was sent. WebSocket only."""


@_shape.message("response.function_call_arguments.delta")
class FunctionArgumentsDelta(_OfCall):
    delta: str


@_shape.message("response.function_call_arguments.done")
class FunctionArgumentsDone(_OfCall):
    arguments: str
    name: str | None = None


@_shape.message("rate_limits.updated")
class RateLimitsUpdated(_shape.WireMessage):
    rate_limits: tuple[RateLimit, ...]


@_shape.message("error")
class ErrorOccurred(_shape.WireMessage):
    """Most errors leave the session open; `error.event_id` names the client event that caused it."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event of an unknown type; `payload` is the whole message."""

    type: str
    payload: JsonObject


KnownServerEvent: TypeAlias = (
    SessionCreated
    | SessionUpdated
    | ConversationCreated
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | TranscriptionDelta
    | TranscriptionCompleted
    | TranscriptionFailed
    | SpeechStarted
    | SpeechStopped
    | TimeoutTriggered
    | InputAudioCommitted
    | InputAudioCleared
    | OutputAudioStarted
    | OutputAudioStopped
    | OutputAudioCleared
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | OutputTranscriptDelta
    | OutputTranscriptDone
    | OutputAudioDelta
    | OutputAudioDone
    | FunctionArgumentsDelta
    | FunctionArgumentsDone
    | RateLimitsUpdated
    | ErrorOccurred
)
ServerEvent: TypeAlias = KnownServerEvent | UnknownEvent

_CLIENT_TYPES: dict[str, type[ClientEvent]] = {cls.TYPE: cls for cls in ClientEvent.__args__}
_SERVER_TYPES: dict[str, type[KnownServerEvent]] = {cls.TYPE: cls for cls in KnownServerEvent.__args__}


# The codec


def encode(event: ClientEvent | ServerEvent) -> str:
    """Return `event` as one line of JSON."""
    if isinstance(event, UnknownEvent):
        return json.dumps(event.payload, separators=(",", ":"))
    return _shape.encode(event)


def decode_client(text: str | bytes) -> ClientEvent:
    """Return the client's event. Raises `ClientMistake` for bad JSON, an unknown type, or a missing or ill-typed field."""
    message = parse_object(text)
    event_id = told if isinstance(told := message.get("event_id"), str) else None
    kind = message.get("type")
    if not isinstance(kind, str):
        raise ClientMistake(
            "Missing required parameter: 'type'.",
            code="missing_required_parameter",
            param="type",
            event_id=event_id,
        )
    cls = _CLIENT_TYPES.get(kind)
    if cls is None:
        supported = ", ".join(repr(name) for name in sorted(_CLIENT_TYPES))
        raise ClientMistake(
            f"Invalid value: '{kind[:80]}'. Supported values are: {supported}.",
            param="type",
            event_id=event_id,
        )
    try:
        return _shape.from_json(cls, message)
    except _shape.ShapeError as exc:
        raise ClientMistake(exc.message, code=exc.code, param=exc.param, event_id=event_id) from exc


def decode_server(text: str | bytes) -> ServerEvent:
    """Return the server's event, or an `UnknownEvent` for an unknown type.

    Raises `ProtocolError` if it is not a JSON object with a ``type``, or lacks a required field.
    """
    message = _shape.parse(text)
    kind = message.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("The server sent a message without a type.", code="no_type")
    cls = _SERVER_TYPES.get(kind)
    if cls is None:
        return UnknownEvent(kind, message)
    try:
        return _shape.from_json(cls, message)
    except _shape.ShapeError as exc:
        raise ProtocolError(f"The server sent a broken {kind}: {exc.message}", code=exc.code) from exc


def parse_object(text: str | bytes) -> JsonObject:
    """Return the JSON object in a client's `text`. Raises `ClientMistake`."""
    try:
        return _shape.parse(text)
    except ProtocolError as exc:
        raise ClientMistake(exc.message, code="invalid_json") from exc


def encode_session(session: SessionConfig) -> JsonObject:
    """Return the session object of the wire, as ``calls.create`` and ``client_secrets`` take it."""
    return _shape.to_json(session)


def decode_session(value: object) -> SessionConfig:
    """Return the session in a parsed session object. Raises `ClientMistake`."""
    try:
        return _shape.from_json(SessionConfig, value, path="session")
    except _shape.ShapeError as exc:
        raise ClientMistake(exc.message, code=exc.code, param=exc.param) from exc
