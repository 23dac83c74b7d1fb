"""A brain and a face without a world, and logs of what legs report. They pass the contract suites in ``tests/contract``.

The fakes do what the ports promise, fast: no network, no pacing. What went in is kept in public fields.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from kai.core.events import (
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    AudioStopped,
    Event,
    LegFailed,
    PlayoutFinished,
    PlayoutStarted,
    ResponseCreated,
    ResponseDone,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import AgentState, BrainFacts, LegName, Look
from kai.errors import BrainError, FaceError
from kai.ports import BrainSink, FaceCapability, FaceSink, Feeling, Heard, Marks, Pcm, Picture

BLOCK_24K = 480
"""20 ms at 24 000 Hz."""
BLOCK_48K = 960
"""20 ms at 48 000 Hz."""
MS_PER_WORD = 240

E = TypeVar("E", bound=Event)


def tone(ms: int, rate_hz: int = 24_000, hz: float = 200.0) -> Pcm:
    """A sine of half loudness: ``(ms * rate / 1000,)`` int16."""
    t = np.arange(ms * rate_hz // 1000) / rate_hz
    return (16_000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


# ------------------------------------------------------------------ logs


@dataclass
class _Log:
    """Remembers events; ``wait`` sleeps until one of them makes a condition true."""

    events: list[Event] = field(default_factory=list[Event])
    _news: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def emit(self, event: Event) -> None:
        asyncio.get_running_loop()  # reports come on Kai's loop, or this raises
        self.events.append(event)
        self._news.set()

    def of(self, *kinds: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def wait(self, is_true: Callable[[], object], within_s: float = 5.0) -> None:
        """Until ``is_true()``; looks again whenever something was reported. ``TimeoutError`` tells what there was."""
        try:
            async with asyncio.timeout(within_s):
                while not is_true():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as exc:
            raise TimeoutError(f"not within {within_s} s; reported so far: {self.events}") from exc

    async def wait_for(self, event: Event, within_s: float = 5.0) -> None:
        await self.wait(lambda: event in self.events, within_s)

    async def wait_for_a(self, kind: type[E], within_s: float = 5.0) -> E:
        await self.wait(lambda: self.of(kind), within_s)
        return self.of(kind)[-1]

    async def wait_quiet(self, quiet_s: float, within_s: float = 5.0) -> None:
        """Until nothing was reported for ``quiet_s``."""
        async with asyncio.timeout(within_s):
            while True:
                self._news.clear()
                try:
                    async with asyncio.timeout(quiet_s):
                        await self._news.wait()
                except TimeoutError:
                    return


@dataclass
class BrainLog(_Log):
    """A ``BrainSink`` that keeps everything. ``order`` holds (what, segment id) of sound, marks and ends as they came."""

    order: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    sounds: dict[str, list[Pcm]] = field(default_factory=dict[str, list[Pcm]])
    marked: dict[str, list[Marks]] = field(default_factory=dict[str, list[Marks]])

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        self.sounds.setdefault(segment_id, []).append(pcm)
        self._note("sound", segment_id)

    def marks(self, segment_id: str, marks: Marks) -> None:
        self.marked.setdefault(segment_id, []).append(marks)
        self._note("marks", segment_id)

    def end_segment(self, segment_id: str) -> None:
        self._note("end", segment_id)

    def _note(self, what: str, segment_id: str) -> None:
        asyncio.get_running_loop()
        self.order.append((what, segment_id))
        self._news.set()

    def ended(self, segment_id: str) -> bool:
        return ("end", segment_id) in self.order

    def pcm(self, segment_id: str) -> Pcm:
        """All sound of a segment."""
        return np.concatenate([np.zeros(0, np.int16), *self.sounds.get(segment_id, [])])


@dataclass
class FaceLog(_Log):
    """A ``FaceSink`` that keeps everything."""

    pictures: list[tuple[Picture, float]] = field(default_factory=list[tuple[Picture, float]])

    def picture(self, picture: Picture, at_s: float) -> None:
        asyncio.get_running_loop()
        self.pictures.append((picture, at_s))
        self._news.set()


# ------------------------------------------------------------------ the brain


class FakeBrain:
    """Answers typed lines with ``reply(text)``, and loud sound, followed by 200 ms of quiet, as if ``hears`` was said.

    An answer's sound is a tone of 240 ms a word in blocks of 20 ms, one a turn of the loop, or one every ``pace_s``
    (`AHEAD_S` of it at once, so that a busy loop makes no holes). ``fail`` loses the connection.
    """

    MIC_BLOCKS_KEPT = 250
    QUIET_BLOCKS = 10
    AHEAD_S = 0.5

    def __init__(
        self,
        *,
        reply: Callable[[str], str] = lambda text: f"You said {text}",
        hears: str = "hello Kai",
        open_error: BrainError | None = None,
        pace_s: float = 0.0,
    ) -> None:
        self.reply = reply
        self.pace_s = pace_s
        self.hears = hears
        self.look = Look()
        self.seeded: list[tuple[str, str]] = []
        self.texts: list[tuple[str, str]] = []
        self.cancelled: list[str] = []
        self.mic: deque[Pcm] = deque(maxlen=self.MIC_BLOCKS_KEPT)
        self.is_muted = False
        self.is_closed = False
        self.facts = BrainFacts("fake", "fake-brain")
        self.greetings: list[str] = []
        self.said: list[str] = []
        self.turns: list[str] = []
        self.tool_results: list[tuple[str, str]] = []
        self.heard: list[tuple[str, int]] = []
        self._open_error = open_error
        self._sink: BrainSink | None = None
        self._ids = itertools.count(1)
        self._quiet_blocks = 0
        self._item_id = ""
        self._questions: deque[str] = deque()
        self._answering: asyncio.Task[None] | None = None
        self._response_id = ""

    async def open(self, look: Look, sink: BrainSink) -> None:
        if self._open_error is not None:
            raise self._open_error
        self.look, self._sink = look, sink

    def push_mic(self, pcm: Pcm) -> None:
        block = np.zeros_like(pcm) if self.is_muted else pcm
        self.mic.append(block)
        if self._sink is None:
            return
        is_loud = int(np.abs(block.astype(np.int32)).max(initial=0)) > 1000
        self._quiet_blocks = 0 if is_loud else self._quiet_blocks + 1
        if is_loud and not self._item_id:
            self._item_id = f"item-{next(self._ids)}"
            self._sink.emit(UserSpeechStarted(self._item_id))
            self._cut()
        elif self._item_id and self._quiet_blocks == self.QUIET_BLOCKS:
            item_id, self._item_id = self._item_id, ""
            self._sink.emit(UserSpeechStopped(item_id))
            self._sink.emit(UserTranscriptChanged(item_id, self.hears, is_final=True))
            if self.hears:
                self._ask(self.hears)

    def set_muted(self, is_muted: bool) -> None:
        self.is_muted = is_muted

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None:
        self.seeded += lines

    def send_text(self, item_id: str, text: str) -> None:
        self.texts.append((item_id, text))
        self._ask(text)

    def cancel(self, response_id: str) -> None:
        self.cancelled.append(response_id)
        if response_id == self._response_id:
            self._cut()

    def greet(self, words: str) -> None:
        self.greetings.append(words)
        self._ask(words)

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin_turn(self) -> None:
        self.turns.append("begin")

    def end_turn(self, is_kept: bool) -> None:
        self.turns.append("end" if is_kept else "drop")
        if is_kept:
            self._ask(self.hears)

    def send_tool_result(self, call_id: str, output: str) -> None:
        self.tool_results.append((call_id, output))
        self._ask(output)

    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        self.heard.append((response_id, heard_ms))

    def update(self, look: Look) -> None:
        self.look = look

    async def aclose(self) -> None:
        self.is_closed = True
        self._sink = None
        self._questions.clear()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)

    def fail(self, message: str = "The voice connection was lost.") -> None:
        """Lose the connection from the other side."""
        sink, self._sink = self._sink, None
        if self._answering is not None:
            self._answering.cancel()
        if sink is not None:
            sink.emit(LegFailed(LegName.BRAIN, "connection-lost", message))

    def _ask(self, question: str) -> None:
        if self._sink is None:
            return
        self._questions.append(question)
        if self._answering is None or self._answering.done():
            self._start_answering(self._sink)

    def _start_answering(self, sink: BrainSink) -> None:
        self._answering = asyncio.create_task(self._answer_all(sink), name="fake brain: answer")

    def _cut(self) -> None:
        """End the present answer here, as a server does: its sound is cleared, then it is done."""
        response_id, self._response_id = self._response_id, ""
        if not response_id or self._sink is None or self._answering is None:
            return
        self._answering.cancel()
        self._sink.emit(AudioCleared(response_id))
        self._sink.emit(ResponseDone(response_id, "cancelled"))
        self._start_answering(self._sink)

    async def _answer_all(self, sink: BrainSink) -> None:
        while self._questions:
            await self._answer(self.reply(self._questions.popleft()), sink)

    async def _answer(self, text: str, sink: BrainSink) -> None:
        response_id = self._response_id = f"response-{next(self._ids)}"
        item_id = f"item-{next(self._ids)}"
        sink.emit(ResponseCreated(response_id))
        sink.emit(AudioStarted(response_id))
        words = text.split()
        due_s = time.monotonic() - self.AHEAD_S
        for n in range(len(words)):
            said = " ".join(words[: n + 1])
            sink.emit(AssistantTranscriptChanged(response_id, item_id, said, is_final=False))
            for block in np.split(tone(MS_PER_WORD), MS_PER_WORD // 20):
                due_s += self.pace_s
                await asyncio.sleep(max(0.0, due_s - time.monotonic()) if self.pace_s else 0)
                sink.sound(response_id, block)
        sink.emit(AssistantTranscriptChanged(response_id, item_id, text, is_final=True))
        sink.emit(ResponseDone(response_id, "completed"))
        sink.end_segment(response_id)
        sink.emit(AudioStopped(response_id))
        self._response_id = ""


# ------------------------------------------------------------------ the face


@dataclass
class _Segment:
    id: str
    unplayed: deque[Pcm] = field(default_factory=deque[Pcm])
    played: int = 0
    is_started: bool = False
    is_complete: bool = False


class FakeFace:
    """Plays what it is given, a block a pull; every pull is 20 ms of its clock. Shows grey frames, 25 a second.

    ``fail`` loses it. ``moods`` and ``looks`` hold what it was told. Pulls may come from another thread, but not while
    the loop is inside one of the other methods (the tests' players see to that; the lock is for the rest).
    """

    FRAME_S = 0.04
    HEIGHT, WIDTH = 64, 64

    def __init__(self, *, open_error: FaceError | None = None, has_picture: bool = True) -> None:
        self.capability = FaceCapability(
            "fake", delay_ms=0, has_picture=has_picture, is_billed=False, can_restyle=True
        )
        self.moods: list[AgentState] = []
        self.is_resting = False
        self.feelings: list[Feeling] = []
        self.looks: list[Look] = []
        self.sizes_px: list[int] = []
        self.marks: list[tuple[str, Marks]] = []
        self.is_closed = False
        self._open_error = open_error
        self._sink: FaceSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._segments: deque[_Segment] = deque()
        self._ticking: asyncio.TimerHandle | None = None

    async def open(self, look: Look, sink: FaceSink) -> None:
        if self._open_error is not None:
            raise self._open_error
        self.looks.append(look)
        self._sink, self._loop = sink, asyncio.get_running_loop()

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        segment = self._segment(segment_id)
        if segment is None:
            segment = _Segment(segment_id)
            self._segments.append(segment)
        segment.unplayed.append(pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        self.marks.append((segment_id, marks))

    def end_segment(self, segment_id: str) -> None:
        segment = self._segment(segment_id)
        if segment is not None:
            segment.is_complete = True

    def stop_speaking(self) -> Heard | None:
        sounding = self._segments[0] if self._segments else None
        self._segments.clear()
        return Heard(sounding.id, sounding.played) if sounding is not None and sounding.is_started else None

    def heard_now(self) -> Heard | None:
        sounding = self._segments[0] if self._segments else None
        return Heard(sounding.id, sounding.played) if sounding is not None and sounding.is_started else None

    def set_mood(self, mood: AgentState) -> None:
        self.moods.append(mood)

    def set_emotion(self, feeling: Feeling) -> None:
        self.feelings.append(feeling)

    def rest(self, is_resting: bool) -> None:
        self.is_resting = is_resting

    def set_look(self, look: Look) -> None:
        self.looks.append(look)

    def want_frames(self, wanted: bool) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        if wanted and self.capability.has_picture:
            self._tick()

    def want_size(self, size_px: int) -> None:
        self.sizes_px.append(size_px)

    def pull_sound(self) -> Pcm:
        taken = self._take(BLOCK_24K)
        return np.repeat(np.pad(taken, (0, BLOCK_24K - taken.size)), 2)

    async def aclose(self) -> None:
        self.is_closed = True
        self.want_frames(False)
        self._segments.clear()
        self._sink = None

    def fail(self, message: str = "The face was lost.") -> None:
        """Lose the face from the other side."""
        sink, self._sink = self._sink, None
        self.want_frames(False)
        if sink is not None:
            sink.emit(LegFailed(LegName.FACE, "connection-lost", message))

    def _segment(self, segment_id: str) -> _Segment | None:
        return next((s for s in self._segments if s.id == segment_id), None)

    def _take(self, samples: int) -> Pcm:
        """Up to that many samples of the first segment; what it has reached is reported."""
        if not self._segments:
            return np.zeros(0, np.int16)
        segment = self._segments[0]
        buffered = np.concatenate([np.zeros(0, np.int16), *segment.unplayed])
        taken, rest = buffered[:samples], buffered[samples:]
        segment.unplayed = deque([rest] if rest.size else [])
        segment.played += taken.size
        if taken.size and not segment.is_started:
            segment.is_started = True
            self._report(PlayoutStarted(segment.id))
        if segment.is_complete and not rest.size:
            self._segments.popleft()
            self._report(PlayoutFinished(segment.id))
        return taken

    def _report(self, event: Event) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._emit, event)

    def _emit(self, event: Event) -> None:
        if self._sink is not None:
            self._sink.emit(event)

    def _tick(self) -> None:
        if self._sink is None or self._loop is None:
            return
        grey: Picture = np.full((self.HEIGHT * 3 // 2, self.WIDTH), 128, np.uint8)
        self._sink.picture(grey, self._loop.time())
        self._ticking = self._loop.call_later(self.FRAME_S, self._tick)
