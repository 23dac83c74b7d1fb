"""OpenAI's Realtime protocol (GA) as frozen messages, for both roles.

Class names follow our vocabulary; field names and the ``TYPE`` of each class are those of the wire. An absent optional field
is ``None``, or `UNSET` where the wire distinguishes "absent" from ``null``, as in the session, which is merged.

A client encodes `ClientEvent` and decodes `ServerEvent`; a server does the reverse. Additions by a peer are harmless: extra
fields are dropped and unknown server events become `UnknownEvent`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeAlias

from kai.errors import ProtocolError
from kai.wire import _shape
from kai.wire._shape import UNSET, JsonObject, Unset


class ClientMistake(ProtocolError):
    """A client's message cannot be accepted. Holds the parts of the ``error`` event that answers it."""

    def __init__(
        self, message: str, *, code: str, param: str | None = None, event_id: str | None = None
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


# The session object


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """``audio/pcm`` (with ``rate`` 24000), ``audio/pcmu`` or ``audio/pcma``. It applies to a WebSocket's sound only."""

    type: str
    rate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReduction:
    """``near_field`` or ``far_field``."""

    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionConfig:
    model: str | Unset = UNSET
    language: str | Unset = UNSET
    prompt: str | Unset = UNSET
    keywords: tuple[str, ...] | Unset = UNSET
    languages: tuple[str, ...] | Unset = UNSET


IDLE_TIMEOUT_RANGE_MS: Final = (5_000, 30_000)
"""The range of `TurnDetection.idle_timeout_ms` in OpenAI's reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """``server_vad`` (threshold to `idle_timeout_ms`) or ``semantic_vad`` (`eagerness`)."""

    type: str
    threshold: float | Unset = UNSET
    prefix_padding_ms: int | Unset = UNSET
    silence_duration_ms: int | Unset = UNSET
    idle_timeout_ms: int | None | Unset = UNSET
    eagerness: str | Unset = UNSET
    create_response: bool | Unset = UNSET
    interrupt_response: bool | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioInputConfig:
    format: AudioFormat | Unset = UNSET
    noise_reduction: NoiseReduction | None | Unset = UNSET
    transcription: TranscriptionConfig | None | Unset = UNSET
    turn_detection: TurnDetection | None | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOutputConfig:
    """`kai_voice` exists in our own engine only: unlike `voice`, it may change after the first sound."""

    format: AudioFormat | Unset = UNSET
    voice: str | JsonObject | Unset = UNSET
    speed: float | Unset = UNSET
    kai_voice: str | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioConfig:
    input: AudioInputConfig | Unset = UNSET
    output: AudioOutputConfig | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """The session object as a client requests it or, with `id` and `expires_at`, as the server has it. `kai_name`, the
    character's, exists in our own engine only."""

    type: str
    model: str | Unset = UNSET
    instructions: str | Unset = UNSET
    output_modalities: tuple[str, ...] | Unset = UNSET
    audio: AudioConfig | Unset = UNSET
    tools: tuple[JsonObject, ...] | Unset = UNSET
    tool_choice: str | JsonObject | Unset = UNSET
    parallel_tool_calls: bool | Unset = UNSET
    reasoning: JsonObject | None | Unset = UNSET
    max_output_tokens: int | str | Unset = UNSET
    truncation: str | JsonObject | Unset = UNSET
    tracing: str | JsonObject | None | Unset = UNSET
    include: tuple[str, ...] | None | Unset = UNSET
    object: str | Unset = UNSET
    id: str | Unset = UNSET
    expires_at: int | None | Unset = UNSET
    kai_name: str | Unset = UNSET


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    TYPE: ClassVar[str] = "session.update"
    session: SessionConfig
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemCreate:
    """A `previous_item_id` of ``root`` puts the item first; without one the item is last."""

    TYPE: ClassVar[str] = "conversation.item.create"
    item: Item
    previous_item_id: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetrieve:
    TYPE: ClassVar[str] = "conversation.item.retrieve"
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDelete:
    TYPE: ClassVar[str] = "conversation.item.delete"
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTruncate:
    TYPE: ClassVar[str] = "conversation.item.truncate"
    item_id: str
    content_index: int
    audio_end_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudioAppend:
    """`audio` is base64 in the session's input format."""

    TYPE: ClassVar[str] = "input_audio_buffer.append"
    audio: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudioCommit:
    TYPE: ClassVar[str] = "input_audio_buffer.commit"
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudioClear:
    TYPE: ClassVar[str] = "input_audio_buffer.clear"
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioClear:
    TYPE: ClassVar[str] = "output_audio_buffer.clear"
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCreate:
    TYPE: ClassVar[str] = "response.create"
    response: ResponseParams | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCancel:
    TYPE: ClassVar[str] = "response.cancel"
    response_id: str | None = None
    event_id: str | None = None


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
class SessionCreated:
    TYPE: ClassVar[str] = "session.created"
    session: SessionConfig
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdated:
    TYPE: ClassVar[str] = "session.updated"
    session: SessionConfig
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCreated:
    TYPE: ClassVar[str] = "conversation.created"
    conversation: Conversation
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAdded:
    TYPE: ClassVar[str] = "conversation.item.added"
    item: Item
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDone:
    TYPE: ClassVar[str] = "conversation.item.done"
    item: Item
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRetrieved:
    TYPE: ClassVar[str] = "conversation.item.retrieved"
    item: Item
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDeleted:
    TYPE: ClassVar[str] = "conversation.item.deleted"
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTruncated:
    TYPE: ClassVar[str] = "conversation.item.truncated"
    item_id: str
    content_index: int
    audio_end_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionDelta:
    """A part of the person's words, provisional until `TranscriptionCompleted` of the same item."""

    TYPE: ClassVar[str] = "conversation.item.input_audio_transcription.delta"
    item_id: str
    content_index: int | None = None
    delta: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionCompleted:
    TYPE: ClassVar[str] = "conversation.item.input_audio_transcription.completed"
    item_id: str
    content_index: int
    transcript: str
    usage: TranscriptionUsage | None = None
    logprobs: tuple[LogProb, ...] | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionFailed:
    TYPE: ClassVar[str] = "conversation.item.input_audio_transcription.failed"
    item_id: str
    content_index: int
    error: ErrorDetail
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    TYPE: ClassVar[str] = "input_audio_buffer.speech_started"
    item_id: str
    audio_start_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    TYPE: ClassVar[str] = "input_audio_buffer.speech_stopped"
    item_id: str
    audio_end_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutTriggered:
    """The person was silent for `idle_timeout_ms` after Kai spoke. The silence is committed as `item_id` and answered."""

    TYPE: ClassVar[str] = "input_audio_buffer.timeout_triggered"
    item_id: str
    audio_start_ms: int
    audio_end_ms: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudioCommitted:
    TYPE: ClassVar[str] = "input_audio_buffer.committed"
    item_id: str
    previous_item_id: str | None = field(default=None, metadata=_shape.AS_NULL)
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudioCleared:
    TYPE: ClassVar[str] = "input_audio_buffer.cleared"
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioStarted:
    """The first sound of the response is sent as RTP."""

    TYPE: ClassVar[str] = "output_audio_buffer.started"
    response_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioStopped:
    """The last sound of the response was sent as RTP."""

    TYPE: ClassVar[str] = "output_audio_buffer.stopped"
    response_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioCleared:
    """The unplayed sound of the response was dropped."""

    TYPE: ClassVar[str] = "output_audio_buffer.cleared"
    response_id: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseCreated:
    TYPE: ClassVar[str] = "response.created"
    response: Response
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """The response was generated. It has been heard only at `OutputAudioStopped`."""

    TYPE: ClassVar[str] = "response.done"
    response: Response
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemAdded:
    TYPE: ClassVar[str] = "response.output_item.added"
    response_id: str
    output_index: int
    item: Item
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputItemDone:
    TYPE: ClassVar[str] = "response.output_item.done"
    response_id: str
    output_index: int
    item: Item
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartAdded:
    TYPE: ClassVar[str] = "response.content_part.added"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: ContentPart
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPartDone:
    TYPE: ClassVar[str] = "response.content_part.done"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    part: ContentPart
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDelta:
    TYPE: ClassVar[str] = "response.output_text.delta"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTextDone:
    TYPE: ClassVar[str] = "response.output_text.done"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    text: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTranscriptDelta:
    """The next words of Kai's answer."""

    TYPE: ClassVar[str] = "response.output_audio_transcript.delta"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTranscriptDone:
    TYPE: ClassVar[str] = "response.output_audio_transcript.done"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    transcript: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioDelta:
    """Sound as base64 in the session's output format. WebSocket only."""

    TYPE: ClassVar[str] = "response.output_audio.delta"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAudioDone:
    TYPE: ClassVar[str] = "response.output_audio.done"
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionArgumentsDelta:
    TYPE: ClassVar[str] = "response.function_call_arguments.delta"
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    delta: str
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionArgumentsDone:
    TYPE: ClassVar[str] = "response.function_call_arguments.done"
    response_id: str
    item_id: str
    output_index: int
    call_id: str
    arguments: str
    name: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitsUpdated:
    TYPE: ClassVar[str] = "rate_limits.updated"
    rate_limits: tuple[RateLimit, ...]
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorOccurred:
    """Most errors leave the session open; `error.event_id` names the client event that caused it."""

    TYPE: ClassVar[str] = "error"
    error: ErrorDetail
    event_id: str | None = None


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
    return json.dumps({"type": event.TYPE, **_shape.to_json(event)}, separators=(",", ":"))


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
            code="invalid_value",
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


def decode_session(value: object, *, path: str = "session") -> SessionConfig:
    """Return the session in a parsed session object. Raises `ClientMistake`."""
    try:
        return _shape.from_json(SessionConfig, value, path=path)
    except _shape.ShapeError as exc:
        raise ClientMistake(exc.message, code=exc.code, param=exc.param) from exc
