"""All talks of the app: made, found again, and closed when nobody is there any more.

A page comes and goes (refresh, lost WebSocket, another page of the app); its talk does not. A talk is held while the
Streamlit session that shows it is active, or its event stream is open, or its microphone sends; 20 s after the last of
them it ends.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from kai.core.events import Event
from kai.core.state import Look, SessionState, StandIn
from kai.core.store import Listener, Unsubscribe
from kai.errors import KaiError
from kai.ports import BrowserLink
from kai.runtime.calls import CallDesk, no_calls
from kai.runtime.loop import LoopThread
from kai.runtime.session import Session

log = logging.getLogger(__name__)

T = TypeVar("T")

GRACE_S = 20.0
LEFT_GRACE_S = 8.0
"""For a page that said that it goes: a refresh is back within 3 s, and every further second may cost."""
POLL_S = 1.0
MIC_ALIVE_S = 5.0
MAX_ACTIVE_TALKS = 8
"""More at once than the computer can carry would make every one of them stutter."""
MAX_TALKS = 64
"""Bound of all, those included whose page has not pressed Start."""
MAKE_S = 10.0
CLOSE_S = 9.0


class Page(BrowserLink, Protocol):
    """What the hub needs of a browser link beyond the port."""

    def hears_page(self, within_s: float) -> bool:
        """Whether microphone packets came within that time."""
        ...

    def mic_level(self) -> float:
        """0 to 1."""
        ...


@dataclass(frozen=True, slots=True)
class VoiceOffer:
    """A voice of the local brain: ``sex`` is "woman" or "man", ``accent`` "American" or "British"."""

    id: str
    name: str
    sex: str
    accent: str
    is_installed: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """What the app's settings leave a person to choose from, and what holds where nothing is chosen."""

    has_cloud_brain: bool = False
    has_cloud_face: bool = False
    cloud_model: str = "gpt-realtime-2.1"
    mind_url: str = ""
    mind_model: str = ""
    avatar_quality: str = "high"
    avatar_sandbox: bool = False
    tools: tuple[str, ...] = ()

    def is_brain_local(self, look: Look) -> bool:
        """Whether the local engine hears and speaks."""
        return look.runs == "local" or not self.has_cloud_brain

    def is_face_local(self, look: Look) -> bool:
        """Whether the face is drawn on this computer."""
        return look.face == "local" or not self.has_cloud_face

    def model(self, look: Look) -> str:
        """The model that a talk with this look gets."""
        return "kai-local" if self.is_brain_local(look) else look.brain.model or self.cloud_model


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """The local brain's language model. ``state`` is "looking", "none", "fetching", "ready", "failed", "off", "unsupported",
    or empty, where there is no such brain; ``problem`` is for people. ``is_own`` for a person's own file."""

    state: str = ""
    id: str = ""
    name: str = ""
    bytes: int = 0
    done_bytes: int = 0
    licence: str = ""
    problem: str = ""
    is_own: bool = False
    path: str = ""


