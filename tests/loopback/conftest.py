"""Every talk of these tests is replayed from its journal, and from its report, when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kai.core import journal
from kai.core.events import Command, Event
from kai.core.state import LegName, SessionState
from kai.core.store import Store
from kai.records import report

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
def replayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Once a test has passed: each of its talks leads to the same state by the same commands, from the file as well."""
    made: list[WatchedStore] = []
    monkeypatch.setattr(WatchedStore, "made", made, raising=False)
    monkeypatch.setattr("kai.runtime.session.Store", WatchedStore)
    yield
    for store in made:
        assert_replays(store)


def assert_replays(store: WatchedStore) -> None:
    first, kept = store.journal()
    live = list(journal.steps(kept, first))
    assert commands_of(live) == store.commands
    assert (live[-1][2] if live else first) == store.snapshot()
    whole = report.read(report.write(first, kept, "0", has_words=True))
    assert (whole.state, whole.journal) == (first, kept)
    told = report.read(report.write(first, kept, "0"))
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
