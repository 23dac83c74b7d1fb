"""A hub whose talks have a brain and a face that answer at once, with a picture that moves. For the page's own tests."""

from __future__ import annotations

import asyncio
import itertools
import time

import numpy as np

from kai.adapters.browser import PageLink
from kai.adapters.voice_only import VoiceOnly
from kai.core.events import (
    AssistantTranscriptChanged,
    AudioStarted,
    AudioStopped,
    ResponseCreated,
    ResponseDone,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import Look
from kai.errors import BrainError
from kai.ports import BrainSink, FaceCapability, FaceSink, Marks, Pcm
from kai.runtime.hub import Page, Services, SessionHub
from kai.runtime.session import Session

ANSWER = (
    "You said: {text}. I am a stand-in, and I speak for a while, so that there is something to interrupt."
)
PICTURE_SIDE = 512


class FakeBrain:
    """Answers a typed line by a tone. With ``monologue_s`` it also pretends to hear a person that often."""

    def __init__(self, *, refuses: str = "", monologue_s: float = 0.0) -> None:
        self._refuses = refuses
        self._monologue_s = monologue_s
        self._count = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled: set[str] = set()

    async def open(self, look: Look, sink: BrainSink) -> None:
        if self._refuses:
            raise BrainError(self._refuses, code="refused", is_retryable=False)
        self._sink = sink
        if self._monologue_s:
            self._spawn(self._hear_now_and_then())

    def push_mic(self, pcm: Pcm) -> None: ...

    def set_muted(self, is_muted: bool) -> None: ...

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None: ...

    def send_text(self, item_id: str, text: str) -> None:
        self._spawn(self._answer(text))

    def cancel(self, response_id: str) -> None:
        self._cancelled.add(response_id)

    def update(self, look: Look) -> None: ...

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: object) -> None:
        task = asyncio.get_running_loop().create_task(work, name="fake brain")  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hear_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._monologue_s)
            item = f"item_user_{next(self._count)}"
            self._sink.emit(UserSpeechStarted(item))
            for text in ("What", "What is the", "What is the time in", "What is the time in Lisbon?"):
                await asyncio.sleep(0.4)
                self._sink.emit(UserTranscriptChanged(item, text, False))
            self._sink.emit(UserSpeechStopped(item))
            await asyncio.sleep(0.3)
            self._sink.emit(UserTranscriptChanged(item, text, True))
            await asyncio.sleep(0.5)
            await self._answer(text)
            await asyncio.sleep(6)

    async def _answer(self, text: str) -> None:
        n = next(self._count)
        response, item = f"resp_{n}", f"item_kai_{n}"
        self._sink.emit(ResponseCreated(response))
        answer = ANSWER.format(text=text)
        self._sink.emit(AudioStarted(response))
        self._sink.emit(AssistantTranscriptChanged(response, item, answer, True))
        tone = (3000 * np.sin(2 * np.pi * 220 * np.arange(24_000 * 6) / 24_000)).astype(np.int16)
        for start in range(0, len(tone), 2400):
            if response in self._cancelled:
                return
            self._sink.sound(response, tone[start : start + 2400])
            await asyncio.sleep(0.05)
        self._sink.end_segment(response)
        self._sink.emit(AudioStopped(response))
        self._sink.emit(ResponseDone(response, "completed"))


class FakeFace(VoiceOnly):
    """The voice alone, with a picture in which a disc goes round, 25 times a second."""

    capability = FaceCapability("fake", delay_ms=40, has_picture=True, is_billed=False, can_restyle=True)

    async def open(self, look: Look, sink: FaceSink) -> None:
        await super().open(look, sink)
        self._painter = asyncio.get_running_loop().create_task(self._paint(sink), name="fake face")

    def mark(self, segment_id: str, marks: Marks) -> None: ...

    async def _paint(self, sink: FaceSink) -> None:
        side = PICTURE_SIDE
        rows, columns = np.mgrid[0:side, 0:side]
        ground = np.full((side * 3 // 2, side), 128, np.uint8)
        while True:
            at_s = time.monotonic()
            angle = at_s * 2
            disc = (columns - side * (0.5 + 0.3 * np.cos(angle))) ** 2 + (
                rows - side * (0.5 + 0.3 * np.sin(angle))
            ) ** 2 < 60**2
            picture = ground.copy()
            picture[:side] = np.where(disc, 190, 60)
            sink.picture(picture, at_s)
            await asyncio.sleep(0.04)

    async def aclose(self) -> None:
        self._painter.cancel()
        await asyncio.gather(self._painter, return_exceptions=True)
        await super().aclose()


def make_hub(*, refuses: str = "", monologue_s: float = 0.0) -> SessionHub:
    """A hub of fakes, not yet started."""

    async def make_brain() -> FakeBrain:
        return FakeBrain(refuses=refuses, monologue_s=monologue_s)

    def make_session() -> tuple[Session, Page]:
        page = PageLink()
        session = Session(make_brain=make_brain, make_face=FakeFace, make_voice=VoiceOnly, browser=page)
        return session, page

    async def close_services() -> None: ...

    return SessionHub(
        make_session, lambda: None, close_services, lambda: Services(is_ready=True, progress="", problem="")
    )
