"""The outlet of a talk's sound: it is pulled from the speaking face, ducked while somebody talks over it, and recorded."""

from __future__ import annotations

from collections.abc import Callable

from kai.compat.format import SILENCE
from kai.media.ducking import Ducker
from kai.ports import Pcm, SoundRecorder


def _silence() -> Pcm:
    return SILENCE


class Outlet:
    """One talk's outlet of 20 ms blocks, ``(960,)`` int16 at 48 000 Hz, mono. The caller of `pull` is the playout clock.

    Sound is ducked before it is recorded, so that a recording sounds like the talk.
    """

    def __init__(self, recorder: SoundRecorder | None = None) -> None:
        """Make an outlet that gives silence until it has a speaker. ``recorder`` gets both sides' sound."""
        self._speaker: Callable[[], Pcm] = _silence
        self._recorder = recorder
        self._ducker = Ducker()

    def play_from(self, speaker: Callable[[], Pcm]) -> None:
        """Pull from that speaker (``AvatarFace.pull_sound``), beginning with the next block. Any thread."""
        self._speaker = speaker

    def pull(self) -> Pcm:
        """Return the next 20 ms. From any one thread at a time."""
        pcm = self._ducker.play(self._speaker())
        if self._recorder is not None:
            self._recorder.push_played(pcm)
        return pcm

    def push_mic(self, pcm: Pcm) -> None:
        """Take the person's next 20 ms, but not while Kai may not hear the person. Kai's loop only."""
        self._ducker.push_mic(pcm)
        if self._recorder is not None:
            self._recorder.push_mic(pcm)
