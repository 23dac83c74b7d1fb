"""Replays a recorded session, so that a session with the real service becomes a test.

A recording (`kai.wire.recorded`; the file of ``python -m kai.live``) holds the requests and answers in order. The answers to
the requests for a token and for the start of a session are replayed: refusals word for word, successes with the fields and
types that the service sent, but with our own credentials. On each control socket the service's events are replayed: those
before the first command when the socket opens, the others after the command that they followed, with the recorded delay. The
picture and the voice are ours; they arrive as late as in the recording, or not at all.
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
    """The events that the service sent after one command, or at the start, each with its delay in seconds."""

    command: str = ""
    command_id: str = ""
    began_ms: int = 0
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list[tuple[float, dict[str, Any]]])
    ends_after_s: float | None = None
    """The delay in seconds after which the service closed the socket, if it did."""


@dataclass(slots=True)
class Socket:
    """The recorded events of one control socket; ``is_refused``: it could not be opened."""

    groups: deque[Group] = field(default_factory=deque[Group])
    is_refused: bool = False

    def next_group(self, command: str) -> Group | None:
        """Return the group that followed the next command of that type, or ``None`` at the recording's end."""
        while self.groups:
            group = self.groups.popleft()
            if group.command == command:
                return group
        return None


class ReplayedSocket:
    """Replays the events of a recorded control socket into ``outbox``; ``close`` closes the socket. Event loop only."""

    def __init__(self, recorded: Socket, outbox: asyncio.Queue[str], close: Callable[[], None]) -> None:
        self._recorded = recorded
        self._outbox = outbox
        self._close = close
        self._ids: dict[str, str] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self.follow("", "")

    def follow(self, command: str, event_id: str) -> None:
        """Send the recorded events that followed a command of this type; ``event_id`` is the client's id of the command."""
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
        """Cancel the events that are not sent yet."""
        for timer in self._timers:
            timer.cancel()

    def _say(self, event: dict[str, Any]) -> None:
        if not self._outbox.full():
            self._outbox.put_nowait(renamed(event, self._ids))


class SessionReplay:
    """The part of a recording that one session replays, if a recording is replayed."""

    def __init__(self, replay: Replay | None) -> None:
        self._replay = replay
        self._socket: ReplayedSocket | None = None

    @property
    def is_on(self) -> bool:
        """Whether recorded events are sent in place of the session's own."""
        return self._socket is not None

    def begin(self, outbox: asyncio.Queue[str], close: Callable[[], None]) -> None:
        """Begin the replay on a control socket that has opened."""
        recorded = None if self._replay is None else self._replay.socket()
        self._socket = None if recorded is None else ReplayedSocket(recorded, outbox, close)

    def follow(self, command: str, event_id: str) -> None:
        """Continue the replay after a command."""
        if self._socket is not None:
            self._socket.follow(command, event_id)

    def end(self) -> None:
        """End the replay on a control socket that has closed."""
        if self._socket is not None:
            self._socket.end()


class Replay:
    """A recording that is being replayed. Raises `ProtocolError` for a text that is not a recording."""

    def __init__(self, text: str) -> None:
        entries = recorded.entries_of(text)
        self._answers: dict[str, deque[tuple[int, dict[str, Any]]]] = {}
        self._sockets: deque[Socket] = deque()
        self.switches: dict[str, Any] = {}
        """The recorded properties of the room, as switches of `faults`."""
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
        """Return the next recorded answer of that path, as a status and a body, if there is one."""
        waiting = self._answers.get(path)
        return waiting.popleft() if waiting else None

    def refuses_socket(self) -> bool:
        """Return whether the next recorded control socket could not be opened, and skip it if so."""
        if not self._sockets or not self._sockets[0].is_refused:
            return False
        self._sockets.popleft()
        return True

    def socket(self) -> Socket | None:
        """Return the next recorded control socket, if there is one."""
        return self._sockets.popleft() if self._sockets else None


_ROOM: Final = frozenset({"picture_after_s", "has_no_tracks", "is_speechless", "has_no_v1", "has_no_pongs"})


def shaped(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return our answer with the fields of the service's; hidden values and ids of sessions are ours."""
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
    """Return an event as JSON with the recorded ids of the client replaced by the current ones."""
    return json.dumps(
        {name: ids.get(value, value) if isinstance(value, str) else value for name, value in event.items()}
    )
