"""Pipecat's HeyGenClient, unmodified but for the base URL, against the local LiveAvatar.

Pipecat needs another version of ``livekit`` and takes minutes to install, so it lives in an environment of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kai.engine.liveavatar.account import AVATARS
from tests.support.liveavatar import RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.strangers import python_with

__all__ = ["liveavatar", "liveavatar_process"]

ROOT = Path(__file__).resolve().parents[2]
PIPECAT = "pipecat-ai[heygen]==1.14.0"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_pipecats_client_sees_hears_speaks_and_stops(liveavatar: RunningLiveAvatar) -> None:
    stranger = python_with(PIPECAT)
    script = ROOT / "tests" / "support" / "pipecat_client.py"
    run = subprocess.run(
        [str(stranger), str(script), liveavatar.url, next(iter(AVATARS))],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,  # livekit 1.1 aborts now and then when the interpreter ends; what it said before counts
    )
    assert run.stdout, run.stderr[-2000:]
    seen = json.loads(run.stdout)
    assert seen["joined"] == ["heygen"]
    assert seen["size"] == [720, 720]
    assert seen["pictures"] > 20
    assert seen["sounds"] > 100
    assert seen["peak"] > 5_000
    session = liveavatar.bill()["sessions"][0]
    assert session["commands"] == ["agent.speak", "agent.speak_end", "agent.interrupt"]
    assert not session["is_running"]
