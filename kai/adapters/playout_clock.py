"""A playout buffer that reports the start and the end of each segment's playback as an event on Kai's loop."""

from __future__ import annotations

import asyncio

from kai.core.events import PlayoutFinished, PlayoutStarted
from kai.media.playout import Block, Playout
from kai.ports import Emit, Heard


class PlayoutClock:
    """``Playout`` for a face. ``pull`` may be called from any one thread; events go to the loop that called ``open``."""

    def __init__(self, lead_ms: int) -> None:
        self.playout = Playout(lead_ms)
        self._emit: Emit | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, emit: Emit) -> None:
        """Start to report events on the running loop."""
        self._emit, self._loop = emit, asyncio.get_running_loop()

    def pull(self) -> Block:
        """Return the next 20 ms of sound and report what began or ended with it."""
        block = self.playout.read()
        if block.started is not None:
            self._report(PlayoutStarted(block.started))
        for segment_id in block.finished:
            self._report(PlayoutFinished(segment_id))
        return block

    def stop(self) -> Heard | None:
        """Drop all queued sound and return how far the playing segment was heard, or ``None`` if none was playing."""
        return self.playout.flush()

    def _report(self, event: PlayoutStarted | PlayoutFinished) -> None:
        loop, emit = self._loop, self._emit
        if loop is None or emit is None or loop.is_closed():
            return
        loop.call_soon_threadsafe(emit, event)
