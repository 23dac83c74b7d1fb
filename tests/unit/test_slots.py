"""Who has which slot of the language model: a talk keeps its own, and nobody inherits another one's words."""

from __future__ import annotations

import asyncio

from kai.engine.llm.slots import Slots


class Erasing:
    """Remembers which slots were emptied."""

    def __init__(self) -> None:
        self.erased: list[int] = []

    async def __call__(self, slot: int) -> None:
        await asyncio.sleep(0)
        self.erased.append(slot)


async def test_a_talk_comes_back_to_its_own_slot_which_is_not_emptied() -> None:
    erasing = Erasing()
    slots = Slots(2, erasing)
    async with slots.use("a") as first:
        pass
    async with slots.use("b") as other:
        pass
    async with slots.use("a") as again:
        pass
    assert first == again != other
    assert erasing.erased == []


async def test_a_third_talk_gets_the_slot_that_rests_the_longest_emptied() -> None:
    erasing = Erasing()
    slots = Slots(2, erasing)
    async with slots.use("a") as of_a:
        pass
    async with slots.use("b"):
        pass
    assert not slots.has_place_for("c")
    async with slots.use("c") as of_c:
        assert erasing.erased == [of_a]
    assert of_c == of_a
    assert slots.has_place_for("c")
    assert not slots.has_place_for("a")


async def test_a_third_talk_waits_while_both_slots_think() -> None:
    slots = Slots(2, Erasing())
    waiting = asyncio.Event()
    done = asyncio.Event()

    async def third() -> int:
        waiting.set()
        async with slots.use("c") as slot:
            done.set()
            return slot

    async with slots.use("a"):
        async with slots.use("b") as of_b:
            task = asyncio.create_task(third())
            await waiting.wait()
            for _ in range(5):
                await asyncio.sleep(0)
            assert not done.is_set()
        assert await task == of_b


async def test_the_slot_of_a_talk_that_is_over_is_emptied_and_free() -> None:
    erasing = Erasing()
    slots = Slots(1, erasing)
    async with slots.use("a") as slot:
        pass
    await slots.leave("a")
    await slots.leave("a")  # twice does no harm
    assert erasing.erased == [slot]
    async with slots.use("b"):
        pass
    assert erasing.erased == [slot]


async def test_who_is_cancelled_while_waiting_leaves_no_trace() -> None:
    slots = Slots(1, Erasing())

    async def wait_for_slot() -> None:
        async with slots.use("b"):
            raise AssertionError("nobody gave it")

    async with slots.use("a"):
        task = asyncio.create_task(wait_for_slot())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with slots.use("c") as slot:
        assert slot == 0


async def test_slots_are_prepared_until_the_first_talk_comes() -> None:
    erasing = Erasing()
    slots = Slots(2, erasing)
    await slots.prepare()
    assert erasing.erased == [0, 1]

    class Slow(Erasing):
        async def __call__(self, slot: int) -> None:
            await super().__call__(slot)
            await asyncio.Event().wait()

    slow = Slow()
    slots = Slots(2, slow)
    preparing = asyncio.create_task(slots.prepare())
    while not slow.erased:
        await asyncio.sleep(0)
    async with slots.use("a"):
        await asyncio.wait([preparing])
    assert preparing.cancelled()
    assert slow.erased == [0]
