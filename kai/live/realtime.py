"""Compares what a Realtime service does with what Kai assumes.

There is one short call for each model. In the first call Kai counts and is cut off, which shows whether the memory can be cut
over WebRTC and provides a second of speech. Then a separate update sets each part of a session, so that no refusal hides
another. Last, each transcription model gets that second of speech and writes words or not.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain
from kai.adapters.openai_realtime.talk import new_event_id
from kai.compat.format import BLOCK_S, BLOCK_SAMPLES
from kai.core.capabilities import TRANSCRIPTION_MODELS
from kai.core.config import BrainConfig, Eagerness, Effort, NoiseReduction, Truncation, TurnTaking
from kai.core.events import Event, UsageReported
from kai.core.state import Look
from kai.errors import BrainError
from kai.live.report import NOT_LOOKED_AT, Budget, Recording, Row
from kai.ports import Marks, Pcm
from kai.wire import realtime as wire

MODELS: Final = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")
CALL_USD: Final = 0.05
"""The highest cost of one call: seconds of sound at the price of the most expensive model."""
ENOUGH_MS: Final = 1_500
HEARD_MS: Final = 500
_OPTIONAL: Final = "kai/adapters/openai_realtime/optional.py"
_CONFIG: Final = "kai/adapters/openai_realtime/config.py"
_CAPABILITIES: Final = "kai/core/capabilities.py"
_MEMORY: Final = "kai/adapters/openai_realtime/brain.py: tell_heard"
_COUNT: Final = "Please count slowly from one to twenty."

FIELDS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    (
        "turns by silence",
        {
            "turn_taking": TurnTaking.SERVER_VAD,
            "threshold": 0.6,
            "prefix_padding_ms": 250,
            "silence_duration_ms": 500,
        },
    ),
    ("no interruption", {"can_interrupt": False}),
    ("turns by meaning", {"turn_taking": TurnTaking.SEMANTIC_VAD, "eagerness": Eagerness.HIGH}),
    ("a key for each turn", {"turn_taking": TurnTaking.PUSH_TO_TALK}),
    ("noise of a room", {"noise_reduction": NoiseReduction.FAR_FIELD}),
    ("no noise reduction", {"noise_reduction": NoiseReduction.OFF}),
    ("how sure the transcription is", {"wants_confidence": True}),
    ("longer thinking", {"effort": Effort.MEDIUM}),
    ("the least thinking", {"effort": Effort.MINIMAL}),
    ("the longest answer", {"max_output_tokens": 1_024}),
    ("a share of the talk is kept", {"truncation": Truncation.RETENTION_RATIO, "retention_ratio": 0.8}),
    ("nothing of the talk is dropped", {"truncation": Truncation.DISABLED}),
)
"""The updates of a session, each added to those before. The last one is push-to-talk, which the transcribers need."""


class _RecordedBrain(OpenAIRealtimeBrain):
    """A call that records every event and can wait for the service's answer to one."""

    def __init__(self, endpoint: Endpoint, recording: Recording) -> None:
        super().__init__(endpoint)
        self._recording = recording
        self._events: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._update_id = ""

    def _take(self, message: str | bytes) -> None:
        event: dict[str, Any] = json.loads(message)
        self._recording.note("events, theirs", event)
        self._events.append(event)
        self._news.set()
        super()._take(message)

    def _transmit(self, event: wire.ClientEvent) -> None:
        self._recording.note("events, ours", json.loads(wire.encode(event)))
        if isinstance(event, wire.SessionUpdate):
            self._update_id = event.event_id or ""
        super()._transmit(event)

    @property
    def event_count(self) -> int:
        """The number of events that have arrived."""
        return len(self._events)

    async def first_of(self, kinds: Sequence[str], since: int, within_s: float) -> dict[str, Any] | None:
        """Return the first event of these kinds after the first ``since`` events, or ``None`` after that time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for event in self._events[since:]:
                        if event.get("type") in kinds:
                            return event
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None

    async def try_out(self, look: Look, within_s: float) -> str | None:
        """Update the session; return "taken", "refused (code)" or "not answered", or ``None`` if Kai sends this model nothing
        for that look."""
        since, self._update_id = len(self._events), ""
        self.update(look)
        if not self._update_id:
            return None
        answer = await self.first_of(("session.updated", "error"), since, within_s)
        if answer is None:
            return "not answered"
        return "taken" if answer["type"] == "session.updated" else _refused(answer)

    async def transcribe(self, pcm: Pcm, within_s: float) -> str:
        """Commit a turn of that sound, ``(samples,)`` int16, 24 000 Hz, without asking for an answer; return in words how its
        transcription went."""
        self.begin_turn()
        heard = np.repeat(pcm, 2)
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        for block in np.pad(heard, (0, -len(heard) % BLOCK_SAMPLES)).reshape(-1, BLOCK_SAMPLES):
            self.push_mic(block)
            next_s += BLOCK_S
            await asyncio.sleep(max(0.0, next_s - loop.time()))
        since = len(self._events)
        self._send(wire.InputAudioCommit(event_id=new_event_id()))
        kinds = tuple(f"conversation.item.input_audio_transcription.{how}" for how in ("completed", "failed"))
        answer = await self.first_of((*kinds, "error"), since, within_s)
        self.end_turn(is_kept=False)
        match answer:
            case None:
                return "taken, and nothing is written"
            case {"type": "error"}:
                return _refused(answer)
            case {"transcript": str(text)} if text.strip():
                return "words are written"
            case _:
                return "taken, and no words are written"


class _Ear:
    """Keeps the sound of one answer and counts the call's cost. Implements ``kai.ports.BrainSink``."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[Pcm] = []
        self._samples = 0
        self.response_id = ""
        self.has_enough = asyncio.Event()

    @property
    def pcm(self) -> Pcm:
        return np.concatenate([np.zeros(0, np.int16), *self._parts])[: ENOUGH_MS * 24]

    def emit(self, event: Event) -> None:
        if isinstance(event, UsageReported):
            self._budget.spend(event.cost_usd or 0.0)

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        self.response_id = self.response_id or segment_id
        if segment_id == self.response_id:
            self._parts.append(pcm)
            self._samples += len(pcm)
        if self._samples >= ENOUGH_MS * 24:
            self.has_enough.set()

    def marks(self, segment_id: str, marks: Marks) -> None:
        """Do nothing: marks are not tested."""

    def end_segment(self, segment_id: str) -> None:
        self.has_enough.set()


