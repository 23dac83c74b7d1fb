"""A talk as a report: every event with its time, so that the talk can be replayed (`python -m kai.replay`).

Words are replaced by the same number of placeholders, unless a person wants to keep them. Equal texts get equal placeholders
and different texts different ones, so that the report replays like the talk. Only fields that are known to hold no words
(ids, codes, choices) are written unchanged; a field that is added to an event later is hidden until it is listed here.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Final

from kai.core import journal
from kai.core.events import Event
from kai.core.state import SessionState
from kai.errors import ProtocolError
from kai.wire import recorded

KIND: Final = "talk"

# fmt: off
PLAIN: Final = frozenset((
    "id", "item_id", "response_id", "segment_id", "call_id", "session_id", "sessions.0", "pending_text.0",
    "cancelled", "code", "status", "reason", "kind", "mind", "name", "role", "face", "face_name", "voice",
    "character", "runs", "transport", "model", "time_zone", "tools", "avatar_id", "quality", "encoding",
    "skin", "lip", "hair", "brow", "iris", "cloth", "accent", "background", "hairstyle", "transcription_model",
    "transcription_language",
))
# fmt: on
"""Fields that hold no one's words. (A ``message`` is not among them, since a provider may quote the talk in it.)"""

PACKAGES: Final = (
    "streamlit",
    "streamlit-webrtc",
    "aiortc",
    "openai",
    "livekit",
    "ctranslate2",
    "onnxruntime",
)
"""Packages whose versions a bug report needs."""

Journal = Sequence[tuple[float, Event]]


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was read: the versions that wrote it, the state before its first event, and its events."""

    versions: dict[str, str]
    state: SessionState
    journal: tuple[tuple[float, Event], ...]
    has_words: bool = False


def versions() -> dict[str, str]:
    """Return the versions of Python, the system and the main packages, by name."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return {"Python": platform.python_version(), "System": system} | {
        name: metadata.version(name) for name in PACKAGES
    }


def write(state: SessionState, events: Journal, named: Mapping[str, str], *, has_words: bool = False) -> str:
    """Return the report's file: the state before the first event, then every event with its time. ``named`` are further
    facts for the reader, such as Kai's version, which precede the versions of the packages."""
    hide = _Hiding(has_words)
    began_s = events[0][0] if events else 0.0
    entries: list[dict[str, object]] = [
        {"at_ms": 0, "where": "state", "what": journal.to_plain(state, hide)},
        *(
            {
                "at_ms": round((at - began_s) * 1000),
                "where": "event",
                "what": {"at_s": at, "event": journal.to_plain(event, hide)},
            }
            for at, event in events
        ),
    ]
    about = {"kind": KIND, "has_words": has_words, "versions": dict(named) | versions()}
    return recorded.to_text(entries, about)


def read(text: str) -> Report:
    """Read a report's file. Raises `ProtocolError`, with a message for people, if it is not a report."""
    header, entries = recorded.parts_of(text)
    if header.get("kind") != KIND:
        raise ProtocolError("This recording is not of a talk.", code="bad_recording")
    state = SessionState()
    events: list[tuple[float, Event]] = []
    try:
        for entry in entries:
            match entry:
                case {"where": "state", "what": what}:
                    state = journal.to_state(what)
                case {"where": "event", "what": {"at_s": float() | int() as at, "event": event}}:
                    events.append((at, journal.to_event(event)))
                case _:
                    raise ProtocolError(
                        "There is a line in this report that is no event.", code="bad_recording"
                    )
    except RecursionError as exc:
        raise ProtocolError("This file is no report of a talk.", code="bad_recording") from exc
    told = header.get("versions")
    named = {str(k): str(v) for k, v in told.items()} if isinstance(told, dict) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return Report(named, state, tuple(events), has_words=header.get("has_words") is True)


class _Hiding:
    """Replaces texts by placeholders, one for each word; equal texts get equal placeholders."""

    def __init__(self, has_words: bool) -> None:
        self._has_words = has_words
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def __call__(self, name: str, text: str) -> str:
        is_kept = name in PLAIN or self._has_words
        if is_kept or not text.strip():
            return text
        if text not in self._given:
            veiled = re.sub(r"\S+", "x", text)
            number = self._taken[veiled] = self._taken.get(veiled, 0) + 1
            # A number on the first word distinguishes texts with the same number of words.
            self._given[text] = veiled if number == 1 else re.sub("x", f"x{number}", veiled, count=1)
        return self._given[text]
