"""A tolerant reader of the streams of OpenAI-compatible chat endpoints: bytes in, frozen pieces out. No I/O.

The protocol has one specification and dozens of dialects: chunks without a delta, choices that are ``null``, contents as
lists of parts, arguments as objects, names repeated in every chunk, errors in the middle of a stream that began with 200, a
whole answer in place of a stream. Nothing here therefore relies on a message's form. `ChatReader` accepts any bytes, returns
the pieces that it understands, skips the others, and never raises.

An event is one JSON value after ``data:``. A line of plain JSON counts too, as does a body that is one JSON value.
Tool calls are returned by `ChatReader.finish`, when their arguments are complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from kai.wire.realtime import JsonObject

MAX_LINE_BYTES: Final = 4 << 20
MAX_TEXT_CHARS: Final = 200_000
"""A longer answer means that the model is stuck in a loop."""
MAX_TOOL_CALLS: Final = 16
MAX_ERROR_CHARS: Final = 2_000
MAX_DATA_LINES: Final = 64
"""The bound for the lines of one event."""

GARBLED: Final = "garbled"
"""The code of `AnswerFailed` if nothing that arrived was a chat answer."""


@dataclass(frozen=True, slots=True)
class Words:
    """The next words of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Thinking:
    """The model is thinking, in a field other than the answer's."""


@dataclass(frozen=True, slots=True)
class CalledTool:
    """A complete tool call; ``arguments`` is the JSON as the model wrote it.

    ``extra`` are fields beyond the protocol that the endpoint expects back with the call (Gemini's thought signature).
    """

    call_id: str
    name: str
    arguments: str
    extra: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """The answer is over. ``reason`` is ``stop``, ``length``, ``content_filter``, ``tool_calls``, or ``none`` if unknown."""

    reason: str
    completion_tokens: int | None = None
    tokens_per_s: float | None = None
    reasoning_content: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AnswerFailed:
    """The endpoint reported an error in place of an answer or of the rest of one.

    ``param`` is the request's parameter that the error concerns. ``text`` is the endpoint's own text. It may quote the key
    or the talk, so it is only for programs.
    """

    code: str = ""
    status: int | None = None
    param: str = ""
    text: str = field(default="", repr=False)


ChatPiece: TypeAlias = Words | Thinking | CalledTool | AnswerEnded | AnswerFailed

_REASONS: Final = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "refusal": "content_filter",
    "sensitive": "content_filter",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
}
_FAILED_REASONS: Final = frozenset({"error", "insufficient_system_resource", "network_error"})
_REASONING_FIELDS: Final = (
    "reasoning_content",
    "reasoning",
    "thinking",
    "reasoning_details",
    "reasoning_text",
)
_PROTOCOL_FIELDS_OF_A_CALL: Final = frozenset({"index", "id", "type", "function"})
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def whole_text(text: str) -> str:
    """Return ``text`` without control characters and with lone surrogates replaced, so that it can be sent and kept."""
    if _SURROGATES.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _CONTROLS.sub("", text)


@dataclass(slots=True)
class _Call:
    """A tool call that arrives piece by piece."""

    call_id: str = ""
    name: str = ""
    arguments: str = ""
    extra: dict[str, object] = field(default_factory=dict[str, object])

    @property
    def is_whole(self) -> bool:
        return isinstance(_json(self.arguments), dict)


