"""The table of fault plans, the network in which they strike, and what holds whatever strikes.

A plan is a rung of a ladder, a cause that takes it away, and a moment of the talk. Its number in the table is its seed, from
which the transport and the exact times are drawn. `pytest -m "" tests/loopback/test_fault_plans.py -k <name>` replays it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import pytest

from kai.adapters.openai_realtime import OpenAIRealtimeBrain
from kai.bench.live import answers, questions
from kai.compat import rtc
from kai.core.state import AgentState, SessionState
from kai.engine.liveavatar.faults import ACTS
from kai.ports import VoiceBrain
from kai.runtime.session import Session
from tests.support.engine import RunningEngine

TESTS: Final = "tests/loopback/test_fault_plans.py"
WORD_S: Final = 5.0
"""Nobody may look at a silent page for longer than this without a word about it."""

AT_START: Final = (
    "dead-key",
    "no-credit",
    "rate-limit",
    "no-network",
    "captive-portal",
    "black-hole",
    "service-down",
)
IN_TALK: Final = ("lost", "expired", "silent-line", "moved-address", "asleep")
IN_ANSWER: Final = ("no-credit", "rate-limit")
MOMENTS: Final = ("between", "thinking", "speaking")
SWITCHES: Final[dict[str, dict[str, Any]]] = {
    "connected-once": {"connected": "once"},
    "never-connected": {"connected": "never"},
    "loose-shapes": {"shapes": "loose"},
    "no-events": {"events": "none"},
    "speechless": {"is_speechless": True},
    "no-tracks": {"has_no_tracks": True},
    "refused-start": {"refuse": "start", "refuse_times": 1},
    "last-credit": {"credits": 1.0},
}
QUICK: Final = (
    "brain-dead-key-start",
    "brain-no-network-start",
    "brain-captive-portal-start",
    "brain-lost-thinking",
    "brain-lost-speaking",
    "brain-asleep-between",
    "brain-rate-limit-thinking",
    "brain-used-up-limit-between",
    "brain-clock-set-thinking",
    "face-stall-video-speaking",
)
"""Those in ``make test``; together they take 30 s."""


@dataclass(frozen=True)
class Plan:
    """``rung`` is what is taken away: the cloud's ``brain``, or the paid ``face``."""

    rung: str
    cause: str
    moment: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.rung}-{self.cause}-{self.moment}"

    @property
    def replay(self) -> str:
        return f'.venv/bin/python -m pytest -m "" {TESTS} -k {self.name}'


def _plans() -> Generator[tuple[str, str, str]]:
    yield from (("brain", cause, "start") for cause in (*AT_START, "no-media"))
    yield from (("brain", cause, moment) for cause, moment in itertools.product(IN_TALK, MOMENTS))
    yield from (("brain", cause, moment) for cause, moment in itertools.product(IN_ANSWER, MOMENTS[1:]))
    yield from (("brain", cause, "between") for cause in ("used-up-limit", "budget"))
    yield from (("brain", "clock-set", moment) for moment in MOMENTS)
    yield from (("face", cause, "start") for cause in SWITCHES)
    yield from (
        ("face", act.replace("_", "-"), "speaking") for act in ACTS if act not in ("heal", "half_open")
    )
    yield from (("face", cause, "between") for cause in ("asleep", "budget"))


PLANS: Final = tuple(Plan(*plan, seed) for seed, plan in enumerate(_plans(), 1))


def as_parameters(rung: str) -> list[Any]:
    """Each plan of that rung as a parameter of a test, the slower ones marked ``long``."""
    slow = (pytest.mark.long,)
    return [
        pytest.param(plan, id=plan.name, marks=() if plan.name in QUICK else slow)
        for plan in PLANS
        if plan.rung == rung
    ]


class Line:
    """The network between Kai and the cloud: a relay for TCP, and the cloud brains' own sockets for UDP."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
        self._upstream = host, int(port)
        self._brains: list[VoiceBrain] = []
        self._pairs: list[_Pair] = []
        self._is_hole = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[str]:
        """The address of the cloud behind this line."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}/v1"
        finally:
            server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def carries(self, brain: VoiceBrain) -> None:
        self._brains.append(brain)

    def cut(self, *, is_hole: bool) -> None:
        """From now on nothing passes on the connections that there are, and nobody is told. In a hole, new ones fail too."""
        self._is_hole = is_hole
        for pair in self._pairs:
            pair.is_cut = True
        for brain in self._brains:
            if isinstance(brain, OpenAIRealtimeBrain) and brain._connection is not None:
                rtc.cut_off(brain._connection)

    def drop(self, engine: RunningEngine) -> None:
        """The other side ends the connections that there are."""
        for pair in self._pairs:
            pair.abort()
        for brain in self._brains:
            if isinstance(brain, OpenAIRealtimeBrain) and brain.call_id is not None:
                headers = {"Authorization": f"Bearer {engine.key}"}
                httpx2.post(f"{engine.url}/realtime/calls/{brain.call_id}/hangup", headers=headers)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._relay(reader, writer), name="line: connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._is_hole:
                await reader.read()
                return
            there, here = await asyncio.open_connection(*self._upstream)
            pair = _Pair(writer, here)
            self._pairs.append(pair)
            try:
                await asyncio.gather(pair.pump(reader, here), pair.pump(there, writer))
            finally:
                self._pairs.remove(pair)
                here.close()
        finally:
            writer.close()


@dataclass(eq=False)
class _Pair:
    """A relayed connection."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    is_cut: bool = False

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self.is_cut:
                    writer.write(data)
                    await writer.drain()
            if not self.is_cut:
                writer.close()

    def abort(self) -> None:
        self.near.transport.abort()
        self.far.transport.abort()


@dataclass
class Watch:
    """Sees whether a person is ever left without a word: ``silent_s`` is the longest time in which they waited, heard
    nothing and read nothing."""

    silent_s: float = 0.0
    _since_s: float | None = field(default=None)

    async def follow(self, session: Session) -> None:
        """Follow the talk until cancelled."""
        while True:
            self.look(session.snapshot(), time.monotonic())
            await asyncio.sleep(0.05)

    def look(self, state: SessionState, at_s: float) -> None:
        is_waiting = not state.brain.is_up or state.agent is AgentState.THINKING
        if not is_waiting or state.problem is not None:
            self._since_s = None
            return
        self._since_s = at_s if self._since_s is None else self._since_s
        self.silent_s = max(self.silent_s, at_s - self._since_s)


@contextlib.contextmanager
def replayed_by(plan: Plan) -> Generator[random.Random]:
    """Give the plan's chance, and tell with a failure how to see it again."""
    try:
        yield random.Random(plan.seed)
    except BaseException as exc:
        exc.add_note(f"Seed {plan.seed}. Replay it: {plan.replay}")
        raise


def assert_kept(state: SessionState, asked: list[str], told: Callable[[list[str]], bool]) -> None:
    """No line of the person is lost or doubled, and Kai's are as the plan allows."""
    assert questions(state) == asked
    assert told(answers(state)), answers(state)


def assert_no_crash(records: list[Any]) -> None:
    """Nothing was logged as a fault of Kai's own; LiveKit's library logs the faults of its server."""
    serious = [record for record in records if record.levelname in ("ERROR", "CRITICAL")]
    assert [record.getMessage() for record in serious if record.name.startswith(("kai", "asyncio"))] == []
