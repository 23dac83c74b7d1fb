"""Converts a talk into the messages of the chat protocol, in a form that every chat template accepts.

A Realtime talk is a list of items in the order of events: Kai may greet first, a person may speak twice in a row or while a
tool runs, and the tool's result may arrive late or never. A chat template is a grammar. A strict one refuses a request with
any of these, and every later request too, since the history stays. The following rules satisfy all known templates:

- There is one system message, which is first. Then the person's messages and Kai's answers alternate, beginning with the
  person; the last message is the person's or a tool's result.
- Tool calls are followed at once by one result for each of them, even if the result arrived later; a call without a result
  gets a text that says so.
- A person's message does not follow a tool's result directly: a waiting phrase of Kai's is put between them.
- The ids of calls have nine letters and digits, names have plain characters, and arguments are a JSON object.

Worked example: greeting, "What is the weather?", call, "Are you there?", result. It becomes system (with the greeting),
user, assistant with the call, tool with the result, assistant "One moment.", user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from kai.engine.speech.mind import DEFAULT_NAME
from kai.engine.spoken_rules import RULES, TASK
from kai.engine.thinking import Question, text_of
from kai.wire.chat import whole_text
from kai.wire.realtime import Item, JsonObject

MAX_ITEMS: Final = 40
MAX_CHARS: Final = 24_000

STILL_RUNNING: Final = "still running"
CANCELLED: Final = "cancelled: no result came"
_WAITING: Final = "One moment."
_NOTHING_SAID: Final = "(Nothing was said yet. Please begin.)"
_GO_ON: Final = "(Nothing more was said. Please go on.)"
_RESULT_IS_HERE: Final = "(The result of the tool has come. Please go on.)"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """The form of a history that an endpoint accepts; the defaults are the protocol's.

    ``max_chars`` bounds the whole history. ``has_system`` and ``has_calls``: the endpoint accepts system messages, and tool
    calls. ``has_empty``: a message with calls may have an empty text, instead of none.
    """

    max_chars: int = MAX_CHARS
    has_system: bool = True
    has_calls: bool = True
    has_empty: bool = True


def chat_messages(
    question: Question,
    rules: str = RULES,
    *,
    form: HistoryForm = HistoryForm(),  # noqa: B008
    kept: Mapping[str, Mapping[str, object]] | None = None,
) -> list[JsonObject]:
    """Return the conversation as chat messages: the rules first, then the newest part of it that fits.

    ``kept`` holds, by the id of a call, the fields that the endpoint wants back with it; those under its key ``""`` belong
    to the message.
    """
    items = question.items[-MAX_ITEMS:]
    is_begun_here = len(items) == len(question.items)
    messages = _told(items, form, kept or {})
    greeting = ""
    if is_begun_here and messages and messages[0]["role"] == "assistant" and "tool_calls" not in messages[0]:
        greeting = f'\nYou opened the talk with the words: "{messages.pop(0)["content"]}"'
    system = f"{rules} Your name is {question.persona.name or DEFAULT_NAME}. It is {question.now:%A, %d %B %Y, %H:%M}."
    if task := question.instructions.strip():
        system = f"{system}\n{TASK}{task}"
    system = whole_text(system + greeting)
    _begin(messages, form.max_chars - len(system), is_begun_here=is_begun_here)
    _end(messages, items)
    if form.has_system:
        return [{"role": "system", "content": system}, *messages]
    first = {**messages[0], "content": f"{system}\n\n{messages[0]['content']}"}
    return [first, *messages[1:]]


def _told(
    items: Sequence[Item], form: HistoryForm, kept: Mapping[str, Mapping[str, object]]
) -> list[JsonObject]:
    """Return the items as alternating messages, each call with its result."""
    results = _results_of(items)
    last_words = [
        index for index, item in enumerate(items) if item.type == "message" and item.role == "user"
    ][-2:]
    messages: list[dict[str, Any]] = []
    calls: list[int] = []
    number = 0

    def close_calls(index: int) -> None:
        """Add the collected calls, which come before the item of that index, with their results."""
        nonlocal number
        if not calls:
            return
        is_old = len(last_words) == 2 and index <= last_words[0]
        told = [_result_in(results.get(call), is_old=is_old) for call in calls]
        made = [items[call] for call in calls]
        if not form.has_calls:
            lines = [f"(Result of {_name(call)}: {result})" for call, result in zip(made, told, strict=True)]
            _add(messages, "user", "\n".join(lines))
        else:
            ids = [f"call{number + place:05d}" for place in range(len(calls))]
            number += len(calls)
            _add_calls(messages, made, ids, form, kept)
            messages.extend(
                {"role": "tool", "tool_call_id": call_id, "content": result}
                for call_id, result in zip(ids, told, strict=True)
            )
        calls.clear()

    for index, item in enumerate(items):
        match item:
            case Item(type="function_call"):
                if items[index - 1].type == "function_call_output":
                    close_calls(index)
                calls.append(index)
            case Item(type="message", role="user" | "assistant" as role) if text := _text(item):
                close_calls(index)
                _add(messages, role, text)
            case _:
                pass
    close_calls(len(items))
    return cast("list[JsonObject]", messages)


def _add(messages: list[dict[str, Any]], role: str, text: str) -> None:
    if messages and messages[-1]["role"] == role and "tool_calls" not in messages[-1]:
        messages[-1]["content"] += f"\n{text}"
        return
    if role == "user" and messages and messages[-1]["role"] == "tool":
        messages.append({"role": "assistant", "content": _WAITING})
    messages.append({"role": role, "content": text})


def _add_calls(
    messages: list[dict[str, Any]],
    calls: Sequence[Item],
    ids: Sequence[str],
    form: HistoryForm,
    kept: Mapping[str, Mapping[str, object]],
) -> None:
    """Add the calls to Kai's message before them, or as a new message where there is none."""
    told = [
        {
            "id": call_id,
            "type": "function",
            "function": {"name": _name(call), "arguments": _arguments(call)},
            **{key: value for key, value in kept.get(call.call_id or "", {}).items() if key},
        }
        for call, call_id in zip(calls, ids, strict=True)
    ]
    fields = cast("dict[str, object]", kept.get(calls[0].call_id or "", {}).get("") or {})
    if messages and messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]:
        messages[-1].update({"tool_calls": told, **fields})
    else:
        content = "" if form.has_empty else None
        messages.append({"role": "assistant", "content": content, "tool_calls": told, **fields})