class ModelDesk(Protocol):
    """Who fetches the local brain's language model. Kai's loop only; both raise ``KaiError``."""

    async def fetch_model(self, model_id: str, *, from_maker: bool = False) -> None: ...
    async def cancel_model(self, model_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the page tells of what talks share: ``is_ready``, the newest line of the engine's start, or why it cannot run.

    ``stand_ins`` is what the engine makes do with; ``voices`` are its own, ``voices_command`` installs those that lack.
    """

    is_ready: bool
    progress: str
    problem: str
    offer: Offer = Offer()
    stand_ins: tuple[StandIn, ...] = ()
    voices: tuple[VoiceOffer, ...] = ()
    voices_command: str = ""
    model: ModelOffer = ModelOffer()


class Talk:
    """One talk, as pages and routes see it. Every method may be called from any thread."""

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
        """The present state."""
        return self.session.snapshot()

    def dispatch(self, event: Event) -> None:
        """Take an event, soon."""
        self.session.dispatch(event)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call ``listener`` on Kai's loop after each change."""
        return self.session.subscribe(listener)

    def mic_level(self) -> float:
        """0 to 1; 0 when no microphone sends."""
        return self.browser.mic_level()

    def attach_tab(self, tab_id: str, is_active: Callable[[], bool]) -> None:
        """A Streamlit session shows this talk; ``is_active`` tells for how long."""
        with self._lock:
            self._tabs[tab_id] = is_active
            self._has_left = False

    def stream_opened(self) -> None:
        """A page listens to the talk's events."""
        with self._lock:
            self._streams += 1
            self._has_left = False

    def page_left(self) -> None:
        """The page says that it goes away; the lease is shorter until one is back."""
        with self._lock:
            self._has_left = True

    def stream_closed(self) -> None:
        """A page listens no more."""
        with self._lock:
            self._streams -= 1

    def is_attended(self) -> bool:
        """Whether a page shows the talk now."""
        with self._lock:
            self._tabs = {tab: is_active for tab, is_active in self._tabs.items() if is_active()}
            return bool(self._tabs) or self._streams > 0

    def is_held(self, now_s: float) -> bool:
        """Whether the lease holds: somebody is there, or was within the grace."""
        if self.is_attended() or self.browser.hears_page(MIC_ALIVE_S):
            self._seen_at_s = now_s
        return now_s - self._seen_at_s < (LEFT_GRACE_S if self._has_left else GRACE_S)


MakeSession = Callable[[str], tuple[Session, Page]]
"""Makes an unopened session of that browser, with its page. Called on Kai's loop."""


PreviewVoice = Callable[[str, float], Coroutine[Any, Any, bytes]]
"""A sentence by a voice of the local engine, by its id and at that speed, as a WAV file."""


class SessionHub:
    """Owns Kai's loop thread, the services of the app and every talk. Methods may be called from any thread.

    ``open_services`` starts what all talks share (engine, warm face), ``close_services`` ends it, both on Kai's loop;
    ``services`` tells how far it is; ``avatar_desk`` gives the cloud avatars' desk, once there is one.
    """

    def __init__(
        self,
        make_session: MakeSession,
        open_services: Callable[[], None],
        close_services: Callable[[], Coroutine[Any, Any, None]],
        services: Callable[[], Services],
        avatar_desk: Callable[[], object | None] = lambda: None,
        calls: CallDesk | None = None,
        preview_voice: PreviewVoice | None = None,
        previews: object | None = None,
        models: ModelDesk | None = None,
    ) -> None:
        self._models = models
        self._preview_voice = preview_voice
        self._make_session = make_session
        self._avatar_desk = avatar_desk
        self._open_services = open_services
        self._close_services = close_services
        self._services = services
        self.calls = calls or no_calls()
        """The calls that pages open themselves."""
        self.previews = previews
        """A sentence in each voice, for pages that offer voices."""
        self._thread = LoopThread()
        self._talks: dict[str, Talk] = {}
        self._lock = threading.Lock()
        self._is_open = False
        self._lease: asyncio.Task[None] | None = None
        self._tasks = 0

    def start(self) -> None:
        """Start Kai's loop and the services. Returns at once; they warm up meanwhile."""
        self._thread.start()
        self._is_open = True
        self._thread.submit(self._open()).result(MAKE_S)

    async def _open(self) -> None:
        self._open_services()
        self._lease = asyncio.create_task(self._watch_leases(), name="hub: leases")

    def close(self) -> None:
        """End every talk, the services and the loop; at most 10 s or so."""
        if not self._is_open:
            return
        self._is_open = False
        self._thread.submit(self._aclose()).result(CLOSE_S + 6)
        self._thread.stop()

    async def _aclose(self) -> None:
        if self._lease is not None:
            self._lease.cancel()
        talks = self._drop(lambda _talk: True)
        await asyncio.gather(*(talk.session.aclose("Kai was switched off.") for talk in talks))
        await asyncio.gather(*(self.calls.close_of(talk.id) for talk in talks))
        await self._close_services()

    def create(self, browser_id: str) -> Talk:
        """A new talk of that browser. Raises ``KaiError`` when there are too many."""
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
        """The talk of that id, if it is that browser's."""
        with self._lock:
            talk = self._talks.get(talk_id)
        if talk is None or not secrets.compare_digest(talk.browser_id, browser_id):
            return None
        return talk

    @property
    def avatar_desk(self) -> object | None:
        """The desk of the cloud avatars (for the page's routes; to be used on Kai's loop), where there is a key."""
        return self._avatar_desk()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run work on Kai's loop."""
        return self._thread.submit(work)

    async def preview_voice(self, voice_id: str, speed: float) -> bytes:
        """A sentence by a voice of the local engine, as a WAV file; on Kai's loop. Raises ``KaiError``."""
        if self._preview_voice is None:
            raise KaiError("There is no voice to listen to here.", code="engine-404")
        return await self._preview_voice(voice_id, speed)

    async def change_model(self, wish: str) -> None:
        """Fetch the local brain's language model (``fetch``, or ``fetch-maker`` from its maker) or stop that (``cancel``); on
        Kai's loop. Raises ``KaiError``."""
        model_id = self._services().model.id
        if self._models is None or not model_id:
            raise KaiError("There is no language model to fetch here.", code="engine-404")
        if wish == "cancel":
            await self._models.cancel_model(model_id)
        else:
            await self._models.fetch_model(model_id, from_maker=wish == "fetch-maker")

    def services(self) -> Services:
        """How far the engine is."""
        return self._services()

    def health(self) -> dict[str, object]:
        """For ``GET /api/health``: nothing secret, nothing of anybody's talk."""
        services = self._services()
        with self._lock:
            active = sum(talk.snapshot().is_active for talk in self._talks.values())
            count = len(self._talks)
        return {
            "status": "ok" if services.is_ready else ("failed" if services.problem else "starting"),
            "engine": services.is_ready,
            "talks": count,
            "active_talks": active,
            "tasks": self._tasks,
        }

    async def _watch_leases(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            self._tasks = len(asyncio.all_tasks())
            now_s = time.monotonic()
            for talk in self._drop(lambda talk, now_s=now_s: not talk.is_held(now_s)):
                log.info("talk ended, nobody is there")
                await talk.session.aclose("Nobody was there any more.")
                await self.calls.close_of(talk.id)

    def _drop(self, is_over: Callable[[Talk], bool]) -> list[Talk]:
        with self._lock:
            over = [talk for talk in self._talks.values() if is_over(talk)]
            for talk in over:
                del self._talks[talk.id]
        return over
