"""The one reader of text files that a person gives: settings, documents, presets, whatever program wrote them.

Windows' PowerShell writes UTF-16 with a byte order mark, older editors write the Western code page 1252, and neither says so.
A mark is believed; without one the bytes are UTF-8, or, where they cannot be, code page 1252. Bytes that are no text in any
of these are refused in a sentence that names the file and says what to do.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Final

from kai.errors import ConfigError

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    # UTF-32's little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f\ufffe\uffff]")
"""Control characters that no text has, but for those that move on a printer."""


def decode_text(data: bytes, name: str) -> str:
    """The text of a file called ``name``, its lines ended by ``\\n``. Raises ``ConfigError`` where it is none."""
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


def read_text_file(path: Path, name: str | None = None) -> str:
    """The text of a file. Raises ``ConfigError`` where it cannot be read, or is no text."""
    told = name or path.name
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(
            f"{told} cannot be read ({exc.strerror or 'unknown reason'}). Look at its rights.",
            code="unreadable",
        ) from exc
    return decode_text(data, told)


def _wide_encoding(data: bytes) -> str:
    """UTF-16 without its mark: every second byte of Western text is zero there, and no byte of UTF-8 text is."""
    pairs = len(data) // 2
    if pairs < 2 or len(data) % 2:
        return ""
    if data[1::2].count(0) * 2 > pairs and not data[0::2].count(0):
        return "utf-16-le"
    if data[0::2].count(0) * 2 > pairs and not data[1::2].count(0):
        return "utf-16-be"
    return ""
