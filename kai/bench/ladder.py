"""How soon this computer's engine is heard after the cloud's brain was lost, and what Kai counts that a talk costs:
``python -m kai.bench ladder``.

The engine in its scripted mode is the cloud, and the same engine, as itself, stands in, over real sockets. The time runs from
the moment at which the cloud's last packet came, or its refusal, to the first sound that leaves for the page. Where a
network goes away without a word, it runs from the moment of the cut, so that the seconds in which Kai finds out are counted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from kai.adapters.openai_realtime import OpenAIRealtimeBrain
from kai.bench import money
from kai.bench.bars import Bar, at_most
from kai.bench.live import live_talk, until
from kai.bench.page_ear import PageEar
from kai.bench.part import RunningEngine, local_engine, scripted
from kai.compat import rtc
from kai.core.events import TextSubmitted
from kai.core.policy.rungs import STAND_IN
from kai.core.state import LegStatus, Look, SessionState
from kai.ports import VoiceBrain
from kai.runtime.session import Session

TRIES: Final = 6
"""For each cause."""
DOWN: Final = {"status": 503, "code": "server_error"}
DEAD: Final = {"status": 401, "code": "invalid_api_key"}
SAID: Final = {
    "say": "The train leaves at nine, so take a coat.",
    "at_ms": [[n * 300, n * 300 + 240] for n in range(9)],
}
CAUSES: Final[dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]] = {
    "lost in mid-sentence": ([SAID, {"wait_ms": [800, 1_600]}, {"drop": True}], [{}, *[DOWN] * 9]),
    "expired in mid-sentence": ([SAID, {"wait_ms": [800, 1_600]}, {"expire": True}], [{}, *[DOWN] * 9]),
    "no credit left": ([{"wait_ms": [200, 600]}, {"fail": "insufficient_quota"}], [{}, *[DEAD] * 9]),
    "asked too often": (
        [{"wait_ms": [200, 600]}, {"fail": "inference_rate_limit_exceeded"}],
        [{}, *[DOWN] * 9],
    ),
}
"""For each cause the cloud's first answer and its connections."""


def run() -> dict[str, Any]:
    """Return the times until the stand-in is heard and until the person reads about it, and the money's figures."""
    with local_engine() as engine:
        found = asyncio.run(_all(engine))
    return {"hand_over": found, "money": money.figures()}


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: two seconds to sound, five to a word where nothing said that the line was cut, one percent."""
    hand_over, paid = figures["hand_over"], figures["money"]
    return [
        *(
            at_most(f"{cause}: to sound, longest", hand_over[cause]["to_sound_s"]["longest"], 2, "s")
            for cause in CAUSES
        ),
        at_most(
            "cut without a word: to a word, longest",
            hand_over["cut without a word"]["to_word_s"]["longest"],
            5,
            "s",
        ),
        at_most("cost beside the services' ledger, worst talk", paid["worst_off_percent"], 1, "%"),
    ]


async def _all(engine: RunningEngine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for cause in (*CAUSES, "cut without a word"):
        times = [await _lose(engine, cause, seed) for seed in range(TRIES)]
        found[cause] = {
            "tries": len(times),
            "to_word_s": _spread([word_s for word_s, _ in times]),
            "to_sound_s": _spread([sound_s for _, sound_s in times]),
        }
    return found


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"p50": round(float(np.median(seconds)), 2), "longest": round(max(seconds), 2)}


class _Brain(OpenAIRealtimeBrain):
    """A brain whose line can be cut."""

    def cut(self) -> None:
        assert self._connection is not None
        rtc.cut_off(self._connection)


async def _lose(engine: RunningEngine, cause: str, seed: int) -> tuple[float, float]:
    """Return how long after the loss the person read about it, and heard the stand-in."""
    chance = random.Random(seed)
    first, connects = CAUSES.get(cause, ([SAID], [{}, *[DOWN] * 9]))
    cloud = scripted(engine.url, engine.key, seed=seed, turns=[first], connects=connects)
    local = scripted(engine.url, engine.key, turns=[[{"say": "I am here."}]] * 2)
    brains: list[_Brain] = []

    async def make_brain(look: Look) -> VoiceBrain:
        if look.runs == "local":
            return OpenAIRealtimeBrain(local)
        brains.append(_Brain(replace(cloud, is_billed=True)))
        return brains[-1]

    async with live_talk(make_brain, has_cloud_brain=True) as (session, ear):
        await until(session, lambda s: s.brain.is_up)
        session.dispatch(TextSubmitted("t1", "When does it leave?"))
        if cause in CAUSES:
            await until(session, lambda s: s.brain.status is not LegStatus.CONNECTED)
        else:
            await until(session, lambda s: any(answer.is_playing for answer in s.answers))
            await asyncio.sleep(chance.uniform(0.4, 1.0))
            brains[-1].cut()
        lost_s = time.monotonic()
        return await _heard(session, ear, lost_s)


async def _heard(session: Session, ear: PageEar, lost_s: float) -> tuple[float, float]:
    await until(session, lambda s: s.problem is not None)
    word_s = time.monotonic() - lost_s
    state = await until(session, _is_taken_over)
    assert state.problem is not None
    assert state.problem.code == STAND_IN
    taken_over_s = time.monotonic()
    await until(session, lambda s: any(answer.is_playing for answer in s.answers))
    await asyncio.sleep(0.2)
    sounded_s = ear.sounded_s(taken_over_s)
    assert sounded_s is not None
    return word_s, sounded_s - lost_s


def _is_taken_over(state: SessionState) -> bool:
    return state.ladder.is_standing_in and state.brain.is_up
