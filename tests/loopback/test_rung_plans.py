"""The ladder of brains over real sockets: each cause that takes the cloud's brain away, and this computer's engine going on.

The engine in its scripted mode is the cloud; the same engine, as itself, stands in. Whatever happens, the person reads who
answers and why, no line is lost or doubled, and Kai is heard again soon.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest

from kai.adapters.browser import PageLink
from kai.adapters.openai_realtime import Endpoint
from kai.adapters.voice_only import VoiceOnly
from kai.bench.page_ear import PageEar
from kai.core.events import BrainRecalled, StartRequested, TextSubmitted
from kai.core.policy import rungs
from kai.core.state import LegName, LegStatus, Look, Role, SessionState
from kai.ports import VoiceBrain
from kai.runtime.session import Session
from tests.support import waiting
from tests.support.engine import RunningEngine, engine
from tests.support.scripted import BRAINS, as_cloud, scripted

__all__ = ["engine"]

WITHIN_S = 30.0
WORDS_S = 5.0
"""Nobody may look at a silent page for longer than this without a word about it."""
HALF = "The train leaves at nine, so take a coat."
SAID = {"say": HALF, "at_ms": [[n * 400, n * 400 + 300] for n in range(9)]}
MANY = 12
DEAD = {"status": 401, "code": "invalid_api_key"}
DOWN = {"status": 503, "code": "server_error"}


@dataclass(frozen=True)
class Cause:
    """What becomes of the cloud: its connections, what it does instead of its first answer, or another address."""

    connects: tuple[dict[str, Any], ...] = ()
    steps: tuple[dict[str, Any], ...] = ()
    server: str = ""
    code: str = ""

    @property
    def is_at_start(self) -> bool:
        return not self.steps


CAUSES = {
    "dead key": Cause((DEAD,) * MANY, code="wrong-key"),
    "no credit": Cause(({"status": 429, "code": "insufficient_quota"},) * MANY, code="quota"),
    "rate limit": Cause(({"status": 429, "code": "rate_limit_exceeded", "retry_after": "300"},) * MANY),
    "no network": Cause(server="nobody"),
    "captive portal": Cause(server="portal"),
    "black hole": Cause(server="hole"),
    "service down": Cause((DOWN,) * MANY),
    "lost in mid-sentence": Cause(({}, *(DOWN,) * MANY), (SAID, {"wait_ms": 2_500}, {"drop": True})),
    "lost before the answer": Cause(({}, *(DOWN,) * MANY), ({"wait_ms": 200}, {"drop": True})),
    "session expired": Cause(({}, *(DEAD,) * MANY), (SAID, {"wait_ms": 2_000}, {"expire": True})),
    "credit used up": Cause(({}, *(DEAD,) * MANY), ({"fail": "insufficient_quota"},)),
    "no media": Cause(({"has_no_udp": True},) * MANY),
}
QUICK = ("dead key", "no network", "lost in mid-sentence", "captive portal")


@asynccontextmanager
async def serving(kind: str) -> AsyncGenerator[str]:
    """The address of a server that is none: nobody, a portal that answers everything with a page, or a hole."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if kind == "portal":
                await reader.read(65_536)
                page = b"<html><body>Please log in to this network.</body></html>"
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                writer.write(head + b"Content-Length: %d\r\n\r\n" % len(page) + page)
                await writer.drain()
            else:
                await reader.read()
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        if kind == "nobody":
            server.close()
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()


until = partial(waiting.until, within_s=WITHIN_S)


@asynccontextmanager
async def talking(cloud: Endpoint, local: Endpoint) -> AsyncGenerator[tuple[Session, PageEar]]:
    async def make_brain(look: Look) -> VoiceBrain:
        return BRAINS["webrtc"](local if look.runs == "local" else cloud)

    link = PageLink()
    session = Session(
        make_brain=make_brain, make_face=VoiceOnly, make_voice=VoiceOnly, browser=link, has_cloud_brain=True
    )
    await session.open()
    ear = PageEar(link)
    try:
        session.dispatch(StartRequested(time.time(), Look()))
        yield session, ear
    finally:
        await session.aclose()
        await ear.aclose()


