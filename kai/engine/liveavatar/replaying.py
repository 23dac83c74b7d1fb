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
from typing import Any, Final, cast

from kai.engine.recorded_events import Group, RecordedEvents
from kai.wire import recorded


class SessionReplay:
    """The part of a recording that one session replays, if a recording is replayed."""

    def __init__(self, replay: Replay | None) -> None:
        self._replay = replay
        self._recorded: RecordedEvents | None = None

    @property
    def is_on(self) -> bool:
        """Whether recorded events are sent in place of the session's own."""
        return self._recorded is not None

    def begin(self, outbox: asyncio.Queue[str], close: Callable[[], None]) -> None:
        """Begin the replay on a control socket that has opened."""
        self._outbox, self._close = outbox, close
        self._recorded = None if self._replay is None else self._replay.socket()
        self.follow("", "")

    def follow(self, command: str, event_id: str) -> None:
        """Continue the replay after a command."""
        if self._recorded is not None:
            self._recorded.follow(command, event_id, self._say, self._close)

    def end(self) -> None:
        """End the replay on a control socket that has closed."""
        if self._recorded is not None:
            self._recorded.end()

    def _say(self, event: dict[str, Any]) -> None:
        if not self._outbox.full():
            self._outbox.put_nowait(json.dumps(event))


class Replay:
    """A recording that is being replayed. Raises `ProtocolError` for a text that is not a recording."""

    def __init__(self, text: str) -> None:
        _, entries = recorded.parts_of(text)
        self._answers: dict[str, deque[tuple[int, dict[str, Any]]]] = {}
        self._sockets: deque[RecordedEvents | None] = deque()
        """The recorded control sockets; ``None`` is one that could not be opened."""
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
                sockets.append(RecordedEvents(Group(began_ms=at_ms)))
            case "control", {"socket": str(ended)} if ended.startswith(("closed", "ConnectionClosed")):
                group = self._opened().groups[-1]
                group.ends_after_s = (at_ms - group.began_ms) / 1000
            case "control", {"socket": str(ended)} if ended.startswith(("Invalid", "OSError", "Connection")):
                sockets.append(None)
            case "control, ours", {"type": str(command)}:
                self._opened().groups.append(Group(command, str(told.get("event_id") or ""), at_ms))
            case "control, theirs", _ if told:
                group = self._opened().groups[-1]
                group.events.append(((at_ms - group.began_ms) / 1000, told))
            case "room", _:
                self.switches.update({name: told[name] for name in _ROOM if name in told})
            case _:
                pass

    def _opened(self) -> RecordedEvents:
        """Return the last socket that was opened in the recording."""
        return next(socket for socket in reversed(self._sockets) if socket is not None)

    def answer(self, path: str) -> tuple[int, dict[str, Any]] | None:
        """Return the next recorded answer of that path, as a status and a body, if there is one."""
        waiting = self._answers.get(path)
        return waiting.popleft() if waiting else None

    def refuses_socket(self) -> bool:
        """Return whether the next recorded control socket could not be opened, and skip it if so."""
        if not self._sockets or self._sockets[0] is not None:
            return False
        self._sockets.popleft()
        return True

    def socket(self) -> RecordedEvents | None:
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
