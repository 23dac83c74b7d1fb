"""The picture that a page shows and the microphone's sound that it sends, each on its way between two threads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import av
import numpy as np

from kai.compat.format import Pcm, Picture
from kai.media.loudness import LoudSound
from kai.media.pcm import level_dbfs, mix_to_mono, to_float32

STILL_S: Final = 0.2
"""Without a new picture, the last one is sent again at this interval, so that the page never shows an empty frame."""
WATCHED_S: Final = 1.0
"""A page that fetched a picture within this time is watching; pictures that it then misses count as dropped."""
PAGE_TELLS_S: Final = 10.0
"""Two counts of the page that are farther apart than this say nothing about the time between them."""
MIC_QUEUE_BLOCKS: Final = 100
"""2 s of sound between the loops; beyond that the oldest block is dropped and counted."""
LEVEL_FULL_SCALE: Final = 6000.0
"""The RMS (int16) that fills the level meter: loud speech into a laptop."""


class NewestPicture:
    """A slot for the newest picture. One thread puts pictures, one takes them; any thread may read the counters."""

    def __init__(self) -> None:
        self._shot: tuple[Picture, float] | None = None
        self._is_taken = True
        self._taken_at_s = float("-inf")
        self._page_told: tuple[float, int, int] | None = None
        self.taken_count = 0
        self.late_ms = 0.0
        """The summed lateness of all pictures that were taken."""
        self.replaced_count = 0
        """The number of pictures that a watching page did not fetch in time."""
        self.page_s = 0.0
        """The time over which the page has counted ``page_pictures`` and ``page_dropped``."""
        self.page_pictures = 0
        self.page_dropped = 0

    def put(self, picture: Picture, at_s: float, *, has_page: bool) -> None:
        """Put in a newer picture with its time (monotonic clock)."""
        is_watched = has_page and time.monotonic() - self._taken_at_s < WATCHED_S
        if not self._is_taken and is_watched:
            self.replaced_count += 1
        self._shot, self._is_taken = (picture, at_s), False

    def take(self) -> tuple[Picture, float] | None:
        """Return the newest picture with its time; a picture older than ``STILL_S`` gets the current time."""
        shot = self._shot
        if shot is None:
            return None
        picture, at_s = shot
        now_s = time.monotonic()
        if not self._is_taken:
            self._is_taken, self._taken_at_s = True, now_s
            self.late_ms += (now_s - at_s) * 1000
            self.taken_count += 1
        return (picture, at_s) if now_s - at_s < STILL_S else (picture, now_s)

    def page_counted(self, pictures: int, dropped: int) -> None:
        """Take the page's own count of the pictures that its video has shown and dropped since it began."""
        now_s = time.monotonic()
        before, self._page_told = self._page_told, (now_s, pictures, dropped)
        # A new video counts from zero again, and after a long silence the time in between is unknown.
        if before is None or pictures < before[1] or dropped < before[2] or now_s - before[0] > PAGE_TELLS_S:
            return
        self.page_s += now_s - before[0]
        self.page_pictures += pictures - before[1]
        self.page_dropped += dropped - before[2]


class Microphone:
    """The person's sound on its way from the page's thread to Kai's loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_block: Callable[[Pcm], None] | None = None
        self._blocks: deque[Pcm] = deque(maxlen=MIC_QUEUE_BLOCKS)
        self._is_woken = False
        self._level = 0.0
        self._heard_at_s = float("-inf")
        self._loud = LoudSound()
        self.voiced_at_s = float("-inf")
        """When the last sound arrived that may have been a voice (monotonic clock). Any thread may read it."""
        self.dropped_blocks = 0

    def connect(self, on_block: Callable[[Pcm], None] | None) -> None:
        """From now on hand blocks, ``(960,)`` int16, 48 000 Hz, to ``on_block`` on the running loop; ``None`` drops them."""
        self._loop, self._on_block = asyncio.get_running_loop(), on_block

    def push(self, frame: av.AudioFrame) -> None:
        """Take a frame of s16 at 48 000 Hz with any number of channels. Copies it and returns. One thread."""
        pcm = frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
        mono = mix_to_mono(pcm, len(frame.layout.channels))
        dbfs = level_dbfs(to_float32(mono))
        self._level = max(min(1.0, 10 ** (dbfs / 20) * 32_768 / LEVEL_FULL_SCALE), self._level * 0.8)
        self._heard_at_s = time.monotonic()
        if self._loud.push(dbfs):
            self.voiced_at_s = self._heard_at_s
        if len(self._blocks) == MIC_QUEUE_BLOCKS:
            self.dropped_blocks += 1
        self._blocks.append(mono)
        loop = self._loop
        if not self._is_woken and loop is not None and not loop.is_closed():
            self._is_woken = True
            loop.call_soon_threadsafe(self._drain)

    def level(self) -> float:
        """Return the level of about the last 100 ms, 0 to 1; 0 when no microphone sends. Any thread."""
        return self._level if self.was_heard(0.5) else 0.0

    def was_heard(self, within_s: float) -> bool:
        """Return whether a frame arrived within that time. Any thread."""
        return time.monotonic() - self._heard_at_s < within_s

    def calm(self) -> None:
        """Set the level to 0: the page is gone."""
        self._level = 0.0

    def _drain(self) -> None:
        self._is_woken = False
        while self._blocks:
            pcm = self._blocks.popleft()
            if self._on_block is not None:
                self._on_block(pcm)
