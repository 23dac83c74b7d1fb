"""Pipecat's HeyGenClient, unmodified but for the base URL, against the local LiveAvatar.

Pipecat needs another ``protobuf`` than ours, so it lives in an environment of its own.
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
PIPECAT = (
    "pipecat-ai==1.14.0",
    "aiohappyeyeballs==2.7.1",
    "aiohttp==3.14.5",
    "aiosignal==1.4.0",
    "annotated-types==0.8.0",
    "attrs==26.1.0",
    "docstring_parser==0.18.0",
    "frozenlist==1.8.0",
    "idna==3.20",
    "livekit==1.2.1",
    "loguru==0.7.3",
    "loudness==0.2.0",
    "multidict==7.2.1",
    "numpy==2.4.6",
    "propcache==0.5.4",
    "protobuf==6.33.6",
    "pydantic==2.14.3",
    "pydantic_core==2.50.4",
    "sentencex==1.0.32",
    "soxr==1.0.0",
    "typing_extensions==4.16.0",
    "typing-inspection==0.4.5",
    "wait_for2==0.4.1; python_version < '3.12'",
    "websockets==15.0.1",
    "yarl==1.25.1",
)
"""Of the packages of ``pipecat-ai[heygen]`` those that its HeyGenClient imports; the whole is several times as much."""


@pytest.mark.timeout(300)
def test_pipecats_client_sees_hears_speaks_and_stops(liveavatar: RunningLiveAvatar) -> None:
    stranger = python_with(*PIPECAT, is_whole_list=True)
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
