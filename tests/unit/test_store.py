"""The store: one state, changed by events, watched by subscribers, replayed from its journal."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from kai.core import store as store_module
from kai.core.events import (
    Command,
    LegConnected,
    LegFailed,
    MuteToggled,
    OpenLeg,
    SetMuted,
    StopRequested,
    TextSubmitted,
)
from kai.core.state import LegName, Phase, SessionState
from kai.core.store import Store, replay
from tests.support.talk import START


def a_clock() -> float:
    return next(_ticks) / 100


_ticks = count(1)


def test_snapshot_is_the_present_state() -> None:
    store = Store()
    assert store.snapshot() == SessionState()
    store.dispatch(START)
    assert store.snapshot().phase is Phase.STARTING


def test_commands_run_in_order_with_the_new_state_in_place() -> None:
    ran: list[tuple[Command, Phase]] = []
    store = Store(lambda command: ran.append((command, store.snapshot().phase)))
    store.dispatch(START)
    opened = [(c.leg, phase) for c, phase in ran if isinstance(c, OpenLeg)]
    assert opened == [(leg, Phase.STARTING) for leg in (LegName.FACE, LegName.BRAIN, LegName.BROWSER)]


def test_an_event_from_within_a_command_is_taken_after_the_present_one() -> None:
    log: list[str] = []

    def run(command: Command) -> None:
        if isinstance(command, OpenLeg):
            log.append(f"open {command.leg}")
            store.dispatch(LegConnected(command.leg))
            assert not store.snapshot().leg(command.leg).is_up

    store = Store(run)
    store.subscribe(lambda state: log.append(f"{sum(state.leg(leg).is_up for leg in LegName)} up"))
    store.dispatch(START)
    assert log == ["open face", "open brain", "open browser", "0 up", "1 up", "2 up", "3 up"]


def test_an_event_from_within_a_listener_is_taken_after_all_listeners_saw_the_first() -> None:
    seen: list[tuple[str, bool]] = []
    store = Store()

    def first(state: SessionState) -> None:
        seen.append(("first", state.is_muted))
        store.dispatch(MuteToggled(True))

    store.subscribe(first)
    store.subscribe(lambda state: seen.append(("second", state.is_muted)))
    store.dispatch(START)
    assert seen == [("first", False), ("second", False), ("first", True), ("second", True)]


def test_listeners_are_told_of_changes_only_and_until_they_unsubscribe() -> None:
    store = Store()
    phases: list[Phase] = []
    unsubscribe = store.subscribe(lambda state: phases.append(state.phase))
    store.dispatch(StopRequested())
    assert phases == []
    store.dispatch(START)
    unsubscribe()
    unsubscribe()
    store.dispatch(StopRequested())
    assert phases == [Phase.STARTING]


def test_a_listener_that_another_has_just_unsubscribed_is_not_called() -> None:
    store = Store()
    called: list[SessionState] = []
    store.subscribe(lambda _state: drop())
    drop = store.subscribe(called.append)
    store.dispatch(START)
    assert called == []


def test_a_selector_hears_only_of_what_it_picks() -> None:
    store = Store()
    muted: list[bool] = []
    unsubscribe = store.subscribe_to(lambda state: state.is_muted, muted.append)
    store.dispatch(START)
    store.dispatch(MuteToggled(True))
    store.dispatch(TextSubmitted("t1", "hello"))
    store.dispatch(MuteToggled(False))
    unsubscribe()
    store.dispatch(MuteToggled(True))
    assert muted == [True, False]


def test_a_faulty_listener_keeps_no_command_from_running_and_no_event_from_being_taken() -> None:
    ran: list[Command] = []
    store = Store(ran.append)
    store.dispatch(START)

    def faulty(_state: SessionState) -> None:
        unsubscribe()
        store.dispatch(MuteToggled(False))
        raise RuntimeError("a bug in a page")

    unsubscribe = store.subscribe(faulty)
    with pytest.raises(RuntimeError):
        store.dispatch(MuteToggled(True))
    store.dispatch(TextSubmitted("t1", "hello"))
    assert [c for c in ran if isinstance(c, SetMuted)] == [SetMuted(True), SetMuted(False)]
    assert not store.snapshot().is_muted


def test_events_from_many_threads_are_taken_one_by_one() -> None:
    store = Store()
    store.dispatch(START)

    def type_lines(thread: int) -> None:
        for n in range(50):
            store.dispatch(TextSubmitted(f"{thread}-{n}", f"line {n}"))

    threads = [threading.Thread(target=type_lines, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    ids = [m.id for m in store.snapshot().messages]
    assert len(ids) == len(set(ids)) == 200
    for n in range(4):
        own = [i for i in ids if i.startswith(f"{n}-")]
        assert own == [f"{n}-{k}" for k in range(50)]


def test_the_journal_replays_to_the_same_state() -> None:
    store = Store(clock=a_clock)
    for event in (START, LegConnected(LegName.BRAIN), TextSubmitted("t1", "hi"), StopRequested()):
        store.dispatch(event)
    first, events = store.journal()
    assert first == SessionState()
    assert [event for _, event in events][0] == START
    assert replay(events) == store.snapshot()


def test_a_full_journal_folds_its_oldest_events_into_its_first_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "JOURNAL_KEPT", 3)
    store = Store(clock=a_clock)
    store.dispatch(START)
    for n in range(5):
        store.dispatch(TextSubmitted(f"t{n}", f"line {n}"))
    store.dispatch(LegFailed(LegName.FACE, "lost", "Lost."))
    first, events = store.journal()
    assert len(events) == 3
    assert [m.id for m in first.messages] == ["t0", "t1", "t2"]
    assert replay(events, first) == store.snapshot()
