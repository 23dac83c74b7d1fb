"""One talk with the mind that a person chose, or with Kai's own two minds while that one is not available.

Each turn is decided separately. The small mind answers at once what it is sure of, such as the time, sums and timers, as it
does with Kai's own model. Everything else goes to the chosen mind while it is up. When its answer fails, Kai says so in a
sentence, and its own minds answer the same question; words that were already said stay, and the new answer follows them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from kai.engine.chat import ChatThinker
from kai.engine.others.choice import Choice, Chosen
from kai.engine.speech.library import Library
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thinker, Thought, Trouble
from kai.engine.workers import Workers

INSTEAD: Final = " I answer with my own mind instead. "
OF_THIS_QUESTION: Final = frozenset(
    {"mind_filtered", "mind_empty", "mind_long", "mind_cut", "mind_busy", "mind_refused"}
)
"""Failures that concern one question alone, so that the mind stays in use."""


class ChosenOrOwn(Thinker):
    """See the module. ``own`` is the talk's thinker while no chosen mind is up, and ``reflex`` is its small mind."""

    def __init__(
        self,
        own: Thinker,
        reflex: LocalThinker,
        choice: Choice,
        workers: Workers,
        library: Library | None = None,
    ) -> None:
        self._own = own
        self._reflex = reflex
        self._choice = choice
        self._workers = workers
        self._library = library
        self._asked: tuple[Chosen, ChatThinker] | None = None

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        chosen = self._choice.ready
        if chosen is not None and not (await self._reflex.reply(question)).is_sure:
            self._own.take_back()
            trouble: Trouble | None = None
            async with contextlib.aclosing(self._thinker_of(chosen).think(question)) as thoughts:
                async for thought in thoughts:
                    match thought:
                        case Trouble():
                            trouble = thought
                            break
                        case Finished():
                            yield replace(thought, mind=chosen.name)
                        case _:
                            yield thought
            if trouble is None:
                return
            if trouble.code not in OF_THIS_QUESTION:
                self._choice.report(chosen, trouble.code, trouble.message)
            yield Said(f" {trouble.message}{INSTEAD}", is_aside=True)
        async with contextlib.aclosing(self._own.think(question)) as thoughts:
            async for thought in thoughts:
                yield thought

    def foresee(self, question: Question, *, is_whole: bool = False) -> None:
        """See `Thinker.foresee`; Kai's own model does not read ahead while the chosen mind will answer."""
        if self._choice.ready is None:
            self._own.foresee(question, is_whole=is_whole)

    def take_back(self) -> None:
        """See `Thinker.take_back`."""
        self._own.take_back()

    async def aclose(self) -> None:
        """See `Thinker.aclose`."""
        await self._own.aclose()

    def _thinker_of(self, chosen: Chosen) -> ChatThinker:
        """Return the talk's chat with that mind, which is kept as long as the choice."""
        chosen.used_at_s = asyncio.get_running_loop().time()
        if self._asked is None or self._asked[0] is not chosen:
            thinker = ChatThinker(
                chosen.endpoint, chosen.client, self._reflex, workers=self._workers, library=self._library
            )
            self._asked = (chosen, thinker)
        return self._asked[1]