class ChatReader:
    """Reads one answer. It buffers one line of at most 4 MiB, and the tool calls."""

    def __init__(self) -> None:
        self.is_done = False
        """True when the answer has ended, because the endpoint said so or by an error."""
        self.has_reason = False
        """True when the endpoint has reported how the answer ended. Usage figures may still follow."""
        self._line = b""
        self._data: list[str] = []
        self._plain: list[str] = []
        self._plain_chars = 0
        self._has_chunk = self._has_bytes = False
        self._choice: int | None = None
        self._calls: list[_Call] = []
        self._slots: dict[int, _Call] = {}
        self._half = ""
        self._chars = 0
        self._reason = "none"
        self._completion_tokens: int | None = None
        self._tokens_per_s: float | None = None
        self._reasoning: list[str] = []
        self._reasoning_chars = 0

    def feed(self, data: bytes) -> list[ChatPiece]:
        """Take the next bytes and return the pieces in them."""
        self._line += data
        *lines, self._line = self._line.split(b"\n")
        pieces: list[ChatPiece] = []
        for line in lines:
            for part in line.removesuffix(b"\r").split(b"\r"):
                pieces += self._take_line(part)
        if len(self._line) > MAX_LINE_BYTES:
            self._line = b""
            pieces += self._fail(AnswerFailed(GARBLED))
        return pieces

    def finish(self) -> list[ChatPiece]:
        """Return the remaining pieces at the end of the stream: the last words, the tool calls, and how the answer ended."""
        pieces: list[ChatPiece] = []
        for line in self._line.split(b"\r"):
            pieces += self._take_line(line)
        self._line = b""
        if not self._has_chunk and not self.is_done:
            whole = _json("\n".join(self._plain))
            pieces += self._take(whole)
            if not self._has_chunk and not self.is_done and self._has_bytes:
                pieces += self._fail(AnswerFailed(GARBLED))
        if self._half:
            pieces.append(Words("\N{REPLACEMENT CHARACTER}"))
            self._half = ""
        if not any(isinstance(piece, AnswerFailed) for piece in pieces):
            pieces += [
                CalledTool(call.call_id, call.name, call.arguments or "{}", call.extra)
                for call in self._calls
                if call.name
            ]
            reasoning = "".join(self._reasoning)
            pieces.append(AnswerEnded(self._reason, self._completion_tokens, self._tokens_per_s, reasoning))
        return pieces

    def _take_line(self, raw: bytes) -> list[ChatPiece]:
        line = raw.decode("utf-8", "replace").removeprefix("\ufeff").strip()
        if self.is_done:
            return []
        if not line:
            self._data.clear()
            return []
        name, colon, rest = line.partition(":")
        if colon and name.lower() == "data":
            return self._take_data(rest.strip())
        if line.startswith(":") or (colon and name.lower() in ("event", "id", "retry")):
            return []
        self._has_bytes = True
        value = _json(line)
        if isinstance(value, dict):
            return self._take(cast("object", value))
        if self._plain_chars < MAX_LINE_BYTES:
            self._plain.append(line)
            self._plain_chars += len(line)
        return []

    def _take_data(self, text: str) -> list[ChatPiece]:
        while text.startswith("data:"):  # some gateways add the prefix twice
            text = text.removeprefix("data:").strip()
        if text[:5].upper() == "[DONE":
            self.is_done = True
            return []
        self._has_bytes = True
        self._data.append(text)
        del self._data[:-MAX_DATA_LINES]
        # Nearly every server sends one value per line, but an event may also have several lines.
        for candidate in ("\n".join(self._data), text):
            value = _json(candidate)
            if value is not _NOTHING:
                self._data.clear()
                return self._take(value)
        return []

    def _take(self, value: object) -> list[ChatPiece]:
        if isinstance(value, list):  # Gemini's errors come in a list of one
            return [piece for each in _dicts(cast("object", value)) for piece in self._take(each)]
        if not isinstance(value, dict):
            return []
        chunk = cast("dict[str, Any]", value)
        if (failed := failure_in(chunk)) is not None:
            return self._fail(failed)
        choices = _dicts(chunk.get("choices"))
        self._has_chunk |= "choices" in chunk or "usage" in chunk or "message" in chunk or "timings" in chunk
        self._take_figures(chunk)
        if not choices and isinstance(chunk.get("message"), dict):
            choices = [chunk]
        pieces: list[ChatPiece] = []
        for choice in choices:
            index = _int(choice.get("index")) or 0
            if self._choice is None:
                self._choice = index
            if index == self._choice and not self.is_done:
                pieces += self._take_choice(choice)
        return pieces

    def _take_figures(self, chunk: JsonObject) -> None:
        match chunk.get("usage"):
            case {"completion_tokens": int(tokens)} if not isinstance(tokens, bool) and tokens >= 0:
                self._completion_tokens = tokens
            case _:
                pass
        match chunk.get("timings"):  # llama.cpp's extension of the protocol
            case {"predicted_per_second": int() | float() as speed} if 0 < speed < 1e6:
                self._tokens_per_s = float(speed)
            case _:
                pass

    def _take_choice(self, choice: JsonObject) -> list[ChatPiece]:
        delta = choice.get("delta")
        if not isinstance(delta, dict) or not delta:
            delta = choice.get("message")
        if not isinstance(delta, dict):
            delta = {"content": choice.get("text")}
        pieces = self._take_delta(cast("dict[str, Any]", delta))
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self.has_reason = True
            if reason.lower() in _FAILED_REASONS:
                return [*pieces, *self._fail(AnswerFailed(reason.lower(), 500))]
            self._reason = _REASONS.get(reason.lower(), "stop")
        return pieces

    def _take_delta(self, delta: JsonObject) -> list[ChatPiece]:
        pieces: list[ChatPiece] = []
        if any(delta.get(name) for name in _REASONING_FIELDS):
            pieces.append(Thinking())
            reasoning = delta.get("reasoning_content")
            if isinstance(reasoning, str) and self._reasoning_chars < MAX_TEXT_CHARS:
                self._reasoning.append(whole_text(reasoning))
                self._reasoning_chars += len(reasoning)
        content, has_thought = _text_of(delta.get("content"))
        refusal = delta.get("refusal")  # the model's text in place of an answer
        text = content + (refusal if isinstance(refusal, str) else "")
        if has_thought and not text:
            pieces.append(Thinking())
        if text := self._cleaned(text):
            pieces.append(Words(text))
            self._chars += len(text)
            if self._chars > MAX_TEXT_CHARS:
                self._reason, self.is_done = "length", True
        for part in _dicts(delta.get("tool_calls")):
            self._add_call(part)
            pieces.append(Thinking())
        old = delta.get("function_call")
        if isinstance(old, dict) and old:
            self._add_call({"index": 0, "function": old})
        return pieces

    def _cleaned(self, text: str) -> str:
        """Clean a text, joining surrogate pairs that some endpoints split across two chunks."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole_text(text)

    def _add_call(self, part: JsonObject) -> None:
        given: Any = part.get("function")
        function = cast("JsonObject", given) if isinstance(given, dict) else {}
        call_id = whole_text(_str(part.get("id")))[:200]
        name = whole_text(_str(function.get("name")))[:200]
        arguments = function.get("arguments")
        call = self._call_of(part, call_id, name, arguments)
        if call is None:
            return
        call.call_id = call.call_id or call_id
        if not call.name or name.startswith(call.name):
            call.name = name or call.name
        elif name and not call.arguments and not call.name.endswith(name):
            call.name += name  # the name arrives in pieces
        if isinstance(arguments, str):
            if len(call.arguments) < MAX_TEXT_CHARS and not (call.is_whole and arguments == call.arguments):
                call.arguments += whole_text(arguments)
        elif isinstance(arguments, dict | list) and arguments:
            call.arguments = whole_text(_dumped(cast("object", arguments)))
        call.extra.update(
            {key: value for key, value in part.items() if key not in _PROTOCOL_FIELDS_OF_A_CALL and value}
        )

    def _call_of(self, part: JsonObject, call_id: str, name: str, arguments: object) -> _Call | None:
        """Return the call to which a part belongs, or ``None`` if there are too many calls.

        The index identifies it. Some endpoints, however, omit the index or use the same one for every call. There, a new id
        begins a new call, as does a second name with its own arguments after a complete call.
        """
        known = next((call for call in self._calls if call_id and call.call_id == call_id), None)
        if known is not None:
            return known
        index = _int(part.get("index"))
        slot = self._slots.get(index) if index is not None else (self._calls[-1] if self._calls else None)
        if slot is not None:
            # OCI gives every piece of a call its own id, but only the first piece has the name.
            is_another_id = bool(call_id and slot.call_id and name)
            is_second = bool(name and arguments and slot.is_whole and arguments != slot.arguments)
            if not is_another_id and not is_second:
                return slot
        if len(self._calls) >= MAX_TOOL_CALLS:
            return None
        call = _Call()
        self._calls.append(call)
        if index is not None:
            self._slots[index] = call
        return call

    def _fail(self, failed: AnswerFailed) -> list[ChatPiece]:
        self.is_done = self._has_chunk = True
        return [failed]


def failure_in(value: object, status: int | None = None) -> AnswerFailed | None:
    """Return the error that a JSON value reports in any of the known forms, or ``None``."""
    if isinstance(value, list) and value:  # Gemini's errors come in a list of one
        value = cast("object", value[0])
    if not isinstance(value, dict):
        return None
    body = cast("dict[str, Any]", value)
    error = body.get("error")
    if not error and (body.get("object") == "error" or body.get("type") == "error"):
        error = body
    if not error and not body.get("choices") and (detail := body.get("detail") or body.get("errors")):
        error = detail
    if not error and status is not None:
        error = body
    if not error:
        return None
    text = _error_text(cast("object", error))
    param = _error_param(cast("object", error))
    code, told = "", None
    if isinstance(error, dict):
        fields = cast("dict[str, Any]", error)
        code = _str(fields.get("code")) or _str(fields.get("type")) or _str(fields.get("status"))
        told = _int(fields.get("code")) or _int(fields.get("status"))
    told = told if told is not None and 400 <= told < 600 else None
    return AnswerFailed(code[:100], status or told, param, text[:MAX_ERROR_CHARS])


def read_failure(body: bytes, status: int) -> AnswerFailed:
    """Return the error in the body of an HTTP error, or the body's text if it is not JSON."""
    text = body.decode("utf-8", "replace")
    found = failure_in(_json(text), status)
    return found or AnswerFailed("", status, "", text[:MAX_ERROR_CHARS])


