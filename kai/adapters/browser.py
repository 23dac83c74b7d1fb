"""The browser leg's end in Python, and the one crossing between Streamlit's event loop and Kai's.

Streamlit-webrtc asks our two tracks for frames and hands us the microphone, all on Streamlit's loop; the talk lives on
Kai's. Pictures cross as "the newest one", the microphone as a bounded queue, sound is pulled from the face directly.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from kai.compat import rtc
from kai.compat.format import BLOCK_S, SILENCE, VIDEO_HZ, Pcm, Picture
from kai.compat.paced import PacedTrack, Pacer
from kai.compat.tasks import Tasks
from kai.core.events import BrowserLeft, Event, LegConnected
from kai.core.state import LegName
from kai.errors import BrowserError
from kai.media.pcm import mix_to_mono
from kai.ports import Emit, MediaReading

log = logging.getLogger(__name__)

MIC_QUEUE_BLOCKS: Final = 100
"""2 s between the loops; beyond that the oldest is dropped and counted."""
STILL_S: Final = 0.2
"""Without a new picture the last one is sent again this often, so that the page never shows an empty frame."""
WATCHED_S: Final = 1.0
"""A page that fetched a picture within this time watches: what it then leaves out counts as dropped."""
PAGE_TELLS_S: Final = 10.0
"""Counts of the page that lie farther apart tell nothing about the time between them."""
ABANDONED_S: Final = 0.5
"""When no track has pulled for so long, the link pulls by itself: a talk goes on without a listener. What it pulls nobody
hears, so a track that is merely late, on a busy computer, has to be waited for."""
MOST_LATE_S: Final = 1.0
"""Sound that was missed in a longer stall is left out."""
LOUDSPEAKER_S: Final = 0.015
"""A page's sound comes so much later than the browser reckons, at least: it has the loudspeaker's buffer before it. Without
this ``python -m kai.bench avatar`` printed 8 to 51 ms (p5 to p95), and late sound is noticed less than early sound."""
MOST_WAIT_S: Final = 0.08
WAIT_STEP_S: Final = 0.015
"""Pictures wait at most so long for the page's sound, and change that by so much with each word of the page: more would
let one overtake another."""
LEVEL_FULL_SCALE: Final = 6000.0
"""RMS (int16) that fills the level meter: loud speech into a laptop."""


class VideoTrack(MediaStreamTrack):
    """The newest picture as a video track; 90 kHz timestamps of the pictures' own monotonic times."""

    kind = "video"

    def __init__(self, link: PageLink) -> None:
        super().__init__()
        self._link = link
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_new = asyncio.Event()
        self.began_s: float | None = None
        """The time of timestamp 0."""
        self._last_pts = -1

    def wake(self) -> None:
        """A new picture is there. Any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._is_new.set)

    async def recv(self) -> av.VideoFrame:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        while True:
            if self.readyState != "live":
                raise MediaStreamError
            try:
                async with asyncio.timeout(STILL_S):
                    await self._is_new.wait()
            except TimeoutError:
                pass
            self._is_new.clear()
            shot = self._link.take_picture()
            if shot is not None:
                break
        picture, at_s = shot
        if self.began_s is None:
            self.began_s = at_s
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        # A still sent again must not repeat a timestamp: the encoder takes time for its only order.
        self._last_pts = max(self._last_pts + 1, int((at_s - self.began_s) * VIDEO_HZ))
        frame.pts = self._last_pts
        frame.time_base = Fraction(1, VIDEO_HZ)
        return frame

    def stop(self) -> None:
        super().stop()
        self.wake()


class AudioTrack(PacedTrack):
    """The face's sound. Its timestamps tell the time: by them the page keeps sound and picture together."""

    def __init__(self, link: PageLink) -> None:
        super().__init__(link.pull_for_page, most_late_s=MOST_LATE_S, keeps_time=True)
        self._link = link

    def first_asked(self) -> None:
        self._link.page_pulls()


