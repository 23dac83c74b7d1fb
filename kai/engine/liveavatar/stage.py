"""Produces the avatar's picture and sound in real time for the tracks of all viewers."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from kai.avatar.animate import Mood
from kai.compat.format import BLOCK_S, BLOCK_SAMPLES, LIVE_HZ, VIDEO_HZ, Array, Picture
from kai.compat.paced import Pacer
from kai.engine.liveavatar.faults import Faults
from kai.engine.liveavatar.painter import Painter
from kai.engine.liveavatar.voice import AvatarVoice, Moment
from kai.media import stamp

FRAME_S: Final = 0.04
TRACK_BLOCKS: Final = 10
"""The bound of a track's queue, 200 ms; the oldest block is dropped."""
TRACK_FRAMES: Final = 2
PAST_S: Final = 6.0
"""How long mouths are kept for delayed pictures; a longer delay is not possible."""
MAX_LATE_S: Final = 0.3


class StageTrack(MediaStreamTrack):
    """A track of the stage for one viewer; when ``most`` frames wait, the oldest is dropped.

    ``age_s`` is the age of the newest frame when it was sent, for the sender reports: aiortc asks for the next frame as soon
    as it has sent the previous one.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._frames: asyncio.Queue[tuple[float, float, Any] | None] = asyncio.Queue(most)
        self._captured_s: float | None = None
        self.age_s = 0.0

    def put(self, place: float, captured_s: float, content: Array | Picture) -> None:
        """Queue a frame, whose timestamp is made from its ``place``."""
        self._put((place, captured_s, content))

    def _put(self, item: tuple[float, float, Any] | None) -> None:
        if self._frames.full():
            self._frames.get_nowait()
        self._frames.put_nowait(item)

    async def recv(self) -> av.AudioFrame | av.VideoFrame:
        if self._captured_s is not None:
            self.age_s = time.monotonic() - self._captured_s
        frame = await self._frames.get() if self.readyState == "live" else None
        if frame is None:
            raise MediaStreamError
        place, self._captured_s, content = frame
        return self._frame(place, content)

    @abstractmethod
    def _frame(self, place: float, content: Any) -> av.AudioFrame | av.VideoFrame:
        """Return the frame of that content, with its timestamp."""

    def stop(self) -> None:
        super().stop()
        self._put(None)


class SoundTrack(StageTrack):
    """The stage's sound: 20 ms at 48 000 Hz, two equal channels. A frame's place is its index."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__(TRACK_BLOCKS)

    def _frame(self, place: float, content: Any) -> av.AudioFrame:
        # Duplicate the channel here: aiortc encodes Opus in stereo, and its own conversion attenuates by 3 dB.
        frame = av.AudioFrame.from_ndarray(np.repeat(content, 2)[None], format="s16", layout="stereo")
        frame.sample_rate = LIVE_HZ
        frame.pts = round(place) * BLOCK_SAMPLES
        frame.time_base = Fraction(1, LIVE_HZ)
        return frame


