"""Two minds, one voice: the small mind answers at once what it is sure of; all else is for the language model.

The problem. A language model on one core reads a few dozen tokens a second, so that a question is answered seconds after it
was asked, and what a model says about the time, a timer or itself may be wrong. The small mind needs a few milliseconds,
knows who Kai is and what it runs on, times and dates, sums and units, and does what a model can only claim to do: timers,
notes, louder, slower. But it does not know the world. So the small mind is asked first; it answers where it has understood
the whole sentence, and passes on the rest.

Most of the model's time is reading, and reading can be done ahead. The states of a question to the model:

1. *Read ahead* (`TwoMinds.foresee`): while the person speaks, the words recognised so far are read into the model's cache.
   The newest word is left out, since it may still change. Words that come meanwhile are read next. The instructions, and
   what Kai says, are read in the same way before the person speaks.
2. *Drafted*: where the turn is probably over, the answer is begun, while the listener still waits for more words. Nobody
   hears a draft.
3. *Answered*: the turn is over, and `TwoMinds.think` is called. If its prompt is the draft's, the draft is the answer, with
   all that it has thought so far. If not, the draft is dropped and the answer begun anew, from the words that are in the
   cache.
4. *Taken back* (`TwoMinds.take_back`): the person went on, and the draft is dropped.

A draft is compared with the question by its prompt alone: a draft with the same prompt answers the same question, and
nothing else has to be kept in step. Work ahead needs a slot of the model that no other talk has, and it ends as soon as an
answer is wanted. When nobody has spoken for `NOTES_AFTER_S`, the model writes notes of old turns, so that the prompt stays
short.

Example: somebody asks "What could I cook with potatoes and eggs?" While they speak, "What could I" is read, and later "cook
with potatoes". They stop; after 128 ms the turn is recognised, which takes twice as long again. At 400 ms the draft begins,
with "and eggs?" still to be read. If the listener takes the turn to be over after its usual 864 ms, the model has had
464 ms for that, and often for the first words as well. ``python -m kai.bench talk`` prints how long a person waits.

Both minds have the same conversation before them, and each knows what the other one has said. When the model's process is
gone, the small mind answers what it can, and says so where it cannot.
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
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thinker, Thought, Trouble, last_heard
from kai.engine.workers import Workers
from kai.wire.realtime import JsonObject

logger = logging.getLogger(__name__)

SMALL_MIND: Final = "small mind"
PASSAGES_TOLD: Final = 2
WAIT_S: Final = 3.0
"""After this long in the queue for a slot Kai says why it does not answer yet."""
MAX_ANSWER_TOKENS: Final = 320
OFFERS_TOOLS: Final = False
"""Whether the model may call the session's tools. ``python -m kai.bench mind_tools`` decides that: the model has to handle
80 % of the requests. Qwen2.5-Coder writes its calls as text, in forms of its own that no server takes for calls. Its prompt
says that it cannot do such things."""
STILL_LOADING: Final = "My language model is still waking up. Ask me that again in a moment."
NOTES_AFTER_S: Final = 1.5
"""Notes are begun when nobody has spoken for this long."""


class HasModel(Protocol):
    """The part that runs the language model."""

    @property
    def model(self) -> Model | None:
        """The model, while it can be asked."""
        ...

    @property
    def is_loading(self) -> bool:
        """True while a model is being loaded."""
        ...


class _Draft:
    """An answer in the making, which may not be wanted yet: its prompt, and its thoughts so far."""

    def __init__(self, prompt: list[JsonObject], thoughts: AsyncGenerator[Thought]) -> None:
        self.prompt = prompt
        self._thoughts: asyncio.Queue[Thought | None] = asyncio.Queue()
        self._making = asyncio.create_task(self._make(thoughts), name="mind: make an answer")

    async def thoughts(self) -> AsyncGenerator[Thought]:
        """Yield the answer from its first word on. The work ends when the reader leaves."""
        try:
            while (thought := await self._thoughts.get()) is not None:
                yield thought
            await self._making  # raises what a bug in the task raised, so that it is not lost
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End the work."""
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
    """The thinker of one talk: the small mind (``reflex``) first, then the language model that ``host`` runs."""

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
        self._reading: asyncio.Task[None] | None = None
        """The work ahead, if it reads the words of a person who is still speaking."""
        self._newest: Question | None = None
        """The words to be read after those."""
        self._slots: Slots | None = None

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
            yield Said(
                STILL_LOADING if is_waiting else reply.text, is_aside=is_waiting, is_prompt=reply.is_prompt
            )
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
        is_speaking = not is_whole and bool(question.items) and question.items[-1].role == "user"
        if is_speaking and self._is_reading:
            self._newest = question
            return
        if is_speaking:
            self._begin_ahead(partial(self._read_words, question))
            self._reading = self._ahead
        else:
            self._begin_ahead(partial(self._think_ahead, question, is_whole=is_whole))

    def take_back(self) -> None:
        """See `Thinker.take_back`."""
        if not self._is_reading:
            self._begin_ahead(self._drop_draft)

    async def aclose(self) -> None:
        """See `Thinker.aclose`."""
        await self._rest()
        await self._drop_draft()
        if self._slots is not None:
            await self._slots.leave(self)

    @property
    def _is_reading(self) -> bool:
        return self._reading is not None and self._reading is self._ahead and not self._reading.done()

    def _begin_ahead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        before, self._newest = self._ahead, None

        async def go() -> None:
            await _end(before)
            await work()

        self._ahead = _start(go(), "mind: think ahead")

    async def _read_words(self, question: Question) -> None:
        """Read the words of a person who is still speaking, and then the newest that have come meanwhile.

        A request that is ended early has read nothing of its last batch, so a busy computer would never get anywhere.
        """
        while True:
            await self._think_ahead(question, is_whole=False)
            if self._newest is None:
                return
            question, self._newest = self._newest, None

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
        elif sure_words := " ".join(heard.split()[:-1]).rstrip(" .,;:?!…"):
            await self._read(model, [*prompt[:-1], {"role": "user", "content": sure_words}])

    async def _prompt(self, question: Question) -> list[JsonObject]:
        name = question.persona.name or DEFAULT_NAME
        return self._telling.messages(question, name, await self._passages(question))

    async def _passages(self, question: Question) -> str:
        """Return what the person's files say about the question, for the prompt; empty when they say nothing."""
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
        """Yield the model's answer, once a slot is free."""
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
        """Let the model read what is known so far; nothing is generated."""
        self._slots = model.slots
        async with model.slots.use(self) as slot:
            await self._spend(model, slot, prompt, {"n_predict": 0, "add_generation_prompt": False})

    async def _note_down(self, model: Model, question: Question) -> None:
        """Have the model write notes of old turns, in the spare slot, while nobody speaks."""
        await asyncio.sleep(NOTES_AFTER_S)
        request = self._telling.due_notes(question)
        if request is None:
            return
        options: JsonObject = {"n_predict": NOTE_TOKENS, "temperature": 0.0}
        notes = await self._spend(model, SPARE_SLOT, list(request.messages), options)
        self._telling.take_notes(request, notes)

    async def _spend(self, model: Model, slot: int, prompt: list[JsonObject], options: JsonObject) -> str:
        """Return what the model says to `prompt`; empty when it fails, since work ahead may fail without harm."""
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
        """End the work that is done ahead of time; a draft stays."""
        ahead, self._ahead, self._newest = self._ahead, None, None
        await _end(ahead)


def _start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start a task for work ahead of time: its faults are logged, and the talk goes on."""
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
