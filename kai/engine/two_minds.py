"""Two minds, one voice: what the small mind is sure of it answers at once, all else goes to the language model.

The small mind knows who Kai is and what it runs on, times and dates, sums and units, and does what a model can only claim to
do: timers, notes, louder, slower. It needs a few milliseconds. It answers where it understood the whole sentence and passes
on the rest. The model needs time, and most of the time is reading: one core reads a few dozen tokens a second. So it is told
ahead. While the person speaks, the words recognised so far are read into the model's cache (`foresee`). Where the turn
probably ends, the answer is begun, while the listener still waits whether more is said; it becomes *the* answer when the turn
ends in just these words, and is thrown away when it does not (`take_back`).

An example: somebody asks "What could I cook with potatoes and eggs?" While they speak, "What could I cook with" is read. They
stop; the pause is noticed, the words are recognised once more, and the model begins with the few that it has not read. When
the listener takes the turn to be over, the first words of the answer are often there.
``python -m kai.bench talk`` prints how long a person waits.

Both minds stand on one conversation: each is told what the other one said. When the model's process is gone, the small mind
answers what it can, and says so where it cannot.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from kai.engine.chat import ChatThinker
from kai.engine.llm.model import SPARE_SLOT, Model
from kai.engine.llm.slots import Slots
from kai.engine.llm.telling import NOTE_TOKENS, Telling
from kai.engine.speech.library import Library
from kai.engine.speech.mind import DEFAULT_NAME, UNKNOWN
from kai.engine.speech.persona import read_persona
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thinker, Thought, Trouble, last_heard
from kai.engine.workers import Workers
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

SMALL_MIND: Final = "small mind"
PASSAGES_TOLD: Final = 2
WAIT_S: Final = 3.0
"""A person whose question has waited this long for a slot hears why there is no answer yet."""
MAX_ANSWER_TOKENS: Final = 320
OFFERS_TOOLS: Final = False
"""Whether the model may call the session's tools: only if it handles 80 % of the requests of ``python -m kai.bench
mind_tools``. Qwen2.5-Coder writes its calls as text, in forms of its own that no server recognises as calls, so its rules
say that it cannot do such things."""
STILL_LOADING: Final = "My language model is still waking up. Ask me that again in a moment."
WORDS_READ_AT_ONCE: Final = 3
NOTES_AFTER_S: Final = 1.5
"""Notes are begun after this long a pause in the talk."""


class HasModel(Protocol):
    """The owner of the language model's process."""

    @property
    def model(self) -> Model | None:
        """The model, while it can be asked."""
        ...

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded."""
        ...


class _Draft:
    """An answer in the making, perhaps before the question is complete: its prompt, and its thoughts so far."""

    def __init__(self, prompt: list[JsonObject], thoughts: AsyncGenerator[Thought]) -> None:
        self.prompt = prompt
        self._thoughts: asyncio.Queue[Thought | None] = asyncio.Queue()
        self._making = asyncio.create_task(self._make(thoughts), name="mind: make an answer")

    async def thoughts(self) -> AsyncGenerator[Thought]:
        """Yield the answer from its first word on; the draft is closed when the reader leaves."""
        try:
            while (thought := await self._thoughts.get()) is not None:
                yield thought
            await self._making  # re-raises a bug of the task, which must end the conversation
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Cancels the work and waits for its end."""
        self._making.cancel()
        await asyncio.wait([self._making])

    async def _make(self, thoughts: AsyncGenerator[Thought]) -> None:
        try:
            async with contextlib.aclosing(thoughts):
                async for thought in thoughts:
                    self._thoughts.put_nowait(thought)
        finally:
            self._thoughts.put_nowait(None)


