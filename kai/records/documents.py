"""The person's own text files, uploaded on the page, which the local engine may search. They are in one private folder."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Final

from kai.compat.files import write_private
from kai.compat.text_files import decode_text
from kai.errors import ConfigError, KaiError

SUFFIXES: Final = (".md", ".markdown", ".txt")
MAX_FILE_BYTES: Final = 1 << 20
MAX_FILES: Final = 50
_NOT_IN_NAMES: Final = re.compile(r"[^\w .()+-]")


class DocumentError(KaiError):
    """A file cannot be accepted. The code says why: ``kind``, ``too-large``, ``not-text``, ``too-many``, ``write``."""

    code = "document"


class Documents:
    """At most 50 files of 1 MiB each. Every method may be called from any thread and reads the folder anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> tuple[str, ...]:
        """Return the names of the files, sorted."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.folder.iterdir() if path.suffix in SUFFIXES))

    def add(self, name: str, content: bytes) -> str:
        """Keep a file, replacing one of the same name, and return the name under which it is kept. Raises
        ``DocumentError``."""
        kept = _safe(name)
        if PurePath(kept).suffix not in SUFFIXES:
            raise DocumentError("Kai reads text and Markdown files: .txt, .md.", code="kind")
        if len(content) > MAX_FILE_BYTES:
            raise DocumentError("That file is larger than 1 MB. Split it, please.", code="too-large")
        try:
            content = decode_text(content, "That file").encode()
        except ConfigError as exc:
            raise DocumentError(exc.message, code="not-text") from exc
        names = self.names()
        if kept not in names and len(names) >= MAX_FILES:
            raise DocumentError(f"Kai keeps {MAX_FILES} files at most. Remove one first.", code="too-many")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.folder / kept, content)
        except OSError as exc:
            raise DocumentError(
                f"The file cannot be kept in {self.folder}. Look at its rights and free space.", code="write"
            ) from exc
        return kept

    def remove(self, name: str) -> None:
        """Delete a file, if it exists. Raises ``DocumentError``."""
        if name not in self.names():
            return
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as exc:
            raise DocumentError(f"The file in {self.folder} cannot be removed.", code="write") from exc


def _safe(name: str) -> str:
    """Return the last part of a path in characters that every system accepts, with a lower-case suffix."""
    last = PurePath(name.replace("\\", "/")).name
    clean = _NOT_IN_NAMES.sub("_", last).strip(" .")[-100:]
    path = PurePath(clean or "document.txt")
    return f"{path.stem}{path.suffix.lower()}"
