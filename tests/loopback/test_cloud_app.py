"""The app with a key set, the engine in the provider's place: what the composition root makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.adapters.openai_realtime import brain as brain_module
from kai.compose import SharedServices, safety_id
from kai.core.events import LookChanged, StartRequested, TextSubmitted, TurnKeyPressed
from kai.core.state import Look, SessionState
from kai.records.memory import Memory
from kai.settings import Settings
from tests.support.engine import RunningEngine, engine
from tests.support.fakes import FakeFace
from tests.support.scripted import scripted, validated
from tests.support.waiting import until

__all__ = ["engine", "validated"]

TURNS = [[{"say": "One moment."}, {"tool": "current_time"}], [{"say": "It is noon."}]]


def is_told(state: SessionState) -> bool:
    return any(m.text == "It is noon." and m.is_final for m in state.messages) and state.spending.turns == 2


async def test_where_udp_is_blocked_a_talk_goes_on_over_a_websocket_and_says_so(
    engine: RunningEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(brain_module, "ICE_S", 1.0)
    endpoint = scripted(engine, connects=[{"has_no_udp": True}], turns=TURNS)
    app = SharedServices(
        Settings(
            OPENAI_API_KEY=engine.key, OPENAI_BASE_URL=engine.url, openai_model=endpoint.model, _env_file=None
        ),
        Memory(tmp_path),
    )
    monkeypatch.setattr(app._spare, "take", FakeFace)
    session, _ = app.make_session("browser-1")
    await session.open()
    said: list[str] = []
    session.subscribe(lambda s: said.append(s.brain.message))
    session.dispatch(StartRequested(1_700_000_000.0, Look()))
    state = await until(session, lambda s: s.brain.is_up)
    assert state.facts.transport == "websocket"
    assert any("UDP is blocked" in message for message in said)
    assert state.problem is None
    session.dispatch(TextSubmitted("t1", "What time is it?"))
    state = await until(session, is_told)
    assert [(run.name, run.problem) for run in state.tool_runs] == [("current_time", "")]
    assert state.spending.turns == 2
    session.dispatch(LookChanged(Look(instructions="Be brief.")))
    session.dispatch(TurnKeyPressed())
    # The next talk does not try again what cannot be.
    other, _ = app.make_session("browser-2")
    await other.open()
    other.dispatch(StartRequested(1_700_000_000.0, Look()))
    state = await until(other, lambda s: s.brain.is_up)
    assert (state.facts.transport, state.brain.attempt) == ("websocket", 1)
    await other.aclose()
    await session.aclose()
    await app.aclose()


def test_a_browsers_name_for_the_provider_is_stable_and_tells_nothing() -> None:
    assert safety_id("browser-1") == safety_id("browser-1") != safety_id("browser-2")
    assert "browser" not in safety_id("browser-1")
