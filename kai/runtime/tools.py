"""The tools that Kai may call during a talk: a small registry of typed functions.

A tool is an async function whose arguments are one pydantic model; the brain gets the model's JSON schema. Every failure (bad
arguments, a bug, a timeout) becomes a message for the brain, which speaks about it, and for the page.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kai.core.state import Card
from kai.errors import KaiError
from kai.ports import ToolResult

log = logging.getLogger(__name__)

TOOL_S: Final = 8.0
"""The time limit of a call. It is short because a person is waiting for the answer."""
OUTPUT_LIMIT_CHARS: Final = 16_000


class ToolError(KaiError):
    """A tool could not do its work. The brain tells the person the message."""

    code = "tool"


class Arguments(BaseModel):
    """Base of every tool's arguments: what the schema does not name is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that Kai may call.

    ``run`` takes the arguments and the person's time zone (an IANA name, or empty for this computer's), and returns a value
    for JSON and a card to show, if any.
    """

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[[Any, str], Awaitable[tuple[object, Card | None]]]

    def schema(self) -> dict[str, object]:
        """Return the tool in the protocol's form."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": parameters,
        }


class Registry:
    """Tools by name. Implements ``kai.ports.ToolBox``."""

    def __init__(self, tools: tuple[Tool, ...], *, limit_s: float = TOOL_S) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._limit_s = limit_s

    def schemas(self) -> tuple[dict[str, object], ...]:
        """Return the tools in the form that a brain takes."""
        return tuple(tool.schema() for tool in self._tools.values())

    def names(self) -> tuple[str, ...]:
        """Return the tools' names, for a page that offers them."""
        return tuple(self._tools)

    async def run(self, name: str, arguments: str, time_zone: str = "") -> ToolResult:
        """See ``ToolBox.run``."""
        tool = self._tools.get(name)
        if tool is None:
            return _problem("Kai tried a tool that he does not have.")
        spoken = name.replace("_", " ")
        try:
            given = tool.arguments.model_validate_json(arguments or "{}")
            async with asyncio.timeout(self._limit_s):
                value, card = await tool.run(given, time_zone)
            output = json.dumps(value, ensure_ascii=False)
        except ValidationError as exc:
            where = ", ".join(".".join(str(part) for part in e["loc"]) or "arguments" for e in exc.errors())
            return _problem(f"The tool “{spoken}” was called in a way it does not understand ({where}).")
        except TimeoutError:
            return _problem(
                f"The tool “{spoken}” took longer than {self._limit_s:g} seconds. Ask again in a moment."
            )
        except ToolError as exc:
            return _problem(exc.message)
        except Exception:
            # A tool may raise anything, and this is its supervisor.
            log.exception("a tool failed", extra={"tool": name})
            return _problem(f"The tool “{spoken}” failed. The rest of the talk is not affected.")
        if len(output) > OUTPUT_LIMIT_CHARS:
            return _problem(f"The tool “{spoken}” gave more than can be told.")
        return ToolResult(output, card=card)


def _problem(message: str) -> ToolResult:
    advice = "Tell the person in one short sentence what went wrong."
    return ToolResult(json.dumps({"error": message, "advice": advice}, ensure_ascii=False), problem=message)


class TimeArguments(Arguments):
    """Where the time is wanted."""

    time_zone: str | None = Field(
        default=None,
        max_length=64,
        description="An IANA time zone such as Europe/Berlin; leave out for the person's own.",
    )


async def _current_time(given: TimeArguments, time_zone: str) -> tuple[object, Card | None]:
    try:
        name = given.time_zone or time_zone
        zone = ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ToolError("That time zone is not known here. Name a large city of its region.") from exc
    now = datetime.now(zone).astimezone(zone)
    return {
        "time": f"{now:%H:%M}",
        "weekday": f"{now:%A}",
        "date": f"{now:%Y-%m-%d}",
        "zone": now.tzname() or "",
    }, None


class CardArguments(Arguments):
    """What stands on the card."""

    title: str = Field(min_length=1, max_length=80, description="A few words.")
    text: str = Field(max_length=800, description="Plain text, a few short lines, without markup.")


async def _show_card(given: CardArguments, _: str) -> tuple[object, Card | None]:
    return {"shown": True}, Card(given.title.strip(), given.text.strip())


CURRENT_TIME: Final = Tool(
    "current_time",
    "Tells the time, the weekday and the date, here or elsewhere.",
    TimeArguments,
    _current_time,
)
SHOW_CARD: Final = Tool(
    "show_card",
    "Shows a card with text beside you, for what is easier to read than to hear: a list, a spelling, an address.",
    CardArguments,
    _show_card,
)


class SearchArguments(Arguments):
    """What is looked for."""

    question: str = Field(
        min_length=1, max_length=400, description="What the person wants to know, as a whole question."
    )


class Passage(Protocol):
    """A passage of one of the person's files."""

    @property
    def file(self) -> str: ...
    @property
    def heading(self) -> str: ...
    @property
    def text(self) -> str: ...


SEARCH_FILES: Final = "search_files"


def search_tool(search: Callable[[str], Awaitable[Sequence[Passage]]]) -> Tool:
    """Make the tool that searches the person's own files."""

    async def run(given: SearchArguments, _time_zone: str) -> tuple[object, Card | None]:
        try:
            found = await search(given.question)
        except KaiError as exc:
            raise ToolError(exc.message) from exc
        if not found:
            return {"passages": [], "advice": "Say that the person's files do not tell."}, None
        passages = [{"file": p.file, "heading": p.heading, "text": p.text} for p in found]
        return {"passages": passages, "advice": "Answer from these, and name the file."}, None

    return Tool(
        SEARCH_FILES,
        "Looks into the person's own files. Use it whenever the answer may stand there, before you say that you do not know.",
        SearchArguments,
        run,
    )


def first_tools(*more: Tool) -> Registry:
    """Return a registry of the tools that every talk has, and ``more``."""
    return Registry((CURRENT_TIME, SHOW_CARD, *more))
