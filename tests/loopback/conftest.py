"""Every talk of these tests is replayed from its journal, and from its report, when the test is over.

Of a test that failed the reports are kept in ``artifacts/failed-talks``; ``python -m kai.replay`` prints them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import kai
from kai.core import journal
from kai.core.events import Command, Event
from kai.core.state import LegName, SessionState
from kai.core.store import Store
from kai.engine.others import servers
from kai.records import report
from tests.support.liveavatar import no_wait_for_a_rooms_first_report

__all__ = ["no_wait_for_a_rooms_first_report"]

KAI = {"Kai": kai.__version__}
FAILED_TALKS = Path(__file__).resolve().parents[2] / "artifacts" / "failed-talks"
HAS_FAILED = pytest.StashKey[bool]()
Steps = list[tuple[float, Event, SessionState, tuple[Command, ...]]]


class WatchedStore(Store):
    """A store that keeps what it asked for."""

    made: list[WatchedStore]

    def __init__(self, run: Callable[[Command], None], **given: Any) -> None:
        self.commands: list[Command] = []

        def watched(command: Command) -> None:
            self.commands.append(command)
            run(command)

        super().__init__(watched, **given)
        self.made.append(self)


@pytest.fixture(autouse=True)
def patient_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model servers have time to answer a look while other tests keep the computer busy."""
    monkeypatch.setattr(servers, "LOOK_S", 3.0)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Notes for `replayed` that a test has failed."""
    told = yield
    item.stash[HAS_FAILED] = item.stash.get(HAS_FAILED, False) or told.failed
    return told


@pytest.fixture(autouse=True)
def replayed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Once a test has passed: each of its talks leads to the same state by the same commands, from the file as well. Once it
    has failed: each of its talks is kept, with the test's name, a seed in it."""
    made: list[WatchedStore] = []
    monkeypatch.setattr(WatchedStore, "made", made, raising=False)
    monkeypatch.setattr("kai.runtime.session.Store", WatchedStore)
    yield
    node: pytest.Item = request.node
    for number, store in enumerate(made):
        if node.stash.get(HAS_FAILED, False):
            keep(store, re.sub(r"\W+", "-", f"{node.name}-{number}"), node.nodeid)
        else:
            assert_replays(store)


def keep(store: WatchedStore, name: str, test: str) -> None:
    first, kept = store.journal()
    FAILED_TALKS.mkdir(parents=True, exist_ok=True)
    path = FAILED_TALKS / f"{name}.jsonl"
    path.write_text(report.write(first, kept, KAI | {"Test": test}, has_words=True), "utf-8")
    print(f"python -m kai.replay {path}", file=sys.stderr)


def assert_replays(store: WatchedStore) -> None:
    first, kept = store.journal()
    live = list(journal.steps(kept, first))
    assert commands_of(live) == store.commands
    assert (live[-1][2] if live else first) == store.snapshot()
    whole = report.read(report.write(first, kept, KAI, has_words=True))
    assert (whole.state, whole.journal) == (first, kept)
    told = report.read(report.write(first, kept, KAI))
    hidden = list(journal.steps(told.journal, told.state))
    assert [type(c) for c in commands_of(hidden)] == [type(c) for c in store.commands]
    assert [shape(state) for _, _, state, _ in hidden] == [shape(state) for _, _, state, _ in live]


def commands_of(steps: Steps) -> list[Command]:
    return [command for *_, commands in steps for command in commands]


def shape(state: SessionState) -> object:
    """What of a state is not words."""
    return (
        state.phase,
        state.agent,
        [state.leg(name).status for name in LegName],
        [(m.id, m.role, len(m.text.split()), m.is_final, m.is_interrupted) for m in state.messages],
        [(a.id, a.generating, a.audio_out, a.playout) for a in state.answers],
        state.faces,
        None if state.problem is None else state.problem.code,
    )
