"""Text to speech by phonemes, with the exact times of phonemes and words. Kai's own voices use hibari's model.

A model computes how long each phoneme lasts but does not output it; `with_output` adds that output. The silence that the
model makes around a sentence, 290 ms at each end, is trimmed: it would delay the answer and leave gaps between sentences.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from kai.compat.format import SPEECH_HZ
from kai.engine.speech import weights
from kai.engine.speech.clauses import (
    Clause,
    Sound,
    phoneme_spans,
    viseme_spans,
    word_spans,
)
from kai.engine.speech.pronounce import Pronouncer, split
from kai.engine.speech.sessions import make_session, run_session
from kai.engine.speech.spoken import FIRST_MAX_CHARS, MAX_CHARS, Phrase, phrases
from kai.engine.speech.timbre import OWN, Description, Timbre, hurried, sound_of
from kai.media import pcm

MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 2.0

_DURATIONS_OUTPUT: Final = "/Round_output_0"
_HEAD_MS: Final = 30
_SENTENCE_PAUSE_MS: Final = 180
_CLAUSE_PAUSE_MS: Final = 60


def with_output(model: bytes, name: str) -> bytes:
    """Return the ONNX ``model`` with its inner float value ``name`` as another output, without the onnx package.

    Protobuf merges a message that occurs twice, so a second ``graph`` with nothing but the output may follow the model:
    ModelProto.graph(7).output(12){name(1), type(2).tensor_type(1).elem_type(1) = FLOAT}.
    """
    float_tensor = _field(1, b"\x08\x01")
    return model + _field(7, _field(12, _field(1, name.encode()) + _field(2, float_tensor)))


def _field(number: int, content: bytes) -> bytes:
    length = len(content)
    size = bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


class PhonemeVoice(ABC):
    """A voice that speaks phonemes. `stream` may run in several threads at once.

    ``vocabulary`` has the model's number of each phoneme. The model's durations lag behind its sound by
    ``label_lag_samples``.
    """

    first_max_chars: int = FIRST_MAX_CHARS
    """The most characters of the first clause: a slow voice begins sooner with a short one."""
    max_chars: int = MAX_CHARS
    max_growth: float = math.inf
    """See `phrases`."""

    def __init__(self, pronouncer: Pronouncer, vocabulary: Mapping[str, int], label_lag_samples: int) -> None:
        self._pronouncer = pronouncer
        self._vocabulary = vocabulary
        self._label_lag_samples = label_lag_samples

    @abstractmethod
    def _render(self, ids: Sequence[int], speed: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the sound of the phonemes, ``(samples,)`` float32 at 24 000 Hz, and their durations in equal units."""

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """Yield ``text`` as speech, clause by clause, each made on demand; nothing if no word can be spoken.

        ``speed`` 1.0 is the voice's own pace; it is limited to 0.5 to 2.0.
        """
        pace = min(MAX_SPEED, max(MIN_SPEED, speed))
        cut = phrases(
            text,
            first_max_chars=self.first_max_chars,
            max_chars=self.max_chars,
            max_growth=self.max_growth,
        )
        for phrase in cut:
            sounds = self._pronouncer.sounds_of(phrase, self._vocabulary)
            told_words = 0
            pieces = list(split(sounds))
            for piece in pieces:
                is_last = piece is pieces[-1]
                word_end = len(phrase.words) if is_last else piece[-1].word + 1
                text_words = phrase.words[told_words:word_end]
                clause = self._speak(
                    phrase,
                    " ".join(word.written for word in text_words),
                    piece,
                    pace,
                    pause_ms=_SENTENCE_PAUSE_MS if phrase.is_sentence_end and is_last else _CLAUSE_PAUSE_MS,
                )
                if clause is not None:
                    told_words = word_end
                    yield clause

    def _speak(
        self,
        phrase: Phrase,
        text: str,
        sounds: Sequence[Sound],
        speed: float,
        *,
        pause_ms: int,
    ) -> Clause | None:
        wave, units = self._render([0, *(self._vocabulary[sound.phoneme] for sound in sounds), 0], speed)
        first, end = pcm.loud_span(wave, threshold=0.01)
        if first == end:
            return None
        start = max(0, first - _HEAD_MS * SPEECH_HZ // 1000)
        length = end + pause_ms * SPEECH_HZ // 1000 - start
        sound = wave[start : start + length]
        samples = pcm.to_int16(np.pad(sound, (0, length - len(sound))).astype(np.float32, copy=False))

        edges = np.concatenate(([0], np.cumsum(units))) * (len(wave) / max(1, int(units.sum())))
        edges = np.clip(np.rint(edges) - self._label_lag_samples - start, 0, length).astype(np.int64)
        # The first and the last phoneme are silent pads, which cover the rest of the sound.
        starts, ends = edges[1:-2].tolist(), edges[2:-1].tolist()
        # The last phoneme's duration extends into the silence after it.
        loud_end = end - start
        ends = [min(value, loud_end) for value in ends]
        starts = [min(value, loud_end) for value in starts]
        spans = phoneme_spans(sounds, starts, ends, length)
        return Clause(
            text=text,
            pcm=samples,
            phonemes=spans,
            visemes=viseme_spans(spans),
            words=word_spans(phrase, sounds, starts, ends, length),
        )


class Voice(PhonemeVoice):
    """The voice "heart" of hibari, or one derived from it by a timbre; it takes 1 % of a core while it speaks."""

    _LAG_SAMPLES: Final = 1100
    """The model's durations lag 46 ms behind its sound. ``python -m kai.bench speech`` correlates the loudness expected of
    the phonemes with the loudness of the sound: r = .51 with this correction, .24 with 40 ms less."""

    _MAX_PACE: Final = 1.3
    """The fastest pace of the network itself, which swallows syllables beyond it ("Day is Sunday"); frames are left out
    instead. At a speed of 1.5 the recogniser misread 5 to 10 % of the men's words by the network alone, and 1 % this way."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        vocabulary: Mapping[str, int],
        pronouncer: Pronouncer,
        timbre: Timbre = OWN,
    ) -> None:
        super().__init__(pronouncer, vocabulary, round(self._LAG_SAMPLES * timbre.stretch))
        self._session = session
        self._timbre = timbre

    @classmethod
    def load(cls, pronouncer: Pronouncer | None = None, network: bytes | None = None) -> Voice:
        """Load and check the voice and, where they are not given, its pronunciation tables. ``network`` is another one of
        hibari's, whose bytes were checked. Raises `WeightsError`."""
        own = weights.load_weights(weights.HIBARI_MODEL) if network is None else network
        model = with_output(own, _DURATIONS_OUTPUT)
        vocabulary: dict[str, int] = json.loads(weights.load_weights(weights.HIBARI_VOCABULARY))
        session = make_session(model, name=weights.HIBARI_MODEL.name)
        return cls(session, vocabulary, pronouncer or Pronouncer())

    def moved(self, timbre: Timbre) -> Voice:
        """Return the voice of the same network with that timbre; nothing is loaded."""
        return Voice(self._session, self._vocabulary, self._pronouncer, timbre)

    def _render(self, ids: Sequence[int], speed: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        # The network makes fewer frames in the proportion in which each of them will be longer.
        pace = speed * self._timbre.pace * self._timbre.stretch
        asked = min(pace, self._MAX_PACE)
        outputs = run_session(
            self._session, {"ids": np.asarray([ids], np.int64), "speed": np.asarray([asked], np.float32)}
        )
        said = hurried(Description(*(output[0] for output in outputs[:6])), pace / asked)
        return sound_of(said, self._timbre), outputs[6].ravel().astype(np.int64)
