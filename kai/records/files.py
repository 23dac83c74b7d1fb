"""The user's data folder, and the handling of unreadable files in it."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import platformdirs


def data_folder(chosen: str | None = None) -> Path:
    """Return Kai's data folder of this user, or ``chosen`` if it is set, creating a private one if needed. Raises
    ``OSError``."""
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("kai", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def set_aside(path: Path) -> Path:
    """Rename an unreadable file in its folder and return its new path. Raises ``OSError``."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.stem}.broken-{stamp}-{secrets.token_hex(2)}{path.suffix}")
    path.replace(aside)
    return aside
