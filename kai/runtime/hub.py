"""``SessionHub`` makes the talks of the app, finds them again, and closes them when nobody is there any more.

A talk outlives the connections of its page (a refresh, a lost WebSocket, a visit to another page of the app). It is kept
while a Streamlit session shows it, its event stream is open, or its microphone sends, and ends 20 s after the last of them.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

import av
from aiortc import MediaStreamTrack

from kai.compat.naps import NapClock
from kai.compat.tasks import Tasks
from kai.core.events import Awoke, Event
from kai.core.state import SessionState
from kai.core.store import Listener, Unsubscribe
from kai.errors import KaiError
from kai.ports import BrowserLink, Pcm
from kai.runtime.loop import LoopThread
from kai.runtime.session import Session
from kai.runtime.tape import Spoken

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE_S = 20.0
LEFT_GRACE_S = 8.0
"""The grace period after a page announced that it leaves. A refresh is back within 3 s, and each further second may cost."""
POLL_S = 1.0
MIC_ALIVE_S = 5.0
MAX_ACTIVE_TALKS = 8
"""A bound, because too many talks at once for the computer would make all of them stutter."""
MAX_TALKS = 64
"""The bound for all talks, including those that were not started."""
MAKE_S = 10.0
CLOSE_S = 9.0

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Page(BrowserLink, Protocol):
    """A browser link with the further methods that the hub, pages and routes need."""

    def hears_page(self, within_s: float) -> bool:
        """Return whether microphone packets arrived within that time."""
        ...

    def mic_level(self) -> float:
        """Return the microphone's level, 0 to 1."""
        ...

    def tracks(self) -> tuple[MediaStreamTrack, MediaStreamTrack]:
        """Return the video and audio tracks to send to the page. They are the same objects while they are live."""
        ...

    def on_mic_frame(self, frame: av.AudioFrame) -> None:
        """Take a frame of the page's microphone. Called on Streamlit's loop; never blocks."""
        ...

    def connection_changed(self, state: str) -> None:
        """Handle a new state of the page's connection, in WebRTC's words. Called on Streamlit's loop; never blocks."""
        ...

    def page_saw(self, pictures: int, dropped: int) -> None:
        """Take the page's own counts of the pictures that its video has shown and dropped. Any thread."""
        ...

    def page_plays(self, sound_ahead_ms: int) -> None:
        """Take the page's report of how far its sound is ahead of its picture (negative if behind). Any thread."""
        ...

    def listen(self) -> asyncio.Queue[Pcm]:
        """Return a queue of the 20 ms blocks of sound (``(960,)`` int16, 48 000 Hz) that no track plays. Never wait on it."""
        ...

    def unlisten(self, queue: asyncio.Queue[Pcm]) -> None:
        """Release a queue of ``listen``."""
        ...


class Talk:
    """One talk as pages and routes see it. Every method may be called from any thread."""

    def __init__(self, talk_id: str, browser_id: str, session: Session, browser: Page) -> None:
        self.id = talk_id
        self.browser_id = browser_id
        self.browser = browser
        self.session = session
        self._tabs: dict[str, Callable[[], bool]] = {}
        self._streams = 0
        self._lock = threading.Lock()
        self._seen_at_s = time.monotonic()
        self._has_left = False

    def snapshot(self) -> SessionState:
        """Return the current state."""
        return self.session.snapshot()

    def dispatch(self, event: Event) -> None:
        """Schedule an event to be handled on Kai's loop."""
        self.session.dispatch(event)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call ``listener`` on Kai's loop after each change."""
        return self.session.subscribe(listener)

    def mic_level(self) -> float:
        """Return the microphone's level, 0 to 1; it is 0 when no microphone sends."""
        return self.browser.mic_level()

    def spoken(self) -> Spoken | None:
        """Return how far the answer that is playing has been spoken, if any."""
        return self.session.faces.spoken()

    def attach_tab(self, tab_id: str, is_active: Callable[[], bool]) -> None:
        """Register a Streamlit session that shows this talk while ``is_active`` returns true."""
        with self._lock:
            self._tabs[tab_id] = is_active
            self._has_left = False

    def stream_opened(self) -> None:
        """Count a page that has opened the talk's event stream."""
        with self._lock:
            self._streams += 1
            self._has_left = False

    def page_left(self) -> None:
        """Note that the page announced that it leaves. The lease is shorter until a page is back."""
        with self._lock:
            self._has_left = True

    def stream_closed(self) -> None:
        """Count a page that has closed the talk's event stream."""
        with self._lock:
            self._streams -= 1

    def is_attended(self) -> bool:
        """Return whether a page shows the talk now."""
        with self._lock:
            self._tabs = {tab: is_active for tab, is_active in self._tabs.items() if is_active()}
            return bool(self._tabs) or self._streams > 0

    def is_held(self, now_s: float) -> bool:
        """Return whether the lease holds: somebody is there, or was within the grace period."""
        if self.is_attended() or self.browser.hears_page(MIC_ALIVE_S):
            self._seen_at_s = now_s
        return now_s - self._seen_at_s < (LEFT_GRACE_S if self._has_left else GRACE_S)