class PageLink:
    """Implements ``kai.ports.BrowserLink`` for streamlit-webrtc. Methods say which thread they are for."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._emit: Emit | None = None
        self._on_mic: Callable[[Pcm], None] | None = None
        self._pull: Callable[[], Pcm] | None = None
        self._pull_lock = threading.Lock()
        self._page_pulled_at_s = 0.0
        self._picture: tuple[Picture, float] | None = None
        self._tracks: tuple[VideoTrack, AudioTrack] | None = None
        self._tracks_lock = threading.Lock()
        self._mic: deque[Pcm] = deque(maxlen=MIC_QUEUE_BLOCKS)
        self._mic_wakes = False
        self._level = 0.0
        self._mic_at_s = float("-inf")
        self._listeners: set[asyncio.Queue[Pcm]] = set()
        self._tasks = Tasks("page")
        self._is_closed = False
        self.dropped_mic_blocks = 0
        self.shown_pictures = 0
        self._wait_s = 0.0
        self._is_taken = True
        self._taken_at_s = float("-inf")
        self._taken = 0
        self._late_ms = 0.0
        self._replaced = 0
        self._page_s = 0.0
        self._page_pictures = 0
        self._page_dropped = 0
        self._page_told: tuple[float, int, int] | None = None

    # -------------------------------------------------------------- the port (Kai's loop)

    def connect(self, emit: Emit, on_mic: Callable[[Pcm], None]) -> None:
        """See ``BrowserLink.connect``."""
        self._loop = asyncio.get_running_loop()
        self._emit, self._on_mic = emit, on_mic
        self._tasks.spawn(self._pace(), "pacer")

    def expect_page(self) -> None:
        if not rtc.host_addresses():
            raise BrowserError(
                "Switch Wi-Fi on; no internet is needed. Until then you can type, and hear the answers in this page.",
                code="no-network",
                is_retryable=False,
            )

    def show(self, picture: Picture, at_s: float) -> None:
        wait_s = self._wait_s
        if wait_s > 0 and self._loop is not None:
            self._loop.call_later(wait_s, self._show_now, picture, at_s + wait_s)
        else:
            self._show_now(picture, at_s)

    def _show_now(self, picture: Picture, at_s: float) -> None:
        tracks = self._tracks
        is_watched = tracks is not None and time.monotonic() - self._taken_at_s < WATCHED_S
        if not self._is_taken and is_watched:
            self._replaced += 1
        self._picture, self._is_taken = (picture, at_s), False
        self.shown_pictures += 1
        if tracks is not None:
            tracks[0].wake()

    def play_from(self, pull: Callable[[], Pcm]) -> None:
        with self._pull_lock:
            self._pull = pull

    def close_page(self) -> None:
        """End the tracks: streamlit-webrtc's relay would go on pulling them for minutes after the page is gone."""
        with self._tracks_lock:
            tracks, self._tracks = self._tracks, None
        for track in tracks or ():
            track.stop()
        self._level = 0.0

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._tasks.aclose()
        self.close_page()
        self._pull = None

    # -------------------------------------------------------------- the page (Streamlit's threads)

    def tracks(self) -> tuple[VideoTrack, AudioTrack]:
        """Video and audio track for the page; the same ones while both live, new ones after an end. Any thread."""
        with self._tracks_lock:
            if self._tracks is None or any(track.readyState != "live" for track in self._tracks):
                self._tracks = (VideoTrack(self), AudioTrack(self))
            return self._tracks

    def on_mic_frame(self, frame: av.AudioFrame) -> None:
        """Sink callback of streamlit-webrtc, on its loop: 20 ms of s16 at 48 000 Hz. Copies and returns."""
        pcm = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
        mono = mix_to_mono(pcm, len(frame.layout.channels))
        rms = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64)))) if mono.size else 0.0
        self._level = max(min(1.0, rms / LEVEL_FULL_SCALE), self._level * 0.8)
        self._mic_at_s = time.monotonic()
        if len(self._mic) == MIC_QUEUE_BLOCKS:
            self.dropped_mic_blocks += 1
        self._mic.append(mono)
        loop = self._loop
        if not self._mic_wakes and loop is not None and not loop.is_closed():
            self._mic_wakes = True
            loop.call_soon_threadsafe(self._drain_mic)

    def connection_changed(self, state: str) -> None:
        """The page's peer connection has become "connected", "disconnected", "failed" or "closed". Any thread."""
        if state in ("failed", "closed"):
            self._page_pulled_at_s = 0.0
            self.close_page()
            self._report(BrowserLeft())

    def mic_level(self) -> float:
        """0 to 1, of the last 100 ms or so; 0 when no microphone sends. Any thread."""
        return self._level if self.hears_page(0.5) else 0.0

    def hears_page(self, within_s: float) -> bool:
        """Whether microphone packets came within that time. Any thread."""
        return time.monotonic() - self._mic_at_s < within_s

    # -------------------------------------------------------------- sound for pages without WebRTC (any thread)

    def page_saw(self, pictures: int, dropped: int) -> None:
        """The page's own count of what its video has shown and left out since it is there. Any thread."""
        now_s = time.monotonic()
        before, self._page_told = self._page_told, (now_s, pictures, dropped)
        # Another video counts from zero again; and after a long silence nobody knows what was between.
        if before is None or pictures < before[1] or dropped < before[2] or now_s - before[0] > PAGE_TELLS_S:
            return
        self._page_s += now_s - before[0]
        self._page_pictures += pictures - before[1]
        self._page_dropped += dropped - before[2]

    def page_plays(self, sound_ahead_ms: int) -> None:
        """By how much the page's sound is ahead of its picture (less than nothing: behind it), by the page's own word. Any
        thread.

        A browser leaves up to 30 ms between the two uncorrected, and more for some seconds after a stall. Where its sound is
        behind, the pictures wait as long, under a later timestamp, so that the browser does not correct it once more. Where
        it is ahead, nothing can be done that would not make Kai answer later.
        """
        wanted_s = min(MOST_WAIT_S, max(0.0, LOUDSPEAKER_S - sound_ahead_ms / 1000))
        self._wait_s += min(WAIT_STEP_S, max(-WAIT_STEP_S, wanted_s - self._wait_s))

    def media(self) -> MediaReading:
        """The counters of now. Any thread."""
        return MediaReading(
            self._taken,
            self._late_ms,
            self._replaced,
            self._page_s,
            self._page_pictures,
            self._page_dropped,
            round(self.dropped_mic_blocks * BLOCK_S * 1000),
        )

    def listen(self) -> asyncio.Queue[Pcm]:
        """A queue that gets every sounding 20 ms block (``(960,)`` int16, 48 000 Hz) that no track plays.

        Bound 100 blocks, the newest is dropped when full. To be read with ``get_nowait`` alone: the reader is on another
        loop, and a queue of asyncio wakes its waiters on its own. Give it back with ``unlisten``.
        """
        queue: asyncio.Queue[Pcm] = asyncio.Queue(maxsize=100)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[Pcm]) -> None:
        self._listeners.discard(queue)

    # -------------------------------------------------------------- for the tracks

    def take_picture(self) -> tuple[Picture, float] | None:
        """The newest picture with its time; a picture shown before counts as of now."""
        shot = self._picture
        if shot is None:
            return None
        picture, at_s = shot
        now_s = time.monotonic()
        if not self._is_taken:
            self._is_taken, self._taken_at_s = True, now_s
            self._late_ms += (now_s - at_s) * 1000
            self._taken += 1
        return (picture, at_s) if now_s - at_s < STILL_S else (picture, now_s)

    def page_pulls(self) -> None:
        """The first pull of a track: only a connected page asks for sound."""
        self._report(LegConnected(LegName.BROWSER))

    def pull_for_page(self) -> Pcm:
        """The next block of sound, for a track."""
        self._page_pulled_at_s = time.monotonic()
        return self._pull_block()

    # -------------------------------------------------------------- inside

    def _pull_block(self) -> Pcm:
        with self._pull_lock:
            return self._pull() if self._pull is not None else SILENCE

    async def _pace(self) -> None:
        """Be the playout clock while no page is: answers end in time, and pages without WebRTC get their sound."""
        pacer = Pacer(BLOCK_S, ABANDONED_S)
        while True:
            await pacer.wait_step()
            if time.monotonic() - self._page_pulled_at_s < ABANDONED_S:
                continue
            pcm = self._pull_block()
            if self._listeners and pcm.any():
                for queue in tuple(self._listeners):
                    if not queue.full():
                        queue.put_nowait(pcm)

    def _drain_mic(self) -> None:
        self._mic_wakes = False
        while self._mic:
            pcm = self._mic.popleft()
            if self._on_mic is not None and not self._is_closed:
                self._on_mic(pcm)

    def _report(self, event: Event) -> None:
        loop, emit = self._loop, self._emit
        if loop is not None and emit is not None and not loop.is_closed() and not self._is_closed:
            loop.call_soon_threadsafe(emit, event)
