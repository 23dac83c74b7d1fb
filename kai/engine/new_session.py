"""A session that is about to begin, over WebRTC or over a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kai.engine.conversation import Conversation, Transport
from kai.engine.replaying import RecordedCall, ReplayedConversation
from kai.engine.speech.kit import SpeechKit
from kai.engine.thinking import Thinker
from kai.engine.workers import Workers
from kai.wire.session_object import SessionConfig


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session begins with. ``now`` is the person's clock, and ``has_no_udp`` stages a network without UDP."""

    speech: SpeechKit
    workers: Workers
    config: SessionConfig
    thinker: Thinker
    now: Callable[[], datetime]
    longest_s: float
    has_no_udp: bool = False

    def begin(self, transport: Transport, tasks: asyncio.TaskGroup) -> Conversation:
        """Return the session's conversation, which repeats a recorded one if the thinker is a `RecordedCall`."""
        kind = ReplayedConversation if isinstance(self.thinker, RecordedCall) else Conversation
        return kind(
            transport=transport,
            speech=self.speech,
            workers=self.workers,
            tasks=tasks,
            config=self.config,
            thinker=self.thinker,
            now=self.now,
        )
