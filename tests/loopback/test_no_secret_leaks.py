"""A seeded secret appears nowhere in a whole talk: no log, state, event, error's text, server's message or file."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from kai.adapters.browser import PageLink
from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain, OpenAISocketBrain
from kai.adapters.voice_only import VoiceOnly
from kai.compose import safety_id
from kai.core.events import StartRequested, StopRequested, TextSubmitted
from kai.core.state import Look, Phase
from kai.errors import BrainError
from kai.ports import VoiceBrain
from kai.runtime.session import Session
from kai.runtime.tools import first_tools
from kai.settings import Settings
from kai.ui.view import lines, view
from tests.support.engine import RunningEngine, engine
from tests.support.fakes import BrainLog, FakeFace
from tests.support.scripted import as_cloud, scripted, validated
from tests.support.waiting import until

__all__ = ["engine", "validated"]

BAD_KEY = "bad-sk-seeded-5f0e8c2d91"
BROWSER_ID = "browser-seeded-77aa31"
SCRIPT = {
    "connects": [{"status": 503, "code": "server_error"}],
    "turns": [
        [{"say": "One moment."}, {"tool": "no_such_tool"}],
        [{"say": "It failed."}, {"error": "something_new"}],
        [{"say": "And then"}, {"drop": True}],
        [{"say": "Here I am again."}, {"fail": "insufficient_quota"}],
    ],
}


@pytest.mark.parametrize("brain", [OpenAIRealtimeBrain, OpenAISocketBrain])
async def test_a_seeded_secret_appears_nowhere_in_a_talk_with_errors(
    engine: RunningEngine,
    brain: type[OpenAIRealtimeBrain | OpenAISocketBrain],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    validated: list[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    async with engine.client() as client:
        secret = (await client.realtime.client_secrets.create()).value
    caplog.clear()  # the test's own client is not on trial
    endpoint = as_cloud(
        scripted(engine, key=secret, **SCRIPT),
        tools=first_tools().schemas(),
        safety_id=safety_id(BROWSER_ID),
    )
    told: list[str] = [repr(endpoint), repr(Settings(OPENAI_API_KEY=secret))]

    async def make_brain(_look: Look) -> VoiceBrain:
        return brain(endpoint)

    session = Session(
        make_brain=make_brain,
        make_face=FakeFace,
        make_voice=VoiceOnly,
        browser=PageLink(),
        tools=first_tools(),
    )
    await session.open()
    session.subscribe(lambda state: told.append(repr(state)))
    session.dispatch(StartRequested(1_700_000_000.0, Look()))
    await until(session, lambda s: s.brain.is_up)
    session.dispatch(TextSubmitted("t0", "Hello"))
    await until(
        session, lambda s: [m for m in s.messages if m.text.startswith("It failed")] and s.is_between_turns
    )
    # This answer is lost; the fresh brain is asked again by itself, and that answer ends for good.
    session.dispatch(TextSubmitted("t1", "Go on"))
    await until(session, lambda s: s.brain.code == "quota")
    told.append(str(lines(session.snapshot().messages)))
    told.append(str(view(session.snapshot(), 0.0)))
    told.append(repr(session._store.journal()))
    session.dispatch(StopRequested())
    await until(session, lambda s: s.phase is Phase.CLOSED)
    await session.aclose()

    with pytest.raises(BrainError) as refused:
        await brain(replace(endpoint, api_key=BAD_KEY)).open(Look(), BrainLog())
    error = refused.value
    told += [repr(error), str(error), repr(vars(error))]
    # What the page and the log get of an error: its text and the types of what was behind it.
    told += ["".join(traceback.format_exception_only(error))]
    told += [record.getMessage() + str(vars(record)) for record in caplog.records]
    told += [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    told += [engine.stderr]
    told += validated
    everything = "\n".join(told)
    assert "no_such_tool" in everything
    assert "insufficient_quota" in everything
    for hidden in (secret, secret.removeprefix("ek_"), BAD_KEY, BROWSER_ID):
        assert hidden not in everything


def test_an_endpoint_hides_its_key() -> None:
    assert "sk-hidden" not in repr(Endpoint(api_key="sk-hidden", model="m"))
