"""Atomic replacement of files, in which a reader sees either the old file or the whole new one; and the folder of caches."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

import platformdirs


@contextlib.contextmanager
def replacing(path: Path, *, is_durable: bool = False) -> Generator[BinaryIO]:
    """Open a new file, readable by this user only, that replaces ``path`` when the block ends.

    If the block raises, or writing fails (``OSError``), the old file is kept. ``is_durable`` waits for the disk, so that the
    new file survives a power cut. The folder must exist.
    """
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def write_private(path: Path, content: bytes, *, is_durable: bool = False) -> None:
    """Replace the file by one with ``content``. See `replacing`."""
    with replacing(path, is_durable=is_durable) as file:
        file.write(content)


def cache_root() -> Path:
    """Return Kai's folder for files that can be made again; ``KAI_CACHE_DIR`` moves it."""
    return Path(os.environ.get("KAI_CACHE_DIR") or platformdirs.user_cache_dir("kai"))
