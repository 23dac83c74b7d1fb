"""Replays a recorded call, so that a call of the real service becomes a test.

A recording (`kai.wire.recorded`; the file of ``python -m kai.live``) holds the events of both sides, in order. For each of
its calls a session of ours sends what the service sent: the events before the client's first event when the session opens,
the others after the client's event that they followed, with the recorded delay. A recording holds no sound, so an answer
is a tone of the recorded length.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any, Final, cast

from kai.compat.format import SPEECH_HZ
from kai.engine.answer import Place
from kai.engine.conversation import Conversation
from kai.engine.recorded_events import Group, RecordedEvents
from kai.engine.script import tone
from kai.engine.speech.clauses import Clause
from kai.engine.thinking import Question, Thinker, Thought
from kai.errors import ProtocolError
from kai.wire import realtime as wire
from kai.wire import recorded

LONGEST_SOUND_S: Final = 60.0


class RecordedCall(Thinker):
    """One call of a recording that is being replayed. As a thinker it says nothing; the recording has the answers."""

    def __init__(self) -> None:
        self.events = RecordedEvents()

    async def think(self, question: Question) -> AsyncGenerator[Thought]:
        """See `Thinker.think`."""
        del question
        for thought in cast("tuple[Thought, ...]", ()):
            yield thought


def read_calls(text: str) -> deque[RecordedCall]:
    """Return the calls of a recording, in order. Raises `ClientMistake` for a text that is not a recording."""
    try:
        _, entries = recorded.parts_of(text)
    except ProtocolError as exc:
        raise wire.ClientMistake(exc.message, param="recording") from exc
    calls: deque[RecordedCall] = deque()
    for entry in entries:
        match entry:
            case {"where": "call", "what": {"model": str()}, "at_ms": int(at_ms)}:
                calls.append(RecordedCall())
                calls[-1].events.groups.append(Group(began_ms=at_ms))
            case {"where": "events, ours", "what": {"type": str(kind), **more}, "at_ms": int(at_ms)} if calls:
                calls[-1].events.groups.append(Group(kind, str(more.get("event_id") or ""), at_ms))
            case {"where": "events, theirs", "what": dict() as event, "at_ms": int(at_ms)} if calls:
                group = calls[-1].events.groups[-1]
                # The time to establish a connection is not the service's delay, so the opening events have none.
                after_s = (at_ms - group.began_ms) / 1000 if group.kind else 0.0
                group.events.append((after_s, cast("dict[str, Any]", event)))
            case _:
                pass
    return calls


class ReplayedConversation(Conversation):
    """The server's side of a recorded session."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._recorded = cast("RecordedCall", parts["thinker"])
        self._item_id = ""

    def open(self) -> None:
        """Greets the client as the service did."""
        self._follow("", "")

    def handle(self, event: wire.ClientEvent) -> None:
        """Sends what the service sent after an event of this type."""
        self._follow(event.TYPE, event.event_id or "")

    def push_audio(self, samples: Any) -> None:
        """Ignores the sound, since the recording has what was heard."""

    def _follow(self, kind: str, event_id: str) -> None:
        self._recorded.events.follow(kind, event_id, self._say_again)

    def _say_again(self, payload: dict[str, Any]) -> None:
        match payload:
            case {"type": "response.output_item.added", "item": {"id": str(item_id)}}:
                self._item_id = item_id
            case {"type": "output_audio_buffer.started", "response_id": str(response_id)}:
                # The transport sends this event itself, with the sound.
                self._play_tone(response_id, LONGEST_SOUND_S)
                return
            case {"type": "output_audio_buffer.stopped" | "output_audio_buffer.cleared"}:
                self._transport.drop_speech()
            case {
                "type": "response.output_audio.delta",
                "response_id": str(response_id),
                "delta": str(delta),
            }:
                base64_chars = recorded.hidden_length(delta) or 0
                self._play_tone(response_id, base64_chars * 3 / 4 / 2 / SPEECH_HZ)
                return
            case _:
                pass
        self._transport.send(wire.UnknownEvent(type=str(payload.get("type")), payload=payload))

    def _play_tone(self, response_id: str, for_s: float) -> None:
        """Plays a tone in place of the sound, which is not in the recording."""
        sound = tone(round(for_s * SPEECH_HZ))
        self._transport.speak(Place(response_id, self._item_id, 0), Clause("", sound, (), (), ()))
