"""The threads in which all conversations of one engine recognise and synthesise, so that the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """One thread for recognition, one for answers and speech, one for previews.

    More threads of a kind would not help, since a model runs on one core at a time; a clause of speech must not wait behind
    a recognition. The queues have no bound, but each conversation has at most a partial, a guess and a turn in them.
    """

    def __init__(self) -> None:
        self._recognise = ThreadPoolExecutor(1, thread_name_prefix="kai-hear")
        self._speak = ThreadPoolExecutor(1, thread_name_prefix="kai-speak")
        self._preview = ThreadPoolExecutor(1, thread_name_prefix="kai-preview")

    def recognise_nowait(self, call: Callable[[], T]) -> Future[T]:
        """Queues `call` for the recognition thread; returns its future, which may be cancelled until the call runs."""
        return self._recognise.submit(call)

    async def speak(self, call: Callable[[], T]) -> T:
        """Return the result of `call`, run in the thread of answers and speech."""
        return await asyncio.wrap_future(self._speak.submit(call))

    async def preview(self, call: Callable[[], T]) -> T:
        """Return the result of `call`, run in the preview thread, so that no talk waits behind it."""
        return await asyncio.wrap_future(self._preview.submit(call))

    def close(self) -> None:
        """Ends all threads once their current calls are done, and drops the queued calls. Blocks until then."""
        for executor in (self._recognise, self._speak, self._preview):
            executor.shutdown(wait=True, cancel_futures=True)
