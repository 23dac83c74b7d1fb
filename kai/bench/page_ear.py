"""A page without a browser, for a talk over real sockets: it plays what leaves for it, and keeps it."""

from __future__ import annotations

import asyncio
import time

from kai.adapters.browser import PageLink
from kai.compat.format import BLOCK_S
from kai.ports import Pcm


class PageEar:
    """Plays a block each 20 ms, and keeps in ``blocks`` what each was, and in ``played_s`` when (monotonic)."""

    def __init__(self, link: PageLink) -> None:
        self.blocks: list[Pcm] = []
        self.played_s: list[float] = []
        self._link = link
        self._playing = asyncio.create_task(self._play(), name="page ear")

    async def _play(self) -> None:
        next_s = time.monotonic()
        while True:
            self.blocks.append(self._link.pull_for_page())
            self.played_s.append(time.monotonic())
            next_s += BLOCK_S
            await asyncio.sleep(max(0.0, next_s - time.monotonic()))

    def sounded_s(self, after_s: float) -> float | None:
        """Return when sound was played first after that time."""
        played = zip(self.played_s, self.blocks, strict=True)
        return next((at_s for at_s, block in played if at_s > after_s and block.any()), None)

    async def aclose(self) -> None:
        self._playing.cancel()
        await asyncio.gather(self._playing, return_exceptions=True)
