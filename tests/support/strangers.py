"""Clients that others wrote, installed unmodified and outside of the project, for the tests that meet them.

Each set of packages gets a folder of its own in the user's cache (``KAI_STRANGERS_DIR`` names another), made once: a virtual
environment for Python's, a bundle for a page of what npm has. Nothing of them is in our requirements. Where they cannot be
had the tests are left out, loudly; CI, and anybody who sets ``KAI_REQUIRE_STRANGERS=1``, gets failures.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kai.bench import strangers

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEFT_OUT = "stranger left out:"
"""How the reason of such a skip begins; the run's summary looks for it."""

ESBUILD = "esbuild@0.28.2"
HTML = b"<!doctype html><title>A stranger</title><video autoplay playsinline></video><script src=/bundle.js></script>"


def python_with(*requirements: str, is_whole_list: bool = False) -> Path:
    """A Python that has these packages, and nothing of ours; ``is_whole_list``: not what they say they need either."""
    return _or_left_out(lambda: strangers.python_with(*requirements, is_whole_list=is_whole_list))


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
        strangers.run(str(npm), "install", *quiet, ESBUILD, *packages, cwd=place)
        esbuild = place / "node_modules" / ".bin" / "esbuild"
        options = ("--bundle", "--format=iife", "--platform=browser", "--log-level=error")
        strangers.run(str(esbuild), "entry.js", *options, "--outfile=bundle.js", cwd=place)

    recipe = "\n".join((ESBUILD, *packages, entry))
    return _or_left_out(lambda: strangers.made_once(recipe, install)) / "bundle.js"


def leave_out(reason: str) -> None:
    """Skip the test, or fail it where strangers are required."""
    if os.environ.get("CI", "").lower() in {"1", "true"} or os.environ.get("KAI_REQUIRE_STRANGERS") == "1":
        pytest.fail(f"{LEFT_OUT} {reason}", pytrace=False)
    pytest.skip(f"{LEFT_OUT} {reason}")


def _or_left_out(make: Callable[[], Path]) -> Path:
    """What that makes, or the test is left out: the packages cannot be had."""
    try:
        return make()
    except (OSError, subprocess.SubprocessError) as exc:
        said = getattr(exc, "stderr", None) or str(exc)
        leave_out(f"its packages could not be installed: {said[-500:]}")
        raise


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
