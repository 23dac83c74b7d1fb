"""The quality of the connection between Kai and this page, from both sides' RTCP reports, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from kai.compat.format import LIVE_HZ
from kai.ui import texts

MEASURE_S: Final = 2.0
"""Both sides report about once a second."""


class Quality(IntEnum):
    """The quality of a connection; a worse one is higher."""

    GOOD = 0
    WEAK = 1
    POOR = 2


@dataclass(frozen=True, slots=True)
class Network:
    """The connection in the last seconds: the share of lost packets (0 to 1), the jitter of the sound and the round trip,
    each of the worse direction. A value that was not reported yet is 0."""

    lost: float = 0.0
    jitter_ms: float = 0.0
    round_trip_ms: float = 0.0


BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    # Opus conceals 3 % loss without losing a word; at 10 % syllables are lost. Round trips of 200 and 400 ms are one and two
    # steps of ITU-T G.114's mouth-to-ear delay. Jitter of 30 ms costs the receiver a longer buffer; 60 ms is heard as gaps.
    "lost": (0.03, 0.10),
    "round_trip_ms": (200.0, 400.0),
    "jitter_ms": (30.0, 60.0),
}


def grade(network: Network) -> tuple[Quality, str]:
    """Return the quality and the name, of ``BOUNDS``, of its worst value."""
    graded = [
        (Quality(sum(getattr(network, name) >= bound for bound in bounds)), name)
        for name, bounds in BOUNDS.items()
    ]
    return max(graded, key=lambda pair: pair[0])


class Meter:
    """Grades one page's connection over time. A worse grade counts only when it was measured twice in a row."""

    def __init__(self) -> None:
        self._mic: tuple[int, int] | None = None
        self._seen = Quality.GOOD
        self._shown = Quality.GOOD

    def read(self, report: Mapping[str, Any]) -> Network:
        """Return the measures in the statistics of our end of the connection (``RTCPeerConnection.getStats``)."""
        lost = jitter_ms = round_trip_ms = 0.0
        for entry in report.values():
            match entry.type:
                case "remote-inbound-rtp":
                    lost = max(lost, entry.fractionLost / 256)
                    round_trip_ms = max(round_trip_ms, (entry.roundTripTime or 0.0) * 1000)
                    if entry.kind == "audio":
                        jitter_ms = max(jitter_ms, entry.jitter / LIVE_HZ * 1000)
                case "inbound-rtp" if entry.kind == "audio":
                    lost = max(lost, self._lost_since(entry.packetsReceived, entry.packetsLost))
                    jitter_ms = max(jitter_ms, entry.jitter / LIVE_HZ * 1000)
                case _:
                    pass
        return Network(lost, jitter_ms, round_trip_ms)

    def _lost_since(self, received: int, lost: int) -> float:
        before, self._mic = self._mic, (received, lost)
        if before is None:
            return 0.0
        new_lost = max(0, lost - before[1])
        expected = new_lost + max(0, received - before[0])
        return new_lost / expected if expected else 0.0

    def judge(self, network: Network, *, is_on_this_computer: bool) -> dict[str, object]:
        """Return what the page shows about the connection: a word, a tone, and what a person can do."""
        quality, worst = grade(network)
        self._shown = min(quality, self._seen) if quality > self._shown else quality
        self._seen = quality
        if self._shown is Quality.GOOD:
            return {"word": texts.NETWORK_WORDS["good"], "tone": "live", "advice": "", "isPoor": False}
        advice = texts.NETWORK_ADVICE_HERE if is_on_this_computer else texts.NETWORK_ADVICE[worst]
        return {
            "word": texts.NETWORK_WORDS[self._shown.name.lower()],
            "tone": "warn",
            "advice": advice.format(
                lost=round(network.lost * 100), ms=round(max(network.round_trip_ms, network.jitter_ms))
            ),
            "isPoor": self._shown is Quality.POOR,
        }
