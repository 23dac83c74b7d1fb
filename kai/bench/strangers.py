"""Python environments of others' clients, made once in the user's cache: none of their packages is in our requirements.

``KAI_STRANGERS_DIR`` names another folder. The bench compares Kai with these clients, and the tests let them
meet our servers.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import platformdirs

INSTALL_S: Final = 600.0


def folder() -> Path:
    """Return where strangers live."""
    chosen = os.environ.get("KAI_STRANGERS_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("kai", appauthor=False) / "strangers"


def python_with(*requirements: str, is_whole_list: bool = False) -> Path:
    """Return a Python that has these packages and none of ours. With ``is_whole_list``, what they require is not installed.

    Raises `OSError` or `subprocess.SubprocessError` if they cannot be installed.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    what = ("--no-deps", *requirements) if is_whole_list else requirements

    def install(place: Path) -> None:
        # Our pip installs them, so that another one need not be unpacked. Only the few imported modules get bytecode.
        run(sys.executable, "-m", "venv", "--without-pip", str(place))
        pip = (sys.executable, "-m", "pip", "--python", str(_python(place)))
        run(*pip, "install", "--quiet", "--no-compile", *what)

    return _python(made_once("\n".join((version, *what)), install))


def made_once(recipe: str, install: Callable[[Path], None]) -> Path:
    """Return the folder of a recipe. It is made elsewhere and then moved, so that it is either whole or absent."""
    place = folder() / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as workshop:
        made = Path(workshop) / "made"
        install(made)
        (made / "recipe.txt").write_text(recipe)
        if not place.is_dir():  # another process may have been quicker
            made.rename(place)
    return place


def run(*command: str, cwd: Path | None = None) -> None:
    """Run that command; raises with its output if it fails."""
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S, cwd=cwd)


def _python(place: Path) -> Path:
    return place / ("Scripts" if os.name == "nt" else "bin") / "python"
