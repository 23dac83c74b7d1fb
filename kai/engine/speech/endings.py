"""Does what a person said so far sound like the end of a turn? smart-turn v3.2, asked once in each pause.

Words alone do not tell: "he was not an ill-disposed young man" may go on. The voice does: it falls at an end and hangs at
a thought. The model (Daily, BSD-2-Clause; 8.7 MB, int8) takes Whisper's features of the last eight seconds.
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
"""How likely ``(samples,)`` float32 at 16 kHz, a turn so far with the pause after it, is a whole turn: 0 to 1."""


def no_opinion(audio: NDArray[np.float32]) -> float:
    """What is said of every pause where the model cannot be had: the words decide."""
    del audio
    return 0.5


def load_smart_turn() -> JudgeEnding:
    """The model as a function, about 50 ms of a core a call. Thread-safe. Raises `WeightsError`."""
    session = make_session(load_weights(SMART_TURN), name=SMART_TURN.name)

    def judge(audio: NDArray[np.float32]) -> float:
        newest = audio[-WINDOW_SAMPLES:]
        newest = np.pad(newest, (WINDOW_SAMPLES - len(newest), 0))
        # As it was trained: the whole window, its silence included, has mean 0 and variance 1.
        level = (newest - newest.mean()) / np.sqrt(newest.var() + 1e-7)
        features = log_mel(level.astype(np.float32), WINDOW_SAMPLES)
        return float(np.ravel(run_session(session, {"input_features": features[None]})[0])[0])

    return judge
