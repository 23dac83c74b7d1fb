"""The one store of a talk: ``snapshot``, ``dispatch``, ``subscribe``, selectors and the journal.

It is modelled on a Zustand store: one immutable state that changes only by dispatched events and is observed by subscribers.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from kai.core.events import Command, Event
from kai.core.reducer import step
from kai.core.state import SessionState

T = TypeVar("T")

Listener = Callable[[SessionState], None]
Unsubscribe = Callable[[], None]

JOURNAL_KEPT = 20_000
"""How many events are kept for replay. Older events are folded into the journal's first state."""


def replay(journal: Iterable[tuple[float, Event]], state: SessionState | None = None) -> SessionState:
    """Return the state after every event of a journal, starting from ``state`` or from a new one."""
    state = state or SessionState()
    for at, event in journal:
        state, _ = step(state, event, at)
    return state


class Store:
    """The state of one talk. Every method may be called from any thread; listeners run on the dispatching thread.

    ``run`` gets each command, in order, after the state has changed and before the listeners are called, so that a slow
    page does not delay an interruption and a faulty page does not keep a leg open. An event that a listener or a command
    dispatches is handled after the current one, never inside it. ``dispatch`` raises whatever a listener or a command
    raises; the events still queued are then handled by the next ``dispatch``.
    """

    def __init__(
        self,
        run: Callable[[Command], None] = lambda _command: None,
        *,
        state: SessionState | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._state = state or SessionState()
        self._run = run
        self._clock = clock
        self._listeners: list[Listener] = []
        self._queue: deque[Event] = deque()
        self._lock = threading.RLock()
        self._is_busy = False
        self._first_state = self._state
        self._journal: deque[tuple[float, Event]] = deque()

    def snapshot(self) -> SessionState:
        """Return the current state, a frozen value."""
        return self._state

    def journal(self) -> tuple[SessionState, tuple[tuple[float, Event], ...]]:
        """Return the state before the first kept event, and the kept events with their times."""
        with self._lock:
            return self._first_state, tuple(self._journal)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call ``listener(state)`` after each change, until the returned function is called."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def subscribe_to(self, select: Callable[[SessionState], T], listener: Callable[[T], None]) -> Unsubscribe:
        """Call ``listener(select(state))`` whenever the selected value has changed."""

        def on_change(state: SessionState) -> None:
            nonlocal last
            picked = select(state)
            if picked != last:
                last = picked
                listener(picked)

        with self._lock:
            last = select(self._state)
            return self.subscribe(on_change)

    def dispatch(self, event: Event) -> None:
        """Handle an event: change the state, run the commands, then call the subscribers."""
        with self._lock:
            self._queue.append(event)
            if self._is_busy:
                return
            self._is_busy = True
            try:
                while self._queue:
                    self._take(self._queue.popleft())
            finally:
                self._is_busy = False

    def _take(self, event: Event) -> None:
        at = self._clock()
        before = self._state
        self._state, commands = step(before, event, at)
        self._keep(at, event)
        for command in commands:
            self._run(command)
        if self._state == before:
            return
        for listener in tuple(self._listeners):
            # An earlier listener may have just unsubscribed this one.
            if listener in self._listeners:
                listener(self._state)

    def _keep(self, at: float, event: Event) -> None:
        self._journal.append((at, event))
        if len(self._journal) > JOURNAL_KEPT:
            oldest_at, oldest = self._journal.popleft()
            self._first_state, _ = step(self._first_state, oldest, oldest_at)
