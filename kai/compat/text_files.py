"""Reads text files that people provide (settings, documents, presets), in whatever encoding a program wrote them.

Windows' PowerShell writes UTF-16 with a byte order mark, and older editors write code page 1252 without declaring it. A byte
order mark is trusted. Without one the bytes are read as UTF-8, or as code page 1252 if they are not valid UTF-8. If they are
not text in any of these, the error names the file and says what to do.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from kai.errors import ConfigError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    # This must come before UTF-16, whose little-endian mark is a prefix of it.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
"""Control characters that do not occur in text, unlike tabs, line feeds and form feeds."""


def decode_text(data: bytes, name: str) -> str:
    """Return the text of a file called ``name``, with line ends as ``\\n``. Raises ``ConfigError`` if it is not text."""
    mark, encoding = next(((mark, code) for mark, code in _MARKS if data.startswith(mark)), (b"", ""))
    text: str | None = None
    for candidate in (encoding,) if encoding else (_wide_encoding(data) or "utf-8", "cp1252"):
        try:
            text = data[len(mark) :].decode(candidate)
            break
        except UnicodeDecodeError:
            continue
    if text is None or _NO_TEXT.search(text):
        raise ConfigError(f"{name} cannot be read as text. Save it as UTF-8, please.", code="not-text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text_file(path: Path) -> str:
    """Return the text of a file. Raises ``ConfigError`` if it cannot be read or is not text."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(
            f"{path.name} cannot be read ({exc.strerror or 'unknown reason'}). Look at its rights.",
            code="unreadable",
        ) from exc
    return decode_text(data, path.name)


def _wide_encoding(data: bytes) -> str:
    """Detect UTF-16 without a mark: in Western text every second byte of it is zero, while UTF-8 text has no zero bytes."""
    pairs = len(data) // 2
    if pairs < 2 or len(data) % 2:
        return ""
    if data[1::2].count(0) * 2 > pairs and not data[0::2].count(0):
        return "utf-16-le"
    if data[0::2].count(0) * 2 > pairs and not data[1::2].count(0):
        return "utf-16-be"
    return ""
