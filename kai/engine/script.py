"""The scripted mode: a mind that says and does exactly what a test prescribes, faults of the provider included.

A script is sent as a mind's body, ``{"script": {...}}``, by ``PUT /kai/minds/{id}``, and chosen by ``model="kai-<id>"``::

    {"seed": 7,
     "connects": [{"status": 429, "code": "rate_limit_exceeded", "retry_after": "2"}, {"wait_ms": 300},
                  {"has_no_udp": true}, {"longest_ms": 8000}],
     "turns": [[{"say": "One moment."}, {"tool": "current_time", "arguments": {}}],
               [{"wait_ms": [50, 200]}, {"say": "It is noon."}, {"limits": {"tokens": [1000, 40, 12.5]}}],
               [{"say": "And then"}, {"drop": true}]]}

Each connection takes the next of ``connects`` and each answer the next of ``turns``, whichever session asks. After the last
one, connections are ordinary, and answers say that the script has ended. A step is one of: ``say`` (words; with ``at_ms``, a
start and an end for each word, they are tones at exactly these times), ``item`` (the following words are another item of the
same answer), ``tool`` with ``arguments``, ``wait_ms`` (a number, or a range from which the seed picks), ``event`` (sent
unchanged), ``error`` (an error event with that code; the session goes on), ``fail`` (the response fails with that code),
``cut`` (the response stays incomplete for that reason), ``drop`` (the connection ends without notice), ``expire`` (the
session reaches its maximum duration), ``limits`` (the provider's rate limits, as limit, remaining, seconds).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from kai.compat.format import SPEECH_HZ, Pcm
from kai.engine.speech.clauses import Clause, WordSpan
from kai.engine.thinking import NextItem, Question, Said, Staged, Thinker, Thought, ToolCall, Uttered
from kai.wire.realtime import ClientMistake, JsonObject, RateLimit

MAX_STEPS: Final = 500
TONE_HZ: Final = 220.0
TONE_PEAK: Final = 9_000
MAX_WAIT_MS: Final = 60_000
MAX_LONGEST_MS: Final = 3_600_000
THE_END: Final = "My script ends here."
_STAGED: Final = frozenset({"error", "fail", "cut", "drop", "expire"})


@dataclass(frozen=True, slots=True)
class Connect:
    """The staged behaviour of a connection: a wait, then perhaps a fault.

    The fault is a refusal (``status`` other than 0; ``retry_after`` is its header), a media path that leads nowhere
    (``has_no_udp``), or a session that expires early (``longest_s`` other than 0).
    """

    wait_s: float = 0.0
    status: int = 0
    code: str = ""
    retry_after: str = ""
    has_no_udp: bool = False
    longest_s: float = 0.0


class Script(Thinker):
    """A running script; all sessions that choose it share its position."""

    def __init__(self, given: object) -> None:
        """Raises `ClientMistake` for a value that is not a script."""
        body = cast("JsonObject", given) if isinstance(given, dict) else {"": None}
        if set(body) - {"seed", "connects", "turns"}:
            raise ClientMistake("A script has 'seed', 'connects' and 'turns'.", "script")
        seed = body.get("seed", 0)
        self._answer_count = 0
        self._random = random.Random(seed if isinstance(seed, int) else 0)
        self._connects = [_connect(entry) for entry in _list(body, "connects")]
        self._turns = [_turn(entry) for entry in _list(body, "turns")]
        if sum(map(len, self._turns)) > MAX_STEPS:
            raise ClientMistake(f"A script has at most {MAX_STEPS} steps.", "script")

    def next_connect(self) -> Connect:
        """Return the staged behaviour of the next connection."""
        return self._connects.pop(0) if self._connects else Connect()

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        del question
        steps = self._turns.pop(0) if self._turns else [{"say": THE_END}]
        self._answer_count += 1
        answer = self._answer_count
        for index, step in enumerate(steps):
            match step:
                case {"say": str(text), "at_ms": list() as at_ms}:
                    yield Uttered(_tones(text, cast("list[list[int]]", at_ms)))
                case {"say": str(text)}:
                    yield Said(f"{text} ")
                case {"item": _}:
                    yield NextItem()
                case {"event": dict() as event}:
                    yield Staged("event", event=cast("JsonObject", event))
                case {"tool": str(name)}:
                    arguments: Any = step.get("arguments", "{}")
                    yield ToolCall(f"call_{answer}_{index}", name, _json(arguments))
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
        case {"status": int(status), "code": str(code), "retry_after": str(retry_after)}:
            return Connect(status=status, code=code, retry_after=retry_after)
        case {"status": int(status), "code": str(code)}:
            return Connect(status=status, code=code)
        case {"longest_ms": int(longest_ms)} if 0 < longest_ms <= MAX_LONGEST_MS:
            return Connect(longest_s=longest_ms / 1000)
        case {"wait_ms": int(wait_ms)} if 0 <= wait_ms <= MAX_WAIT_MS:
            return Connect(wait_s=wait_ms / 1000)
        case {"has_no_udp": True}:
            return Connect(has_no_udp=True)
        case {} if not entry:
            return Connect()
        case _:
            raise ClientMistake(
                "A connect has 'status' and 'code', 'wait_ms', 'has_no_udp', 'longest_ms', or nothing.",
                "script",
            )


def _turn(entry: object) -> list[Mapping[str, Any]]:
    if not isinstance(entry, list):
        raise ClientMistake("A turn is a list of steps.", "script")
    steps: list[Mapping[str, Any]] = []
    for step in cast("list[object]", entry):
        match step:
            case {"say": str(text), "at_ms": list() as at_ms} if _are_times(
                text, cast("list[object]", at_ms)
            ):
                pass
            case {"say": str(), **rest} if not rest:
                pass
            case {"tool": str()} | {"wait_ms": int()} | {"limits": dict()} | {"item": True}:
                pass
            case {"event": {"type": str()}}:
                pass
            case {"wait_ms": [int(low), int(high)]} if low <= high:
                pass
            case dict() if len(cast("dict[str, Any]", step)) == 1 and next(iter(step)) in _STAGED:
                pass
            case _:
                raise ClientMistake("A step is no step that we know.", "script")
        steps.append(cast("Mapping[str, Any]", step))
    return steps


def _are_times(text: str, at_ms: list[object]) -> bool:
    """Return whether these are a start and an end for each word, in order."""
    flat: list[int] = []
    for pair in at_ms:
        match pair:
            case [int(start_ms), int(end_ms)]:
                flat += [start_ms, end_ms]
            case _:
                return False
    return (
        bool(flat)
        and len(at_ms) == len(text.split())
        and flat == sorted(flat)
        and all(0 <= ms <= MAX_WAIT_MS for ms in flat)
    )


def _tones(text: str, at_ms: list[list[int]]) -> Clause:
    """Return each word of the text as a tone at its time, with silence between; the word times are exact to the sample."""
    pcm = np.zeros(at_ms[-1][1] * SPEECH_HZ // 1000, np.int16)
    words: list[WordSpan] = []
    for word, (start_ms, end_ms) in zip(text.split(), at_ms, strict=True):
        start, end = start_ms * SPEECH_HZ // 1000, end_ms * SPEECH_HZ // 1000
        pcm[start:end] = tone(end - start)
        words.append(WordSpan(word, start, end))
    return Clause(text, pcm, phonemes=(), visemes=(), words=tuple(words))


def tone(samples: int) -> Pcm:
    """Return a tone of that length, at 24 000 Hz."""
    time_s = np.arange(samples) / SPEECH_HZ
    return (TONE_PEAK * np.sin(2 * np.pi * TONE_HZ * time_s)).astype(np.int16)


def _limits(given: Mapping[str, Any]) -> tuple[RateLimit, ...]:
    return tuple(
        RateLimit(name=name, limit=int(row[0]), remaining=int(row[1]), reset_seconds=float(row[2]))
        for name, row in given.items()
        if isinstance(row, Sequence) and len(cast("Sequence[Any]", row)) == 3
    )


def _list(body: JsonObject, name: str) -> list[object]:
    value = body.get(name, [])
    if not isinstance(value, list):
        raise ClientMistake(f"'{name}' of a script is a list.", "script")
    return cast("list[object]", value)
