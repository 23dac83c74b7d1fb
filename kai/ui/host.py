"""Where the page finds the hub: put there by the server's lifespan, taken away at its end.

The protocols say what the page needs of ``kai.runtime``; tests put fakes of the same shape here.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final, Protocol

import av
from aiortc import MediaStreamTrack

from kai.checks.run import Check
from kai.core.config import AvatarConfig
from kai.core.events import Event
from kai.core.state import Look, SessionState, StandIn
from kai.core.store import Unsubscribe
from kai.ports import Pcm
from kai.records.memory import Memory
from kai.runtime.hub import Offer
from kai.settings import IceServer

COOKIE_NAME: Final = "kai_browser"
"""The cookie that knows a browser again: a random id, not readable by scripts."""


_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class BrowserLink(Protocol):
    """The page's side of a talk's media."""

    def tracks(self) -> tuple[MediaStreamTrack, MediaStreamTrack]:
        """Video and audio to send to the page; the same objects while they are live."""
        ...

    def on_mic_frame(self, frame: av.AudioFrame) -> None:
        """A frame of the page's microphone. Called on Streamlit's loop; never blocks."""
        ...

    def connection_changed(self, state: str) -> None:
        """The page's connection is in a new state (WebRTC's words). Called on Streamlit's loop; never blocks."""
        ...

    def page_saw(self, pictures: int, dropped: int) -> None:
        """The page's own count of the pictures that its video has shown and left out. Any thread."""
        ...

    def page_plays(self, sound_ahead_ms: int) -> None:
        """By how much the page's sound is ahead of its picture (less than nothing: behind it), by the page's own word. Any
        thread."""
        ...

    def listen(self) -> asyncio.Queue[Pcm]:
        """A queue of the sounding 20 ms blocks (``(960,)`` int16, 48 000 Hz) that no track plays; read without waiting."""
        ...

    def unlisten(self, queue: asyncio.Queue[Pcm]) -> None:
        """Give a queue of ``listen`` back."""
        ...


class Talk(Protocol):
    """One talk. Every method may be called from any thread."""

    @property
    def id(self) -> str: ...
    @property
    def browser_id(self) -> str: ...
    @property
    def browser(self) -> BrowserLink: ...

    def snapshot(self) -> SessionState: ...
    def dispatch(self, event: Event) -> None: ...
    def subscribe(self, listener: Callable[[SessionState], None]) -> Unsubscribe: ...
    def mic_level(self) -> float: ...
    def attach_tab(self, tab_id: str, is_active: Callable[[], bool]) -> None: ...
    def is_attended(self) -> bool: ...
    def stream_opened(self) -> None: ...
    def stream_closed(self) -> None: ...
    def page_left(self) -> None: ...


class VoiceOffer(Protocol):
    """A voice of the local engine: ``sex`` is "woman" or "man", ``accent`` "American" or "British"."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def sex(self) -> str: ...
    @property
    def accent(self) -> str: ...
    @property
    def is_installed(self) -> bool: ...


class Hub(Protocol):
    """All talks of this server. Every method may be called from any thread."""

    def start(self) -> None: ...
    def close(self) -> None: ...
    def create(self, browser_id: str) -> Any:
        """A new talk. Raises ``KaiError`` when there are too many."""
        ...

    def find(self, talk_id: str, browser_id: str) -> Any: ...
    def health(self) -> dict[str, object]: ...
    def services(self) -> Any: ...


class Gallery(Protocol):
    """The cloud avatars to choose from. Every method may be called from any thread and none of them waits."""

    @property
    def defaults(self) -> AvatarConfig:
        """What holds where a person has chosen nothing."""
        ...

    def shelf(self) -> Any:
        """What is known now (`kai.adapters.liveavatar.gallery.Shelf`); what is old is fetched meanwhile."""
        ...

    def preview(self, avatar_id: str) -> Future[bytes | None]:
        """The avatar's picture, a JPEG; ``None`` where there is none."""
        ...

    def aclose(self) -> None: ...


class Previews(Protocol):
    """A sentence in each voice (`kai.adapters.voice_previews.VoicePreviews`)."""

    def kept(self, look: Look) -> bytes | None: ...
    def cost_usd(self, look: Look) -> float | None: ...
    async def wav(self, look: Look) -> bytes: ...


_hub: Hub | None = None
_ice_servers: tuple[IceServer, ...] = ()
_problem = ""
_memory: Memory | None = None
_checks: Mapping[str, Check] = {}
_gallery: Gallery | None = None


def install(hub: Hub | None, ice_servers: tuple[IceServer, ...] = (), problem: str = "") -> None:
    """Makes ``hub`` the one that pages and routes use; ``None`` takes it away, and ``problem`` says why there is none."""
    global _hub, _ice_servers, _problem
    _hub, _ice_servers, _problem = hub, ice_servers, problem


def install_memory(memory: Memory | None) -> None:
    """Makes ``memory`` the one that pages read; ``None`` takes it away."""
    global _memory
    _memory = memory


def memory() -> Memory | None:
    """Past talks, preferences and presets, while the server lives."""
    return _memory


def install_checks(checks: Mapping[str, Check]) -> None:
    """Makes these the checks of the server; an empty mapping takes them away."""
    global _checks
    _checks = checks


def checks() -> Mapping[str, Check]:
    """What the server can look at before a talk, in the order in which it is shown."""
    return _checks


def install_gallery(gallery: Gallery | None) -> None:
    """Makes ``gallery`` the one that pages show; ``None`` takes it away."""
    global _gallery
    _gallery = gallery


def gallery() -> Gallery | None:
    """The cloud avatars to choose from, where there is a key."""
    return _gallery


def has_avatars() -> bool:
    """Whether there is an account whose avatars cost money while they are on."""
    return getattr(_hub, "avatar_desk", None) is not None


def previews() -> Previews | None:
    """A sentence in each voice, where voices can be recorded."""
    return getattr(_hub, "previews", None)


def problem() -> str:
    """Why there is no hub, for people; empty while all is well or on its way."""
    return _problem


def find_talk(talk_id: str, browser_id: str) -> Talk | None:
    """The talk of that id if it is that browser's. Both come from outside: what cannot be an id of ours finds nothing."""
    if _hub is None or not (_ID.fullmatch(talk_id) and _ID.fullmatch(browser_id)):
        return None
    return _hub.find(talk_id, browser_id)


def offer() -> Offer:
    """What the settings leave a person to choose from."""
    return Offer() if _hub is None else _hub.services().offer


def stand_ins() -> tuple[StandIn, ...]:
    """What the local engine makes do with, each with words for people; none while all is well or on its way."""
    return () if _hub is None else tuple(_hub.services().stand_ins)


def voices() -> tuple[VoiceOffer, ...]:
    """The local engine's voices, those included that are not installed; none before it is up."""
    return () if _hub is None else tuple(_hub.services().voices)


def has_language_model() -> bool:
    """Whether the local engine has a language model beside its small mind."""
    return _hub is not None and _hub.services().model.state == "ready"


def voices_command() -> str:
    """What installs the voices that are missing."""
    return "" if _hub is None else str(_hub.services().voices_command)


def services_problem() -> str:
    """Why what all talks share cannot run, for people; empty while all is well or on its way."""
    return "" if _hub is None else str(_hub.services().problem)


def ice_servers() -> tuple[IceServer, ...]:
    """STUN and TURN servers for the pages' connections; none on this computer."""
    return _ice_servers


def current_hub() -> Hub | None:
    """The hub, while the server lives."""
    return _hub
