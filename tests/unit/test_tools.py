"""Tools: what the brain is told of them, and how each end of a call is said."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from openai.types.realtime import RealtimeFunctionTool
from pydantic import TypeAdapter

from kai.core.state import Card
from kai.runtime.tools import Arguments, Registry, Tool, ToolError, first_tools


class NoArguments(Arguments):
    pass


def tool(run: Any) -> Registry:
    return Registry((Tool("a_tool", "Does it.", NoArguments, run),), limit_s=0.05)


def test_the_schemas_are_what_the_reference_takes() -> None:
    for schema in first_tools().schemas():
        TypeAdapter(RealtimeFunctionTool).validate_python(schema, strict=True)
    assert first_tools().names() == ("current_time", "show_card")
    card = first_tools().schemas()[1]["parameters"]
    assert card["required"] == ["title", "text"]
    assert card["additionalProperties"] is False


async def test_the_time_is_told_here_and_elsewhere() -> None:
    here = await first_tools().run("current_time", "{}")
    there = json.loads((await first_tools().run("current_time", '{"time_zone": "Asia/Tokyo"}')).output)
    assert set(json.loads(here.output)) == {"time", "weekday", "date", "zone"}
    assert there["zone"] == "JST"
    nowhere = await first_tools().run("current_time", '{"time_zone": "Moon/Base"}')
    assert "not known" in nowhere.problem


async def test_a_card_is_shown() -> None:
    result = await first_tools().run("show_card", '{"title": "Shopping", "text": "Bread\\nMilk"}')
    assert result.card == Card("Shopping", "Bread\nMilk")
    assert result.problem == ""


@pytest.mark.parametrize("arguments", ["not json", '{"titel": 1}', '["a"]', '{"title": "", "text": "x"}'])
async def test_bad_arguments_end_in_words(arguments: str) -> None:
    result = await first_tools().run("show_card", arguments)
    assert "does not understand" in result.problem
    assert json.loads(result.output)["error"] == result.problem


async def test_a_slow_a_failing_and_an_unknown_tool_end_in_words() -> None:
    async def slow(_given: NoArguments) -> Any:
        await asyncio.sleep(10)

    async def faulty(_given: NoArguments) -> Any:
        raise ZeroDivisionError("secret detail")

    async def refusing(_given: NoArguments) -> Any:
        raise ToolError("The weather service is closed today.")

    async def endless(_given: NoArguments) -> Any:
        return "x" * 20_000, None

    assert "longer than" in (await tool(slow).run("a_tool", "{}")).problem
    failed = await tool(faulty).run("a_tool", "{}")
    assert "failed" in failed.problem
    assert "secret detail" not in failed.output
    assert (await tool(refusing).run("a_tool", "{}")).problem == "The weather service is closed today."
    assert "more than can be told" in (await tool(endless).run("a_tool", "{}")).problem
    assert "does not have" in (await tool(slow).run("another", "{}")).problem
