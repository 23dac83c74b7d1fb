"""`LocalFace`: the face that this computer draws, as a `kai.ports.AvatarFace`. It supervises the process that draws."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from kai.adapters.local_face import messages as m
from kai.adapters.local_face.ring import FrameRing, open_memory
from kai.adapters.playout_clock import PlayoutClock
from kai.avatar.feeling import Feeling, feeling_of
from kai.avatar.ladder import LARGE_PX
from kai.avatar.style import CHANGEABLE, Style, character, restyled
from kai.compat.child import Child
from kai.compat.format import LIVE_HZ
from kai.compat.recent import Recent
from kai.compat.tasks import Tasks
from kai.core.events import LegFailed
from kai.core.state import AgentState, LegName, Look
from kai.errors import ConfigError, FaceError, KaiError, WeightsError
from kai.media import stamp
from kai.ports import FaceCapability, FaceSink, Heard, Marks, Pcm

log = logging.getLogger(__name__)

LEAD_MS: Final = 80
"""Time from the first sound of a segment to its playout. Lips need 72.5 ms of the sound that follows a moment, and a frame is
drawn for 10 ms after its time. The sound that has arrived reaches 80 to 100 ms ahead, since it arrives 20 ms at a time."""
MARKED_LEAD_MS: Final = 40
"""The lead of a segment with lip times: its lips need no sound ahead, so this only absorbs jitter."""
OPEN_S: Final = 15.0
CLOSE_S: Final = 3.0
MOST_WAITING_BYTES: Final = 2_000_000
"""The bound of what waits for the face's process; beyond it sound for the lips is dropped and counted, but still heard."""
SEGMENTS_KEPT: Final = 16
MESSAGE_SAMPLES: Final = 2_400
"""Long sound is sent in pieces of 100 ms, so that analysing it never delays a frame."""

PROGRAM = "kai.adapters.local_face.start"
_LASTING = frozenset({WeightsError.code, ConfigError.code, "face-import", "face-slow"})
"""Failures that an immediate retry would only repeat: a file or a package is missing, or the computer is busy."""
_TUNING = {
    "OMP_NUM_THREADS": "1",
    # glibc returns large arrays to the kernel and requests them again, at thousands of page faults per frame.
    "MALLOC_MMAP_THRESHOLD_": "268435456",
    "MALLOC_TRIM_THRESHOLD_": "268435456",
    "MALLOC_TOP_PAD_": "33554432",
    # What the loading thread borrowed would stay in a pool of its own.
    "MALLOC_ARENA_MAX": "1",
}


@dataclass(slots=True)
class Counters:
    """Counts of frames and of sound for the lips; ``pace`` is the process's last report."""

    frames: int = 0
    torn_frames: int = 0
    dropped_lip_bytes: int = 0
    live_after_s: float | None = None
    pace: m.DrawingPace | None = None


