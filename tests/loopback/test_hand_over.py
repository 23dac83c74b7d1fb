"""One brain after another in a talk that goes on: before the provider's hour, and when a setting needs a new connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from kai.core.events import (
    HandOverRequested,
    LookChanged,
    TextSubmitted,
    ToolRequested,
)
from kai.core.state import BrainFacts, Card, HandOver, LegStatus, Look, Role, SessionState
from kai.errors import BrainError
from kai.ports import ToolResult
from tests.loopback.test_session import World


class Tools:
    async def run(self, name: str, arguments: str, time_zone: str = "") -> ToolResult:
        if name == "card":
            return ToolResult("{}", card=Card("Title", arguments))
        return ToolResult('{"error": "x"}', problem="It is closed today.")


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.session._tools = Tools()
    await world.session.open()
    await world.talking()
    yield world
    await world.session.aclose()


def is_quiet(state: SessionState) -> bool:
    return state.is_between_turns and bool(state.messages)


async def test_the_fresh_brain_knows_the_talk_and_nothing_was_heard_of_the_exchange(world: World) -> None:
    world.tell(TextSubmitted("t1", "My name is Ada."))
    await world.until(lambda s: len(s.messages) == 2 and s.is_between_turns, "an answer")
    statuses: list[LegStatus] = []
    world.session.subscribe(lambda s: statuses.append(s.brain.status))
    world.tell(LookChanged(Look(voice="cedar")), HandOverRequested())
    await world.until(lambda s: len(world.brains) == 2 and world.brains[0].is_closed, "the exchange")
    old, fresh = world.brains
    assert fresh.seeded == [("user", "My name is Ada."), ("assistant", "You said My name is Ada.")]
    assert fresh.look.voice == "cedar"
    assert set(statuses) == {LegStatus.CONNECTED}
    world.tell(TextSubmitted("t2", "Who am I?"))
    await world.until(lambda s: fresh.texts, "the fresh brain's first line")
    assert [text for _, text in old.texts] == ["My name is Ada."]
    assert [text for _, text in fresh.texts] == ["Who am I?"]


async def test_a_spare_that_cannot_be_opened_is_told_to_who_asked_and_the_talk_goes_on(world: World) -> None:
    world.brain_errors.append(BrainError("Refused.", code="quota", is_retryable=False))
    world.tell(HandOverRequested())
    await world.until(lambda s: len(world.brains) == 2 and s.hand_over is HandOver.NONE, "the failure")
    problem = world.state.problem
    assert problem is not None
    assert (problem.code, problem.is_fatal) == ("change-failed", False)
    assert not world.brains[0].is_closed
    world.tell(TextSubmitted("t1", "Hello"))
    await world.until(lambda s: len(s.messages) == 2 and s.is_between_turns, "an answer of the old brain")


async def test_a_lost_spare_is_forgotten(world: World) -> None:
    world.tell(
        TextSubmitted("t1", "Hello there, this answer is long enough to be interrupted by nobody at all")
    )
    await world.until(lambda s: s.live_answers, "an answer")
    world.tell(HandOverRequested())
    await world.until(lambda s: s.hand_over is HandOver.READY, "the spare")
    world.brains[1].fail()
    await world.until(lambda s: s.hand_over is HandOver.NONE, "the loss")
    await world.until(is_quiet, "the answer's end")
    assert world.brains[1].is_closed
    assert not world.brains[0].is_closed


async def test_stopping_closes_the_spare_too(world: World) -> None:
    world.tell(
        TextSubmitted("t1", "Hello there, this answer is long enough to be interrupted by nobody at all")
    )
    await world.until(lambda s: s.live_answers, "an answer")
    world.tell(HandOverRequested())
    await world.until(lambda s: s.hand_over is HandOver.READY, "the spare")
    await world.session.aclose()
    assert [brain.is_closed for brain in world.brains] == [True, True]


async def test_a_tool_ends_at_the_brain_and_on_the_stage(world: World) -> None:
    brain = world.brains[0]
    assert brain._sink is not None
    brain._sink.emit(ToolRequested("c1", "card", "text"))
    brain._sink.emit(ToolRequested("c2", "weather", "{}"))
    await world.until(lambda s: len(brain.tool_results) == 2, "the results")
    assert brain.tool_results == [("c1", "{}"), ("c2", '{"error": "x"}')]
    assert world.state.card == Card("Title", "text")
    assert world.lines(Role.NOTICE) == ["It is closed today."]


async def test_the_page_can_show_what_the_brain_is(world: World) -> None:
    assert world.state.facts == BrainFacts("fake", "fake-brain")
