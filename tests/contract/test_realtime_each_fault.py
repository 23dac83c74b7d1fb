"""The Realtime brain keeps its contract whatever the service says and does beside its answers, on both transports."""

from __future__ import annotations

from typing import Any

import pytest

from kai.ports import VoiceBrain
from tests.contract.suite_brain import BrainContract, MakeBrain
from tests.support.engine import RunningEngine, engine
from tests.support.scripted import BRAINS, as_cloud, scripted, validated

__all__ = ["engine", "validated"]

MANY = 40
"""More answers than any test of the contract asks for."""
HABITS: dict[str, dict[str, Any]] = {
    "slow": {
        "connects": [{"wait_ms": 400}] * MANY,
        "turns": [[{"wait_ms": [50, 300]}, {"say": "It is noon."}]] * MANY,
    },
    "talkative": {
        "turns": [
            [
                {"event": {"type": "test.something_new", "event_id": "e", "field": {"a": [1]}}},
                {"error": "some_new_error"},
                {"limits": {"tokens": [1000, 40, 12.5]}},
                {"say": "It is noon."},
            ]
        ]
        * MANY
    },
    "in two items": {"turns": [[{"say": "One moment."}, {"item": True}, {"say": "It is noon."}]] * MANY},
}


@pytest.mark.long
class TestRealtimeBrainInEachFault(BrainContract):
    within_s, mic_pace_s = 20.0, 0.02

    @pytest.fixture(params=[(name, kind) for name in HABITS for kind in BRAINS], ids="-".join)
    def make_brain(self, request: pytest.FixtureRequest, engine: RunningEngine) -> MakeBrain:
        name, kind = request.param
        endpoint = as_cloud(scripted(engine, **HABITS[name]))
        return lambda: BRAINS[kind](endpoint)

    @pytest.fixture(
        params=[(503, "server_error"), (429, "insufficient_quota"), (401, "invalid_api_key")],
        ids=lambda refusal: refusal[1],
    )
    def broken_brain(self, request: pytest.FixtureRequest, engine: RunningEngine) -> VoiceBrain:
        status, code = request.param
        endpoint = scripted(engine, connects=[{"status": status, "code": code}])
        return BRAINS["webrtc"](as_cloud(endpoint))
