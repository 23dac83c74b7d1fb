"""Where Kai's words come from: what a thinker is asked and gives, and the small mind of this engine as one.

A thinker gives an answer as it comes into being, so that its first clause is spoken while the rest is still made. Closing its
generator ends whatever it was doing, the request to the endpoint included.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, Protocol, TypeAlias

from kai.engine.speech.clauses import Clause
from kai.engine.speech.library import Document, Library
from kai.engine.speech.mind import UNKNOWN, Mind, MindTurn, Reply
from kai.engine.speech.persona import facts_of, read_persona
from kai.engine.speech.skills import Effect, RunningTimer
from kai.engine.workers import Workers
from kai.wire.realtime import Item, JsonObject, RateLimit

FILE_BONUS: Final = 0.15
"""A person who gave Kai files asks about them: a passage wins over an intent that is a little nearer."""
SURE_SCORE: Final = 0.8
"""The small mind is as sure as that of what it was asked: then no file is looked into."""
MAX_FACTS: Final = 40
"""Of the instructions; to read one takes 5 ms of a core, before the first answer."""
_INSTRUCTIONS_KNOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is wanted to: the items so far, oldest first, and the rules for it."""

    items: tuple[Item, ...]
    instructions: str
    now: datetime
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject = "auto"
    max_tokens: int | None = None
    timers: tuple[RunningTimer, ...] = ()
    """Those that run, in the order in which they were set."""

    @property
    def turns(self) -> tuple[MindTurn, ...]:
        """What was said, by whom."""
        return tuple(
            MindTurn("user" if item.role == "user" else "assistant", text_of(item))
            for item in self.items
            if item.type == "message" and item.role in ("user", "assistant")
        )


@dataclass(frozen=True, slots=True)
class Said:
    """The next words of the answer, to be appended as they are.

    ``is_aside``: a remark of Kai's on its own machinery, which no model is told as part of the talk.
    """

    text: str
    is_aside: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants the client to call one of its tools; `arguments` is JSON as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer, or only part of one, in words for a person: they are said, and told to the client."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Uttered:
    """The next words with their sound: nothing is left to be spoken."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class NextItem:
    """What was said so far is an item of the answer by itself, as a preamble is; what follows is another."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A script wants something of the provider's to happen here: `kai.engine.script` says what there is."""

    kind: str
    code: str = ""
    limits: tuple[RateLimit, ...] = ()
    event: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """How a language model ended its answer; the last thought of an answer that came to its end.

    ``reason`` is the endpoint's word in the chat protocol's terms: ``stop``, ``length`` (cut at the most tokens),
    ``content_filter``, ``tool_calls``, or ``none`` where the endpoint told none. ``completion_tokens`` and ``tokens_per_s``
    are ``None`` where it told neither. ``mind`` is the name of what answered, for people, where it has one.
    """

    reason: str
    completion_tokens: int | None = None
    tokens_per_s: float | None = None
    mind: str = ""


Thought: TypeAlias = Said | Uttered | NextItem | ToolCall | Trouble | Effect | Staged | Finished


class Thinker(Protocol):
    """What answers in one talk. Event loop only."""

    def think(self, question: Question) -> AsyncGenerator[Thought]:
        """The answer, piece by piece. It raises nothing: what goes wrong comes as `Trouble`."""
        ...

    def foresee(self, question: Question, *, is_whole: bool = False) -> None:
        """What comes next: `question` ends in the words of a person who is speaking, so far, or, ``is_whole``, in what is
        probably all of them; or it ends in what Kai said, and nobody has spoken yet.

        Who needs time for an answer may begin with it now; the others do nothing.
        """

    def take_back(self) -> None:
        """The words that were said to be whole were not: more is said."""

    async def aclose(self) -> None:
        """The talk is over."""


class LocalThinker(Thinker):
    """The small mind of this engine, with the person's own files, and what the instructions tell, to look things up in."""

    def __init__(self, mind: Mind, workers: Workers, library: Library | None = None) -> None:
        self._mind = mind
        self._workers = workers
        self._library = library
        self._told = lru_cache(_INSTRUCTIONS_KNOWN)(self._read_facts)

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        reply = await self.reply(question)
        for effect in reply.effects:
            yield effect
        yield Said(reply.text)

    async def reply(self, question: Question) -> Reply:
        """The mind's reply, whole; from the files or the instructions where they answer and the mind itself does not."""
        return await self._workers.speak(partial(self._reply, question))

    def _reply(self, question: Question) -> Reply:
        reply = self._mind.reply(question.turns, question.instructions, question.now, question.timers)
        heard = last_heard(question)
        if not heard or (reply.intent != UNKNOWN and reply.score >= SURE_SCORE):
            return reply
        libraries = (self._told(question.instructions), self._library)
        found = [found for library in libraries if library is not None for found in library.find(heard)]
        best = max(found, key=lambda each: each.score, default=None)
        if best is None or (reply.intent != UNKNOWN and best.score + FILE_BONUS <= reply.score):
            return reply
        source = f"Your file {best.passage.source} says: " if best.passage.source else ""
        persona = read_persona(question.instructions)
        return Reply(source + persona.shape(best.answer, is_first=False), "document", best.score)

    def _read_facts(self, instructions: str) -> Library | None:
        facts = facts_of(instructions)[:MAX_FACTS]
        if not facts or self._mind.encoder is None:
            return None
        return Library([Document("", fact) for fact in facts], self._mind.encoder.encode)


class FixedThinker(Thinker):
    """Says one thing: a timer that is over."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        del question
        yield Said(self._text)


def last_heard(question: Question) -> str:
    """The person's last words, empty before the first."""
    return next((turn.text for turn in reversed(question.turns) if turn.role == "user"), "")


def text_of(item: Item) -> str:
    """All words of the item, written or spoken."""
    return " ".join(filter(None, (part.text or part.transcript for part in item.content or ())))


def items_of(entries: Sequence[Item]) -> tuple[Item, ...]:
    """The items that are told to a thinker: all but system messages, which stand in the instructions."""
    return tuple(item for item in entries if not (item.type == "message" and item.role == "system"))
