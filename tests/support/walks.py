"""A walk: a test that is a program of its own, since it needs a network namespace or an environment of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAST_S = 30.0


def _heed_interrupts() -> None:
    """A run in the background of a shell ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_walk(command: Sequence[str], *, timeout_s: float, env: Mapping[str, str] | None = None) -> str:
    """What the walk printed; one that fails, or is not over in time, fails the test with the end of that.

    A walk that is late is interrupted, not killed: it has an app, an engine and a browser to end, which nobody else knows.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    )
    try:
        told, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        told, _ = process.communicate(timeout=LAST_S)
        pytest.fail(f"the walk was not over after {timeout_s:.0f} s\n{told[-5000:]}", pytrace=False)
    if process.returncode:
        pytest.fail(f"the walk ended with {process.returncode}\n{told[-8000:]}", pytrace=False)
    return told
