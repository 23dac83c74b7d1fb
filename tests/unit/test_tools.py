"""Tools: what the brain is told of them, and how each end of a call is said."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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


@pytest.mark.parametrize("asked", [None, "Europe/Berlin"])
@pytest.mark.parametrize(
    "own", ["", "Asia/Tokyo", "America/St_Johns", "Pacific/Kiritimati", "Asia/Kathmandu", "UTC"]
)
async def test_the_time_without_a_place_is_that_of_the_person(own: str, asked: str | None) -> None:
    arguments = json.dumps({} if asked is None else {"time_zone": asked})
    told = json.loads((await first_tools().run("current_time", arguments, own)).output)
    zone = ZoneInfo(asked or own) if asked or own else None
    now = datetime.now(zone).astimezone(zone)
    at = datetime.strptime(f"{told['date']} {told['time']}", "%Y-%m-%d %H:%M").replace(tzinfo=now.tzinfo)
    assert timedelta(0) <= now - at < timedelta(minutes=2)
    assert told["zone"] == now.tzname()


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
    async def slow(_given: NoArguments, _time_zone: str) -> Any:
        await asyncio.sleep(10)

    async def faulty(_given: NoArguments, _time_zone: str) -> Any:
        raise ZeroDivisionError("secret detail")

    async def refusing(_given: NoArguments, _time_zone: str) -> Any:
        raise ToolError("The weather service is closed today.")

    async def endless(_given: NoArguments, _time_zone: str) -> Any:
        return "x" * 20_000, None

    assert "longer than" in (await tool(slow).run("a_tool", "{}")).problem
    failed = await tool(faulty).run("a_tool", "{}")
    assert "failed" in failed.problem
    assert "secret detail" not in failed.output
    assert (await tool(refusing).run("a_tool", "{}")).problem == "The weather service is closed today."
    assert "more than can be told" in (await tool(endless).run("a_tool", "{}")).problem
    assert "does not have" in (await tool(slow).run("another", "{}")).problem
