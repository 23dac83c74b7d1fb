"""Where a talk's sound leaves the app: pulled from the face that speaks, ducked while somebody speaks over it, recorded."""

from __future__ import annotations

from collections.abc import Callable

from kai.compat.format import SILENCE
from kai.media.ducking import Ducker
from kai.ports import Pcm, SoundRecorder


def _silence() -> Pcm:
    return SILENCE


class Outlet:
    """One talk's outlet: 20 ms blocks, ``(960,)`` int16 at 48 000 Hz, mono. Whoever calls `pull` is the playout clock.

    Order matters: Kai is ducked before the recorder gets the block, so that a recording sounds as the talk did.
    """

    def __init__(self, recorder: SoundRecorder | None = None) -> None:
        """An outlet without a speaker yet, which gives silence. ``recorder`` keeps both sides while it is on."""
        self._speaker: Callable[[], Pcm] = _silence
        self._recorder = recorder
        self._ducker = Ducker()

    def play_from(self, speaker: Callable[[], Pcm]) -> None:
        """Pull from that speaker (``AvatarFace.pull_sound``) from the next block on. Any thread."""
        self._speaker = speaker

    def pull(self) -> Pcm:
        """The next 20 ms. From any one thread at a time."""
        pcm = self._ducker.play(self._speaker())
        if self._recorder is not None:
            self._recorder.say(pcm)
        return pcm

    def hear(self, pcm: Pcm) -> None:
        """The person's next 20 ms, nothing of what Kai may not hear. Kai's loop."""
        self._ducker.hear(pcm)
        if self._recorder is not None:
            self._recorder.hear(pcm)