def _error_text(error: object) -> str:
    match error:
        case str():
            return error
        case {"message": str(message)}:
            return message
        case {"msg": str(message)}:
            return message
        case _:
            return _dumped(error)


def _error_param(error: object) -> str:
    """Return OpenAI's ``param``, or the field that a validating server names."""
    match error:
        case {"param": str(param)}:
            return param
        case {"loc": [*_, str(name)]}:
            return name
        case [{"loc": [*_, str(name)]}, *_]:
            return name
        case _:
            return ""


def _text_of(content: object, depth: int = 0) -> tuple[str, bool]:
    """Return the text of a message's content (a text, a part, or a list of parts), and whether it held anything else."""
    if depth > 3:
        return "", False
    match content:
        case str():
            return content, False
        case list():
            found = [_text_of(part, depth + 1) for part in cast("list[object]", content)]
            return "".join(text for text, _ in found), any(has_other for _, has_other in found)
        case {"type": str(kind)} if kind not in ("text", "output_text", "refusal"):
            return "", True
        case {"text": text} | {"value": text} | {"refusal": text} | {"content": text}:
            return _text_of(cast("object", text), depth + 1)
        case _:
            return "", False


_NOTHING: Final = object()


def _json(text: str) -> Any:
    """Return the JSON value, or `_NOTHING` if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NOTHING


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _dicts(value: Any) -> list[JsonObject]:
    """Return the objects in a list. A single object counts as a list of one."""
    if isinstance(value, dict):
        return [cast("JsonObject", value)]
    if not isinstance(value, list):
        return []
    return [cast("JsonObject", each) for each in cast("list[Any]", value) if isinstance(each, dict)]


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""


def _int(value: object) -> int | None:
    """Return an index or a status, even if it is written as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 9:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
