"""The extra voices: Kokoro-82M (int8), installed by ``requirements-voices.txt``. It takes half a core and more.

The phonemes are made by hibari's rules, which are Kokoro's own (misaki), American or British, so no GPL package is needed.
The voices' styles are in ``data/kokoro_voices.npz``: for each, a row of 256 numbers for each count of phonemes, 1 to 400.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kai.engine.speech import weights
from kai.engine.speech.pronounce import Pronouncer
from kai.engine.speech.sessions import make_session, run_session
from kai.engine.speech.synthesise import PhonemeVoice, with_output

_DURATIONS_OUTPUT: Final = "/encoder/Round_output_0"
_LAG_SAMPLES: Final = 1100
"""The durations lag 46 ms behind the sound, as do those of hibari, which learnt them from Kokoro; measured the same way."""


class KokoroVoice(PhonemeVoice):
    """One of Kokoro's voices. The session is shared by all of them."""

    first_max_chars = 28
    """Making a clause takes at least half of its length."""
    max_chars = 100
    max_growth = 1.5
    """Making a clause of twice the length takes longer than the previous one plays, so Kai would pause in mid-sentence."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        styles: NDArray[np.float16],
        vocabulary: Mapping[str, int],
        pronouncer: Pronouncer,
    ) -> None:
        super().__init__(pronouncer, vocabulary, _LAG_SAMPLES)
        self._session = session
        self._styles = styles

    @classmethod
    def blended(cls, parts: Sequence[tuple[KokoroVoice, float]]) -> KokoroVoice:
        """Return a mix of voices, each with its share; it has the first one's accent."""
        first = parts[0][0]
        styles = sum(voice._styles.astype(np.float32) * share for voice, share in parts)
        return cls(first._session, np.asarray(styles, np.float16), first._vocabulary, first._pronouncer)

    def _render(self, ids: Sequence[int], speed: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        style = self._styles[min(len(ids) - 2, len(self._styles)) - 1].astype(np.float32)
        wave, durations = run_session(
            self._session,
            {
                "tokens": np.asarray([ids], np.int64),
                "style": style[None],
                "speed": np.asarray([speed], np.float32),
            },
        )
        return wave.ravel(), durations.ravel().astype(np.int64)


def load_kokoro(
    pronouncers: Mapping[str, Pronouncer], network: bytes | None = None
) -> dict[str, KokoroVoice]:
    """Load the voices by id, each with its own of ``pronouncers``. ``network`` are the fetched bytes, which were checked;
    without them the installed packages are read. Takes seconds and 600 MB. Raises `WeightsError`."""
    model = network or b"".join(weights.load_weights(part) for part in weights.KOKORO_PARTS)
    session = make_session(with_output(model, _DURATIONS_OUTPUT), name="kokoro")
    vocabulary: dict[str, int] = json.loads(weights.load_weights(weights.HIBARI_VOCABULARY))
    with np.load(io.BytesIO(weights.load_weights(weights.KOKORO_VOICES)), allow_pickle=False) as styles:
        return {
            voice_id: KokoroVoice(session, styles[voice_id], vocabulary, pronouncer)
            for voice_id, pronouncer in pronouncers.items()
        }
