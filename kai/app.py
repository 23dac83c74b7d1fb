"""``App``, the one object that pages and routes get: everything that they may read or change.

``kai.compose`` builds it from the settings; tests build it from fakes of its parts.
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
    # Only the types are needed here. Importing the modules would slow the start of every page.
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
    """What a person can choose under the app's settings, and the defaults."""

    has_cloud_brain: bool = False
    has_cloud_face: bool = False
    cloud_model: str = "gpt-realtime-2.1"
    tools: tuple[str, ...] = ()

    def is_brain_local(self, look: Look) -> bool:
        """True when the local engine is the brain for this look."""
        return look.runs == "local" or not self.has_cloud_brain

    def is_face_local(self, look: Look) -> bool:
        """True when the face is rendered on this computer."""
        return look.face == "local" or not self.has_cloud_face

    def model(self, look: Look) -> str:
        """Return the model that a talk with this look uses."""
        return "kai-local" if self.is_brain_local(look) else look.brain.model or self.cloud_model


@dataclass(frozen=True, slots=True)
class Services:
    """The state of the shared services: ready or not, the newest progress line, and the reason if they cannot run."""

    is_ready: bool = True
    progress: str = ""
    problem: str = ""
    engine: EngineReport = EngineReport()
    """The local engine's report about itself; empty before the engine is up."""


async def _no_engine(*_given: object) -> Any:
    raise KaiError("There is no local engine here.", code="engine-404")


@dataclass(frozen=True, slots=True)
class App:
    """The app as pages and routes see it. Any thread may use it; run its coroutines on Kai's loop with ``hub.submit``."""

    hub: SessionHub
    memory: Memory
    services: Callable[[], Services] = Services
    offer: Offer = Offer()
    minds: MindDesk | None = None
    """The choice of other minds for the local engine. Kai's loop only."""
    preview_voice: Callable[[str, float], Coroutine[Any, Any, bytes]] = _no_engine
    """Speaks a sentence with a voice of the local engine (its id and a speed), as a WAV file. Raises ``KaiError``."""
    change_voice: Callable[[str, str], Coroutine[Any, Any, None]] = _no_engine
    """Makes the local engine ``fetch``, ``pause`` or ``delete`` the file of voices of that id. Raises ``KaiError``."""
    change_model_file: Callable[[str, str], Coroutine[Any, Any, None]] = _no_engine
    """Makes the local engine ``fetch`` the language model of that id in parts, ``fetch-maker`` it from its maker, or
    ``cancel`` the download. Raises ``KaiError``."""
    calls: CallDesk = field(default_factory=no_calls)
    """Opens Realtime calls for pages that hold the call themselves."""
    desk: AvatarDesk | None = None
    """Starts cloud avatar sessions for other clients, if there is a key. Kai's loop only."""
    gallery: Gallery | None = None
    """The cloud avatars to choose from, if there is a key."""
    previews: VoicePreviews | None = None
    """Previews of the cloud's voices, if they can be recorded."""
    checks: Mapping[str, Check] = field(default_factory=dict[str, "Check"])
    """The checks to run before a talk, the most important first. Each may be called from any thread."""
    first_session: FirstSession | None = None
    """The live test of the cloud services that the Check page starts."""
    first_look: Look = Look()
    """The settings with which a person's first talk begins."""
    ice_servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers for the pages' connections; none are needed on this computer."""

    async def change_model(self, wish: str) -> None:
        """Download the local engine's language model (``fetch``, or ``fetch-maker`` from its maker) or stop the download
        (``cancel``). Raises ``KaiError``."""
        model_id = self.services().engine.model.id
        if not model_id:
            raise KaiError("There is no language model to fetch here.", code="engine-404")
        await self.change_model_file(model_id, wish)

    def is_small_mind_alone(self, look: Look) -> bool:
        """Return whether a talk with this look is answered by the local engine's small mind, without a language model."""
        engine = self.services().engine
        return (
            self.offer.is_brain_local(look) and engine.model.state != "ready" and engine.chosen.state == "own"
        )

    def health(self) -> dict[str, object]:
        """Return the answer to ``GET /api/health``. It holds no secret and no content of a talk."""
        services = self.services()
        return {
            "status": "ok" if services.is_ready else ("failed" if services.problem else "starting"),
            "engine": services.is_ready,
            **self.hub.health(),
        }
