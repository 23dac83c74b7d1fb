"""Get a Chromium for the browser tests, and say loudly when none can be had.

Installs Debian's own with apt, as root or with passwordless sudo, or else Playwright's. The tool never fails: tests/browser
decides what a missing browser means (skipped and counted for a person, a failure if CI=true or KAI_REQUIRE_BROWSER=1).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.chromium import find_chromium  # noqa: E402

APT_PACKAGES = ("chromium", "fonts-dejavu-core", "iproute2")
APT_DEADLINE_S = 600
PLAYWRIGHT_DEADLINE_S = 300


def is_debian() -> bool:
    """Return whether apt's ``chromium`` is a real browser here (Ubuntu's is a stub for a snap, useless for the tests)."""
    try:
        release = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return "ID=debian" in release and shutil.which("apt-get") is not None


def root_prefix() -> list[str] | None:
    """Return the prefix of a command that needs root: nothing or sudo, or ``None`` when neither is possible."""
    if os.name == "nt":
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"], 10, is_quiet=True):
        return ["sudo", "-n"]
    return None


def run(command: list[str], deadline_s: float, *, is_quiet: bool = False) -> bool:
    """Run a command; return whether it succeeded within its deadline, and otherwise show its last lines."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        if not is_quiet:
            print(f"  {' '.join(command)}: {type(exc).__name__}", flush=True)
        return False
    if done.returncode != 0 and not is_quiet:
        print("".join(done.stdout.splitlines(keepends=True)[-8:]), flush=True)
    return done.returncode == 0


def get_by_apt() -> bool:
    """Install Debian's Chromium, and `ip` for the tests without a network."""
    prefix = root_prefix()
    if prefix is None or not is_debian():
        return False
    print("Getting Chromium for the browser tests (apt)", flush=True)
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    install = [*prefix, *env, "apt-get", "install", "-y", "-q", "--no-install-recommends", *APT_PACKAGES]
    # The package lists may be old or empty, so update them first; a failed update does not matter.
    run([*prefix, *env, "apt-get", "update", "-q"], APT_DEADLINE_S)
    return run(install, APT_DEADLINE_S)


def get_by_playwright() -> bool:
    """Fetch Playwright's own build, with the system's libraries where we may install them."""
    print("Getting Chromium for the browser tests (Playwright's own)", flush=True)
    command = [sys.executable, "-m", "playwright", "install"]
    if sys.platform == "linux" and root_prefix() is not None:
        command.append("--with-deps")
    return run([*command, "chromium"], PLAYWRIGHT_DEADLINE_S)


def main() -> None:
    """Find a browser, else get one, else say that there is none."""
    is_named = bool(os.environ.get("KAI_CHROMIUM"))  # a person's own choice is respected, even if it is wrong
    if find_chromium() is None and not is_named and not (get_by_apt() and find_chromium()):
        get_by_playwright()
    if find_chromium() is None:
        print(
            "\n"
            "  ------------------------------------------------------------------------------\n"
            "  NO BROWSER: the tests under tests/browser are left out; the last lines count them.\n"
            "  Install Chromium or Chrome, or set KAI_CHROMIUM to one, and run this again.\n"
            "  ------------------------------------------------------------------------------\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
