"""The interface between a conversation and a mind: the questions and thoughts, and the engine's small mind as a thinker.

A thinker yields its answer piece by piece, so that the first clause is spoken while the rest is still being made. Closing
its generator ends its work, including a request to an endpoint.
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
from kai.engine.speech.orders import Effect, RunningTimer
from kai.engine.speech.persona import DescribedPersona, facts_of, read_persona
from kai.engine.workers import Workers
from kai.wire import saying
from kai.wire.realtime import Item, JsonObject, RateLimit

FILE_BONUS: Final = 0.15
"""Added to a passage's score: people ask about the files that they gave Kai, so a passage beats a slightly nearer intent."""
SURE_SCORE: Final = 0.8
"""From this score on the small mind is sure of the intent, and no file is searched."""
MAX_FACTS: Final = 40
"""The most facts taken from the instructions; reading one takes 5 ms of a core before the first answer."""
_INSTRUCTIONS_KNOWN: Final = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A request for an answer: the items of the conversation so far, oldest first, and the rules for the answer."""

    items: tuple[Item, ...]
    instructions: str
    now: datetime
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject = "auto"
    max_tokens: int | None = None
    timers: tuple[RunningTimer, ...] = ()
    """The running timers, in the order in which they were set."""
    name: str = ""
    """The name of the character that answers, unless the instructions give another one; empty for the default."""

    @property
    def persona(self) -> DescribedPersona:
        """What the instructions say of the character, with its name."""
        return read_persona(self.instructions, self.name)

    @property
    def turns(self) -> tuple[MindTurn, ...]:
        """The spoken or written messages with their speakers; tool calls and system messages are left out."""
        return tuple(
            MindTurn("user" if item.role == "user" else "assistant", text_of(item))
            for item in self.items
            if item.type == "message" and item.role in ("user", "assistant")
        )


@dataclass(frozen=True, slots=True)
class Said:
    """The next words of the answer, to be appended unchanged.

    ``is_aside`` marks a remark about Kai's own machinery, which is not part of the talk that a model reads. ``is_prompt``
    marks the answer to a request that is hardly ever gone on with, which is spoken sooner after the person's last word.
    """

    text: str
    is_aside: bool = False
    is_prompt: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants the client to call one of its tools; `arguments` is JSON as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """The reason why there is no answer, or only part of one, in words for a person; it is spoken and sent to the client."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Uttered:
    """The next words together with their sound, which needs no synthesis."""

    clause: Clause


@dataclass(frozen=True, slots=True)
class NextItem:
    """Ends the current item of the answer, such as a preamble; the words that follow belong to a new item."""


@dataclass(frozen=True, slots=True)
class Staged:
    """Provider behaviour that a script stages at this point; `kai.engine.script` lists the kinds."""

    kind: str
    code: str = ""
    limits: tuple[RateLimit, ...] = ()
    event: JsonObject | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a language model's answer; the last thought of an answer that was not broken off.

    ``reason`` is the chat protocol's finish reason: ``stop``, ``length`` (cut at the token limit), ``content_filter``,
    ``tool_calls``, or ``none`` where the endpoint gave no reason. ``completion_tokens`` and ``tokens_per_s`` are ``None``
    where the endpoint did not report them. ``mind`` is the name of the answering mind for people, where it has one.
    """

    reason: str
    completion_tokens: int | None = None
    tokens_per_s: float | None = None
    mind: str = ""


Thought: TypeAlias = Said | Uttered | NextItem | ToolCall | Trouble | Effect | Staged | Finished


class Thinker(Protocol):
    """The mind of one talk. Event loop only."""

    def think(self, question: Question) -> AsyncGenerator[Thought]:
        """Yield the answer, piece by piece. It does not raise: a failure is yielded as `Trouble`."""
        ...

    def foresee(self, question: Question, *, is_whole: bool = False) -> None:
        """Announces a question that will probably be asked, so that a slow thinker may start on it; others ignore it.

        `question` ends in the words of a person who is still speaking, or, with ``is_whole``, in what is probably the
        complete turn. It may also end in Kai's last answer, when nobody has spoken since.
        """

    def take_back(self) -> None:
        """Withdraws the last complete turn that was foreseen: the person goes on speaking."""

    async def aclose(self) -> None:
        """Releases what the thinker holds; called when the talk is over."""


class LocalThinker(Thinker):
    """The small mind of this engine, which also looks things up in the person's files and in the instructions."""

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
        yield Said(reply.text, is_prompt=reply.is_prompt)

    async def reply(self, question: Question) -> Reply:
        """Return the complete reply: from the files or the instructions where they answer better than the mind itself."""
        return await self._workers.speak(partial(self._reply, question))

    def _reply(self, question: Question) -> Reply:
        reply = self._mind.reply(
            question.turns, question.instructions, question.now, question.timers, question.name
        )
        heard = last_heard(question)
        if not heard or (reply.intent != UNKNOWN and reply.score >= SURE_SCORE):
            return reply
        libraries = (self._told(question.instructions), self._library)
        found = [found for library in libraries if library is not None for found in library.find(heard)]
        best = max(found, key=lambda each: each.score, default=None)
        if best is None or (reply.intent != UNKNOWN and best.score + FILE_BONUS <= reply.score):
            return reply
        source = f"Your file {best.passage.source} says: " if best.passage.source else ""
        return Reply(source + question.persona.shape(best.answer, is_first=False), "document", best.score)

    def _read_facts(self, instructions: str) -> Library | None:
        facts = facts_of(instructions)[:MAX_FACTS]
        if not facts or self._mind.encoder is None:
            return None
        return Library([Document("", fact) for fact in facts], self._mind.encoder.encode)


class FixedThinker(Thinker):
    """A thinker that always says the same text, such as that a timer is over."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        del question
        yield Said(self._text)


def thinker_of(metadata: JsonObject | None) -> FixedThinker | None:
    """Return the thinker of an answer whose words the client gave in its metadata, or ``None`` if it gave none."""
    words = saying.words_in(metadata)
    return FixedThinker(words) if words else None


def last_heard(question: Question) -> str:
    """Return the person's last words, or "" when nothing was said yet."""
    return next((turn.text for turn in reversed(question.turns) if turn.role == "user"), "")


def text_of(item: Item) -> str:
    """Return all words of the item, written or spoken."""
    return " ".join(filter(None, (part.text or part.transcript for part in item.content or ())))


def items_of(entries: Sequence[Item]) -> tuple[Item, ...]:
    """Return the items that a thinker gets: all but system messages, which are part of the instructions."""
    return tuple(item for item in entries if not (item.type == "message" and item.role == "system"))
