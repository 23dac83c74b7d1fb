"""Previews of the cloud voices: one sentence in each voice, recorded once in a short turn and then kept on disk."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from kai.adapters.openai_realtime.prices import cost_usd
from kai.compat.files import write_private
from kai.compat.format import SPEECH_HZ
from kai.core.config import BrainConfig, TurnTaking
from kai.core.events import Event, LegFailed, ResponseDone
from kai.core.state import Look, Tokens
from kai.errors import BrainError
from kai.media.pcm import to_wav
from kai.ports import Marks, Pcm, VoiceBrain

log = logging.getLogger(__name__)

SENTENCE: Final = "Hello, I am Kai. This is how I sound when I talk with you."
OPEN_S: Final = 20.0
SPEAK_S: Final = 20.0
USUAL_TOKENS: Final = Tokens(text_in=120, text_out=25, audio_out=100)
"""The usual cost of such a turn; a sentence of five seconds is 100 tokens of sound."""

Record = Callable[[Look], Coroutine[Any, Any, bytes]]
"""Records that look's voice and returns a wav file. Raises ``KaiError``."""


@dataclass
class _Take:
    """A ``BrainSink`` that keeps one answer's sound."""

    parts: list[Pcm] = field(default_factory=list[Pcm])
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def emit(self, event: Event) -> None:
        match event:
            case LegFailed(_, code, message):
                self._fail(code, message)
            case ResponseDone(_, "failed", message):
                self._fail("response-failed", message)
            case _:
                pass

    def _fail(self, code: str, message: str) -> None:
        if not self.done.done():
            self.done.set_exception(BrainError(message, code=code))

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        self.parts.append(pcm)

    def marks(self, segment_id: str, marks: Marks) -> None: ...

    def end_segment(self, segment_id: str) -> None:
        if not self.done.done():
            self.done.set_result(None)


class VoicePreviews:
    """The previews of one app. Call ``kept`` and ``cost_usd`` from any thread, ``wav`` on Kai's loop."""

    def __init__(self, folder: Path, record: Record, model_of: Callable[[Look], str]) -> None:
        """``model_of`` returns the name of a look's model."""
        self._folder = folder
        self._record = record
        self._model_of = model_of
        self._takes: dict[Path, asyncio.Task[bytes]] = {}

    def _path(self, look: Look) -> Path:
        name = re.sub(r"[^a-z0-9.-]+", "-", f"{self._model_of(look)}-{look.voice}".lower())
        return self._folder / f"{name}.wav"

    def kept(self, look: Look) -> bytes | None:
        """Return the recording of that look's voice (a wav file, 24 000 Hz mono), or ``None``. Any thread; reads a file."""
        try:
            return self._path(look).read_bytes()
        except OSError:
            return None

    def cost_usd(self, look: Look) -> float | None:
        """Return about what a recording will cost; ``None`` for a model whose price is not known."""
        return cost_usd(self._model_of(look), USUAL_TOKENS)

    async def wav(self, look: Look) -> bytes:
        """Return the recording of that look's voice, and make it now if there is none yet. Raises ``KaiError``."""
        path = self._path(look)
        kept = await asyncio.to_thread(self.kept, look)
        if kept is not None:
            return kept
        take = self._takes.get(path)
        if take is None:
            take = asyncio.create_task(self._record_and_keep(path, look), name="record a voice")
            take.add_done_callback(lambda _task: self._takes.pop(path, None))
            self._takes[path] = take
        return await asyncio.shield(take)

    async def _record_and_keep(self, path: Path, look: Look) -> bytes:
        content = await self._record(look)
        await asyncio.to_thread(_keep, path, content)
        return content

    async def aclose(self) -> None:
        """Cancel the recordings in progress."""
        takes = list(self._takes.values())
        for take in takes:
            take.cancel()
        await asyncio.gather(*takes, return_exceptions=True)


async def record_turn(brain: VoiceBrain, look: Look) -> bytes:
    """Return a sentence in that look's voice as a wav file. Opens ``brain`` for one short turn, then closes it.

    Raises ``KaiError``.
    """
    # Only the voice comes from the person's look: the turn has no instructions, tools or greeting, and does not listen.
    config = BrainConfig(model=look.brain.model, turn_taking=TurnTaking.PUSH_TO_TALK, tools=())
    alone = replace(look, instructions="", speed=1.0, brain=config)
    take = _Take()
    try:
        async with asyncio.timeout(OPEN_S):
            await brain.open(alone, take)
        brain.greet(SENTENCE)
        async with asyncio.timeout(SPEAK_S):
            await take.done
    except TimeoutError as exc:
        raise BrainError("The voice did not answer in time. Try again.", code="timeout") from exc
    finally:
        await brain.aclose()
    return to_wav(np.concatenate([np.zeros(0, np.int16), *take.parts]), SPEECH_HZ)


def _keep(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, content)
    except OSError:
        log.warning("a recorded voice could not be kept")
