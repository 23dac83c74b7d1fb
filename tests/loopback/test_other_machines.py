"""The whole app on machines that are not like ours: no home to write to, files in other encodings, proxies, a base path."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from kai.bench.driver import free_port

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0
PROXIES = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}


def health(folder: Path, base: str = "", **environment: str) -> tuple[dict[str, Any], str]:
    """What the app says of itself once its engine is up or it failed, and its log."""
    port, log = free_port(), folder / "app.log"
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "streamlit_app.py"),
        "--server.headless",
        "true",
    ]
    options = ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.baseUrlPath", base]
    known = {
        name: value for name, value in os.environ.items() if name not in ("HOME", "NO_PROXY", "no_proxy")
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**known, "PYTHONPATH": str(ROOT), **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    told: dict[str, Any] = {}
    try:
        deadline_s = time.monotonic() + START_S
        while not told.get("engine") and told.get("status") != "failed":
            assert time.monotonic() < deadline_s, log.read_text(errors="replace")
            assert process.poll() is None, log.read_text(errors="replace")
            time.sleep(0.2)
            try:
                told = httpx.get(
                    f"http://127.0.0.1:{port}{base}/api/health", timeout=2, trust_env=False
                ).json()
            except (httpx.TransportError, ValueError):
                continue
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    return told, log.read_text(errors="replace")


def test_a_home_that_cannot_be_written_to_proxies_that_are_dead_and_a_base_path(tmp_path: Path) -> None:
    folder = tmp_path / "tämp 🙂"
    folder.mkdir()
    told, log = health(folder, "/team/kai", HOME="/dev/null/x", TMPDIR=str(folder), **PROXIES)
    assert (told["status"], told["engine"]) == ("ok", True)
    assert "Traceback" not in log


def test_files_of_settings_as_windows_writes_them(tmp_path: Path) -> None:
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / ".streamlit/secrets.toml").write_bytes("KAI_HISTORY = false\n".encode("utf-16"))
    (tmp_path / ".env").write_bytes("KAI_LOG_LEVEL=INFO\r\n".encode("utf-16"))
    told, log = health(tmp_path, HOME=str(tmp_path))
    assert (told["status"], told["engine"]) == ("ok", True)
    assert "Traceback" not in log


def test_a_key_that_cannot_be_one_stops_the_start_in_words(tmp_path: Path) -> None:
    told, log = health(tmp_path, HOME=str(tmp_path), OPENAI_API_KEY="\u201csk-seeded\u201d")
    assert told["status"] == "failed"
    assert "OPENAI_API_KEY" in log
    assert "seeded" not in log
    assert "Traceback" not in log
