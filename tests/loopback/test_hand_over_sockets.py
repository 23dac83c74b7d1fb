"""The provider's hour, shortened to seconds by the engine: a fresh brain takes over between turns, and nobody hears it."""

from __future__ import annotations

import asyncio
import json
import time

import numpy as np
import pytest

from kai.bench.live import answers, live_talk
from kai.bench.page_ear import PageEar
from kai.core.events import TextSubmitted
from kai.core.policy import brains as policy
from kai.core.state import HandOver, LegStatus, Look, SessionState
from kai.ports import VoiceBrain
from tests.support.engine import RunningEngine, engine
from tests.support.scripted import BRAINS, scripted, validated
from tests.support.waiting import until

__all__ = ["engine", "validated"]

LIFE_S = 9.0
WORDS = "one two three four five six"
LONG = [{"say": WORDS, "at_ms": [[n * 1000, n * 1000 + 800] for n in range(6)]}]
"""Six seconds of tones: over it, the time for a fresh brain comes."""


def heard_ms(ear: PageEar, from_ms: int, to_ms: int) -> int:
    """How much of that time, from the first sound on, was not silent."""
    loud = [bool(np.abs(block.astype(np.int32)).max(initial=0) > 1_000) for block in ear.blocks]
    first = loud.index(True)
    return 20 * sum(loud[first + from_ms // 20 : first + to_ms // 20])


@pytest.mark.long
@pytest.mark.parametrize("transport", BRAINS)
async def test_before_the_time_is_over_a_fresh_brain_takes_over_unheard_and_between_turns(
    engine: RunningEngine, transport: str, monkeypatch: pytest.MonkeyPatch, validated: list[str]
) -> None:
    monkeypatch.setattr(policy, "HAND_OVER_LEAD_S", 6.0)
    monkeypatch.setattr(policy, "HAND_OVER_RETRY_S", 1.0)
    endpoint = scripted(
        engine,
        connects=[{"longest_ms": int(LIFE_S * 1000)}],
        turns=[LONG, [{"say": "I know you."}], [{"say": "Still here."}]],
    )
    before = engine.conversations()
    brains: list[VoiceBrain] = []

    async def make_brain(_look: Look) -> VoiceBrain:
        brains.append(BRAINS[transport](endpoint))
        return brains[-1]

    statuses: list[LegStatus] = []
    swaps: list[tuple[float, bool]] = []

    def note(state: SessionState) -> None:
        statuses.append(state.brain.status)
        if len(brains) == 2 and state.hand_over is HandOver.NONE and not swaps:
            swaps.append((time.monotonic() - began_s, state.is_between_turns))

    async with live_talk(make_brain) as (session, ear):
        await until(session, lambda s: s.brain.is_up and s.face.is_up)
        assert session.snapshot().facts.expires_in_s == pytest.approx(LIFE_S, abs=2)
        began_s = time.monotonic()
        session.subscribe(note)
        session.dispatch(TextSubmitted("t1", "My name is Ada. Count."))
        await until(session, lambda s: s.hand_over is HandOver.READY)
        # Kai still counts: the spare waits for him.
        assert not session.snapshot().is_between_turns
        await until(session, lambda s: bool(swaps))
        swapped_s, was_between_turns = swaps[0]
        assert was_between_turns
        assert swapped_s < LIFE_S
        await asyncio.sleep(0.5)
        session.dispatch(TextSubmitted("t2", "Who am I?"))
        await until(session, lambda s: "I know you." in answers(s))
        # The first brain's time is over now; the talk goes on.
        await asyncio.sleep(max(0.0, LIFE_S + 1.0 - (time.monotonic() - began_s)))
        session.dispatch(TextSubmitted("t3", "Are you there?"))
        await until(session, lambda s: "Still here." in answers(s))
        await until(session, lambda s: s.is_between_turns)
        assert session.snapshot().problem is None
        assert set(statuses) == {LegStatus.CONNECTED}
        assert engine.conversations() == before + 1
    # Each of the six tones was heard in its place (of one of them a busy computer may lose some packets).
    tones_ms = [heard_ms(ear, n * 1000, n * 1000 + 900) for n in range(6)]
    assert min(tones_ms) > 300
    assert sum(tones_ms) > 4_000
    # The fresh brain was told what was said.
    told = [m for m in map(json.loads, validated) if m["type"] == "conversation.item.added"]
    seeded = [part.get("text") for m in told for part in m["item"]["content"] or ()]
    assert seeded.count("My name is Ada. Count.") == 2
    assert WORDS in seeded
