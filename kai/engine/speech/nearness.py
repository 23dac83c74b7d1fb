"""Tells the person from background voices by loudness: the person is nearer to the microphone. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.vad import FRAME_SAMPLES
from kai.media import pcm

SIDE_TALK_DB: Final = 20.0
"""A voice this much below the person's usual loudness is somebody else's, farther away; twice the distance is 6 dB less.
``python -m kai.bench speech`` counts how often softer talk begins a turn."""
_LENIENT_DB_A_S: Final = 0.5
"""The limit falls by this much for each second of an ignored voice: it may be the person, who has moved away."""
_PAUSE_DB: Final = 30.0
"""Frames this much below the loudest frame of a turn are pauses."""
_USUAL_PERCENTILE: Final = 90
_SOFTER_SHARE: Final = 0.3


class Nearness:
    """Remembers how loud the person is, and tells which voices are too soft to be theirs.

    Until a turn was learnt, every voice is near enough.
    """

    def __init__(self) -> None:
        self._usual_db: float | None = None
        self._lenient_db = 0.0

    def is_near(self, level_db: float) -> bool:
        """Return whether a voice of this level (dB of full scale, 32 ms) may be the person's."""
        return self._usual_db is None or level_db >= self._usual_db - SIDE_TALK_DB - self._lenient_db

    def ignore(self, duration_s: float) -> None:
        """Lower the limit for ``duration_s`` of a voice that was not near."""
        self._lenient_db += _LENIENT_DB_A_S * duration_s

    def learn(self, audio: NDArray[np.float32]) -> None:
        """Learn the loudness of the person's turn, ``(samples,)`` float32 at 16 kHz: at once if louder, else gradually."""
        frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        levels_db = np.array([pcm.level_dbfs(frame) for frame in frames])
        if not len(levels_db):
            return
        heard_db = float(np.percentile(levels_db[levels_db > levels_db.max() - _PAUSE_DB], _USUAL_PERCENTILE))
        usual_db = heard_db if self._usual_db is None else self._usual_db
        self._usual_db = max(heard_db, usual_db + _SOFTER_SHARE * (heard_db - usual_db))
        self._lenient_db = 0.0