class BrainObserver:
    """Tests the service behind an endpoint. An answer is awaited for ``wait_s``. No call begins that the budget does not
    allow."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        models: Sequence[str] = MODELS,
        transcribers: Sequence[str] = TRANSCRIPTION_MODELS,
        budget: Budget | None = None,
        recording: Recording | None = None,
        rows: list[Row] | None = None,
        wait_s: float = 15.0,
    ) -> None:
        self._endpoint = endpoint
        self._models = models
        self._transcribers = transcribers
        self._budget = budget or Budget(1.0)
        self._wait_s = wait_s
        self.recording = Recording((endpoint.api_key,)) if recording is None else recording
        self.rows = list[Row]() if rows is None else rows

    async def run(self) -> list[Row]:
        """Run all tests and return their rows. A service that cannot be reached gets a row too."""
        for model in self._models:
            await self._look_at(model, does_speak=model == self._models[0])
        return self.rows

    def _row(self, name: str, assumed: str, seen: str, code: str) -> None:
        self.rows.append(Row(name, (assumed,), seen, code))

    async def _look_at(self, model: str, *, does_speak: bool) -> None:
        name = f"{model}: a session"
        if not self._budget.allows(CALL_USD):
            self._row(name, "all of it is taken", NOT_LOOKED_AT, _OPTIONAL)
            return
        look = Look(brain=BrainConfig(model=model))
        brain, ear = _RecordedBrain(self._endpoint, self.recording), _Ear(self._budget)
        self.recording.note("call", {"model": model})
        try:
            await brain.open(look, ear)
            without = ", ".join(sorted(brain.left_out))
            seen = f"taken without {without}" if without else "all of it is taken"
            self._row(name, "all of it is taken", seen, _OPTIONAL)
            if does_speak:
                await self._look_at_cut(brain, ear)
            await self._look_at_fields(brain, ear, look)
        except BrainError as exc:
            self._row(name, "all of it is taken", f"refused ({exc.code})", _OPTIONAL)
        finally:
            await brain.aclose()

    async def _look_at_cut(self, brain: _RecordedBrain, ear: _Ear) -> None:
        """Test whether the memory of an answer can be cut where the person stopped hearing it."""
        brain.send_text("live-1", _COUNT)
        seen = "no sound came"
        try:
            async with asyncio.timeout(self._wait_s):
                await ear.has_enough.wait()
        except TimeoutError:
            pass
        if ear.response_id:
            since = brain.event_count
            brain.cancel(ear.response_id)
            brain.tell_heard(ear.response_id, HEARD_MS)
            await brain.first_of(("conversation.item.truncated", "error"), since, self._wait_s)
            seen = "taken" if brain.can_truncate else "refused"
        self._row("a cut of the memory over WebRTC", "taken", seen, _MEMORY)

    async def _look_at_fields(self, brain: _RecordedBrain, ear: _Ear, look: Look) -> None:
        model = look.brain.model
        for name, change in FIELDS:
            look = replace(look, brain=replace(look.brain, **change))
            seen = await brain.try_out(look, self._wait_s)
            if seen is not None:
                self._row(f"{model}: {name}", "taken", seen, f"{_CONFIG}, {_CAPABILITIES}")
        look = replace(look, speed=1.2, instructions="Be brief.")
        seen = await brain.try_out(look, self._wait_s)
        self._row(f"{model}: speed and instructions", "taken", seen or "not answered", _CONFIG)
        keys = {"turn_taking": TurnTaking.PUSH_TO_TALK, "can_interrupt": True}
        words = {"transcription_language": "en", "transcription_prompt": "Kai, LiveAvatar"}
        for transcriber in self._transcribers if ear.response_id else ():
            if not self._budget.allows(CALL_USD):
                self._row(f"transcription by {transcriber}", "words are written", NOT_LOOKED_AT, _OPTIONAL)
                continue
            config = replace(look.brain, transcription_model=transcriber, **keys, **words)
            seen = await brain.try_out(replace(look, brain=config), self._wait_s)
            if seen in ("taken", None):
                seen = await brain.transcribe(ear.pcm, self._wait_s)
            self._row(f"transcription by {transcriber}", "words are written", seen, _OPTIONAL)


def _refused(error: dict[str, Any]) -> str:
    details: dict[str, Any] = error.get("error") or {}
    return f"refused ({details.get('code') or details.get('type') or 'no code'})"
