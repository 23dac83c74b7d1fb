"""What every test is held to: it leaves no thread, child process, socket or asyncio task behind; and rooms have time budgets.

A leak is looked for after each test, waited for a short grace (closing is often a few callbacks away), and then fails it.
What module and session fixtures hold open was there before the test and does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import inspect
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import language_model
from tests.support.strangers import LEFT_OUT

language_model.leave_out_by_default()

GRACE_S = 8.0
"""How long a test's leftovers may take to go. Longer than a loop takes to close, or a room of LiveKit that had not opened;
shorter than a time-out."""

ROOM_BUDGETS_S = {"unit": 120, "contract and loopback": 480, "browser": 365, "strangers": 60}
"""What the parts of one whole run may take on two cores; together 15 of CI's 18 minutes. ``tests/ui`` counts as unit."""

ROOT = Path(__file__).resolve().parent
PROCESS = psutil.Process()
HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Children that the standard library keeps on purpose for as long as the process lives."""


# -- threads, children, sockets ----------------------------------------------------------------------------------------


def live_threads() -> dict[int, str]:
    """Threads that would keep the process from ending, by identity."""
    return {id(t): t.name for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()}


def live_children() -> dict[int, str]:
    """Our direct child processes by pid, the standard library's helpers left out."""
    found: dict[int, str] = {}
    for pid in child_pids():
        try:
            command = " ".join(psutil.Process(pid).cmdline())
        except psutil.Error:
            continue
        if command and not any(helper in command for helper in HELPERS):
            found[pid] = command[:120]
    return found


def child_pids() -> list[int]:
    """Pids of direct children: one small read a thread on Linux, a walk over all processes elsewhere."""
    if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return [child.pid for child in PROCESS.children()]
    pids: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        try:
            pids += [int(pid) for pid in path.read_text().split()]
        except OSError:
            continue
    return pids


DESCRIPTORS = Path("/proc/self/fd")


def live_sockets() -> dict[str, int]:
    """Open sockets of this process, by what identifies one, with the descriptor of each.

    On Linux all kinds of sockets, since that takes a tenth of a millisecond and their kind a hundred times as long.
    """
    if not DESCRIPTORS.exists():
        return {f"{c.fd} {c.laddr}": c.fd for c in PROCESS.net_connections(kind="inet")}
    found: dict[str, int] = {}
    for name in os.listdir(DESCRIPTORS):
        with contextlib.suppress(OSError):
            if (target := os.readlink(DESCRIPTORS / name)).startswith("socket:"):
                found[target] = int(name)
    return found


def internet_sockets(descriptors: Collection[int]) -> list[str]:
    """Those of the descriptors that are internet sockets, in words."""
    return [
        f"socket {'TCP' if c.type == 1 else 'UDP'} {c.laddr} {c.status}"
        for c in (PROCESS.net_connections(kind="inet") if descriptors else ())
        if c.fd in descriptors
    ]


def leaks_since(threads: dict[int, str], children: dict[int, str], sockets: dict[str, int]) -> list[str]:
    """What is here now and was not then, in words."""
    return [
        *(f"thread {name}" for key, name in live_threads().items() if key not in threads),
        *(f"child process {pid}: {name}" for pid, name in live_children().items() if pid not in children),
        *internet_sockets([fd for key, fd in live_sockets().items() if key not in sockets]),
    ]


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    # Children by pid alone: one whose command line could not be read just now is not new for that.
    before = (live_threads(), dict.fromkeys(child_pids(), ""), live_sockets())
    yield
    leaks = leaks_since(*before)
    deadline = time.monotonic() + GRACE_S
    while leaks and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
        leaks = leaks_since(*before)
    for pid in live_children().keys() - before[1].keys():
        psutil.Process(pid).kill()
    if leaks:
        pytest.fail(f"{request.node.name} left behind: " + "; ".join(leaks), pytrace=False)


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The real language model's file, for a test that gives it to its engine as ``KAI_MIND``."""
    return language_model.require_model()


# -- asyncio tasks -----------------------------------------------------------------------------------------------------


def without_leaked_tasks(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The same test, failing when a task that it started is still pending after the grace."""

    @functools.wraps(test)
    async def guarded(*args: Any, **kwargs: Any) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        leaked = asyncio.all_tasks() - before
        if leaked:
            _, leaked = await asyncio.wait(leaked, timeout=GRACE_S)
        if leaked:
            names = ", ".join(sorted(f"{task.get_name()} ({task.get_coro()})" for task in leaked))
            pytest.fail(f"left asyncio tasks running: {names}", pytrace=False)

    return guarded


def pytest_itemcollected(item: pytest.Item) -> None:
    """Hold every coroutine test to its tasks; pytest-asyncio cancels leftovers without a word."""
    is_coroutine = isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj)
    if is_coroutine and not hasattr(item.obj, "hypothesis"):
        item.obj = without_leaked_tasks(item.obj)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--live``: also the tests that talk to OpenAI itself and cost money; they need ``OPENAI_API_KEY``."""
    parser.addoption(
        "--live", action="store_true", help="talk to OpenAI itself (costs money, needs OPENAI_API_KEY)"
    )


# -- a second try ------------------------------------------------------------------------------------------------------

REAL_TIME_ROOMS = ("contract", "loopback", "browser")
"""Rooms whose tests talk over real sockets in real time, where two busy cores may lose what a test waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a real-time test that fails is tried once more; pytest's summary names each that needed it (RERUN)."""
    if os.environ.get("CI", "").lower() not in {"1", "true"}:
        return
    for item in items:
        if item.path.parent.name in REAL_TIME_ROOMS:
            item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=2))


# -- time budgets ------------------------------------------------------------------------------------------------------


def part_of(nodeid: str) -> str:
    """Which part of the run a test's time counts for."""
    if "stranger" in nodeid:
        return "strangers"
    room = nodeid.split("/")[1] if nodeid.count("/") else ""
    if room in {"contract", "loopback"}:
        return "contract and loopback"
    return "browser" if room == "browser" else "unit"


def tell_of_left_out(terminalreporter: pytest.TerminalReporter, title: str, mark: str) -> None:
    """Tests that were left out for want of what ``mark`` stands for, each with its reason."""
    reasons = [
        str(report.longrepr[2])
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and mark in str(report.longrepr[2])
    ]
    if reasons:
        terminalreporter.section(title, sep="!", red=True, bold=True)
    for reason in reasons:
        terminalreporter.line(reason.removeprefix("Skipped: "), red=True, bold=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each part took beside its budget, and loudly what was left out."""
    tell_of_left_out(terminalreporter, "STRANGERS LEFT OUT", LEFT_OUT)
    tell_of_left_out(terminalreporter, "THE LANGUAGE MODEL IS NOT HERE", language_model.LEFT_OUT)
    spent: dict[str, float] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                part = part_of(report.nodeid)
                spent[part] = spent.get(part, 0.0) + report.duration
    is_told = len(spent) > 1 or bool(os.environ.get("CI"))
    if is_told:
        terminalreporter.section("time by part", sep="-")
    for part, budget_s in ROOM_BUDGETS_S.items():
        if part in spent and is_told:
            over = "  OVER BUDGET" if spent[part] > budget_s else ""
            terminalreporter.line(f"{part:<22} {spent[part]:6.1f} s of {budget_s} s{over}")
