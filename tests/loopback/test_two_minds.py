"""Which of Kai's two minds answers, and what the language model is told ahead of time, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from kai.engine import two_minds
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.llm import telling
from kai.engine.llm.model import SPARE_SLOT, Model
from kai.engine.llm.slots import Slots
from kai.engine.speech.mind import Mind
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thought, Trouble
from kai.engine.two_minds import SMALL_MIND, TwoMinds
from kai.engine.workers import Workers
from kai.wire import realtime as wire
from kai.wire.realtime import ContentPart, Item
from tests.support.chat_server import HOLD, ChatServer, serving_chat
from tests.support.engine_talk import talking

NOW = datetime(2026, 11, 30, 10, 15, tzinfo=UTC)
OPEN_QUESTION = "Why do leaves turn red in autumn?"


@dataclass
class Host:
    """Has a model, or none."""

    model: Model | None = None
    is_loading: bool = False


@dataclass
class Bench:
    """A chat server in the place of the model's process, and talks with it."""

    chat: ChatServer
    host: Host
    erased: list[int]
    workers: Workers

    def talk(self) -> TwoMinds:
        return TwoMinds(LocalThinker(Mind.load_plain(), self.workers), self.host, self.workers)

    async def wait_asked(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(10):
            while len(self.chat.asked) < count:
                await asyncio.sleep(0.005)
        return self.chat.asked


@asynccontextmanager
async def two_minds_on(**given: Any) -> AsyncIterator[Bench]:
    workers = Workers()
    async with serving_chat(**given) as chat:
        endpoint = ChatEndpoint(chat.base_url, "large", "key")
        client = ChatClient(endpoint)
        erased: list[int] = []

        async def erase(slot: int) -> None:
            erased.append(slot)

        model = Model("Large 1B", endpoint, client, Slots(2, erase), 20.0)
        try:
            yield Bench(chat, Host(model), erased, workers)
        finally:
            await client.close()
            workers.close()


def line(item_id: str, role: str, text: str) -> Item:
    return Item(id=item_id, type="message", role=role, content=(ContentPart(type="input_text", text=text),))


def asking(*texts: str, instructions: str = "", start: int = 0) -> Question:
    """A question whose items are these texts, the person's first and last."""
    items = tuple(
        line(f"item{start + index}", "user" if index % 2 == 0 else "assistant", text)
        for index, text in enumerate(texts)
    )
    return Question(items, instructions, NOW)


async def answer_of(talk: TwoMinds, question: Question) -> tuple[str, list[Thought]]:
    async with aclosing(talk.think(question)) as thinking:
        thoughts = [thought async for thought in thinking]
    return "".join(thought.text for thought in thoughts if isinstance(thought, Said)), thoughts


def mind_of(thoughts: list[Thought]) -> str:
    return next(thought.mind for thought in thoughts if isinstance(thought, Finished))


@pytest.mark.parametrize(
    ("heard", "part"), [("What is seven times eight?", "56"), ("Set a timer for five minutes.", "5 minutes")]
)
async def test_what_the_small_mind_is_sure_of_is_answered_without_the_model(heard: str, part: str) -> None:
    async with two_minds_on() as bench:
        said, thoughts = await answer_of(bench.talk(), asking(heard))
        assert part in said
        assert mind_of(thoughts) == SMALL_MIND
        assert bench.chat.asked == []


async def test_all_else_is_answered_by_the_model_which_is_told_the_whole_talk() -> None:
    async with two_minds_on() as bench:
        question = asking("Hi.", "Hello, I am Nora.", OPEN_QUESTION, instructions="Your name is Nora.")
        said, thoughts = await answer_of(bench.talk(), question)
        assert said == "Hello. I am a model."
        assert mind_of(thoughts) == "Large 1B"
        asked = bench.chat.asked[0]
        assert asked["id_slot"] in (0, 1)
        assert [message["role"] for message in asked["messages"]] == ["system", "user", "assistant", "user"]
        assert asked["messages"][0]["content"].count("Your name is Nora.") == 2
        assert asked["messages"][-1]["content"] == OPEN_QUESTION


async def test_words_are_read_while_the_person_speaks_and_the_answer_begun_at_a_probable_end() -> None:
    async with two_minds_on() as bench:
        talk = bench.talk()
        talk.foresee(asking("Why do leaves turn?"))  # the newest word may change
        read = (await bench.wait_asked(1))[0]
        assert (read["n_predict"], read["messages"][-1]["content"]) == (0, "Why do leaves")
        talk.foresee(asking(OPEN_QUESTION), is_whole=True)
        begun = (await bench.wait_asked(2))[1]
        assert begun.get("n_predict") is None
        assert begun["id_slot"] == read["id_slot"]
        said, _ = await answer_of(talk, asking(OPEN_QUESTION))
        assert said == "Hello. I am a model."
        assert len(bench.chat.asked) == 2  # the answer that was begun is the answer


def read_of(asked: list[dict[str, Any]]) -> list[str]:
    """The words of the person that each request had read ahead."""
    return [each["messages"][-1]["content"] for each in asked if each.get("n_predict") == 0]


async def test_of_words_that_come_while_others_are_read_only_the_newest_are_read_next() -> None:
    async with two_minds_on(pieces=[HOLD]) as bench:
        talk = bench.talk()
        talk.foresee(asking("Why do leaves"))
        await bench.wait_asked(1)
        talk.foresee(asking("Why do leaves turn"))
        talk.take_back()  # the person had only paused, which is no reason to read anew
        talk.foresee(asking("Why do leaves turn red in"))
        bench.chat.go_on.set()
        await bench.wait_asked(2)
        assert read_of(bench.chat.asked) == ["Why do", "Why do leaves turn red"]
        await talk.aclose()


async def test_an_answer_that_was_begun_too_early_is_thrown_away() -> None:
    async with two_minds_on(pieces=["Too early. ", HOLD, "Never said."]) as bench:
        talk = bench.talk()
        talk.foresee(asking("Why do leaves turn red?"), is_whole=True)
        await asyncio.wait_for(bench.chat.held.wait(), 10)
        talk.take_back()
        await asyncio.wait_for(bench.chat.left.wait(), 10)
        bench.chat.pieces = ["In time."]
        said, _ = await answer_of(talk, asking("Why do leaves turn red in autumn and not in spring?"))
        assert said == "In time."


async def test_other_words_than_foreseen_get_an_answer_of_their_own() -> None:
    async with two_minds_on(pieces=["Too early. ", HOLD, "Never said."]) as bench:
        talk = bench.talk()
        talk.foresee(asking("Why do leaves turn red?"), is_whole=True)
        await asyncio.wait_for(bench.chat.held.wait(), 10)
        bench.chat.pieces = ["The right one."]
        said, _ = await answer_of(talk, asking("Why do leaves turn yellow?"))
        assert said == "The right one."
        assert bench.chat.left.is_set()


async def test_what_the_small_mind_will_answer_is_not_begun() -> None:
    async with two_minds_on() as bench:
        talk = bench.talk()
        talk.foresee(asking("What is seven times eight?"), is_whole=True)
        said, _ = await answer_of(talk, asking("What is seven times eight?"))
        assert "56" in said
        assert bench.chat.asked == []


async def test_an_interruption_ends_the_models_work() -> None:
    async with two_minds_on(pieces=["Well, ", HOLD, "never said."]) as bench:
        thinking = bench.talk().think(asking(OPEN_QUESTION))
        assert isinstance(await anext(thinking), Said)
        await thinking.aclose()
        await asyncio.wait_for(bench.chat.left.wait(), 10)


async def test_without_its_model_the_small_mind_answers_what_it_can() -> None:
    async with two_minds_on() as bench:
        bench.host.model = None
        said, thoughts = await answer_of(bench.talk(), asking("What is seven times eight?"))
        assert "56" in said
        assert mind_of(thoughts) == SMALL_MIND
        said, thoughts = await answer_of(bench.talk(), asking(OPEN_QUESTION))
        assert said
        assert mind_of(thoughts) == SMALL_MIND


async def test_a_model_that_is_still_loading_is_named_as_the_reason() -> None:
    async with two_minds_on() as bench:
        bench.host.model, bench.host.is_loading = None, True
        said, _ = await answer_of(bench.talk(), asking(OPEN_QUESTION))
        assert "still waking up" in said
        said, _ = await answer_of(bench.talk(), asking("What is seven times eight?"))
        assert "56" in said


async def test_a_model_that_dies_is_told_and_the_next_question_is_answered() -> None:
    async with two_minds_on(status=500) as bench:
        talk = bench.talk()
        _, thoughts = await answer_of(talk, asking(OPEN_QUESTION))
        assert any(isinstance(thought, Trouble) for thought in thoughts)
        bench.chat.status = 200
        said, _ = await answer_of(talk, asking(OPEN_QUESTION, "Sorry.", OPEN_QUESTION))
        assert "I am a model." in said


async def test_two_talks_have_a_slot_each_and_never_see_each_others_words() -> None:
    async with two_minds_on() as bench:
        red, blue = bench.talk(), bench.talk()
        for turn in range(3):
            await answer_of(red, asking(f"My secret is a red boat, number {turn}.", start=10 * turn))
            await answer_of(blue, asking(f"My secret is a blue hat, number {turn}.", start=10 * turn))
        slots = {"red": set[int](), "blue": set[int]()}
        for asked in bench.chat.asked:
            told = str(asked["messages"])
            colours = [colour for colour in slots if f"a {colour}" in told]
            assert len(colours) == 1
            slots[colours[0]].add(asked["id_slot"])
        assert len(slots["red"]) == len(slots["blue"]) == 1
        assert slots["red"] != slots["blue"]
        await red.aclose()
        assert bench.erased == [*slots["red"]]


async def test_a_third_talk_waits_its_turn_and_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_minds, "WAIT_S", 0.05)
    async with two_minds_on(pieces=["Well, ", HOLD, "yes."]) as bench:
        running = [bench.talk().think(asking(f"{OPEN_QUESTION} {index}")) for index in range(2)]
        for thinking in running:
            await anext(thinking)
        third = bench.talk().think(asking(OPEN_QUESTION))
        waiting = await anext(third)
        assert isinstance(waiting, Said)
        assert "somebody else" in waiting.text
        await running[0].aclose()
        bench.chat.go_on.set()
        rest = [thought async for thought in third]
        assert "".join(thought.text for thought in rest if isinstance(thought, Said)) == "Well, yes."
        assert len(bench.erased) == 1  # the slot was emptied before the third talk got it
        await running[1].aclose()


