"""Each rung of the ladders of brains and faces, each cause that takes it away, and each moment: plans over real sockets.

The engine in its scripted mode is the cloud's brain, the local LiveAvatar the paid face, and the same engine stands in as
itself. `tests.support.plans` has the table. Whatever strikes: each question is answered once and stays in the chat, the
person reads who answers and why within five seconds, nothing that is paid for is left running, and the same page goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kai.adapters.liveavatar import Account, LiveAvatarApi, LiveAvatarFace
from kai.adapters.liveavatar import control as control_module
from kai.adapters.liveavatar import face as face_module
from kai.adapters.liveavatar.face import AvatarChoice
from kai.adapters.liveavatar.room import RoomClient
from kai.adapters.openai_realtime import Endpoint
from kai.bench.live import answers, live_talk
from kai.core.events import Awoke, BrainRecalled, TextSubmitted, UsageReported
from kai.core.policy import faces as face_policy
from kai.core.policy import legs, rungs
from kai.core.state import Face, LegName, LegStatus, Look, SessionState, Tokens
from kai.engine.liveavatar.account import AVATARS
from kai.ports import FaceSink, VoiceBrain
from kai.records.paid_sessions import PaidSessions
from kai.runtime.session import Session
from tests.support import waiting
from tests.support.engine import RunningEngine, engine
from tests.support.liveavatar import KEY, RunningLiveAvatar, liveavatar, liveavatar_process
from tests.support.plans import (
    PLANS,
    QUICK,
    SWITCHES,
    WORD_S,
    Line,
    Plan,
    Watch,
    as_parameters,
    assert_kept,
    assert_no_crash,
    replayed_by,
)
from tests.support.scripted import BRAINS, as_cloud, scripted

__all__ = ["engine", "liveavatar", "liveavatar_process"]

WITHIN_S = 40.0
until = partial(waiting.until, within_s=WITHIN_S)

MANY = 12
WHOLE = "The train leaves at nine, so take a coat."
SAID = {"say": WHOLE, "at_ms": [[n * 300, n * 300 + 240] for n in range(9)]}
CLOUD, LOCAL = "This is the cloud.", "I am here."
DEAD = {"status": 401, "code": "invalid_api_key"}
DOWN = {"status": 503, "code": "server_error"}
REFUSALS: dict[str, dict[str, Any]] = {
    "dead-key": DEAD,
    "no-credit": {"status": 429, "code": "insufficient_quota"},
    "rate-limit": {"status": 429, "code": "rate_limit_exceeded", "retry_after": "300"},
    "service-down": DOWN,
    "no-media": {"has_no_udp": True},
}
SERVERS = {"no-network": "nobody", "captive-portal": "portal", "black-hole": "hole"}
STRIKES: dict[str, dict[str, Any]] = {
    "lost": {"drop": True},
    "expired": {"expire": True},
    "no-credit": {"fail": "insufficient_quota"},
    "rate-limit": {"fail": "inference_rate_limit_exceeded"},
}
COMES_BACK = ("moved-address", "asleep", "clock-set")
"""Causes after which the cloud can be called again at once."""
CODES = {
    "dead-key": "wrong-key",
    "no-credit": "quota",
    "rate-limit": "rate-limit",
    "silent-line": "line-silent",
    "used-up-limit": "rate-limit",
    "budget": "budget-reached",
}


def test_the_table_has_every_cause_and_ten_quick_plans() -> None:
    names = [plan.name for plan in PLANS]
    assert len(set(names)) == len(names) >= 40
    assert len([name for name in names if name in QUICK]) == 10


@contextlib.asynccontextmanager
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


async def assert_nobody_is_left(engine: RunningEngine, before: int) -> None:
    """The engine has as many talks as before; one whose line was cut it ends by itself."""
    async with asyncio.timeout(15):
        while engine.conversations() != before:
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def watching(session: Session) -> AsyncGenerator[None]:
    """Within this block nobody is left without a word."""
    watch = Watch()
    following = asyncio.create_task(watch.follow(session), name="watch")
    try:
        yield
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    assert watch.silent_s < WORD_S


@contextlib.asynccontextmanager
async def played(
    plan: Plan, engine: RunningEngine, caplog: pytest.LogCaptureFixture
) -> AsyncGenerator[random.Random]:
    """The chance of a plan. Afterwards nothing of its talk is left, and nothing has crashed."""
    before = engine.conversations()
    with replayed_by(plan) as chance:
        yield chance
        await assert_nobody_is_left(engine, before)
        assert_no_crash(caplog.records)


@pytest.mark.parametrize("plan", as_parameters("brain"))
async def test_brain_plan(
    plan: Plan, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with played(plan, engine, caplog) as chance:
        if plan.moment == "start":
            await run_from_start(plan, chance, engine)
        else:
            await run_of_brains(plan, chance, engine, monkeypatch)


@pytest.mark.parametrize("plan", as_parameters("face"))
async def test_face_plan(
    plan: Plan,
    engine: RunningEngine,
    liveavatar: RunningLiveAvatar,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with played(plan, engine, caplog) as chance:
        await run_of_faces(plan, chance, engine, liveavatar, tmp_path, monkeypatch)


# -- the ladder of brains ----------------------------------------------------------------------------------------------


def brains_of(cloud: Endpoint, local: Endpoint, transport: str, line: Line | None = None) -> Any:
    async def make_brain(look: Look) -> VoiceBrain:
        if look.runs == "local":
            return BRAINS["webrtc"](local)
        brain = BRAINS[transport](cloud)
        if line is not None:
            line.carries(brain)
        return brain

    return make_brain


async def ask(session: Session, number: int) -> None:
    session.dispatch(TextSubmitted(f"t{number}", f"Question {number}?"))


async def run_from_start(plan: Plan, chance: random.Random, engine: RunningEngine) -> None:
    """The cloud cannot be had when Start is pressed."""
    local = scripted(engine, turns=[[{"say": LOCAL}]] * 4)
    connects = [REFUSALS[plan.cause]] * MANY if plan.cause in REFUSALS else []
    transport = "webrtc" if plan.cause == "no-media" else chance.choice(tuple(BRAINS))
    async with serving(SERVERS.get(plan.cause, "")) as address:
        cloud = as_cloud(scripted(engine, seed=plan.seed, connects=connects))
        cloud = replace(cloud, base_url=address) if plan.cause in SERVERS else cloud
        talk = live_talk(brains_of(cloud, local, transport), has_cloud_brain=True)
        async with talk as (session, _ear), watching(session):
            await until(session, lambda s: s.problem is not None, within_s=WORD_S)
            await until(session, lambda s: s.brain.is_up)
            for number in range(2):
                await ask(session, number)
                await until(session, lambda s, n=number: len(answers(s)) == n + 1 and s.is_between_turns)
            state = session.snapshot()
            assert_kept(state, ["Question 0?", "Question 1?"], lambda told: told == [LOCAL, LOCAL])
            assert_is_told(state, plan)


def assert_is_told(state: SessionState, plan: Plan) -> None:
    """The person reads who answers, and why."""
    assert state.ladder.is_standing_in
    assert state.problem is not None
    if plan.cause == "budget":
        assert state.problem.code == "budget-reached"
    else:
        assert state.problem.code == rungs.STAND_IN
        assert state.problem.detail
    assert state.ladder.code == CODES.get(plan.cause, state.ladder.code)


async def run_of_brains(
    plan: Plan, chance: random.Random, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud's brain is taken away between two answers, while it thinks, or in the middle of a sentence."""
    is_back = plan.cause in COMES_BACK
    transport = chance.choice(tuple(BRAINS))
    strike = [STRIKES[plan.cause]] if plan.cause in STRIKES else []
    first: list[dict[str, Any]] = [{"say": CLOUD}]
    if plan.moment == "thinking":
        first = [{"wait_ms": chance.randint(200, 600)}, *(strike or [{"wait_ms": 8_000}, {"say": CLOUD}])]
        first = first if plan.cause != "clock-set" else [{"wait_ms": 1_000}, {"say": CLOUD}]
    elif plan.moment == "speaking":
        first = [SAID, *([{"wait_ms": chance.randint(900, 1_500)}, *strike] if strike else [])]
    elif plan.cause == "used-up-limit":
        first = [{"say": CLOUD}, {"limits": {"tokens": [40_000, 0, 60.0]}}]
    expires = plan.cause == "expired" and plan.moment == "between"
    connects = [{"longest_ms": 2_500} if expires else {}, *([] if is_back else [DOWN] * MANY)]
    look = Look(budget_talk_usd=1.0) if plan.cause == "budget" else Look()
    line = Line(engine.url)
    async with line.open() as address:
        cloud = scripted(engine, seed=plan.seed, connects=connects, turns=[first, *[[{"say": CLOUD}]] * 4])
        cloud = replace(as_cloud(cloud), base_url=address)
        local = scripted(engine, turns=[[{"say": LOCAL}]] * 4)
        talk = live_talk(brains_of(cloud, local, transport, line), look, has_cloud_brain=True)
        async with talk as (session, ear), watching(session):
            await until(session, lambda s: s.brain.is_up)
            await ask(session, 0)
            if plan.moment == "between":
                await until(session, lambda s: answers(s) == [CLOUD] and s.is_between_turns)
            elif plan.moment == "thinking":
                await until(session, lambda s: s.is_waiting)
            else:
                await until(session, lambda s: any(answer.is_playing for answer in s.answers))
                await asyncio.sleep(0 if strike else chance.uniform(0.6, 1.2))
            if not strike or plan.moment == "between":
                strike_by_hand(plan, session, line, engine, monkeypatch)
            await wait_taken_over(plan, session)
            taken_over_s = time.monotonic()
            is_finished = plan.moment == "speaking" and not is_back
            await until(session, lambda s: s.is_between_turns and bool(answers(s)))
            if is_finished:  # whoever took over says the rest
                await until(session, lambda s: s.is_between_turns and " ".join(answers(s)) == WHOLE)
            if len(answers(session.snapshot())) == 2:
                assert ear.sounded_s(taken_over_s) is not None
            await ask(session, 1)
            count = len(answers(session.snapshot())) + 1
            await until(session, lambda s: len(answers(s)) == count and s.is_between_turns)
            state = session.snapshot()
            last = CLOUD if is_back else LOCAL
            assert_kept(state, ["Question 0?", "Question 1?"], partial(is_allowed, plan, last))
            if not is_back:
                assert_is_told(state, plan)
            elif plan.cause == "clock-set":
                assert state.problem is None


