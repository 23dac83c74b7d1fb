"""The events that a service sent over one recorded connection, sent again with the recorded delays."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass(slots=True)
class Group:
    """The events that the service sent after one message of the client, or at the start, each with its delay in seconds."""

    kind: str = ""
    message_id: str = ""
    began_ms: int = 0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list[tuple[float, dict[str, Any]]])
    ends_after_s: float | None = None
    """The delay in seconds after which the service closed the connection, if it did."""


class RecordedEvents:
    """The groups of one connection, in order. Event loop only."""

    def __init__(self, *groups: Group) -> None:
        self.groups = deque(groups)
        self._ids: dict[str, str] = {}
        self._timers: list[asyncio.TimerHandle] = []

    def follow(
        self,
        kind: str,
        message_id: str,
        say: Callable[[dict[str, Any]], None],
        close: Callable[[], None] | None = None,
    ) -> None:
        """Pass the events that followed the next message of that type to ``say``, with the client's ids of now for those of
        the recording, and call ``close`` where the service closed the connection. Earlier groups are skipped."""
        while self.groups:
            group = self.groups.popleft()
            if group.kind == kind:
                break
        else:
            return
        if group.message_id and message_id:
            self._ids[group.message_id] = message_id
        loop = asyncio.get_running_loop()
        for after_s, event in group.events:
            self._timers.append(loop.call_later(after_s, self._say, event, say))
        if group.ends_after_s is not None and close is not None:
            self._timers.append(loop.call_later(group.ends_after_s, close))

    def end(self) -> None:
        """Cancel the events that are not sent yet."""
        for timer in self._timers:
            timer.cancel()

    def _say(self, event: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> None:
        say(cast("dict[str, Any]", _renamed(event, self._ids)))


def _renamed(value: object, ids: Mapping[str, str]) -> object:
    """Return `value` with each recorded id of the client replaced by the current one, at any depth."""
    match value:
        case str():
            return ids.get(value, value)
        case dict():
            return {name: _renamed(part, ids) for name, part in cast("dict[str, object]", value).items()}
        case list():
            return [_renamed(part, ids) for part in cast("list[object]", value)]
        case _:
            return value
