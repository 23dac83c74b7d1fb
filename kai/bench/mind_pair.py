"""Two people talk with one engine at once, each over a WebSocket, and ask questions for the language model.

They speak recorded questions in real time, half a round apart. The delay is measured from the last sound of a question to the
first sound of its answer, and includes the engine's patience.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from kai.bench.asked import THOUGHT, asked
from kai.bench.asking import wait_mind
from kai.bench.bars import Bar, at_least, at_most
from kai.bench.capacity import said_in_frames, talks_in_turn
from kai.bench.part import RunningEngine, local_engine
from kai.bench.talk import percentile

TALKS: Final = 2
ROUND_S: Final = 14.0
BAR_S: Final = 4.0


def run() -> dict[str, Any]:
    """Return the seconds to the first sound, over both talks."""
    with local_engine() as engine:
        return asyncio.run(_measure(engine))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars: every question is answered, and soon."""
    return [
        at_most("two talks at once, first sound, p95", figures["first_sound_s_p95"], BAR_S, "s"),
        at_least("questions answered", figures["answered"], figures["questions"]),
    ]


async def _measure(engine: RunningEngine) -> dict[str, Any]:
    figures: dict[str, Any] = {"mind": await wait_mind(engine)}
    questions = [said_in_frames(each.path) for each in asked(THOUGHT)]
    delays: list[float] = []
    halves = [questions[number::TALKS] for number in range(TALKS)]
    async with talks_in_turn(engine.endpoint(), halves, ROUND_S, delays) as held:
        await held
    return {
        **figures,
        "questions": len(questions),
        "answered": len(delays),
        "first_sound_s_p50": percentile(delays, 50),
        "first_sound_s_p95": percentile(delays, 95),
    }