async def wait_noted(bench: Bench, count: int) -> dict[str, Any]:
    """The newest request for notes, of so many."""
    async with asyncio.timeout(10):
        while len(noted := [asked for asked in bench.chat.asked if asked["id_slot"] == SPARE_SLOT]) < count:
            await asyncio.sleep(0.005)
    return noted[-1]


async def test_notes_are_taken_in_the_spare_slot_and_dropped_when_somebody_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(two_minds, "NOTES_AFTER_S", 0.0)
    monkeypatch.setattr(telling, "NOTES_FROM_TOKENS", 20)
    async with two_minds_on(pieces=["Notes: boats. "]) as bench:
        talk = bench.talk()
        said = ["I like red boats and blue rivers, and old maps.", "Good.", OPEN_QUESTION]
        await answer_of(talk, asking(*said))
        said += ["Because of the cold in the nights, and since the days are short."]
        talk.foresee(asking(*said))  # as a conversation does when an answer is over
        noted = await wait_noted(bench, 1)
        assert "red boats" in str(noted["messages"])
        async with asyncio.timeout(10):
            while any(task.get_name() == "mind: think ahead" for task in asyncio.all_tasks()):
                await asyncio.sleep(0.005)
        said += ["Because of the cold in the nights, and since the days are short."]
        await answer_of(talk, asking(*said))
        assert "Notes: boats." in str(bench.chat.asked[-1]["messages"])
        bench.chat.pieces = [HOLD, "Never said."]
        monkeypatch.setattr(two_minds.TwoMinds, "_read", _read_nothing)
        talk.foresee(asking(*said, "Yes."))
        await asyncio.wait_for(bench.chat.held.wait(), 10)  # notes of what was said since
        bench.chat.pieces = ["Sure."]
        talk.foresee(asking(*said, "Yes.", "And"))
        await asyncio.wait_for(bench.chat.left.wait(), 10)
        await talk.aclose()


async def _read_nothing(*_given: object) -> None:
    """What is read ahead is of no matter here."""


async def test_in_a_conversation_notes_follow_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_minds, "NOTES_AFTER_S", 0.0)
    monkeypatch.setattr(telling, "NOTES_FROM_TOKENS", 20)
    async with two_minds_on() as bench:
        thinker = bench.talk()
        async with talking(thinker=thinker) as talk:
            told = "I like red boats and blue rivers, and old maps. " * 2
            content = (ContentPart(type="input_text", text=told + OPEN_QUESTION),)
            talk.do(wire.ItemCreate(item=Item(type="message", role="user", content=content)))
            talk.do(wire.ResponseCreate())
            await talk.transport.wait(wire.ResponseDone)
            assert "red boats" in str((await wait_noted(bench, 1))["messages"])
        await thinker.aclose()
