"""A recorded session, answered again: a session with the real service becomes a test.

A recording (`kai.wire.recorded`; the file of ``python -m kai.live``) holds what was asked and answered, in order. Answers to
a wish for a session, and to its start, are given again: refusals word for word, successes with the fields that the service
sent, in its types; what opens a session is ours. On each control socket the service's events come again: those before the
first command when it opens, the others after the command that they followed, as much later as they did. The picture and the
voice are ours. They come as late as they came there, or not at all.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from kai.wire import recorded


@dataclass(slots=True)
class Group:
    """What the service sent after one command, or at the beginning: events, each with its delay in seconds."""

    command: str = ""
    command_id: str = ""
    began_ms: int = 0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list[tuple[float, dict[str, Any]]])
    ends_after_s: float | None = None
    """When the service closed the socket."""


@dataclass(slots=True)
class Socket:
    """The life of one control socket; ``is_refused``: it could not be dialled."""

    groups: deque[Group] = field(default_factory=deque[Group])
    is_refused: bool = False

    def next_group(self, command: str) -> Group | None:
        """What followed the next command of that type."""
        while self.groups:
            group = self.groups.popleft()
            if group.command == command:
                return group
        return None


class ReplayedSocket:
    """A recorded control socket that speaks again, into ``outbox``; ``close`` closes it. One loop only."""

    def __init__(self, recorded: Socket, outbox: asyncio.Queue[str], close: Callable[[], None]) -> None:
        self._recorded = recorded
        self._outbox = outbox
        self._close = close
        self._ids: dict[str, str] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self.follow("", "")

    def follow(self, command: str, event_id: str) -> None:
        """A command came; ``event_id`` is the client's word for it. What the service sent after its like is sent, in time."""
        group = self._recorded.next_group(command)
        if group is None:
            return
        if group.command_id and event_id:
            self._ids[group.command_id] = event_id
        loop = asyncio.get_running_loop()
        for after_s, event in group.events:
            self._timers.append(loop.call_later(after_s, self._say, event))
        if group.ends_after_s is not None:
            self._timers.append(loop.call_later(group.ends_after_s, self._close))

    def end(self) -> None:
        """Nothing more is sent."""
        for timer in self._timers:
            timer.cancel()

    def _say(self, event: dict[str, Any]) -> None:
        if not self._outbox.full():
            self._outbox.put_nowait(renamed(event, self._ids))


class SessionReplay:
    """What one session says of a recording, if one is replayed."""

    def __init__(self, replay: Replay | None) -> None:
        self._replay = replay
        self._socket: ReplayedSocket | None = None

    @property
    def is_on(self) -> bool:
        """Whether the recording speaks in place of the session."""
        return self._socket is not None

    def begin(self, outbox: asyncio.Queue[str], close: Callable[[], None]) -> None:
        """A control socket has opened."""
        recorded = None if self._replay is None else self._replay.socket()
        self._socket = None if recorded is None else ReplayedSocket(recorded, outbox, close)

    def follow(self, command: str, event_id: str) -> None:
        """A command came."""
        if self._socket is not None:
            self._socket.follow(command, event_id)

    def end(self) -> None:
        """The control socket has closed."""
        if self._socket is not None:
            self._socket.end()


class Replay:
    """A recording on its way. Raises `ProtocolError` for a file that is none."""

    def __init__(self, text: str) -> None:
        entries = recorded.entries_of(text)
        self._answers: dict[str, deque[tuple[int, dict[str, Any]]]] = {}
        self._sockets: deque[Socket] = deque()
        self.switches: dict[str, Any] = {}
        """How the room was, as switches of `faults`."""
        for entry in entries:
            self._take(int(entry.get("at_ms", 0)), str(entry.get("where", "")), entry.get("what"))

    def _take(self, at_ms: int, where: str, what: object) -> None:
        told = cast("dict[str, Any]", what) if isinstance(what, dict) else {}
        sockets = self._sockets
        match where, told:
            case _, {"status": int(status), "body": dict() as body} if where.startswith("POST "):
                answer = (status, cast("dict[str, Any]", body))
                self._answers.setdefault(where.removeprefix("POST "), deque()).append(answer)
            case "control", {"socket": "opened"}:
                sockets.append(Socket(deque([Group(began_ms=at_ms)])))
            case "control", {"socket": str(ended)} if ended.startswith(("closed", "ConnectionClosed")):
                group = sockets[-1].groups[-1]
                group.ends_after_s = (at_ms - group.began_ms) / 1000
            case "control", {"socket": str(ended)} if ended.startswith(("Invalid", "OSError", "Connection")):
                sockets.append(Socket(is_refused=True))
            case "control, ours", {"type": str(command)}:
                sockets[-1].groups.append(Group(command, str(told.get("event_id") or ""), at_ms))
            case "control, theirs", _ if told:
                group = sockets[-1].groups[-1]
                group.events.append(((at_ms - group.began_ms) / 1000, told))
            case "room", _:
                self.switches.update({name: told[name] for name in _ROOM if name in told})
            case _:
                pass

    def answer(self, path: str) -> tuple[int, dict[str, Any]] | None:
        """The next recorded answer of that path, as a status and a body."""
        waiting = self._answers.get(path)
        return waiting.popleft() if waiting else None

    def refuses_socket(self) -> bool:
        """Whether the next recorded control socket could not be dialled; it is passed over then."""
        if not self._sockets or not self._sockets[0].is_refused:
            return False
        self._sockets.popleft()
        return True

    def socket(self) -> Socket | None:
        """The next recorded control socket."""
        return self._sockets.popleft() if self._sockets else None


_ROOM: Final = frozenset({"picture_after_s", "has_no_tracks", "is_speechless", "has_no_v1", "has_no_pongs"})


def shaped(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Our answer with the fields that the service sent. What the recording hides, and what names a session, is ours."""
    body: dict[str, Any] = {}
    for name, value in theirs.items():
        match value:
            case dict() if isinstance(own.get(name), dict):
                body[name] = shaped(cast("dict[str, Any]", own[name]), cast("dict[str, Any]", value))
            case str() if name in own and (recorded.hidden_length(value) is not None or name.endswith("_id")):
                body[name] = own[name]
            case _:
                body[name] = value
    return body


def renamed(event: dict[str, Any], ids: Mapping[str, str]) -> str:
    """An event with the ids of the client that is there now in place of the recorded ones."""
    return json.dumps(
        {name: ids.get(value, value) if isinstance(value, str) else value for name, value in event.items()}
    )
