"""How children of ours end: asked, their standard input closed, terminated, killed, and never left."""

from __future__ import annotations

import asyncio
import signal
import time

import psutil
import pytest

from kai.compat import child
from kai.compat.child import Child, end_blocking, start_blocking
from tests.support.stubborn import LINES

PROGRAM = "tests.support.stubborn"
ENDS = {"polite": 0, "deaf": -signal.SIGTERM, "stubborn": -signal.SIGKILL}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "TERMINATED_S", 0.2)


async def ready(what: str) -> Child:
    started = await Child.start(PROGRAM, what)
    assert await started.read_line() == "ready"
    return started


@pytest.mark.parametrize("what", ENDS)
async def test_a_child_ends_by_the_first_step_of_the_ladder_that_it_obeys(what: str) -> None:
    started = await ready(what)
    asked: list[float] = []
    within_s = 10.0 if what == "polite" else 0.2
    assert await started.end(lambda: asked.append(time.monotonic()), within_s=within_s) == ENDS[what]
    assert len(asked) == 1
    assert started.pid is None
    assert await started.end(lambda: asked.append(time.monotonic()), within_s=within_s) == ENDS[what]
    assert len(asked) == 1


@pytest.mark.parametrize("what", ENDS)
def test_a_parent_without_a_loop_ends_its_child_by_the_same_ladder(what: str) -> None:
    process = start_blocking(PROGRAM, what)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == b"ready"
    end_blocking(process, within_s=10.0 if what == "polite" else 0.2)
    assert process.returncode == ENDS[what]
    assert process.stdout.closed


async def test_whoever_is_cancelled_while_it_ends_a_child_leaves_no_process() -> None:
    started = await ready("stubborn")
    process = psutil.Process(started.pid)
    ending = asyncio.create_task(started.end(within_s=30.0), name="ending")
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert await started.wait_ended() == -signal.SIGKILL
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_the_last_words_of_a_child_are_kept_and_a_line_longer_than_a_pipe_does_not_stop_it() -> None:
    heard: list[str] = []
    started = await Child.start(PROGRAM, "chatty", on_line=heard.append)
    assert await started.wait_ended() == 3
    assert list(started.last_words) == [f"line {n}" for n in range(LINES - child.LAST_WORDS, LINES)]
    assert heard[0] == "line 0"
    assert heard[-1] == f"line {LINES - 1}"


async def test_a_linked_child_has_the_other_end_of_our_socket_and_sees_its_end() -> None:
    started, link = await Child.start_linked("tests.support.linked")
    link.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=link)
    assert await reader.readexactly(4) == b"here"
    assert await started.end(writer.close, within_s=10.0) == 0
