"""The threads in which all conversations of one engine hear and speak, so that the event loop never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """One thread for recognition, one for answers and speech.

    One each: the models run on one core at a time anyway, and a clause of speech must not wait behind a recognition.
    Calls queue without a bound, but each conversation has at most a partial, a guess and a turn in it.
    """

    def __init__(self) -> None:
        self._hear = ThreadPoolExecutor(1, thread_name_prefix="kai-hear")
        self._speak = ThreadPoolExecutor(1, thread_name_prefix="kai-speak")
        self._preview = ThreadPoolExecutor(1, thread_name_prefix="kai-preview")

    def hear_nowait(self, call: Callable[[], T]) -> Future[T]:
        """`call` queued for the recognition thread; may be cancelled until it runs."""
        return self._hear.submit(call)

    async def hear(self, call: Callable[[], T]) -> T:
        """The result of `call`, run in the recognition thread."""
        return await asyncio.wrap_future(self._hear.submit(call))

    async def speak(self, call: Callable[[], T]) -> T:
        """The result of `call`, run in the thread of answers and speech."""
        return await asyncio.wrap_future(self._speak.submit(call))

    async def preview(self, call: Callable[[], T]) -> T:
        """The result of `call`, run in a thread of its own, so that no talk waits behind it. One at a time."""
        return await asyncio.wrap_future(self._preview.submit(call))

    def close(self) -> None:
        """Ends all threads after what they are doing now; what is queued is dropped. Blocks for that long."""
        for executor in (self._hear, self._speak, self._preview):
            executor.shutdown(wait=True, cancel_futures=True)
