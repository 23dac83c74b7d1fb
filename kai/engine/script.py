"""The scripted mode: a mind that says and does exactly what a test wrote down, faults of the provider included.

It comes as a mind's body, ``{"script": {...}}``, by ``PUT /kai/minds/{id}``, and is chosen by ``model="kai-<id>"``::

    {"seed": 7,
     "connects": [{"status": 429, "code": "rate_limit_exceeded"}, {"wait_ms": 300}, {"has_no_udp": true}],
     "turns": [[{"say": "One moment."}, {"tool": "current_time", "arguments": {}}],
               [{"wait_ms": [50, 200]}, {"say": "It is noon."}, {"limits": {"tokens": [1000, 40, 12.5]}}],
               [{"say": "And then"}, {"drop": true}]]}

Each connection takes the next of ``connects`` and each answer the next of ``turns``, whichever session asks; past the end
connections are as always and answers say so. A step is one of: ``say`` (words), ``tool`` with ``arguments``, ``wait_ms``
(a number, or a range of which the seed picks), ``error`` (an error event of that code; the session goes on), ``fail`` (the
response fails with that code), ``cut`` (it stays incomplete for that reason), ``drop`` (the connection ends without a
word), ``expire`` (the session's time is over), ``limits`` (what is left of the provider's, as limit, remaining, seconds).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from kai.engine.thinking import Question, Said, Staged, Thought, ToolCall
from kai.wire.realtime import ClientMistake, JsonObject, RateLimit

MAX_STEPS: Final = 500
MAX_WAIT_MS: Final = 60_000
THE_END: Final = "My script ends here."
_STAGED: Final = frozenset({"error", "fail", "cut", "drop", "expire"})


@dataclass(frozen=True, slots=True)
class Connect:
    """What a connection meets: a wait, then a refusal (``status`` other than 0), or a media path that leads nowhere."""

    wait_s: float = 0.0
    status: int = 0
    code: str = ""
    has_no_udp: bool = False


class Script:
    """A script on its way; its position is shared by all sessions that choose it. Implements ``Thinker``."""

    def __init__(self, given: object) -> None:
        """Raises `ClientMistake` for what is no script."""
        body = cast("JsonObject", given) if isinstance(given, dict) else {"": None}
        if set(body) - {"seed", "connects", "turns"}:
            raise _mistake("A script has 'seed', 'connects' and 'turns'.")
        seed = body.get("seed", 0)
        self._random = random.Random(seed if isinstance(seed, int) else 0)
        self._connects = [_connect(entry) for entry in _list(body, "connects")]
        self._turns = [_turn(entry) for entry in _list(body, "turns")]
        if sum(map(len, self._turns)) > MAX_STEPS:
            raise _mistake(f"A script has at most {MAX_STEPS} steps.")

    def next_connect(self) -> Connect:
        """What the next connection meets."""
        return self._connects.pop(0) if self._connects else Connect()

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        del question
        steps = self._turns.pop(0) if self._turns else [{"say": THE_END}]
        for index, step in enumerate(steps):
            match step:
                case {"say": str(text)}:
                    yield Said(f"{text} ")
                case {"tool": str(name)}:
                    arguments: Any = step.get("arguments", "{}")
                    yield ToolCall(f"call_{id(steps):x}_{index}", name, _json(arguments))
                case {"wait_ms": int() | list() as wait_ms}:
                    await asyncio.sleep(self._wait_s(wait_ms))
                case {"limits": dict() as limits}:
                    yield Staged("limits", limits=_limits(cast("Mapping[str, Any]", limits)))
                case _:
                    kind = next(iter(step))
                    yield Staged(kind, code=str(step[kind]))

    def _wait_s(self, wait_ms: Any) -> float:
        chosen = self._random.uniform(*wait_ms) if isinstance(wait_ms, list) else wait_ms
        return min(max(float(chosen), 0.0), MAX_WAIT_MS) / 1000


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _connect(entry: object) -> Connect:
    match entry:
        case {"status": int(status), "code": str(code)}:
            return Connect(status=status, code=code)
        case {"wait_ms": int(wait_ms)} if 0 <= wait_ms <= MAX_WAIT_MS:
            return Connect(wait_s=wait_ms / 1000)
        case {"has_no_udp": True}:
            return Connect(has_no_udp=True)
        case {} if not entry:
            return Connect()
        case _:
            raise _mistake("A connect has 'status' and 'code', or 'wait_ms', or 'has_no_udp', or nothing.")


def _turn(entry: object) -> list[Mapping[str, Any]]:
    if not isinstance(entry, list):
        raise _mistake("A turn is a list of steps.")
    steps: list[Mapping[str, Any]] = []
    for step in cast("list[object]", entry):
        match step:
            case {"say": str()} | {"tool": str()} | {"wait_ms": int()} | {"limits": dict()}:
                pass
            case {"wait_ms": [int(low), int(high)]} if low <= high:
                pass
            case dict() if len(cast("dict[str, Any]", step)) == 1 and next(iter(step)) in _STAGED:
                pass
            case _:
                raise _mistake("A step is no step that we know.")
        steps.append(cast("Mapping[str, Any]", step))
    return steps


def _limits(given: Mapping[str, Any]) -> tuple[RateLimit, ...]:
    return tuple(
        RateLimit(name=name, limit=int(row[0]), remaining=int(row[1]), reset_seconds=float(row[2]))
        for name, row in given.items()
        if isinstance(row, Sequence) and len(cast("Sequence[Any]", row)) == 3
    )


def _list(body: JsonObject, name: str) -> list[object]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise _mistake(f"'{name}' of a script is a list.")
    return cast("list[object]", value)


def _mistake(message: str) -> ClientMistake:
    return ClientMistake(message, code="invalid_value", param="script")
