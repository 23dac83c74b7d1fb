"""Where a Realtime brain is reached, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from kai.adapters.openai_realtime.kept_turn import KeptTurn
from kai.core.config import BrainConfig
from kai.core.state import StandIn
from kai.errors import KaiError
from kai.ports import Pcm


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a brain is reached, and how.

    ``host_addresses`` binds the connection's own candidates (``("127.0.0.1",)`` for the local engine: it then needs no
    network at all). ``jitter_packets`` is (capacity, prefetch) of the receive buffer, in packets of 20 ms.
    ``wait_lost`` returns when the endpoint's process is gone, which WebRTC itself notices only after 30 s.
    ``tools`` are the schemas of the functions that Kai may call, in the protocol's form; those in ``needed_tools`` are there
    whichever a person chose. ``safety_id`` is a stable hash of
    who talks, told to the provider. ``on_udp_blocked`` hears that this network lets no WebRTC through. ``stand_ins`` is what
    the local engine makes do with. ``can_truncate``: whether an answer in its memory can be cut where the person stopped
    hearing it; without that it is told of the cut in words. ``kept_turn`` is where a brain of the talk leaves a spoken turn
    that was not answered, for the next one. ``hear`` gives the words of a sound, 24 000 Hz, where somebody else can hear it:
    of an answer that says more than it writes. It may raise ``KaiError``.
    """

    api_key: str = field(repr=False)
    model: str
    base_url: str | None = None
    host_addresses: tuple[str, ...] | None = None
    jitter_packets: tuple[int, int] = (16, 4)
    wait_lost: Callable[[], Awaitable[KaiError]] | None = None
    transcription_model: str = "gpt-transcribe"
    is_billed: bool = False
    tools: tuple[Mapping[str, object], ...] = ()
    needed_tools: tuple[str, ...] = ()
    safety_id: str = ""
    on_udp_blocked: Callable[[], None] | None = None
    stand_ins: tuple[StandIn, ...] = ()
    can_truncate: bool = True
    kept_turn: KeptTurn = field(default_factory=KeptTurn)
    hear: Callable[[Pcm], Awaitable[str]] | None = None

    def model_of(self, config: BrainConfig) -> str:
        """The model that a talk with this configuration gets. A model of the local engine is not the person's to choose."""
        return self.model if self.model.startswith("kai-") else config.model or self.model

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the request that opens a call."""
        return {"OpenAI-Safety-Identifier": self.safety_id} if self.safety_id else {}
