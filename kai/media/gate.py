"""The gate that cuts the answers out of a brain's continuous sound. Pure; numpy only.

A Realtime peer's track never pauses: there is comfort noise between answers, the events for the beginning and end of an
answer travel on another path, and up to 80 ms of old speech is in flight after an answer was cleared. The gate therefore
opens with some sound from before the event "started", closes once it is quiet after "stopped", and after an interruption
passes nothing until the next answer starts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from kai.compat.format import BLOCK_SAMPLES, Pcm

PREROLL_FRAMES = 10
"""200 ms. Packets of the first word arrive some ms before ``output_audio_buffer.started``."""
QUIET_PEAK = 200
"""Below this int16 peak a frame is comfort noise; even soft speech is louder."""
CLOSING_QUIET_FRAMES = 5
"""100 ms of quiet after "stopped", which is longer than the sound in flight (80 ms), so that no last word is lost."""
CLOSING_FRAMES_AT_MOST = 25
DEAF_FRAMES = 10
"""For 200 ms after a cut, arriving sound is old speech, which must not become the next answer's pre-roll."""


@dataclass(frozen=True, slots=True)
class GatedFrame:
    """A frame of an answer. ``pts`` is its time in the call's sound (samples at 48 000 Hz)."""

    segment_id: str
    pcm: Pcm
    pts: int


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """The answer's sound is complete."""

    segment_id: str


GateOutput = GatedFrame | SegmentEnd


class SpeechGate:
    """Cuts answers out of a stream of 20 ms frames. Call its methods in the order in which things arrived."""

    def __init__(self) -> None:
        self._preroll: deque[tuple[Pcm, int]] = deque(maxlen=PREROLL_FRAMES)
        self.segment_id: str | None = None
        """The id of the answer for which the gate is open, or ``None``."""
        self._has_sounded = False
        self._is_closing = False
        self._closing_frames = 0
        self._quiet_frames = 0
        self._deaf_frames = 0

    def started(self, segment_id: str) -> list[GateOutput]:
        """Open for an answer whose sound begins, by the peer's event. Return the part that has already arrived."""
        outputs: list[GateOutput] = []
        if self.segment_id == segment_id:
            return outputs
        if self.segment_id is not None:
            outputs.append(SegmentEnd(self.segment_id))
        self.segment_id = segment_id
        self._has_sounded = self._is_closing = False
        self._closing_frames = self._quiet_frames = 0
        early, self._preroll = list(self._preroll), deque(maxlen=PREROLL_FRAMES)
        for pcm, pts in early:
            outputs += self.push(pcm, pts)
        return outputs

    def stopped(self, segment_id: str) -> None:
        """Begin to close, since the peer reported that it sent all of the answer's sound. Sound in flight still passes."""
        if self.segment_id == segment_id:
            self._is_closing = True

    def cut(self) -> None:
        """Close at once, because the answer was interrupted."""
        self.segment_id = None
        self._preroll.clear()
        self._deaf_frames = DEAF_FRAMES

    def push(self, pcm: Pcm, pts: int) -> list[GateOutput]:
        """Take one 20 ms frame of the stream, and return what passes the gate."""
        is_quiet = pcm.size == 0 or int(np.max(np.abs(pcm.astype(np.int32)))) < QUIET_PEAK
        if self.segment_id is None:
            if self._deaf_frames:
                self._deaf_frames -= 1
            else:
                self._preroll.append((pcm, pts))
            return []
        if not self._has_sounded and not self._is_closing:
            if is_quiet:
                self._preroll.append((pcm, pts))
                return []
            return self._begin(pcm, pts)
        outputs: list[GateOutput] = []
        if self._has_sounded:
            outputs.append(GatedFrame(self.segment_id, pcm, pts))
        if self._is_closing:
            self._closing_frames += 1
            self._quiet_frames = self._quiet_frames + 1 if is_quiet else 0
            if self._quiet_frames >= CLOSING_QUIET_FRAMES or self._closing_frames >= CLOSING_FRAMES_AT_MOST:
                outputs.append(SegmentEnd(self.segment_id))
                self.segment_id = None
        return outputs

    def _begin(self, pcm: Pcm, pts: int) -> list[GateOutput]:
        """Pass the first loud frame together with the one before it, since soft consonants are below the threshold.

        Where the peer left out silence, the frame before it in the stream may be older, and is not passed.
        """
        assert self.segment_id is not None
        self._has_sounded = True
        before = [early for early in list(self._preroll)[-1:] if pts - early[1] <= BLOCK_SAMPLES]
        self._preroll.clear()
        return [GatedFrame(self.segment_id, p, t) for p, t in (*before, (pcm, pts))]
