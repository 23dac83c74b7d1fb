"""The tasks of one owner: kept, named, ended together, and never failed unheard."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kai.compat.tasks import Tasks


async def fail() -> None:
    raise ValueError("broken")


async def test_a_task_that_fails_is_logged_and_told_and_the_others_run_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[BaseException] = []
    tasks = Tasks("room", told.append)
    go_on = asyncio.Event()
    other = tasks.spawn(go_on.wait(), "other")
    with caplog.at_level(logging.ERROR):
        tasks.spawn(fail(), "failing")
        while not told:
            await asyncio.sleep(0)
    assert [str(error) for error in told] == ["broken"]
    (record,) = [r for r in caplog.records if r.name == "kai.compat.tasks"]
    assert (record.getMessage(), record.__dict__["task"]) == ("a task failed", "room: failing")
    assert record.exc_info is not None
    assert tasks.names() == ["room: other"]
    go_on.set()
    assert await other
    await tasks.wait_ended()
    assert tasks.names() == []


async def test_closing_cancels_every_task_also_one_that_another_starts_at_its_end() -> None:
    told: list[BaseException] = []
    tasks, ended = Tasks("room", told.append), list[str]()

    async def rest(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
            if name == "first":
                tasks.spawn(asyncio.sleep(0), "last words")

    tasks.spawn(rest("first"), "first")
    tasks.spawn(rest("second"), "second")
    await asyncio.sleep(0)
    await tasks.aclose()
    assert sorted(ended) == ["first", "second"]
    assert tasks.names() == []
    assert told == []