def answers(state: SessionState) -> list[str]:
    return [m.text.strip() for m in state.messages if m.role is Role.ASSISTANT and m.is_final]


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(n, marks=pytest.mark.long) for n in CAUSES if n not in QUICK)]
)
async def test_the_engine_goes_on_and_says_why(name: str, engine: RunningEngine) -> None:
    cause = CAUSES[name]
    turns = [list(cause.steps)] if cause.steps else []
    local = scripted(engine, turns=[[{"say": "I am here."}]] * 4)
    async with serving(cause.server) as address:
        cloud = as_cloud(scripted(engine, connects=list(cause.connects), turns=turns))
        if cause.server:
            cloud = replace(cloud, base_url=address)
        async with talking(cloud, local) as (session, ear):
            begun_s = time.monotonic()
            if cause.is_at_start:
                await until(session, lambda s: s.problem is not None, within_s=WORDS_S)
                await until(session, lambda s: s.brain.is_up)
                session.dispatch(TextSubmitted("t1", "Is anybody there?"))
                await until(session, lambda s: answers(s) == ["I am here."])
            else:
                await until(session, lambda s: s.brain.is_up)
                session.dispatch(TextSubmitted("t1", "When does it leave?"))
                await until(session, lambda s: s.brain.status is not LegStatus.CONNECTED)
                begun_s = time.monotonic()
                await until(session, lambda s: s.ladder.is_standing_in and s.brain.is_up)
                count = 2 if SAID in cause.steps else 1
                await until(session, lambda s: s.is_between_turns and len(answers(s)) == count)
                if SAID in cause.steps:
                    heard, rest = answers(session.snapshot())
                    assert heard
                    assert f"{heard} {rest}" == HALF
                else:
                    assert answers(session.snapshot()) == ["I am here."]
                sounded_s = ear.sounded_s(begun_s + 0.3)
                assert sounded_s is not None
                assert sounded_s - begun_s < 2 * WORDS_S
            state = session.snapshot()
            assert [m.text for m in state.messages if m.role is Role.USER] == [
                "Is anybody there?" if cause.is_at_start else "When does it leave?"
            ]
            assert state.problem is not None
            assert state.problem.code == rungs.STAND_IN
            assert state.problem.detail
            assert not cause.code or state.ladder.code == cause.code


async def test_the_cloud_comes_back_in_a_pause_with_the_whole_talk(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "CLIMB_AFTER_S", (0.3,))
    cloud = as_cloud(scripted(engine, connects=[DEAD], turns=[[{"say": "This is the cloud."}]]))
    local = scripted(engine, turns=[[{"say": "I am here."}]] * 4)
    async with talking(cloud, local) as (session, _ear):
        await until(session, lambda s: s.brain.is_up and s.ladder.is_standing_in)
        session.dispatch(TextSubmitted("t1", "Who is there?"))
        await until(session, lambda s: answers(s) == ["I am here."])
        await until(session, lambda s: not s.ladder.is_standing_in)
        session.dispatch(TextSubmitted("t2", "And now?"))
        await until(session, lambda s: answers(s) == ["I am here.", "This is the cloud."])
        assert session.snapshot().problem is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
async def test_under_any_plan_of_losses_every_question_is_answered_once(
    seed: int, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pytest -m long tests/loopback/test_rung_plans.py -k 'plan and 7'`` replays seed 7."""
    chance = random.Random(seed)
    monkeypatch.setattr(rungs, "CLIMB_AFTER_S", (0.4, 0.8))
    monkeypatch.setattr(rungs, "LOST_PATIENCE_S", 0.5)
    connects = [chance.choice(({}, {}, DOWN, DEAD, {"wait_ms": 1_500})) for _ in range(MANY)]
    turns = [
        chance.choice(([{"say": "From the cloud."}], [{"drop": True}], [{"expire": True}]))
        for _ in range(MANY)
    ]
    cloud = as_cloud(scripted(engine, seed=seed, connects=connects, turns=turns))
    local = scripted(engine, turns=[[{"say": "I am here."}]] * MANY)
    count = 4
    async with talking(cloud, local) as (session, _ear):
        for number in range(count):
            session.dispatch(TextSubmitted(f"t{number}", f"Question {number}?"))
            await until(session, lambda s, n=number: len(answers(s)) == n + 1 and s.is_between_turns)
            await asyncio.sleep(chance.uniform(0, 1))
            if chance.random() < 0.3:
                session.dispatch(BrainRecalled())
        state = session.snapshot()
        assert [m.text for m in state.messages if m.role is Role.USER] == [
            f"Question {n}?" for n in range(count)
        ]
        assert set(answers(state)) <= {"From the cloud.", "I am here.", "My script ends here."}
        assert state.leg(LegName.BRAIN).status is not LegStatus.FAILED
