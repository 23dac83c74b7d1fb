"""Removes the parts of a model's answer that must not be spoken: thoughts, template marks, and tool calls in plain text.

Servers that know a model remove its thoughts from the answer. Other servers pass on the raw text, in which each family of
models has its own marks: ``<think> … </think>``, ``[THINK] … [/THINK]``, or gpt-oss's ``<|channel|>analysis<|message|> …
<|end|>`` before ``<|channel|>final<|message|>``. `Unspoken` cuts them out of a text that arrives in pieces. It holds back
only what may be the beginning of a mark, so that the first words are spoken while the rest is still being made.

One case cannot be recognised at its beginning. Where the template opens the thought, the answer begins in the middle of it,
and only ``</think>`` shows that the words before were a thought. So the text of an endpoint that is known to do this is held
until that mark (`Opening.THOUGHT`). The first words of an unknown endpoint (`Opening.UNKNOWN`) are held until the caller
releases them, or to the end if they speak of "the user". Worked example of an unknown endpoint: ``Hm, a greeting.`` is held;
``</think>`` shows that it was a thought, and it is dropped; ``Hello!`` is the answer, and the endpoint is known from now on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, cast

_NAMES: Final = r"think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis|inner_monologue"
_MARK: Final = re.compile(
    rf"(?P<open><(?:\w+:)?(?:{_NAMES})(?:\s[^<>]{{0,60}})?>|\[THINK\]|◁think▷|<unused94>|<\|channel>"
    r"|<\|(?:begin_of_thought|START_THINKING|think)\|>)"
    rf"|(?P<close></(?:\w+:)?(?:{_NAMES})\s?>|\[/THINK\]|◁/think▷|<unused95>|<channel\|>"
    r"|<\|(?:end_of_thought|END_THINKING|/think)\|>)"
    r"|(?P<call><tool_call>|\[TOOL_CALLS\])"
    r"|(?P<called></tool_call>)"
    r"|(?P<header><\|channel\|>)"
    r"|(?P<message><\|message\|>)"
    r"|(?P<between><\|(?:end|return|call|start)\|>)"
    r"|(?P<template><[|｜][^<>\s]{1,40}[|｜]>|</?(?:s|bos|eos|answer|response|start_of_turn|end_of_turn)>)",
    re.IGNORECASE,
)
_LONGEST_MARK: Final = 80
_BEGINNINGS: Final = "<[◁"
_BARE_HARMONY: Final = re.compile(r"\s*(?:analysis|commentary)(?=[A-Z])")
"""The output of gpt-oss behind a server that drops the special tokens: ``analysisThe user … assistantfinalHello!``."""
_BARE_FINAL: Final = re.compile(r"assistant(?:commentary)?final")
_ABOUT_THE_USER: Final = re.compile(
    r"\W*(?:(?:okay|ok|alright|right|hmm*|well|so|now|first|wait)\b[\s,.…!-]*)*"
    r"(?:let's see[\s,.…-]*)?"
    r"(?:(?:the|this) (?:user|person|human|prompt|question)\b|users?'?s? (?:asks|says|wants|is|said|asked)\b"
    r"|(?:we|i) (?:need|have|should|must) (?:to )?(?:answer|respond|reply|greet|figure|produce|output|give|be|keep)\b"
    r"|they(?:'re| are) (?:asking|greeting|saying)\b)",
    re.IGNORECASE,
)
_BEGINS_EITHER: Final = re.compile(r"\W*(?:(?:okay|ok|alright|hmm*|so|first)\b[\s,.…!-]*)+", re.IGNORECASE)
"""Both thoughts and answers may begin like this; only the next words show which it is."""


class Opening(Enum):
    """How an endpoint's answers begin."""

    UNKNOWN = "unknown"
    ANSWER = "answer"
    THOUGHT = "thought"


