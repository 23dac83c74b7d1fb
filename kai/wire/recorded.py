"""The file format of recordings: a session with a provider, a whole talk, or the data to repeat a plan of faults.

Each line is one JSON object. The first is the header: ``{"format": "kai-recording", "version": 1}`` and further facts of the
writer ("kind", versions of programs). Every other line is ``{"at_ms", "where", "what"}``: the milliseconds since the start of
the recording, the place ("events, ours"; "event"), and the content. A text that is a secret of the session, or sound, is
replaced by its length: ``<str, 42 characters>``.
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
    """Return the placeholder that replaces a text."""
    return f"<str, {len(text)} characters>"


def hidden_length(text: str) -> int | None:
    """Return the length of the text that this placeholder replaces, or ``None`` if it is not a placeholder."""
    found = _HIDDEN.fullmatch(text)
    return int(found[1]) if found else None


def to_text(entries: Iterable[Mapping[str, object]], about: Mapping[str, object] | None = None) -> str:
    """Return the content of a file. ``about`` is added to its header."""
    lines = [{"format": FORMAT, "version": VERSION, **(about or {})}, *entries]
    return "".join(json.dumps(line) + "\n" for line in lines)


def parts_of(text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the header and entries of a file. Raises `ProtocolError` if it is not a recording or is of a newer version."""
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
