"""The endpoint of a Realtime brain: its address, key and model, and what is known about the service behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from kai.adapters.openai_realtime.kept_turn import KeptTurn
from kai.compat import http
from kai.core.config import BrainConfig
from kai.core.state import StandIn
from kai.errors import KaiError
from kai.ports import Pcm


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a brain and what is known about it.

    ``host_addresses`` binds the connection's own candidates; ``("127.0.0.1",)``, for the local engine, needs no network at
    all.
    ``wait_lost`` returns when the endpoint's process has ended, which WebRTC itself notices only after 30 s.
    ``tools`` are the schemas of the functions that Kai may call, in the protocol's form; those named in ``needed_tools`` are
    always offered, whatever the person chose. ``safety_id`` is a stable hash of the person's identity, sent to the provider.
    ``on_udp_blocked`` is called when this network blocks WebRTC. ``stand_ins`` are the local engine's fallback parts.
    ``can_truncate`` is true when an answer in the service's memory can be cut where the person stopped hearing it; otherwise
    the service is told of the cut in words. ``kept_turn`` holds an unanswered spoken turn for the talk's next brain.
    ``hear`` transcribes a sound, 24 000 Hz, of an answer that says more than it writes; it may raise ``KaiError``.
    """

    api_key: str = field(repr=False)
    model: str
    base_url: str | None = None
    host_addresses: tuple[str, ...] | None = None
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
        """Return the model for a talk with this configuration. The local engine ignores the person's choice of a model."""
        return self.model if self.model.startswith("kai-") else config.model or self.model

    @property
    def jitter_packets(self) -> tuple[int, int]:
        """The capacity and the prefetch of the receive buffer, in packets of 20 ms.

        aiortc's buffer plays nothing on a clock: it only puts packets in order, and the face behind it evens their arrival
        out. Each packet of prefetch delays every answer, and a lost packet holds the sound up until the capacity is full. On
        this computer nothing is reordered. Over a network two packets are waited for, in place of aiortc's four.
        """
        return (4, 1) if self.is_near else (8, 2)

    @property
    def is_near(self) -> bool:
        """True for a service on this computer."""
        return self.base_url is not None and http.is_loopback(self.base_url)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the request that opens a call."""
        return {"OpenAI-Safety-Identifier": self.safety_id} if self.safety_id else {}
