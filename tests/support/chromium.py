"""Where a Chromium is on this machine. Standard library only, so that `tools/get_browser.py` can use it before the tests."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge-stable")
MAC_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_chromium() -> Path | None:
    """The browser that the tests drive, or None.

    Looked for in this order: ``KAI_CHROMIUM``, the system's own, then the one that Playwright keeps for itself.
    """
    named = os.environ.get("KAI_CHROMIUM")
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    for name in NAMES:
        found = shutil.which(name)
        # Ubuntu's snap sees neither our sound files nor a profile under /tmp.
        if (
            found
            and not Path(found).resolve().as_posix().startswith("/snap/")
            and not is_snap_stub(Path(found))
        ):
            return Path(found)
    for app in MAC_APPS:
        if sys.platform == "darwin" and os.access(app, os.X_OK):
            return Path(app)
    return find_playwrights_own()


def is_snap_stub(path: Path) -> bool:
    """Whether the file is Ubuntu's shell script that only starts the snap."""
    with path.open("rb") as file:
        head = file.read(4096)
    return head.startswith(b"#!") and b"/snap/bin" in head


def find_playwrights_own() -> Path | None:
    """The Chromium that ``playwright install chromium`` fetched, newest first, or None."""
    homes = [
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH"),
        os.path.expanduser("~/.cache/ms-playwright"),
        os.path.expanduser("~/Library/Caches/ms-playwright"),
        os.path.expandvars(r"%LOCALAPPDATA%\ms-playwright"),
    ]
    binaries = ("chrome", "Chromium", "Google Chrome for Testing", "chrome.exe", "headless_shell")
    for home in homes:
        if not home or not Path(home).is_dir():
            continue
        for folder in sorted(Path(home).glob("chromium*-*"), key=revision_of, reverse=True):
            for binary in binaries:
                for path in folder.rglob(binary):
                    if path.is_file() and os.access(path, os.X_OK):
                        return path
    return None


def revision_of(folder: Path) -> tuple[bool, int]:
    """Sort key of Playwright's folders: the whole browser before the headless shell, then the newer build."""
    name, _, revision = folder.name.rpartition("-")
    return name == "chromium", int(revision) if revision.isdigit() else 0
