"""The Python end of the browser leg, and the one crossing between Streamlit's event loop and Kai's.

Streamlit-webrtc pulls frames from our two tracks and hands us the microphone, all on Streamlit's loop; the talk runs on
Kai's loop. Only the newest picture crosses, the microphone crosses through a bounded queue, and sound is pulled from the
face directly.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Final

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from kai.adapters.page_media import STILL_S, Microphone, NewestPicture
from kai.compat import rtc
from kai.compat.format import BLOCK_S, SILENCE, VIDEO_HZ, Pcm, Picture
from kai.compat.paced import PacedTrack, Pacer
from kai.compat.tasks import Tasks
from kai.core.events import BrowserLeft, Event, LegConnected
from kai.core.state import LegName
from kai.errors import BrowserError
from kai.ports import Emit, MediaReading

log = logging.getLogger(__name__)

ABANDONED_S: Final = 0.5
"""When no track has pulled for this long, the link pulls the sound itself, so that a talk continues without a listener.
Nobody hears that sound, so the link must first wait for a track that is merely late on a busy computer."""
MOST_LATE_S: Final = 1.0
"""After a longer stall, the sound beyond this is skipped."""
LOUDSPEAKER_S: Final = 0.015
"""The page's sound is heard at least this much later than the browser reports, because of the loudspeaker's buffer. Without
this ``python -m kai.bench avatar`` printed 8 to 51 ms (p5 to p95), and late sound is noticed less than early sound."""
MOST_WAIT_S: Final = 0.08
WAIT_STEP_S: Final = 0.015
"""Pictures wait at most ``MOST_WAIT_S`` for the page's sound. Each report of the page changes the wait by at most
``WAIT_STEP_S``, because with larger steps one picture could overtake another."""


class VideoTrack(MediaStreamTrack):
    """The newest picture as a video track, with 90 kHz timestamps made from the pictures' own monotonic times."""

    kind = "video"

    def __init__(self, newest: NewestPicture) -> None:
        super().__init__()
        self._newest = newest
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_new = asyncio.Event()
        self.began_s: float | None = None
        """The monotonic time of timestamp 0."""
        self._last_pts = -1

    def wake(self) -> None:
        """Announce that a new picture is there. Any thread."""
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
            shot = self._newest.take()
            if shot is not None:
                break
        picture, at_s = shot
        if self.began_s is None:
            self.began_s = at_s
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        # A picture that is sent again must not repeat a timestamp, because the encoder orders frames by timestamp alone.
        self._last_pts = max(self._last_pts + 1, int((at_s - self.began_s) * VIDEO_HZ))
        frame.pts = self._last_pts
        frame.time_base = Fraction(1, VIDEO_HZ)
        return frame

    def stop(self) -> None:
        super().stop()
        self.wake()


