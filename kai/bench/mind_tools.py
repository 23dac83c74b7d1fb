"""Does Kai use the session's tools when somebody asks for what they do? Twenty requests, put as people say them.

The tools are the app's own. A request is handled when the right tool was called with arguments that it takes and that say
what was asked, and Kai then said something. The time elsewhere may also be told without the tool, if it is right.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from kai.bench.asking import Answer, ToolCall, typed_talk, wait_mind
from kai.bench.bars import Bar, at_least, percent_of
from kai.bench.mind import PROMPTS, has_words, timing
from kai.bench.part import RunningEngine, local_engine
from kai.engine.two_minds import OFFERS_TOOLS
from kai.runtime.tools import first_tools

BAR_PERCENT: Final = 80.0
MOST_CALLS: Final = 3
_MINUTE: Final = timedelta(minutes=1)


def run() -> dict[str, Any]:
    """How many of the requests were handled, and what came of the others."""
    with local_engine() as engine:
        return asyncio.run(_ask(engine))


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Under this share tools are not worth offering, so there is no bar where the model is not offered any."""
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
    """The last answer, and every call on the way to it; each call is given its real result."""
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
    """Whether the request was done; ``now`` is aware."""
    if not said:
        return False
    asked_for = [call for call in calls if call.name == request["tool"]]
    if "time_zone" in request:
        there = now.astimezone(ZoneInfo(request["time_zone"]))
        return any(_has_offset(call, there) for call in asked_for) or tells_time(said, there)
    return any(_shows_all(call, request["all"], now) for call in asked_for)


def tells_time(said: str, there: datetime) -> bool:
    """Whether the words have the time of that moment in digits, on either clock, to the minute."""
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