MakeSession = Callable[[str], tuple[Session, Page]]
"""Makes an unopened session for a browser, and its page. Called on Kai's loop."""


async def _nothing_more(_talk_id: str) -> None: ...


class SessionHub:
    """Owns Kai's loop thread and every talk. Methods may be called from any thread.

    ``open_services`` starts the services that all talks share (the engine, a warm face), and ``close_services`` ends them.
    ``close_with`` ends whatever else belongs to a talk. All three are called on Kai's loop.
    """

    def __init__(
        self,
        make_session: MakeSession,
        open_services: Callable[[], None],
        close_services: Callable[[], Coroutine[Any, Any, None]],
        close_with: Callable[[str], Coroutine[Any, Any, None]] = _nothing_more,
    ) -> None:
        self._make_session = make_session
        self._open_services = open_services
        self._close_services = close_services
        self._close_with = close_with
        self._thread = LoopThread()
        self._talks: dict[str, Talk] = {}
        self._lock = threading.Lock()
        self._is_open = False
        self._watching = Tasks("hub")
        self._tasks = 0

    def start(self) -> None:
        """Start Kai's loop and the services. Returns at once; the services warm up in the background."""
        self._thread.start()
        self._is_open = True
        self._thread.submit(self._open()).result(MAKE_S)

    async def _open(self) -> None:
        self._open_services()
        self._watching.spawn(self._watch_leases(), "leases")

    def close(self) -> None:
        """End every talk, the services and the loop. Blocks for about 10 s at most."""
        if not self._is_open:
            return
        self._is_open = False
        self._thread.submit(self._aclose()).result(CLOSE_S + 6)
        self._thread.stop()

    async def _aclose(self) -> None:
        await self._watching.aclose()
        talks = self._drop(lambda _talk: True)
        await asyncio.gather(*(talk.session.aclose("Kai was switched off.") for talk in talks))
        await asyncio.gather(*(self._close_with(talk.id) for talk in talks))
        await self._close_services()

    def create(self, browser_id: str) -> Talk:
        """Make a new talk for that browser. Raises ``KaiError`` when there are too many."""
        with self._lock:
            active = sum(talk.snapshot().is_active for talk in self._talks.values())
            if active >= MAX_ACTIVE_TALKS or len(self._talks) >= MAX_TALKS:
                raise KaiError(
                    "Kai is talking with too many people. Close another tab and try again.", code="full"
                )
        return self._thread.submit(self._create(browser_id)).result(MAKE_S)

    async def _create(self, browser_id: str) -> Talk:
        session, page = self._make_session(browser_id)
        await session.open()
        talk = Talk(secrets.token_urlsafe(16), browser_id, session, page)
        with self._lock:
            self._talks[talk.id] = talk
        log.info("talk made", extra={"talks": len(self._talks)})
        return talk

    def find(self, talk_id: str, browser_id: str) -> Talk | None:
        """Return the talk of that id if it belongs to that browser. Both ids are untrusted; malformed ones find nothing."""
        if not (_ID.fullmatch(talk_id) and _ID.fullmatch(browser_id)):
            return None
        with self._lock:
            talk = self._talks.get(talk_id)
        if talk is None or not secrets.compare_digest(talk.browser_id, browser_id):
            return None
        return talk

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on Kai's loop."""
        return self._thread.submit(work)

    def health(self) -> dict[str, object]:
        """Return the number of talks, of active talks, and of tasks on Kai's loop."""
        with self._lock:
            active = sum(talk.snapshot().is_active for talk in self._talks.values())
            count = len(self._talks)
        return {"talks": count, "active_talks": active, "tasks": self._tasks}

    async def _watch_leases(self) -> None:
        naps = NapClock(POLL_S)
        while True:
            await asyncio.sleep(POLL_S)
            if slept_s := naps.stood_s():
                log.info("this computer was asleep", extra={"slept_s": round(slept_s)})
                with self._lock:
                    talks = tuple(self._talks.values())
                for talk in talks:
                    talk.dispatch(Awoke(slept_s))
            self._tasks = len(asyncio.all_tasks())
            now_s = time.monotonic()
            for talk in self._drop(lambda talk, now_s=now_s: not talk.is_held(now_s)):
                log.info("talk ended, nobody is there")
                await talk.session.aclose("Nobody was there any more.")
                await self._close_with(talk.id)

    def _drop(self, is_over: Callable[[Talk], bool]) -> list[Talk]:
        with self._lock:
            over = [talk for talk in self._talks.values() if is_over(talk)]
            for talk in over:
                del self._talks[talk.id]
        return over
