"""One conversation of the engine without models or a network: a transport that remembers, and a talk to drive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kai.engine import session
from kai.engine.answer import Place
from kai.engine.call import HungUp
from kai.engine.conversation import Conversation, Dropped
from kai.engine.playout import CallPlayout
from kai.engine.speech.clauses import Clause
from kai.engine.thinking import Thinker
from kai.engine.workers import Workers
from kai.wire import realtime as wire
from kai.wire.session_object import SessionConfig
from tests.support.speech_double import SpeechDouble, silence_ms, voice_ms

__all__ = ["TYPED", "Talk", "Transport", "silence_ms", "talking", "voice_ms", "wanted"]

TYPED = wire.ItemCreate(
    item=wire.Item(type="message", role="user", content=(wire.ContentPart(type="input_text", text="Hi"),))
)


@dataclass
class Transport:
    """Remembers what was sent; plays Kai's sound as far as it is told to."""

    plays_sound: bool = True
    events: list[Any] = field(default_factory=list[Any])
    clauses: list[Clause] = field(default_factory=list[Clause])
    cut_offs: list[str] = field(default_factory=list[str])
    foreign: float = 1.0

    def __post_init__(self) -> None:
        self.changed = asyncio.Event()
        self.playout = CallPlayout(
            lambda response_id: self.send(wire.OutputAudioStarted(response_id=response_id)),
            lambda response_id: self.send(wire.OutputAudioStopped(response_id=response_id)),
        )

    @property
    def is_sounding(self) -> bool:
        return self.plays_sound and self.playout.is_sounding

    @property
    def is_playing(self) -> bool:
        return self.playout.is_playing

    def foreign_share(self) -> float:
        return self.foreign

    def send(self, event: wire.ServerEvent) -> None:
        self.events.append(event)
        self.changed.set()

    def speak(self, place: Place, clause: Clause) -> None:
        self.clauses.append(clause)
        if self.plays_sound:
            self.playout.push(place.response_id, place.item_id, clause.pcm)

    def end_speech(self, response_id: str) -> None:
        self.playout.end(response_id)

    def drop_speech(self) -> Sequence[Dropped]:
        return self.playout.drop()

    def cut_off(self, reason: str) -> None:
        self.cut_offs.append(reason)

    def play_ms(self, duration_ms: int) -> None:
        for _ in range(duration_ms // 20):
            self.playout.pull()

    @property
    def types(self) -> list[str]:
        return [getattr(event, "TYPE", None) or event.type for event in self.events]

    def of(self, kind: type[Any]) -> list[Any]:
        """The events of that type so far."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, kind: type[Any], count: int = 1) -> Any:
        """The count-th event of that type."""
        async with asyncio.timeout(5):
            while len(found := self.of(kind)) < count:
                self.changed.clear()
                await self.changed.wait()
        return found[count - 1]


@dataclass
class Talk:
    conversation: Conversation
    transport: Transport
    speech: SpeechDouble

    def say(self, *, speech_ms: int = 600, then_silence_ms: int = 700) -> None:
        self.conversation.push_audio(np.concatenate([voice_ms(speech_ms), silence_ms(then_silence_ms)]))

    def speak_ms(self, speech_ms: int, *, then_silence_ms: int = 0) -> None:
        """The person speaks, 20 ms at a time, as a call brings it."""
        for _ in range(speech_ms // 20):
            self.conversation.push_audio(voice_ms(20))
        for _ in range(then_silence_ms // 20):
            self.conversation.push_audio(silence_ms(20))

    def do(self, event: wire.ClientEvent) -> None:
        self.conversation.handle(event)


def wanted(**changes: Any) -> SessionConfig:
    detection = {"type": "server_vad", "silence_duration_ms": 448, **changes.pop("turn_detection", {})}
    if detection["type"] != "server_vad":
        del detection["silence_duration_ms"]
    heard = {"transcription": {"model": "whisper-1"}, "turn_detection": detection, **changes.pop("input", {})}
    return wire.decode_session({"type": "realtime", "audio": {"input": heard}, **changes})


@asynccontextmanager
async def talking(
    speech: SpeechDouble | None = None,
    *,
    plays_sound: bool = True,
    thinker: Thinker | None = None,
    **changes: Any,
) -> AsyncIterator[Talk]:
    double, transport, workers = speech or SpeechDouble(), Transport(plays_sound), Workers()
    config = session.started(wanted(**changes), model=None, session_id="sess", expires_at=0)
    try:
        async with asyncio.TaskGroup() as tasks:
            conversation = Conversation(
                transport=transport,
                speech=double.as_kit(),
                workers=workers,
                tasks=tasks,
                config=config,
                thinker=thinker,
            )
            conversation.open()
            transport.events.clear()
            yield Talk(conversation, transport, double)
            raise HungUp
    except* HungUp:
        pass
    finally:
        workers.close()
