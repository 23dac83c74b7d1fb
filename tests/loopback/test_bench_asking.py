"""The bench's typed talk, with the real engine: what it asks, what it is told, and how a tool's result comes back."""

from __future__ import annotations

import psutil
import pytest

from kai.bench.asking import REFLEX, typed_talk
from kai.bench.mind import Prompt, ask
from kai.bench.part import RunningEngine
from kai.engine.thinking import ToolCall
from tests.support.engine import RunningEngine as Started
from tests.support.engine import engine

__all__ = ["engine"]


@pytest.fixture
def running(engine: Started) -> RunningEngine:
    return RunningEngine(engine.url, engine.key, psutil.Process(engine.process.pid))


async def test_an_answer_comes_with_its_words_its_mind_and_its_times(running: RunningEngine) -> None:
    async with typed_talk(running) as talk:
        answer = await talk.ask("What is twelve times eight?")
        again = await talk.ask("What did you say?")
    assert "96" in answer.text
    assert "96" in again.text, "it is one conversation"
    assert (answer.mind, answer.calls, answer.tokens_per_s) == (REFLEX, (), None)
    assert answer.first_word_s is not None
    assert 0 < answer.first_word_s <= answer.took_s


async def test_a_prompt_is_asked_with_its_own_instructions_turn_by_turn(running: RunningEngine) -> None:
    prompt = Prompt(
        "p", "instructions", ("Hello.", "What is your name?"), "Your name is Nova.", ("nova",), ("kai",)
    )
    asked = await ask(running, prompt)
    assert len(asked.answers) == 2
    assert asked.is_right, asked.answers[-1].text


async def test_a_tools_result_is_answered(running: RunningEngine) -> None:
    async with typed_talk(running) as talk:
        answer = await talk.tell_result(ToolCall("call_1", "current_time", "{}"), '{"time": "12:00"}')
    assert answer.text
