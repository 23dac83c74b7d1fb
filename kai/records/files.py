"""Small files in the user's data folder: written in one step, private to the user, set aside when they cannot be read."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

import platformdirs


def data_folder(chosen: str | None = None) -> Path:
    """This user's data folder of Kai, there and private; or ``chosen``, where the settings name one. Raises ``OSError``."""
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("kai", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def write_private(path: Path, content: bytes) -> None:
    """Replace the file in one step, readable by this user alone. Raises ``OSError``; the old file then stays."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Move a file that cannot be read out of the way, beside itself. Gives its new path. Raises ``OSError``."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.stem}.broken-{stamp}-{secrets.token_hex(2)}{path.suffix}")
    path.replace(aside)
    return aside
