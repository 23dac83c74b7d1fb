"""Viseme and word times of Kai's speech: the messages of our private data channel ``kai-marks``.

The channel is not part of the Realtime protocol. The engine offers it with the header ``X-Kai-Marks: 1`` in its answer to
``POST /v1/realtime/calls``. The client then opens a second data channel of that label, and the engine sends one message per
clause as soon as the clause's position in the sound is known, before the sound is sent as RTP. A WebSocket has no marks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from kai.errors import ProtocolError
from kai.wire import _shape

CHANNEL_LABEL: Final = "kai-marks"
HEADER: Final = "X-Kai-Marks"


class Mark(NamedTuple):
    """`name` (a phoneme, a viseme or a word) lasts from `start_ms` to `end_ms` after the clause's first sample."""

    name: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseMarks:
    """The times within one clause of `item_id`.

    `rtp_time` is the RTP timestamp (32 bits, 48 000 Hz, wraps) of the clause's first sample in that call's sound;
    `duration_ms` is the clause's length. `visemes` has one name for each stretch of time, silence included.
    """

    item_id: str
    rtp_time: int
    duration_ms: int
    text: str
    phonemes: tuple[Mark, ...] = ()
    visemes: tuple[Mark, ...] = ()
    words: tuple[Mark, ...] = ()


def encode(marks: ClauseMarks) -> str:
    """Return the message as JSON. A mark is written as ``[name, start_ms, end_ms]``."""
    message = {"type": "marks", **_shape.to_json(marks)}
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


def decode(text: str | bytes) -> ClauseMarks | None:
    """Return the marks, or ``None`` for a message of an unknown type. Raises `ProtocolError`."""
    message = _shape.parse(text)
    if message.get("type") != "marks":
        return None
    match message:
        case {
            "item_id": str(item_id),
            "rtp_time": int(rtp_time),
            "duration_ms": int(duration_ms),
            "text": str(words),
        }:
            return ClauseMarks(
                item_id=item_id,
                rtp_time=rtp_time,
                duration_ms=duration_ms,
                text=words,
                **{name: _marks(message, name) for name in ("phonemes", "visemes", "words")},
            )
        case _:
            raise ProtocolError("A marks message lacks a field.", code="bad_marks")


def _marks(message: _shape.JsonObject, name: str) -> tuple[Mark, ...]:
    rows = message.get(name, [])
    if not isinstance(rows, list):
        raise ProtocolError(f"The {name} of a marks message are no list.", code="bad_marks")
    marks: list[Mark] = []
    for row in cast("list[object]", rows):
        match row:
            case [str(label), int(start_ms), int(end_ms)]:
                marks.append(Mark(label, start_ms, end_ms))
            case _:
                raise ProtocolError(f"The {name} of a marks message are broken.", code="bad_marks")
    return tuple(marks)
