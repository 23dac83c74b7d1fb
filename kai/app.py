"""The one object that pages and routes get: everything of this app that they may ask or change.

``kai.compose`` puts it together from the settings; tests put it together from fakes of the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kai.adapters.engine_status import EngineReport
from kai.core.state import Look
from kai.errors import KaiError
from kai.lending.calls import CallDesk, no_calls

if TYPE_CHECKING:
    # Only their types are used here: a page starts without what stands behind it.
    from kai.adapters.liveavatar.gallery import Gallery
    from kai.adapters.other_minds import MindDesk
    from kai.adapters.voice_previews import VoicePreviews
    from kai.checks.run import Check
    from kai.lending.avatars import AvatarDesk
    from kai.live.session import FirstSession
    from kai.records.memory import Memory
    from kai.runtime.hub import SessionHub
    from kai.settings import IceServer


@dataclass(frozen=True, slots=True)
class Offer:
    """What the app's settings leave a person to choose from, and what holds where nothing is chosen."""

    has_cloud_brain: bool = False
    has_cloud_face: bool = False
    cloud_model: str = "gpt-realtime-2.1"
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
class Services:
    """How what all talks share is now: ready, the newest line of its start, or for people why it cannot run."""

    is_ready: bool = True
    progress: str = ""
    problem: str = ""
    engine: EngineReport = EngineReport()
    """What the local engine says of itself; empty before it is up."""

    @property
    def has_language_model(self) -> bool:
        """Whether the local engine has a language model beside its small mind, its own or a chosen one."""
        return self.engine.model.state == "ready" or self.engine.chosen.state != "own"


async def _no_preview(_voice_id: str, _speed: float) -> bytes:
    raise KaiError("There is no voice to listen to here.", code="engine-404")


@dataclass(frozen=True, slots=True)
class App:
    """Any thread may use it. What is awaited runs on Kai's loop: hand it to ``hub.submit``."""

    hub: SessionHub
    memory: Memory
    services: Callable[[], Services] = Services
    offer: Offer = Offer()
    minds: MindDesk | None = None
    """Other minds for the local engine. Kai's loop only."""
    preview_voice: Callable[[str, float], Coroutine[Any, Any, bytes]] = _no_preview
    """A sentence by a voice of the local engine, by its id and at that speed, as a WAV file. Raises ``KaiError``."""
    fetch_model: Callable[[str, bool], Coroutine[Any, Any, None]] | None = None
    """Let the local engine fetch the language model of that id, from its maker or by its parts. Raises ``KaiError``."""
    cancel_model: Callable[[str], Coroutine[Any, Any, None]] | None = None
    """Let the local engine stop fetching the language model of that id. Raises ``KaiError``."""
    calls: CallDesk = field(default_factory=no_calls)
    """The calls that pages open themselves."""
    desk: AvatarDesk | None = None
    """Sessions of cloud avatars for other clients, where there is a key. Kai's loop only."""
    gallery: Gallery | None = None
    """The cloud avatars to choose from, where there is a key."""
    previews: VoicePreviews | None = None
    """A sentence in each voice of the cloud, where voices can be recorded."""
    checks: Mapping[str, Check] = field(default_factory=dict[str, "Check"])
    """What can be looked at before a talk, in the order of interest. Each may be called from any thread."""
    first_session: FirstSession | None = None
    """The look at the services themselves that the Check page begins."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for the pages' connections; none on this computer."""

    async def change_model(self, wish: str) -> None:
        """Fetch the local engine's language model (``fetch``, or ``fetch-maker`` from its maker) or stop that (``cancel``).
        Raises ``KaiError``."""
        model_id = self.services().engine.model.id
        if not model_id or self.fetch_model is None or self.cancel_model is None:
            raise KaiError("There is no language model to fetch here.", code="engine-404")
        if wish == "cancel":
            await self.cancel_model(model_id)
        else:
            await self.fetch_model(model_id, wish == "fetch-maker")

    def health(self) -> dict[str, object]:
        """For ``GET /api/health``: nothing secret, nothing of anybody's talk."""
        services = self.services()
        return {
            "status": "ok" if services.is_ready else ("failed" if services.problem else "starting"),
            "engine": services.is_ready,
            **self.hub.health(),
        }
