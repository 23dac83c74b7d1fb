"""The user's data folder, and its files that cannot be read."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import platformdirs


def data_folder(chosen: str | None = None) -> Path:
    """This user's data folder of Kai, there and private; or ``chosen``, where the settings name one. Raises ``OSError``."""
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("kai", appauthor=False)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def set_aside(path: Path) -> Path:
    """Move a file that cannot be read out of the way, beside itself. Gives its new path. Raises ``OSError``."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.stem}.broken-{stamp}-{secrets.token_hex(2)}{path.suffix}")
    path.replace(aside)
    return aside
