"""The running timers of one talk; each is a task that rings when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import assert_never

from kai.engine.items import new_id
from kai.engine.speech.orders import MAX_TIMERS, CancelTimers, Effect, MoveTimer, RunningTimer, SetTimer


@dataclass(slots=True)
class _Running:
    timer: SetTimer
    due_s: float
    """On the event loop's clock."""
    task: asyncio.Task[None]


class Timers:
    """Sets, moves and cancels timers, and calls ``ring`` with each one whose time is over. Event loop only.

    Bound: `MAX_TIMERS`; the mind, which knows how many run, refuses to set more.
    """

    def __init__(self, tasks: asyncio.TaskGroup, ring: Callable[[SetTimer], None]) -> None:
        self._tasks = tasks
        self._ring = ring
        self._running: dict[str, _Running] = {}

    @property
    def running(self) -> tuple[RunningTimer, ...]:
        """The running timers, in the order in which they were set."""
        now_s = asyncio.get_running_loop().time()
        return tuple(
            RunningTimer(
                timer_id,
                each.timer.seconds,
                each.timer.about,
                each.timer.kind,
                max(0, round(each.due_s - now_s)),
            )
            for timer_id, each in self._running.items()
        )

    def take(self, effect: Effect) -> None:
        """Carries out what the person asked for; a timer that has rung in the meantime is ignored."""
        match effect:
            case SetTimer():
                if len(self._running) < MAX_TIMERS:
                    timer_id = new_id("t")
                    due_s = asyncio.get_running_loop().time() + effect.seconds
                    self._running[timer_id] = _Running(effect, due_s, self._start(timer_id, due_s))
            case CancelTimers():
                for timer_id in tuple(self._running) if effect.timer_ids is None else effect.timer_ids:
                    if (cancelled := self._running.pop(timer_id, None)) is not None:
                        cancelled.task.cancel()
            case MoveTimer():
                if (moved := self._running.get(effect.timer_id)) is not None:
                    moved.task.cancel()
                    moved.timer = replace(moved.timer, seconds=moved.timer.seconds + effect.by_s)
                    moved.due_s += effect.by_s
                    moved.task = self._start(effect.timer_id, moved.due_s)
            case _:
                assert_never(effect)

    def _start(self, timer_id: str, due_s: float) -> asyncio.Task[None]:
        return self._tasks.create_task(self._wait(timer_id, due_s), name=f"timer-{timer_id}")

    async def _wait(self, timer_id: str, due_s: float) -> None:
        await asyncio.sleep(due_s - asyncio.get_running_loop().time())
        self._ring(self._running.pop(timer_id).timer)
