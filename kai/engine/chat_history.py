"""A talk in the chat protocol's words, made legal for every template that stands behind such an endpoint.

A Realtime talk is a list of items in the order in which things happened: Kai may greet first, a person speaks twice in a row,
speaks while a tool runs, and the tool's result comes late or never. A chat template is a grammar, and the strict ones refuse
a request over any of that, and every later one, since the history stays. The rules kept here hold for all of them at once:

- one system message, first; then a person's message, then answers and messages in turn, and a person's message, or a tool's
  result, last;
- a call of tools is followed at once by one result for each of its calls, whenever that came; where none came, by a word
  that says so;
- a person's message does not follow a tool's result: Kai's waiting stands between them;
- the ids of calls have nine letters and digits, names are plain, and arguments are an object.

Worked example: greeting, "What is the weather?", call, "Are you there?", result. It is told as system (with the greeting),
user, assistant with the call, tool with the result, assistant "One moment.", user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from kai.engine.thinking import Question, text_of
from kai.wire.chat import whole_text
from kai.wire.realtime import Item, JsonObject

MAX_ITEMS: Final = 40
MAX_CHARS: Final = 24_000

SPOKEN_RULES: Final = (
    "You are Kai, an AI with a voice and a face, in a spoken conversation. Your words are read aloud: answer in a few short, "
    "plain sentences, without lists, markup, links or emoji. What you hear comes from a speech recogniser and may have "
    "mistakes. When you do not know something, say so."
)
STILL_RUNNING: Final = "still running"
CANCELLED: Final = "cancelled: no result came"
_WAITING: Final = "One moment."
_NOTHING_SAID: Final = "(Nothing was said yet. Please begin.)"
_GO_ON: Final = "(Nothing more was said. Please go on.)"
_RESULT_IS_HERE: Final = "(The result of the tool has come. Please go on.)"
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Manner:
    """What an endpoint accepts of a history; all that is known of an endpoint at first is the protocol.

    ``max_chars`` of the whole; ``has_system``: system messages are taken; ``has_calls``: calls of tools are; ``has_empty``: a
    call may stand in a message with an empty text, rather than with none.
    """

    max_chars: int = MAX_CHARS
    has_system: bool = True
    has_calls: bool = True
    has_empty: bool = True


def chat_messages(
    question: Question,
    rules: str = SPOKEN_RULES,
    *,
    manner: Manner = Manner(),  # noqa: B008
    kept: Mapping[str, Mapping[str, object]] | None = None,
) -> list[JsonObject]:
    """The conversation in the chat protocol's words: the rules first, then its newest part that fits.

    ``kept``: by the id of a call, what the endpoint wants back with it; under the key ``""`` of it, fields of the message.
    """
    items = question.items[-MAX_ITEMS:]
    is_begun_here = len(items) == len(question.items)
    messages = _told(items, manner, kept or {})
    greeting = ""
    if is_begun_here and messages and messages[0]["role"] == "assistant" and "tool_calls" not in messages[0]:
        greeting = f'\nYou opened the talk with the words: "{messages.pop(0)["content"]}"'
    system = f"{rules} It is {question.now:%A, %d %B %Y, %H:%M}.\n{question.instructions.strip()}".strip()
    system = whole_text(system + greeting)
    _begin(messages, manner.max_chars - len(system), is_begun_here=is_begun_here)
    _end(messages, items)
    if manner.has_system:
        return [{"role": "system", "content": system}, *messages]
    first = {**messages[0], "content": f"{system}\n\n{messages[0]['content']}"}
    return [first, *messages[1:]]


def _told(
    items: Sequence[Item], manner: Manner, kept: Mapping[str, Mapping[str, object]]
) -> list[JsonObject]:
    """The items as messages, in turn, each call with its result."""
    results = _results_of(items)
    last_words = [
        index for index, item in enumerate(items) if item.type == "message" and item.role == "user"
    ][-2:]
    messages: list[dict[str, Any]] = []
    calls: list[int] = []
    number = 0

    def close_calls(index: int) -> None:
        """Tell the calls that were gathered, which stand before the item of that index."""
        nonlocal number
        if not calls:
            return
        is_old = len(last_words) == 2 and index <= last_words[0]
        told = [_result_in(results.get(call), is_old=is_old) for call in calls]
        made = [items[call] for call in calls]
        if not manner.has_calls:
            lines = [f"(Result of {_name(call)}: {result})" for call, result in zip(made, told, strict=True)]
            _add(messages, "user", "\n".join(lines))
        else:
            ids = [f"call{number + place:05d}" for place in range(len(calls))]
            number += len(calls)
            _add_calls(messages, made, ids, manner, kept)
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
    manner: Manner,
    kept: Mapping[str, Mapping[str, object]],
) -> None:
    """The calls as part of what Kai said before them, if anything."""
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
        content = "" if manner.has_empty else None
        messages.append({"role": "assistant", "content": content, "tool_calls": told, **fields})


def _begin(messages: list[JsonObject], max_chars: int, *, is_begun_here: bool) -> None:
    """Leave out the oldest messages that do not fit, and let a person's be the first that stays; their last stays always."""
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
    """Let a person's message, or a tool's result, be the last: an answer is wanted to it."""
    if not messages:
        messages.append({"role": "user", "content": _NOTHING_SAID})
    elif messages[-1]["role"] == "assistant":
        has_result = items[-1].type == "function_call_output"
        messages.append({"role": "user", "content": _RESULT_IS_HERE if has_result else _GO_ON})


def _results_of(items: Sequence[Item]) -> dict[int, Item]:
    """The result of each call by the call's index; where an endpoint gives two calls one id, the first is answered first."""
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
    """The arguments where they are a JSON object; many a template reads them."""
    try:
        value: object = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return "{}"
    return whole_text(call.arguments or "{}") if isinstance(value, dict) else "{}"


def _chars(message: Mapping[str, Any]) -> int:
    return len(str(message.get("content") or "")) + len(str(message.get("tool_calls") or ""))
