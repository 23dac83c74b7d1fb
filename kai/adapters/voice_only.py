"""A face without a picture, which plays the brain's voice unchanged: the fallback when no other face is available."""

from __future__ import annotations

from kai.adapters.playout_clock import PlayoutClock
from kai.core.state import AgentState, Look
from kai.ports import FaceCapability, FaceSink, Feeling, Heard, Marks, Pcm

LEAD_MS = 40


class VoiceOnly:
    """Implements ``kai.ports.AvatarFace``; it cannot fail."""

    capability = FaceCapability(
        "voice only", delay_ms=LEAD_MS, has_picture=False, is_billed=False, can_restyle=False
    )

    def __init__(self) -> None:
        self._clock = PlayoutClock(LEAD_MS)

    async def open(self, look: Look, sink: FaceSink) -> None:
        self._clock.open(sink.emit)

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        self._clock.playout.write(segment_id, pcm, is_sounding=is_sounding)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """A voice has no lips."""

    def end_segment(self, segment_id: str) -> None:
        self._clock.playout.end(segment_id)

    def stop_speaking(self) -> Heard | None:
        return self._clock.stop()

    def heard_now(self) -> Heard | None:
        return self._clock.playout.position()

    def set_mood(self, mood: AgentState) -> None:
        """A voice shows no mood."""

    def set_emotion(self, feeling: Feeling) -> None:
        """A voice shows no feeling."""

    def rest(self, is_resting: bool) -> None:
        """A voice has no frames."""

    def set_look(self, look: Look) -> None:
        """A voice has no look."""

    def want_frames(self, wanted: bool) -> None:
        """A voice has no frames."""

    def want_size(self, size_px: int) -> None:
        """A voice has no frames."""

    def pull_sound(self) -> Pcm:
        return self._clock.pull().pcm

    async def aclose(self) -> None:
        self._clock.stop()
