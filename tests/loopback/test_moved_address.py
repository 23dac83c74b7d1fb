"""An address of this computer goes away in mid-talk, as when a VPN is switched: for real, on the loopback interface."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kai.adapters.openai_realtime import OpenAIRealtimeBrain
from kai.bench.live import answers, live_talk
from kai.core.events import TextSubmitted
from kai.core.state import LegStatus, Look
from kai.ports import VoiceBrain
from tests.support.engine import RunningEngine, engine
from tests.support.scripted import as_cloud, scripted
from tests.support.waiting import until

__all__ = ["engine"]

BEFORE, AFTER = "10.213.7.1", "10.213.7.2"
"""Of a private network (RFC 1918) that hardly anybody uses."""
NOTICED_S = 5.0


def change(what: str, address: str) -> None:
    subprocess.run(["ip", "addr", what, f"{address}/32", "dev", "lo"], check=True)


@pytest.fixture
def addresses() -> Iterator[None]:
    """Two further addresses of the loopback interface; the first is gone when the test took it away."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("Addresses can be added by root alone, with iproute2.")
    for address in (BEFORE, AFTER):
        change("add", address)
    yield
    for address in (BEFORE, AFTER):
        subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=False, capture_output=True)


@pytest.mark.long
async def test_the_talk_goes_on_from_the_new_address_within_seconds_and_says_what_was(
    engine: RunningEngine, addresses: None
) -> None:
    endpoint = as_cloud(scripted(engine, turns=[[{"say": "Before."}], [{"say": "After."}]]))
    mine = [BEFORE]

    async def make_brain(_look: Look) -> VoiceBrain:
        return OpenAIRealtimeBrain(replace(endpoint, host_addresses=tuple(mine)))

    async with live_talk(make_brain) as (session, _ear):
        await until(session, lambda s: s.brain.is_up)
        session.dispatch(TextSubmitted("t1", "Where are you?"))
        await until(session, lambda s: answers(s) == ["Before."] and s.is_between_turns)
        mine[:] = [AFTER]
        change("del", BEFORE)
        gone_s = time.monotonic()
        state = await until(session, lambda s: s.brain.status is not LegStatus.CONNECTED)
        assert time.monotonic() - gone_s < NOTICED_S
        assert state.problem is not None
        assert state.problem.code == "brain-lost"
        session.dispatch(TextSubmitted("t2", "And now?"))
        await until(session, lambda s: answers(s) == ["Before.", "After."])
        assert session.snapshot().problem is None
