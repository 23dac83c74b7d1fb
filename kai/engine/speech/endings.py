"""Judges in each pause whether the person's turn sounds complete, by the model smart-turn v3.2.

Words alone are not enough: "he was not an ill-disposed young man" may go on. The voice shows it: it falls at the end of a
turn, and stays up when more is to come. The model (Daily, BSD-2-Clause; 8.7 MB, int8) takes Whisper's features of the last
eight seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.compat.format import HEARING_HZ
from kai.engine.speech.features import log_mel
from kai.engine.speech.sessions import make_session, run_session
from kai.engine.speech.weights import SMART_TURN, load_weights

WINDOW_SAMPLES: Final = 8 * HEARING_HZ

JudgeEnding = Callable[[NDArray[np.float32]], float]
"""Returns how likely ``(samples,)`` float32 at 16 kHz, a turn so far with the pause after it, is complete: 0 to 1."""


def no_opinion(audio: NDArray[np.float32]) -> float:
    """Return 0.5 for every pause, where the model could not be loaded, so that the words decide."""
    del audio
    return 0.5


def load_smart_turn() -> JudgeEnding:
    """Load the model as a function that takes about 50 ms of a core a call. Thread-safe. Raises `WeightsError`."""
    session = make_session(load_weights(SMART_TURN), name=SMART_TURN.name)

    def judge(audio: NDArray[np.float32]) -> float:
        newest = audio[-WINDOW_SAMPLES:]
        newest = np.pad(newest, (WINDOW_SAMPLES - len(newest), 0))
        # As in the training, the whole window, its silence included, has mean 0 and variance 1.
        level = (newest - newest.mean()) / np.sqrt(newest.var() + 1e-7)
        features = log_mel(level.astype(np.float32), WINDOW_SAMPLES)
        return float(np.ravel(run_session(session, {"input_features": features[None]})[0])[0])

    return judge