class PictureTrack(StageTrack):
    """The stage's pictures. A frame's place is the time of the sound that belongs to it."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__(TRACK_FRAMES)
        self._last_pts = -1

    def _frame(self, place: float, content: Any) -> av.VideoFrame:
        frame = av.VideoFrame.from_ndarray(content, format="yuv420p")
        self._last_pts = frame.pts = max(self._last_pts + 1, round(place * VIDEO_HZ))
        frame.time_base = Fraction(1, VIDEO_HZ)
        return frame


@dataclass(frozen=True, slots=True)
class _Mouth:
    at_s: float
    shape: Array | None
    loudness: float


class AvatarStage:
    """One avatar. `run` is its clock: a block of sound every 20 ms and a picture every 40 ms.

    A picture shows the sound of ``picture_delay_s`` earlier, and has the timestamp of that sound.
    """

    def __init__(
        self, voice: AvatarVoice, painter: Painter, drawing: ThreadPoolExecutor, faults: Faults
    ) -> None:
        self._voice = voice
        self._painter = painter
        self._drawing = drawing
        self._mouths: deque[_Mouth] = deque(maxlen=round(PAST_S / BLOCK_S))
        self._viewers: dict[SoundTrack, PictureTrack] = {}
        self._painting: asyncio.Task[None] | None = None
        self._last_picture: Picture | None = None
        self._shown_s = 0.0
        self.began_s = time.monotonic() - PAST_S
        self.faults = faults
        self.mood = Mood.IDLE
        self.is_stalled = False
        self.is_frozen = False

    def join(self) -> tuple[SoundTrack, PictureTrack]:
        """Return new tracks for a viewer, to be ended with `leave`."""
        sound, picture = SoundTrack(), PictureTrack()
        self._viewers[sound] = picture
        return sound, picture

    def leave(self, sound: SoundTrack) -> None:
        """End a viewer's tracks."""
        picture = self._viewers.pop(sound, None)
        sound.stop()
        if picture is not None:
            picture.stop()

    def clear(self) -> None:
        """Discard the mouths of sound that was played but is not shown yet."""
        self._mouths.clear()

    async def run(self) -> None:
        """Run the clock until cancelled."""
        pacer, frame_due_s = Pacer(BLOCK_S, MAX_LATE_S), 0.0
        index = round((time.monotonic() - self.began_s) / BLOCK_S) - 1
        try:
            while True:
                index += 1 + await pacer.wait_step()
                self._sound(index, self._voice.pull())
                is_seen = time.monotonic() >= self.began_s + PAST_S + self.faults.picture_after_s
                if time.monotonic() >= frame_due_s and self._viewers and is_seen and not self.is_stalled:
                    frame_due_s = max(frame_due_s + FRAME_S, time.monotonic() - FRAME_S / 2)
                    self._begin_picture()
        finally:
            if self._painting is not None:
                self._painting.cancel()
                await asyncio.gather(self._painting, return_exceptions=True)
            for sound in list(self._viewers):
                self.leave(sound)

    def _sound(self, index: int, moment: Moment) -> None:
        at_s = self.began_s + index * BLOCK_S
        self._mouths.append(_Mouth(at_s, moment.mouth, moment.loudness))
        pcm = moment.pcm
        if self.faults.has_test_marks:
            pcm = pcm.copy()
            stamp.add_click(pcm, at_s, LIVE_HZ)
        for track in self._viewers:
            track.put(index, at_s, pcm)

    def _begin_picture(self) -> None:
        if (
            self._painting is None or self._painting.done()
        ):  # otherwise the previous picture takes long, and this one is skipped
            self._painting = asyncio.create_task(self._paint(), name="stage: paint")

    async def _paint(self) -> None:
        # When the delay grows, the picture is repeated until its time is reached; it never shows an earlier time.
        shown_s = self._shown_s = max(self._shown_s, time.monotonic() - self.faults.picture_delay_s)
        mouth = self._mouth_at(shown_s)
        if self.is_frozen and self._last_picture is not None:
            picture = self._last_picture
        else:
            loop = asyncio.get_running_loop()
            picture = await loop.run_in_executor(
                self._drawing,
                self._painter.paint,
                time.monotonic() - self.began_s,
                self.mood,
                mouth.shape,
                mouth.loudness,
            )
            if self.faults.has_test_marks:
                height = picture.shape[0] * 2 // 3
                stamp.put_stamp(picture[:height], round(shown_s * 1000))
            self._last_picture = picture
        for track in self._viewers.values():
            track.put(shown_s - self.began_s, shown_s, picture)

    def _mouth_at(self, at_s: float) -> _Mouth:
        near = [mouth for mouth in self._mouths if abs(mouth.at_s - at_s) < BLOCK_S]
        return min(near, key=lambda mouth: abs(mouth.at_s - at_s)) if near else _Mouth(at_s, None, 0.0)
