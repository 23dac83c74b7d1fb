"""The file of what was recorded: a session with a provider, a whole talk, or what is needed to run a plan of faults again.

One JSON object a line. The first is the header: ``{"format": "kai-recording", "version": 1}``, and what the writer knows
besides ("kind", versions of programs). Every other one is ``{"at_ms", "where", "what"}``: milliseconds since the recording
began, where it was said ("events, ours"; "event"), and what. In place of a text that opens a session, or is sound, stands its
length: ``<str, 42 characters>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from kai.errors import ProtocolError

FORMAT: Final = "kai-recording"
VERSION: Final = 1
_HIDDEN: Final = re.compile(r"<str, (\d+) characters>")


def hide(text: str) -> str:
    """What stands in place of a text."""
    return f"<str, {len(text)} characters>"


def hidden_length(text: str) -> int | None:
    """How many characters a text had in whose place this stands; ``None`` where it is no such place."""
    found = _HIDDEN.fullmatch(text)
    return int(found[1]) if found else None


def to_text(entries: Iterable[Mapping[str, object]], about: Mapping[str, object] | None = None) -> str:
    """The whole file; ``about`` is added to its header."""
    lines = [{"format": FORMAT, "version": VERSION, **(about or {})}, *entries]
    return "".join(json.dumps(line) + "\n" for line in lines)


def entries_of(text: str) -> list[dict[str, Any]]:
    """The entries of a file. Raises `ProtocolError` for what is no recording of this format and version."""
    return parts_of(text)[1]


def parts_of(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the entries of a file. Raises `ProtocolError` for what is no recording, or one of a newer version."""
    try:
        lines: list[Any] = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError as exc:
        raise ProtocolError("The recording is no file of JSON lines.", code="bad_recording") from exc
    if not lines or not all(isinstance(line, dict) for line in lines):
        raise ProtocolError("The recording is no file of JSON lines.", code="bad_recording")
    header, *entries = cast("list[dict[str, Any]]", lines)
    version = header.get("version")
    if header.get("format") != FORMAT or not isinstance(version, int):
        raise ProtocolError("This file is no recording of Kai's.", code="bad_recording")
    if version > VERSION:
        raise ProtocolError(
            f"This recording was written by a newer Kai (format {version}, this one knows {VERSION}). Read it with that Kai.",
            code="bad_recording",
        )
    return header, entries
