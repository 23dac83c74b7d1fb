"""The words of a text, counted in one way wherever heard words are found, kept and shown."""

from __future__ import annotations

import re
from typing import Final

_DENSE: Final = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f]"
"""A character of a script that is written without spaces, or whose characters are whole syllables."""
_WORD: Final = re.compile(rf"{_DENSE}[^\w\s]*|(?:(?!{_DENSE})\S)+")


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text with their punctuation. In scripts without spaces, each character is a word."""
    return tuple(_WORD.findall(text))


def first_words(text: str, count: int) -> str:
    """Return the text up to the end of its ``count``-th word, as it is written."""
    end = 0
    for number, match in enumerate(_WORD.finditer(text)):
        if number == count:
            break
        end = match.end()
    return text[:end]