class PageLink:
    """Implements ``kai.ports.BrowserLink`` for streamlit-webrtc. Methods say which thread they are for."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._emit: Emit | None = None
        self._pull: Callable[[], Pcm] | None = None
        self._pull_lock = threading.Lock()
        self._page_pulled_at_s = 0.0
        self._tracks: tuple[VideoTrack, PacedTrack] | None = None
        self._tracks_lock = threading.Lock()
        self._newest = NewestPicture()
        self._microphone = Microphone()
        self._listeners: set[asyncio.Queue[Pcm]] = set()
        self._tasks = Tasks("page")
        self._is_closed = False
        self._wait_s = 0.0

    def connect(self, emit: Emit, on_mic: Callable[[Pcm], None]) -> None:
        """See ``BrowserLink.connect``."""
        self._loop = asyncio.get_running_loop()
        self._emit = emit
        self._microphone.connect(on_mic)
        self._tasks.spawn(self._pace(), "pacer")

    def expect_page(self) -> None:
        if not rtc.host_addresses():
            raise BrowserError(
                "Turn on Wi-Fi; no internet is needed. Until then you can type, and hear the answers on this page.",
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
        self._newest.put(picture, at_s, has_page=tracks is not None)
        if tracks is not None:
            tracks[0].wake()

    def play_from(self, pull: Callable[[], Pcm]) -> None:
        with self._pull_lock:
            self._pull = pull

    def close_page(self) -> None:
        """End the tracks; otherwise streamlit-webrtc's relay keeps pulling them for minutes after the page is gone."""
        with self._tracks_lock:
            tracks, self._tracks = self._tracks, None
        for track in tracks or ():
            track.stop()
        self._microphone.calm()

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._tasks.aclose()
        self._microphone.connect(None)
        self.close_page()
        self._pull = None

    def tracks(self) -> tuple[VideoTrack, PacedTrack]:
        """Return the page's video and audio track: the same pair while both are live, then a new pair. Any thread."""
        with self._tracks_lock:
            if self._tracks is None or any(track.readyState != "live" for track in self._tracks):
                sound = PacedTrack(
                    self.pull_for_page, most_late_s=MOST_LATE_S, keeps_time=True, on_asked=self._page_pulls
                )
                self._tracks = (VideoTrack(self._newest), sound)
            return self._tracks

    def on_mic_frame(self, frame: av.AudioFrame) -> None:
        """Sink callback of streamlit-webrtc, on its loop: 20 ms of s16 at 48 000 Hz. Copies and returns."""
        self._microphone.push(frame)

    def connection_changed(self, state: str) -> None:
        """Take the page's new connection state: "connected", "disconnected", "failed" or "closed". Any thread."""
        if state in ("failed", "closed"):
            self._page_pulled_at_s = 0.0
            self.close_page()
            self._report(BrowserLeft())

    def mic_level(self) -> float:
        """Return the level of about the last 100 ms, 0 to 1; 0 when no microphone sends. Any thread."""
        return self._microphone.level()

    def voiced_at_s(self) -> float:
        """Return when the person's last sound arrived (monotonic clock), minus infinity without one. Any thread."""
        return self._microphone.voiced_at_s

    def hears_page(self, within_s: float) -> bool:
        """Return whether microphone packets arrived within that time. Any thread."""
        return self._microphone.was_heard(within_s)

    def page_saw(self, pictures: int, dropped: int) -> None:
        """Take the page's own count of the pictures that its video has shown and dropped since it began. Any thread."""
        self._newest.page_counted(pictures, dropped)

    def page_plays(self, sound_ahead_ms: int) -> None:
        """Take how far the page's sound is ahead of its picture, as the page measures it (negative: behind). Any thread.

        A browser leaves an offset of up to 30 ms uncorrected, and a larger one for some seconds after a stall. When the sound
        is behind, the pictures are delayed by the same time under a later timestamp, so that the browser does not correct the
        offset again. When the sound is ahead, every correction would make Kai answer later, so nothing is done.
        """
        wanted_s = min(MOST_WAIT_S, max(0.0, LOUDSPEAKER_S - sound_ahead_ms / 1000))
        self._wait_s += min(WAIT_STEP_S, max(-WAIT_STEP_S, wanted_s - self._wait_s))

    def media(self) -> MediaReading:
        """Return the current counters. Any thread."""
        newest = self._newest
        return MediaReading(
            newest.taken_count,
            newest.late_ms,
            newest.replaced_count,
            newest.page_s,
            newest.page_pictures,
            newest.page_dropped,
            round(self._microphone.dropped_blocks * BLOCK_S * 1000),
        )

    def listen(self) -> asyncio.Queue[Pcm]:
        """Return a queue that gets every 20 ms block (``(960,)`` int16, 48 000 Hz) that has sound and that no track plays.

        The queue holds 100 blocks; when it is full, the newest block is dropped. Read it with ``get_nowait`` only: the reader
        is on another loop, and an asyncio queue wakes its waiters on its own loop. Return it with ``unlisten``.
        """
        queue: asyncio.Queue[Pcm] = asyncio.Queue(maxsize=100)
        self._listeners.add(queue)
        return queue

    def unlisten(self, queue: asyncio.Queue[Pcm]) -> None:
        self._listeners.discard(queue)

    def _page_pulls(self) -> None:
        """Report the browser leg as connected, at the sound track's first pull: only a connected page asks for sound."""
        self._report(LegConnected(LegName.BROWSER))

    def pull_for_page(self) -> Pcm:
        """Return the next block of sound, for a track."""
        self._page_pulled_at_s = time.monotonic()
        return self._pull_block()

    def _pull_block(self) -> Pcm:
        with self._pull_lock:
            return self._pull() if self._pull is not None else SILENCE

    async def _pace(self) -> None:
        """Be the playout clock while no page pulls, so that answers end in time and pages without WebRTC get their sound."""
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

    def _report(self, event: Event) -> None:
        loop, emit = self._loop, self._emit
        if loop is not None and emit is not None and not loop.is_closed() and not self._is_closed:
            loop.call_soon_threadsafe(emit, event)
