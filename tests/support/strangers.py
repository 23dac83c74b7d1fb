"""Clients that others wrote, installed unmodified and outside of the project, for the tests that meet them.

Each set of packages gets a folder of its own in the user's cache (``KAI_STRANGERS_DIR`` names another), made once: a virtual
environment for Python's, a bundle for a page of what npm has. Nothing of them is in our requirements. Where they cannot be
had the tests are left out, loudly; CI, and anybody who sets ``KAI_REQUIRE_STRANGERS=1``, gets failures.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEFT_OUT = "stranger left out:"
"""How the reason of such a skip begins; the run's summary looks for it."""

ESBUILD = "esbuild@0.28.2"
HTML = b"<!doctype html><title>A stranger</title><video autoplay playsinline></video><script src=/bundle.js></script>"
INSTALL_S = 600.0


def folder() -> Path:
    """Where strangers live."""
    chosen = os.environ.get("KAI_STRANGERS_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("kai", appauthor=False) / "strangers"


def python_with(*requirements: str, is_whole_list: bool = False) -> Path:
    """A Python that has these packages, and nothing of ours; ``is_whole_list``: not what they say they need either."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    what = ("--no-deps", *requirements) if is_whole_list else requirements

    def install(place: Path) -> None:
        # Our pip does it, for one of its own takes 3 s to unpack; bytecode is left to the imports, which are few.
        run(sys.executable, "-m", "venv", "--without-pip", str(place))
        pip = (sys.executable, "-m", "pip", "--python", str(_python(place)))
        run(*pip, "install", "--quiet", "--no-compile", *what)

    return _python(_made_once("\n".join((version, *what)), install))


def seen_by(python: Path, client: Path, *arguments: str, within_s: float) -> Any:
    """The JSON that a client, run by that Python, printed of what it saw; it must end well."""
    done = subprocess.run(
        [str(python), str(client), *arguments], capture_output=True, text=True, timeout=within_s, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def bundle_with(*packages: str, entry: str) -> Path:
    """One script for a page, made by esbuild of ``entry`` (an ES module) and these npm packages."""
    npm = shutil.which("npm")
    if npm is None:
        leave_out("there is no npm (Debian: `apt install npm`)")

    def install(place: Path) -> None:
        place.mkdir()
        (place / "package.json").write_text('{"private": true, "type": "module"}')
        (place / "entry.js").write_text(entry)
        # Scripts of packages are not run; esbuild's binary is a package by itself.
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        run(npm, "install", *quiet, ESBUILD, *packages, cwd=place)
        esbuild = place / "node_modules" / ".bin" / "esbuild"
        options = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
        run(str(esbuild), "entry.js", *options, "--outfile=bundle.js", cwd=place)

    return _made_once("\n".join((ESBUILD, *packages, entry)), install) / "bundle.js"


def leave_out(reason: str) -> None:
    """Skip the test, or fail it where strangers are required."""
    if os.environ.get("CI", "").lower() in {"1", "true"} or os.environ.get("KAI_REQUIRE_STRANGERS") == "1":
        pytest.fail(f"{LEFT_OUT} {reason}", pytrace=False)
    pytest.skip(f"{LEFT_OUT} {reason}")


def _made_once(recipe: str, install: Callable[[Path], None]) -> Path:
    """The folder of a recipe. It is made beside its place and moved there, so that it is there whole or not at all."""
    place = folder() / hashlib.sha256(recipe.encode()).hexdigest()[:16]
    if place.is_dir():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".new-") as workshop:
            made = Path(workshop) / "made"
            install(made)
            (made / "recipe.txt").write_text(recipe)
            if not place.is_dir():  # somebody else may have been quicker
                made.rename(place)
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, "stderr", None) or str(exc)
        leave_out(f"its packages could not be installed: {said[-500:]}")
    return place


def run(*command: str, cwd: Path | None = None) -> None:
    """That command; raises with what it said."""
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S, cwd=cwd)


def _python(place: Path) -> Path:
    return place / ("Scripts" if os.name == "nt" else "bin") / "python"


class _Pages(BaseHTTPRequestHandler):
    """A page that runs the bundle, and nothing else."""

    bundle = b""

    def do_GET(self) -> None:
        is_script = self.path == "/bundle.js"
        body = self.bundle if is_script else HTML
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def stranger_page(page: Page, bundle: Path) -> Iterator[Page]:
    """The page at an address of this computer, with the bundle in it. (One that came from nowhere may not ask loopback.)"""
    handler = type("_Pages", (_Pages,), {"bundle": bundle.read_bytes()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="stranger's page")
        thread.start()
        try:
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            yield page
            page.goto("about:blank")
        finally:
            server.shutdown()
            thread.join()