def _begin(messages: list[JsonObject], max_chars: int, *, is_begun_here: bool) -> None:
    """Remove the oldest messages that do not fit, so that a person's message is first; the person's last is always kept."""
    newest = max((i for i, message in enumerate(messages) if message["role"] == "user"), default=0)
    sizes = [_chars(message) for message in messages]
    first = 0
    while first < newest and sum(sizes[first:]) > max_chars:
        first += 1
    if first == 0 and messages and messages[0]["role"] != "user" and is_begun_here:
        messages.insert(0, {"role": "user", "content": _NOTHING_SAID})
    while first < len(messages) and messages[first]["role"] != "user":
        first += 1
    del messages[:first]


def _end(messages: list[JsonObject], items: Sequence[Item]) -> None:
    """Ensure that the last message, the one to answer, is a person's or a tool's result."""
    if not messages:
        messages.append({"role": "user", "content": _NOTHING_SAID})
    elif messages[-1]["role"] == "assistant":
        has_result = items[-1].type == "function_call_output"
        messages.append({"role": "user", "content": _RESULT_IS_HERE if has_result else _GO_ON})


def _results_of(items: Sequence[Item]) -> dict[int, Item]:
    """Return the result of each call by the call's index; of calls that share an id, the earliest gets the first result."""
    results: dict[int, Item] = {}
    made: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        if item.type == "function_call":
            made.setdefault(item.call_id or "", []).append(index)
        elif item.type == "function_call_output" and (calls := made.get(item.call_id or "")):
            results[next((call for call in calls if call not in results), calls[-1])] = item
    return results


def _result_in(result: Item | None, *, is_old: bool) -> str:
    if result is not None:
        output = whole_text(result.output or "")
        return output if output.strip() else "done"
    return CANCELLED if is_old else STILL_RUNNING


def _text(item: Item) -> str:
    return whole_text(text_of(item)).strip()


def _name(call: Item) -> str:
    return _NOT_IN_NAMES.sub("_", call.name or "")[:64] or "unknown"


def _arguments(call: Item) -> str:
    """Return the arguments if they are a JSON object, else an empty object: many templates parse them."""
    try:
        value: object = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return "{}"
    return whole_text(call.arguments or "{}") if isinstance(value, dict) else "{}"


def _chars(message: Mapping[str, Any]) -> int:
    return len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or ""))
