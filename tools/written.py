"""Shared by the tools that write a file of this repository: write the file, or with ``--check`` only compare it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def write_or_check(path: Path, text: str, tool: str, doc: str | None) -> None:
    """The whole ``main`` of such a tool, whose docstring is ``doc``. Ends with code 1 when ``--check`` finds another text."""
    options = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    options.add_argument(
        "--check", action="store_true", help="only compare; code 1 when the file is out of date"
    )
    if not options.parse_args().check:
        path.write_text(text, encoding="utf-8")
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.exit(f"{path.name} is out of date. Run: .venv/bin/python tools/{Path(tool).name}")