class LocalFace:
    """Implements ``kai.ports.AvatarFace``. Kai's loop only, except `pull_sound`."""

    capability = FaceCapability(
        "local", delay_ms=LEAD_MS, has_picture=True, is_billed=False, can_restyle=True
    )

    def __init__(
        self, *, has_test_marks: bool = False, stands_by: Callable[[Look], bool] = lambda _look: False
    ) -> None:
        """``has_test_marks`` puts the marks of `kai.media.stamp` on pictures and sound.

        ``stands_by`` says whether this face stands by for a paid one in a talk with that look. It then shows the idle loop,
        and is loaded only if it stays wanted, or is wanted again.
        """
        self._stands_by = stands_by
        self.counters = Counters()
        self._clock = PlayoutClock(LEAD_MS)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sink: FaceSink | None = None
        self._ring: FrameRing | None = None
        self._child: Child | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks = Tasks("local face")
        self._is_started: asyncio.Future[None] | None = None
        self._is_closing = False
        self._is_wanted = True
        self._numbers = Recent[str, int](SEGMENTS_KEPT)
        self._next_number = 1
        self._has_marks = has_test_marks
        self._shows_feelings = True

    @property
    def is_prepared(self) -> bool:
        """True when `prepare` is done and its process still runs."""
        started = self._is_started
        return self.pid is not None and started is not None and started.done() and self._sink is None

    @property
    def is_drawing(self) -> bool:
        """True while this face is drawn for somebody, or about to be; false for one that stands by, and once it is closed."""
        return self._is_wanted and not self._is_closing

    @property
    def pid(self) -> int | None:
        """The process id of the drawing process, while it runs."""
        return None if self._child is None else self._child.pid

    async def prepare(self, look: Look) -> None:
        """Start the process and bake the face, at rest, before it is needed, so that `open` then returns at once.

        Raises `FaceError` and leaves nothing open.
        """
        style = _style(look)
        self._loop = asyncio.get_running_loop()
        self._is_started = self._loop.create_future()
        try:
            async with asyncio.timeout(OPEN_S):
                reader = await self._spawn()
                self._tasks.spawn(self._read(reader), "reader")
                self._send(m.WantFrames(False))
                self._send_look(look, style)
                await self._is_started
        except (OSError, TimeoutError) as exc:
            await self.aclose()
            raise FaceError(
                "The face did not start. Close other programs and try again.", code="face-start"
            ) from exc
        except KaiError:
            await self.aclose()
            raise

    async def open(self, look: Look, sink: FaceSink) -> None:
        style = _style(look)
        self._shows_feelings = look.shows_feelings
        if self._child is None:
            await self.prepare(look)
        self._sink = sink
        if self._tasks.is_idle:
            await self.aclose()
            raise FaceError("The face stopped while it waited. Try again.", code="face-start")
        self._send_look(look, style)
        self._send(m.WantFrames(True))
        self._clock.open(sink.emit)

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        self._clock.playout.write(segment_id, pcm, is_sounding=is_sounding)
        if self._waiting_bytes > MOST_WAITING_BYTES:
            self.counters.dropped_lip_bytes += pcm.nbytes
            return
        number = self._number(segment_id)
        for start in range(0, len(pcm), MESSAGE_SAMPLES):
            piece = pcm[start : start + MESSAGE_SAMPLES]
            self._send(m.Speak(number, piece.astype("<i2", copy=False).tobytes()))

    def mark(self, segment_id: str, marks: Marks) -> None:
        if not marks.visemes:
            return
        visemes = tuple((timed.label, timed.start, timed.end) for timed in marks.visemes)
        self._clock.playout.shorten_lead(segment_id, MARKED_LEAD_MS)
        number = self._number(segment_id)
        self._send(m.Mark(number, visemes))
        if marks.words and self._shows_feelings:
            self._send(feel_message(number, marks))

    def end_segment(self, segment_id: str) -> None:
        self._clock.playout.end(segment_id)
        if segment_id in self._numbers:
            self._send(m.EndSegment(self._numbers[segment_id]))

    def stop_speaking(self) -> Heard | None:
        heard = self._clock.stop()
        self._numbers.clear()
        self._send(m.StopSpeaking())
        return heard

    def heard_now(self) -> Heard | None:
        return self._clock.playout.position()

    def set_mood(self, mood: AgentState) -> None:
        self._send(m.SetMood(mood.value))

    def set_emotion(self, feeling: Feeling) -> None:
        self._send(m.SetEmotion(feeling.emotion.value, feeling.strength))

    def rest(self, is_resting: bool) -> None:
        self._send(m.Rest(is_resting))

    def set_look(self, look: Look) -> None:
        self._shows_feelings = look.shows_feelings
        self._send_look(look, _style(look))

    def want_frames(self, wanted: bool) -> None:
        self._is_wanted = wanted
        self._send(m.WantFrames(wanted))

    def want_size(self, size_px: int) -> None:
        self._send(m.WantSize(size_px))

    def pull_sound(self) -> Pcm:
        at_s = time.monotonic()
        block = self._clock.pull()
        loop = self._loop
        if block.segment_id is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._tell_playing, block.segment_id, block.start, at_s)
        if self._has_marks:
            clicking = block.pcm.copy()
            stamp.add_click(clicking, at_s, LIVE_HZ)
            return clicking
        return block.pcm

    async def aclose(self) -> None:
        self._is_closing = True
        self._clock.stop()
        if self._writer is not None:
            self._writer.close()
        await self._tasks.aclose()
        child, self._child = self._child, None
        if child is not None:
            await child.end(within_s=CLOSE_S)
        if self._ring is not None:
            self._ring.close()
            self._ring = None

    async def _spawn(self) -> asyncio.StreamReader:
        memory = open_memory(LARGE_PX)
        try:
            self._ring = FrameRing(memory, LARGE_PX)
            self._child, link = await Child.start_linked(
                PROGRAM,
                *("--memory", str(memory)),
                *(("--test-marks",) if self._has_marks else ()),
                descriptors=(memory,),
                added=_TUNING,
            )
        finally:
            os.close(memory)
        reader, self._writer = await asyncio.open_connection(sock=link)
        return reader

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = m.Decoder()
        failure = FaceError("The face stopped. Kai's voice goes on.", code="face-lost")
        try:
            while data := await reader.read(65536):
                for message in decoder.feed(data):
                    match message:
                        case m.FrameReady():
                            self._show(message)
                        case m.Failed() if self._is_started is not None and not self._is_started.done():
                            self._is_started.set_exception(_failure(message))
                        case m.Failed():
                            failure = _failure(message)
                            log.warning("face failed", extra={"code": message.code})
                        case m.Started() if self._is_started is not None and not self._is_started.done():
                            self._is_started.set_result(None)
                        case m.Live():
                            self.counters.live_after_s = message.after_s
                            log.info("face live", extra={"after_s": round(message.after_s, 2)})
                        case m.DrawingPace():
                            self.counters.pace = message
                        case _:
                            log.warning("unexpected message of the face")
        except (ConnectionError, KaiError) as exc:
            log.debug("face's socket broke", extra={"reason": type(exc).__name__})
        self._lost(failure)

    def _lost(self, failure: FaceError) -> None:
        if self._is_closing:
            return
        # During `prepare` there is no sink for the error yet, but a caller waits for the start.
        if self._is_started is not None and not self._is_started.done():
            self._is_started.set_exception(failure)
            return
        if self._sink is None:
            return
        log.warning("face lost", extra={"code": failure.code})
        self._sink.emit(LegFailed(LegName.FACE, failure.code, failure.message, failure.is_retryable))

    def _show(self, message: m.FrameReady) -> None:
        if self._ring is None or self._sink is None:
            return
        picture = self._ring.read(message.sequence)
        if picture is None:
            self.counters.torn_frames += 1
            return
        self.counters.frames += 1
        self._sink.picture(picture, message.at_s)

    def _tell_playing(self, segment_id: str, start: int, at_s: float) -> None:
        number = self._numbers.get(segment_id)
        if number is not None:
            self._send(m.Playing(number, start, at_s))

    def _number(self, segment_id: str) -> int:
        number = self._numbers.get(segment_id)
        if number is None:
            number = self._numbers[segment_id] = self._next_number
            self._next_number += 1
        return number

    @property
    def _waiting_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size() if self._writer is not None else 0

    def _send_look(self, look: Look, style: Style) -> None:
        self._send(m.SetLook(asdict(style)))
        if not self._stands_by(look):
            self._send(m.Load())

    def _send(self, message: m.Message) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(m.encode(message))


def feel_message(number: int, marks: Marks) -> m.Feel:
    """Return the feeling that a clause's words, at least one, give the face, from the first word on."""
    felt = feeling_of(" ".join(word.label for word in marks.words))
    return m.Feel(number, marks.words[0].start, felt.emotion.value, felt.strength)


def _failure(message: m.Failed) -> FaceError:
    return FaceError(message.message, code=message.code, is_retryable=message.code not in _LASTING)


def _style(look: Look) -> Style:
    changes = {name: value for name, value in asdict(look.style).items() if name in CHANGEABLE}
    try:
        style = character(look.character)
        return restyled(style, changes) if look.style.character == look.character else style
    except ConfigError as exc:
        raise FaceError(exc.message, code="face-unknown", is_retryable=False) from exc
