"""Vision Agents' LiveAvatar plugin, unmodified, against the local LiveAvatar. It needs packages of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.engine.liveavatar.account import AVATARS
from tests.support.liveavatar import RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.strangers import python_with, seen_by

__all__ = ["liveavatar", "liveavatar_process"]

CLIENT = Path(__file__).resolve().parents[1] / "support" / "vision_agents_client.py"


@pytest.mark.long
@pytest.mark.timeout(900)
def test_vision_agents_sees_hears_speaks_and_stops(liveavatar: RunningLiveAvatar) -> None:
    """It speaks without event ids, joins with the agent's token, and says things that the service does not know."""
    stranger = python_with("vision-agents-plugins-liveavatar==0.6.9")
    seen = seen_by(stranger, CLIENT, liveavatar.url, next(iter(AVATARS)), within_s=90)
    assert seen["size"] == [360, 360]
    assert seen["pictures"] > 20
    assert seen["sounds"] > 100
    assert seen["peak_before"] > 5_000
    assert seen["peak"] < 500, "after an interruption it is silent"
    session = liveavatar.bill()["sessions"][0]
    assert set(session["commands"]) == {"agent.speak", "agent.speak_end", "agent.interrupt"}
    assert session["commands"][-1] == "agent.interrupt"
    assert not session["is_running"]