def is_allowed(plan: Plan, last: str, told: list[str]) -> bool:
    """Whether these are Kai's lines: the first answer, heard once and whole where somebody could finish it, and the last."""
    *first, newest = told
    if newest != last:
        return False
    if plan.moment == "between":
        return first == [CLOUD]
    if plan.moment == "thinking":
        return first == [last]
    if plan.cause == "clock-set":
        return first == [WHOLE]
    if last == LOCAL:
        return len(first) <= 2 and " ".join(first) == WHOLE
    # The cloud is back at once: what was heard stays, and the talk goes on from there.
    return len(first) == 1 and (WHOLE.startswith(first[0]) or first == [CLOUD])


def strike_by_hand(
    plan: Plan, session: Session, line: Line, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    match plan.cause:
        case "lost":
            line.drop(engine)
        case "silent-line" | "moved-address":
            line.cut(is_hole=plan.cause == "silent-line")
        case "asleep":
            session.dispatch(Awoke(60.0))
        case "clock-set":
            now_s, off_s = time.time, random.Random(plan.seed).choice((-3_600.0, 3_600.0))
            monkeypatch.setattr(time, "time", lambda: now_s() + off_s)
        case "budget":
            session.dispatch(UsageReported(Tokens(audio_out=1), 1.0))
        case "expired" | "used-up-limit":
            pass  # the script does it
        case _:
            raise AssertionError(plan)


async def wait_taken_over(plan: Plan, session: Session) -> None:
    """Whoever goes on has taken over."""
    if plan.cause == "clock-set":
        return
    if plan.cause in COMES_BACK:
        await until(session, lambda s: s.brain.status is not LegStatus.CONNECTED)
        await until(session, lambda s: s.brain.is_up)
        assert not session.snapshot().ladder.is_standing_in
        return
    await until(session, lambda s: s.ladder.is_standing_in and s.brain.is_up)


async def test_the_cloud_comes_back_in_a_pause_with_the_whole_talk(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rungs, "CLIMB_AFTER_S", (0.3,))
    cloud = as_cloud(scripted(engine, connects=[DEAD], turns=[[{"say": CLOUD}]]))
    local = scripted(engine, turns=[[{"say": LOCAL}]] * 4)
    async with live_talk(brains_of(cloud, local, "webrtc"), has_cloud_brain=True) as (session, _ear):
        await until(session, lambda s: s.brain.is_up and s.ladder.is_standing_in)
        await ask(session, 1)
        await until(session, lambda s: answers(s) == [LOCAL])
        await until(session, lambda s: not s.ladder.is_standing_in)
        await ask(session, 2)
        await until(session, lambda s: answers(s) == [LOCAL, CLOUD])
        assert session.snapshot().problem is None


@pytest.mark.long
@pytest.mark.parametrize("seed", range(20))
async def test_under_any_plan_of_losses_every_question_is_answered_once(
    seed: int, engine: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``pytest -m long tests/loopback/test_fault_plans.py -k 'losses and 7'`` replays seed 7."""
    chance = random.Random(seed)
    monkeypatch.setattr(rungs, "CLIMB_AFTER_S", (0.4, 0.8))
    monkeypatch.setattr(rungs, "LOST_PATIENCE_S", 0.5)
    connects = [chance.choice(({}, {}, DOWN, DEAD, {"wait_ms": 1_500})) for _ in range(MANY)]
    turns = [chance.choice(([{"say": CLOUD}], [{"drop": True}], [{"expire": True}])) for _ in range(MANY)]
    cloud = as_cloud(scripted(engine, seed=seed, connects=connects, turns=turns))
    local = scripted(engine, turns=[[{"say": LOCAL}]] * MANY)
    count = 4
    async with live_talk(brains_of(cloud, local, "webrtc"), has_cloud_brain=True) as (session, _ear):
        for number in range(count):
            await ask(session, number)
            await until(session, lambda s, n=number: len(answers(s)) == n + 1 and s.is_between_turns)
            await asyncio.sleep(chance.uniform(0, 1))
            if chance.random() < 0.3:
                session.dispatch(BrainRecalled())
        state = session.snapshot()
        asked = [f"Question {n}?" for n in range(count)]
        assert_kept(state, asked, lambda told: set(told) <= {CLOUD, LOCAL, "My script ends here."})
        assert state.leg(LegName.BRAIN).status is not LegStatus.FAILED


# -- the ladder of faces -----------------------------------------------------------------------------------------------

CHOICE = AvatarChoice(avatar_id=next(iter(AVATARS)), quality="low", encoding="VP8")
QUESTIONS = 3
HALF = "Half of it."
SAID_HALF = {"say": HALF, "at_ms": [[0, 200], [250, 400], [450, 600]]}
TURNS: tuple[list[dict[str, Any]], ...] = (
    [],
    [{"drop": True}],
    [{"expire": True}],
    [SAID_HALF, {"wait_ms": 2_500}, {"drop": True}],
)
"""What may become of the first try of an answer. The question is put again where nothing of the answer came; half an answer
stays, and is not asked for again."""
CONNECTS: tuple[dict[str, Any], ...] = (
    {},
    {"wait_ms": 300},
    DOWN,
    {"status": 429, "code": "rate_limit_exceeded", "retry_after": "1"},
)


@dataclass
class Clouds:
    """Makes the paid faces of a talk, and keeps them."""

    make_one: Any

    def __post_init__(self) -> None:
        self.made: list[_Watched] = []

    def __call__(self) -> _Watched:
        self.made.append(self.make_one())
        return self.made[-1]

    @property
    def longest_run_of_failures(self) -> int:
        """How many billed starts in a row failed."""
        longest = run = 0
        for cloud in self.made:
            if cloud.is_start_billed:
                run = 0 if cloud.opened else run + 1
            longest = max(longest, run)
        return longest


class _Watched(LiveAvatarFace):
    """A paid face that tells how its opening ended."""

    opened: bool | None = None

    async def open(self, look: Look, sink: FaceSink) -> None:
        self.opened = False
        await super().open(look, sink)
        self.opened = True


async def run_of_faces(
    plan: Plan,
    chance: random.Random,
    engine: RunningEngine,
    avatar: RunningLiveAvatar,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A paid face with a fault, and a brain that is lost now and then on top of it."""
    # The faults come within seconds, and a person would have talked for some time between two of them.
    monkeypatch.setattr(legs, "STEADY_S", 0.0)
    monkeypatch.setattr(face_policy, "AGAIN_AFTER_S", (0.2,))
    monkeypatch.setattr(face_module, "PATIENCE_S", 4.0)
    monkeypatch.setattr(control_module, "ASSUMED_S", 0.6)
    avatar.faults(speak_after_s=0.1, picture_delay_s=0.0, **SWITCHES.get(plan.cause, {}))
    turns: list[list[dict[str, Any]]] = []
    expected: list[str] = []
    for number in range(QUESTIONS):
        failed = [] if plan.name in QUICK else chance.choice(TURNS)
        expected.append(HALF if SAID_HALF in failed else f"Answer {number}.")
        turns += [failed] if failed else []
        turns += [] if expected[-1] == HALF else [[{"say": expected[-1]}]]
    # A question of whose half answer nothing was heard is asked again, and gets what the brain says next.
    expected.append("One more.")
    turns.append([{"say": expected[-1]}])
    connects = [{} if plan.name in QUICK else chance.choice(CONNECTS) for _ in range(2)]
    endpoint = as_cloud(scripted(engine, seed=plan.seed, connects=connects, turns=turns))
    transport = chance.choice(tuple(BRAINS))
    records, api = PaidSessions(folder), LiveAvatarApi(Account(KEY, avatar.url))
    clouds = Clouds(lambda: _Watched(api, CHOICE, records, RoomClient))

    async def make_brain(_look: Look) -> VoiceBrain:
        return BRAINS[transport](endpoint)

    look = Look(budget_talk_usd=1.0) if plan.cause == "budget" else Look()
    try:
        async with live_talk(make_brain, look, make_cloud=clouds) as (session, _ear), watching(session):
            await until(session, lambda s: s.brain.is_up and s.face.is_up)
            if plan.moment != "start":
                await until(session, lambda s: s.faces.on is Face.CLOUD)
            for number in range(QUESTIONS):
                session.dispatch(TextSubmitted(f"t{number}", f"Question {number}?"))
                if number == 1:
                    await strike_face(plan, session, avatar)
                await until(session, lambda s, count=number + 1: len(heard(s)) == count)
                await until(session, lambda s: s.brain.is_up and s.is_between_turns)
            state = session.snapshot()
            asked = [f"Question {n}?" for n in range(QUESTIONS)]
            assert_kept(state, asked, lambda _told: True)
            told = heard(state)
            assert told == [answer for answer in expected if answer != HALF or HALF in told][:QUESTIONS]
            if plan.cause in ("last-credit", "budget"):
                await until(session, lambda s: s.faces.on is Face.LOCAL)
                assert not session.snapshot().faces.wants_cloud
    finally:
        await api.aclose()
    assert clouds.longest_run_of_failures <= face_policy.MOST_FAILED_STARTS
    assert avatar.bill()["running"] == 0
    assert records.all() == ()


async def strike_face(plan: Plan, session: Session, avatar: RunningLiveAvatar) -> None:
    if plan.cause == "asleep":
        session.dispatch(Awoke(60.0))
    elif plan.cause == "budget":
        session.dispatch(UsageReported(Tokens(audio_out=1), 1.0))
    elif plan.moment == "speaking":
        await until(session, lambda s: bool(s.live_answers) or len(heard(s)) > 1)
        avatar.act(plan.cause.replace("-", "_"))


def heard(state: SessionState) -> list[str]:
    """The answers in the chat. Of half an answer stands what was heard of it."""
    return [HALF if text and HALF.startswith(text) else text for text in answers(state)]
