"""What is made before it is wanted."""

from __future__ import annotations

import asyncio

from kai.compat.spare import Spare
from kai.errors import FaceError


class Shelf:
    """Makes things, and notes which of them were closed."""

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.broken: set[int] = set()
        self.spare = Spare[int]("spare", self.close, lambda thing: thing not in self.broken)

    async def make(self) -> int:
        await asyncio.sleep(0)
        self.made += 1
        return self.made

    async def close(self, thing: int) -> None:
        self.closed.append(thing)


async def test_one_is_made_however_often_it_is_wished_for_and_taken_once() -> None:
    shelf = Shelf()
    shelf.spare.warm(shelf.make)
    shelf.spare.warm(shelf.make)
    assert shelf.spare.take() is None
    await shelf.spare.wait_made()
    shelf.spare.warm(shelf.make)
    assert (shelf.spare.take(), shelf.spare.take(), shelf.made) == (1, None, 1)
    await shelf.spare.aclose()
    assert shelf.closed == []


async def test_one_that_broke_while_it_waited_is_closed_and_not_given_out() -> None:
    shelf = Shelf()
    shelf.spare.warm(shelf.make)
    await shelf.spare.wait_made()
    shelf.broken.add(1)
    assert shelf.spare.take() is None
    await shelf.spare.aclose()
    assert shelf.closed == [1]


async def test_the_end_closes_what_waits_and_cancels_what_is_being_made() -> None:
    waiting, making = Shelf(), Shelf()
    waiting.spare.warm(waiting.make)
    await waiting.spare.wait_made()
    await waiting.spare.aclose()
    making.spare.warm(making.make)
    await making.spare.aclose()
    assert (waiting.closed, making.made) == ([1], 0)
    making.spare.warm(making.make)
    await asyncio.sleep(0)
    assert making.made == 0


async def test_one_that_cannot_be_made_is_tried_again_at_the_next_wish() -> None:
    shelf = Shelf()

    async def fail() -> int:
        raise FaceError("No.")

    shelf.spare.warm(fail)
    await shelf.spare.wait_made()
    shelf.spare.warm(shelf.make)
    await shelf.spare.wait_made()
    assert shelf.spare.take() == 1
    await shelf.spare.aclose()