class _State(Enum):
    ANSWER = "answer"
    THOUGHT = "thought"
    CALL = "call"
    HEADER = "header"
    BETWEEN = "between"


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A tool call that the model wrote into its answer."""

    name: str
    arguments: str


class Unspoken:
    """A filter that takes an answer's text in pieces and returns the words that may be spoken."""

    def __init__(self, opening: Opening = Opening.ANSWER) -> None:
        self.calls: list[WrittenCall] = []
        self.has_thought = False
        """Whether a thought was cut out."""
        self.was_unopened = False
        """Whether a thought ended that had no beginning, so that the words before it were a thought, spoken or not."""
        self._is_holding = opening is not Opening.ANSWER
        self._may_release = opening is Opening.UNKNOWN
        self._held = ""
        self._state = _State.ANSWER
        self._text = ""
        self._call = ""
        self._header = ""
        self._is_bare_harmony = False
        self._has_begun = False
        self._has_opened = False
        self._before = ""

    @property
    def is_waiting(self) -> bool:
        """Whether words are held that `release` may return."""
        is_held = self._is_holding and self._may_release and bool(self._held.strip())
        return is_held and _BEGINS_EITHER.fullmatch(self._held) is None

    def push(self, text: str) -> str:
        """Takes the next piece of text; returns the next words that may be spoken."""
        self._text += text
        return self._hold(self._cut(is_last=False))

    def release(self) -> str:
        """Returns the words held for an unknown endpoint, or "" where they look like a thought."""
        if not self.is_waiting:
            return ""
        if _ABOUT_THE_USER.match(self._held):
            self._may_release = False
            return ""
        return self._give_held()

    def flush(self) -> str:
        """Returns the remaining words at the end of the answer."""
        rest = self._cut(is_last=True)
        if self._state is _State.CALL:
            self._end_call()
        held = self._give_held() if self._is_holding else ""
        return self._without_edges(held + rest)

    def _hold(self, text: str) -> str:
        if not self._is_holding:
            return self._without_edges(text)
        self._held += text
        return ""

    def _give_held(self) -> str:
        held, self._held, self._is_holding = self._held, "", False
        return self._without_edges(held)

    def _without_edges(self, text: str) -> str:
        """Removes white space before the first words of an answer, such as the empty lines after a thought."""
        if not self._has_begun:
            text = text.lstrip()
            self._has_begun = bool(text)
        return text

    def _cut(self, *, is_last: bool) -> str:
        """Returns the words of `_text` that may be spoken; what may be the beginning of a mark stays in it."""
        said: list[str] = []
        if self._is_bare_harmony or self._begins_bare(is_last=is_last):
            return self._cut_bare(is_last=is_last)
        while (mark := _MARK.search(self._text)) is not None:
            before, self._text = self._text[: mark.start()], self._text[mark.end() :]
            self._take(before, said)
            if self._is_quoted(before):
                self._take(mark.group(), said)
            else:
                self._turn(mark, said)
        kept = 0 if is_last else self._unsure_chars()
        rest, self._text = self._text[: len(self._text) - kept], self._text[len(self._text) - kept :]
        self._take(rest, said)
        return "".join(said)

    def _unsure_chars(self) -> int:
        """Returns how many of the last characters may be the beginning of a mark."""
        tail = self._text[-_LONGEST_MARK:]
        begin = max(tail.rfind(each) for each in _BEGINNINGS)
        if begin < 0 or ">" in tail[begin:] or "▷" in tail[begin:] or "]" in tail[begin:]:
            return 0
        if re.match(r"[<◁]/?[\w|｜/]|[<◁]/?$|\[/?[A-Z_]*$", tail[begin:], re.IGNORECASE) is None:
            return 0
        return len(tail) - begin

    def _is_quoted(self, before: str) -> bool:
        """Return whether a mark is only quoted, as in ``the tag `<think>` ``."""
        return (before or self._before)[-1:] in ("`", "'", '"', "“")

    def _take(self, text: str, said: list[str]) -> None:
        if not text:
            return
        self._before = text
        match self._state:
            case _State.ANSWER:
                said.append(text)
            case _State.CALL:
                self._call += text
            case _State.HEADER:
                self._header += text
            case _State.THOUGHT | _State.BETWEEN:
                pass

    def _turn(self, mark: re.Match[str], said: list[str]) -> None:
        if self._state is _State.CALL and mark.lastgroup != "template":
            self._end_call()
        match mark.lastgroup:
            case "open":
                self._stop_holding(said)
                self._state, self.has_thought = _State.THOUGHT, True
            case "close":
                if self._state is not _State.THOUGHT:
                    self._forget(said)
                self._state = _State.ANSWER
            case "call":
                self._state = _State.CALL
            case "called":
                self._state = _State.ANSWER
            case "header":
                self._stop_holding(said)
                self._state, self._header = _State.HEADER, ""
            case "message":
                is_final = self._header.split()[:1] in (["final"], []) or self._state is not _State.HEADER
                self.has_thought |= not is_final
                self._state = _State.ANSWER if is_final else _State.THOUGHT
            case "between":
                # Between two messages there is at most the name of the next speaker.
                self._state = _State.BETWEEN
            case _:
                pass
        self._before = ""

    def _stop_holding(self, said: list[str]) -> None:
        """Stops holding words, since this endpoint marks where its thoughts begin."""
        said.insert(0, self._held)
        self._held, self._is_holding, self._has_opened = "", False, True

    def _forget(self, said: list[str]) -> None:
        """Drops the held words, which were a thought without an opening mark.

        Only the first thought can lack its opening mark, so a later closing mark alone means nothing.
        """
        if self._has_opened:
            return
        self._has_opened = True
        self.was_unopened = self.has_thought = True
        self._held, self._is_holding = "", False
        said.clear()

    def _end_call(self) -> None:
        text, self._call = self._call.strip(), ""
        try:
            value: object = json.loads(text)
        except (ValueError, RecursionError):
            return
        for call in cast("list[object]", value) if isinstance(value, list) else [value]:
            match call:
                case {"name": str(name), "arguments": arguments} | {
                    "name": str(name),
                    "parameters": arguments,
                }:
                    written = (
                        arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
                    )
                    self.calls.append(WrittenCall(name, written))
                case _:
                    pass

    def _begins_bare(self, *, is_last: bool) -> bool:
        if self._has_begun or self._held or self._before or self._state is not _State.ANSWER:
            return False
        self._is_bare_harmony = _BARE_HARMONY.match(self._text) is not None
        if self._is_bare_harmony:
            self.has_thought = True
            return True
        begun = self._text.strip()
        return not is_last and bool(begun) and any(w.startswith(begun) for w in ("analysis", "commentary"))

    def _cut_bare(self, *, is_last: bool) -> str:
        final = _BARE_FINAL.search(self._text)
        if final is not None:
            self._text = self._text[final.end() :]
            self._is_bare_harmony, self._before = False, " "
            return self._cut(is_last=is_last)
        if is_last:
            self._text = ""
        return ""