class TwoMinds(Thinker):
    """The thinker of one talk with Kai's own two minds, the reflex (the small mind) and the language model."""

    def __init__(
        self, reflex: LocalThinker, host: HasModel, workers: Workers, library: Library | None = None
    ) -> None:
        self._reflex = reflex
        self._host = host
        self._workers = workers
        self._library = library
        self._telling = Telling()
        self._draft: _Draft | None = None
        self._ahead: asyncio.Task[None] | None = None
        self._slots: Slots | None = None
        self._read_words = ("", 0)
        """The id of the person's item that was read ahead last, and how many of its words the model has read."""

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        await self._rest()
        reply = await self._reflex.reply(question)
        model = self._host.model
        if reply.is_sure or model is None:
            await self._drop_draft()
            for effect in reply.effects:
                yield effect
            is_waiting = reply.intent == UNKNOWN and self._host.is_loading
            yield Said(STILL_LOADING if is_waiting else reply.text, is_aside=is_waiting)
            yield Finished("stop", mind=SMALL_MIND)
            return
        prompt = await self._prompt(question)
        draft = self._draft
        if draft is None or draft.prompt != prompt:
            await self._drop_draft()
            draft = _Draft(prompt, self._answer(model, question, prompt))
        self._draft = None
        async with contextlib.aclosing(draft.thoughts()) as thoughts:
            async for thought in thoughts:
                yield thought

    def foresee(self, question: Question, *, is_whole: bool = False) -> None:
        """See `Thinker.foresee`."""
        self._begin_ahead(partial(self._think_ahead, question, is_whole=is_whole))

    def take_back(self) -> None:
        """See `Thinker.take_back`."""
        self._begin_ahead(self._drop_draft)

    async def aclose(self) -> None:
        """See `Thinker.aclose`."""
        await self._rest()
        await self._drop_draft()
        if self._slots is not None:
            await self._slots.leave(self)

    def _begin_ahead(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        before = self._ahead

        async def go() -> None:
            await _end(before)
            await work()

        self._ahead = _start(go(), "mind: think ahead")

    async def _think_ahead(self, question: Question, *, is_whole: bool) -> None:
        model = self._host.model
        if model is None:
            return
        heard = last_heard(question)
        is_speaking = bool(question.items) and question.items[-1].role == "user"
        if is_whole and heard and (await self._reflex.reply(question)).is_sure:
            return
        prompt = await self._prompt(question)
        if self._draft is not None and self._draft.prompt == prompt:
            return
        await self._drop_draft()
        if not model.slots.has_place_for(self):
            return
        if is_whole:
            self._draft = _Draft(prompt, self._answer(model, question, prompt))
        elif not is_speaking:
            await self._read(model, prompt)
            await self._note_down(model, question)
        elif sure_words := self._new_words(question, heard):
            await self._read(model, [*prompt[:-1], {"role": "user", "content": sure_words}])

    def _new_words(self, question: Question, heard: str) -> str:
        """Return the person's words that the model should read now, or "" until enough new ones are stable.

        The newest word often changes, and each reading costs core time that the recogniser needs.
        """
        item_id = question.items[-1].id or ""
        words = heard.split()[:-1]
        read_item, read_count = self._read_words
        if len(words) - (read_count if read_item == item_id else 0) < WORDS_READ_AT_ONCE:
            return ""
        self._read_words = (item_id, len(words))
        return " ".join(words).rstrip(" .,;:?!…")

    async def _prompt(self, question: Question) -> list[JsonObject]:
        persona = read_persona(question.instructions)
        return self._telling.messages(question, persona.name or DEFAULT_NAME, await self._passages(question))

    async def _passages(self, question: Question) -> str:
        """Return the passages of the person's files that belong to the question, as text for the prompt, or ""."""
        heard = last_heard(question)
        if self._library is None or not heard:
            return ""
        found = await self._workers.speak(partial(self._library.find, heard, PASSAGES_TOLD))
        told = "\n".join(
            f"[{each.passage.source}] {each.passage.heading}: {each.passage.text}" for each in found
        )
        return f"From the person's own files; when you use one, name it:\n{told}" if told else ""

    async def _answer(
        self, model: Model, question: Question, prompt: list[JsonObject]
    ) -> AsyncGenerator[Thought]:
        """Yield the model's answer once a slot is free."""
        async with contextlib.AsyncExitStack() as stack:
            self._slots = model.slots
            entering = asyncio.ensure_future(stack.enter_async_context(model.slots.use(self)))
            try:
                await asyncio.wait([entering], timeout=WAIT_S)
                if not entering.done():
                    yield Said("One moment, I am still answering somebody else. ", is_aside=True)
                slot = await entering
            finally:
                await _end(entering)
            thinker = self._chat(model, slot, {"messages": prompt})
            most = min(question.max_tokens or MAX_ANSWER_TOKENS, MAX_ANSWER_TOKENS)
            tools = question.tools if OFFERS_TOOLS else ()
            bounded = replace(question, max_tokens=most, tools=tools)
            async with contextlib.aclosing(thinker.think(bounded)) as thoughts:
                async for thought in thoughts:
                    yield replace(thought, mind=model.name) if isinstance(thought, Finished) else thought

    async def _read(self, model: Model, prompt: list[JsonObject]) -> None:
        """Lets the model read the prompt into its cache, without an answer."""
        self._slots = model.slots
        async with model.slots.use(self) as slot:
            await self._spend(model, slot, prompt, {"n_predict": 0, "add_generation_prompt": False})

    async def _note_down(self, model: Model, question: Question) -> None:
        """Lets the model summarise old turns as notes, in the spare slot, while nobody speaks."""
        await asyncio.sleep(NOTES_AFTER_S)
        request = self._telling.due_notes(question)
        if request is None:
            return
        options: JsonObject = {"n_predict": NOTE_TOKENS, "temperature": 0.0}
        notes = await self._spend(model, SPARE_SLOT, list(request.messages), options)
        self._telling.take_notes(request, notes)

    async def _spend(self, model: Model, slot: int, prompt: list[JsonObject], options: JsonObject) -> str:
        """Return the model's reply to `prompt`, or "" when it fails: work ahead of time is never essential."""
        said: list[str] = []
        thinker = self._chat(model, slot, {"messages": prompt, **options})
        empty = Question((), "", datetime.now().astimezone())
        async with contextlib.aclosing(thinker.think(empty)) as thoughts:
            async for thought in thoughts:
                match thought:
                    case Said(text=text):
                        said.append(text)
                    case Trouble(code=code) if code != "mind_empty":
                        logger.warning("the language model failed ahead of time", extra={"code": code})
                        return ""
                    case _:
                        pass
        return "".join(said)

    def _chat(self, model: Model, slot: int, options: JsonObject) -> ChatThinker:
        endpoint = replace(model.endpoint, extra={**model.endpoint.extra, "id_slot": slot, **options})
        return ChatThinker(endpoint, model.client, self._reflex, workers=self._workers)

    async def _drop_draft(self) -> None:
        draft, self._draft = self._draft, None
        if draft is not None:
            await draft.aclose()

    async def _rest(self) -> None:
        """Ends the work that is done ahead of time, but keeps a draft."""
        ahead, self._ahead = self._ahead, None
        await _end(ahead)


def _start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start a task for work ahead of time; its failure is logged, and the talk goes on."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_tell_fault)
    return task


def _tell_fault(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        logger.error("thinking ahead failed", exc_info=fault)


async def _end(task: asyncio.Task[Any] | asyncio.Future[Any] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
