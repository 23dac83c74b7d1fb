"""An answer whose words are given: the metadata of a ``response.create`` by which our own engine says them as they are.

The Realtime protocol has no message for this. Other services ignore the metadata, and follow the instructions.
"""

from __future__ import annotations

from typing import Final

from kai.wire.realtime import JsonObject

KEY: Final = "kai_say"
_MOST_CHARS: Final = 512
"""The protocol's limit for a value of metadata."""


def metadata_of(words: str) -> JsonObject:
    """Return the metadata of an answer in these words."""
    return {KEY: words[:_MOST_CHARS]}


def words_in(metadata: JsonObject | None) -> str:
    """Return the words that an answer's metadata gives, or "" if it gives none."""
    words = (metadata or {}).get(KEY)
    return words.strip() if isinstance(words, str) else ""
