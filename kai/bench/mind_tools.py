"""Does Kai use the session's tools when somebody asks for what they do? Twenty requests, put as people say them.

The tools are the app's own. A request is handled when the right tool was called with valid arguments that match the request,
and Kai then said something. The time in another place may also be given without the tool, if it is right.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from kai.bench.asking import Answer, typed_talk, wait_mind
from kai.bench.bars import Bar, at_least, percent_of
from kai.bench.mind import PROMPTS, has_words, timing
from kai.bench.part import RunningEngine, local_engine
from kai.engine.thinking import ToolCall
from kai.engine.two_minds import OFFERS_TOOLS
from kai.runtime.tools import first_tools

BAR_PERCENT: Final = 80.0
MOST_CALLS: Final = 3
_MINUTE: Final = timedelta(minutes=1)


def run() -> dict[str, Any]:
    """Return how many of the requests were handled, and what happened to the others."""
    with local_engine() as engine:
        return asyncio.run(_ask(engine))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bar: under this share, tools are not worth offering. A model that is offered no tools has no bar."""
    if not figures["are_tools_offered"]:
        return []
    return [at_least("requests for a tool handled", percent_of(figures["handled"]), BAR_PERCENT, "%")]


async def _ask(engine: RunningEngine) -> dict[str, Any]:
    requests = json.loads((PROMPTS / "tools.json").read_text(encoding="utf-8"))
    figures: dict[str, Any] = {"mind": await wait_mind(engine), "are_tools_offered": OFFERS_TOOLS}
    answers: list[Answer] = []
    failed: list[str] = []
    for request in requests:
        answer, calls = await _one(engine, request["turn"])
        answers.append(answer)
        if not is_handled(request, answer.text, calls, datetime.now(UTC)):
            made = ", ".join(f"{call.name} {call.arguments}" for call in calls) or "no call"
            failed.append(f"{request['turn']} -> {made}; {answer.text}")
    figures["handled"] = f"{len(requests) - len(failed)} of {len(requests)}"
    return {**figures, "not_handled": failed, **timing(answers)}


async def _one(engine: RunningEngine, turn: str) -> tuple[Answer, list[ToolCall]]:
    """Return the last answer and every tool call before it; each call gets its real result."""
    box = first_tools()
    calls: list[ToolCall] = []
    async with typed_talk(engine) as talk:
        answer = await talk.ask(turn)
        while answer.calls and len(calls) < MOST_CALLS:
            calls += answer.calls
            for call in answer.calls:
                result = await box.run(call.name, call.arguments)
                answer = await talk.tell_result(call, result.output)
    return answer, calls


def is_handled(request: Mapping[str, Any], said: str, calls: list[ToolCall], now: datetime) -> bool:
    """Return whether the request was handled; ``now`` is timezone-aware."""
    if not said:
        return False
    asked_for = [call for call in calls if call.name == request["tool"]]
    if "time_zone" in request:
        there = now.astimezone(ZoneInfo(request["time_zone"]))
        return any(_has_offset(call, there) for call in asked_for) or tells_time(said, there)
    return any(_shows_all(call, request["all"], now) for call in asked_for)


def tells_time(said: str, there: datetime) -> bool:
    """Return whether the words contain that time in digits, on the 12- or 24-hour clock, to the minute."""
    for moment in (there - _MINUTE, there, there + _MINUTE):
        hours = {moment.hour, moment.hour % 12 or 12}
        if any(re.search(rf"(?<!\d)0?{hour}[:.]{moment.minute:02}(?!\d)", said) for hour in hours):
            return True
    return False


def _has_offset(call: ToolCall, there: datetime) -> bool:
    try:
        zone = ZoneInfo(json.loads(call.arguments)["time_zone"])
    except (KeyError, ValueError, OSError, TypeError):
        return False
    return there.astimezone(zone).utcoffset() == there.utcoffset()


def _shows_all(call: ToolCall, wanted: list[str], now: datetime) -> bool:
    try:
        card = json.loads(call.arguments)
        shown = f"{card['title']}\n{card['text']}"
    except (KeyError, ValueError, TypeError):
        return False
    return all(has_words(pattern, shown, now) for pattern in wanted)
