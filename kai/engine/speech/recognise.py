"""Speech to text by Whisper tiny.en, int8, on one thread, and by Whisper base where tiny.en is in doubt.

Whisper always encodes a window of 30 s. CTranslate2 accepts shorter ones: with a window of 10 s and a bound on the number of
words an utterance costs a third, and no accuracy was lost on the measured utterances. In shorter windows the decoder begins
to loop, and with a single word it does so in a window of 10 s as well: "Yes. Yes. Yes."
"""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import ctranslate2
import numpy as np
import tokenizers
from numpy.typing import NDArray

from kai.compat.format import HEARING_HZ
from kai.compat.recent import Recent
from kai.engine.speech import weights
from kai.engine.speech.features import log_mel
from kai.engine.speech.recognition import NOTHING, Transcript, words_of
from kai.errors import WeightsError
from kai.media import pcm

_WINDOW_SAMPLES: Final = 10 * HEARING_HZ
_WORD_SAMPLES: Final = 2 * HEARING_HZ
_WORD_WINDOW_SAMPLES: Final = 15 * HEARING_HZ
"""The window of sounds of `_WORD_SAMPLES` and less, which may be a single word."""
_FULL_WINDOW_SAMPLES: Final = 30 * HEARING_HZ
_MAX_PIECE_SAMPLES: Final = 22 * HEARING_HZ
_CUT_FROM_SAMPLES: Final = 12 * HEARING_HZ
_CUT_TO_SAMPLES: Final = 20 * HEARING_HZ
_SKIPS_FROM_SAMPLES: Final = 4 * HEARING_HZ
_LEAST_WORDS_PER_S: Final = 2.0
"""A piece of `_SKIPS_FROM_SAMPLES` and more in which fewer words a second of voice were recognised is read again in halves.
People who read aloud say three and more."""
_MAX_TOKENS: Final = 220
_REMEMBERED_PIECES: Final = 8
_CAREFUL_BEAM: Final = 5

MIN_SCORE: Final = -1.1
"""A text with a mean log-probability below this is taken for an invention: silence and noise gave "you" and the like at -1.2
and less, real speech -1.0 and more."""

NOISY_RANGE_DB: Final = 20.0
"""The second recogniser is asked for sound with a smaller level range than this, and for a doubtful text."""

_REPETITION_RATIO: Final = 1.9
_SILENT_PEAK: Final = 0.002


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one Whisper model, ``model`` in parts. ``tokens`` are the prompt for a transcript without times."""

    name: str
    config: weights.WeightFile
    model: tuple[weights.WeightFile, ...]
    vocabulary: weights.WeightFile
    tokenizer: weights.WeightFile
    tokens: tuple[str, ...]


_TINY: Final = _Files(
    "whisper-tiny.en",
    weights.WHISPER_CONFIG,
    (weights.WHISPER_MODEL,),
    weights.WHISPER_VOCABULARY,
    weights.WHISPER_TOKENIZER,
    ("<|startoftranscript|>", "<|notimestamps|>"),
)
_BASE: Final = _Files(
    "whisper-base",
    weights.BASE_CONFIG,
    (weights.BASE_MODEL_1, weights.BASE_MODEL_2),
    weights.BASE_VOCABULARY,
    weights.BASE_TOKENIZER,
    ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>"),
)


class Recogniser:
    """One Whisper model. `transcribe` may be called from any thread; calls wait for each other, since one core is enough."""

    def __init__(
        self,
        model: ctranslate2.models.Whisper,
        tokenizer: tokenizers.Tokenizer,
        tokens: Sequence[str],
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._prompt = [_token_id(tokenizer, token) for token in tokens]
        self._second: Recogniser | None = None
        self._lock = threading.Lock()
        self._remembered = Recent[bytes, Transcript](_REMEMBERED_PIECES)

    @classmethod
    def load(cls) -> Recogniser:
        """Load and check tiny.en (about 0.4 s). Raises `WeightsError`."""
        return cls._load(_TINY)

    @classmethod
    def load_base(cls) -> Recogniser:
        """Load and check base, which takes twice the time and is better in noise. Raises `WeightsError`."""
        return cls._load(_BASE)

    def with_second(self, second: Recogniser) -> Recogniser:
        """Let this recogniser ask `second` where it is in doubt; return it."""
        self._second = second
        return self

    @classmethod
    def _load(cls, known: _Files) -> Recogniser:
        files = {
            "config.json": weights.load_weights(known.config),
            "model.bin": b"".join(weights.load_weights(file) for file in known.model),
            "vocabulary.txt": weights.load_weights(known.vocabulary),
        }
        tokenizer = tokenizers.Tokenizer.from_str(weights.load_weights(known.tokenizer).decode())
        try:
            model = ctranslate2.models.Whisper(
                known.name, device="cpu", compute_type="int8", inter_threads=1, intra_threads=1, files=files
            )
        except RuntimeError as error:
            raise WeightsError(
                "The speech recogniser could not be started. Install it again: "
                "pip install --force-reinstall --no-deps ctranslate2",
                code="weights_unusable",
            ) from error
        return cls(model, tokenizer, known.tokens)

    def transcribe(self, audio: NDArray[np.float32], beam: int = 5) -> Transcript:
        """Return the words in ``audio``, ``(samples,)`` float32 at 16 kHz.

        ``beam`` is 5 for a turn, less for partial transcripts. Sound longer than 22 s is cut at its quietest places; the
        transcripts of all pieces but the last are cached, so that a growing sound is not decoded again.
        """
        if audio.ndim != 1 or audio.dtype != np.float32:
            raise TypeError(f"expected (samples,) float32, got {audio.shape} {audio.dtype}")
        found: list[tuple[Transcript, int]] = []
        rest = audio
        while len(rest) > _MAX_PIECE_SAMPLES:
            cut = pcm.quietest_sample(rest, HEARING_HZ, start=_CUT_FROM_SAMPLES, end=_CUT_TO_SAMPLES)
            found.append((self._transcribe_remembered(rest[:cut]), cut))
            rest = rest[cut:]
        last = self._transcribe_surely(rest, beam)
        if not found:
            return last
        believed = [(heard, length) for heard, length in (*found, (last, len(rest))) if heard.is_speech]
        if not believed:
            return last
        return _joined(believed)

    def _transcribe_remembered(self, audio: NDArray[np.float32]) -> Transcript:
        key = hashlib.blake2b(audio.tobytes(), digest_size=16).digest()
        with self._lock:
            known = self._remembered.get(key)
        if known is not None:
            return known
        heard = self._transcribe_surely(audio, beam=5)
        with self._lock:
            self._remembered[key] = heard
        return heard

    def _transcribe_surely(self, audio: NDArray[np.float32], beam: int) -> Transcript:
        """Transcribe a piece, for a turn also with the second recogniser where the first is in doubt; the surer one wins."""
        heard = self._transcribe_all(audio, beam)
        if self._second is None or beam < _CAREFUL_BEAM or heard.score == NOTHING.score:
            return heard
        if heard.is_sure and pcm.level_range_db(audio, HEARING_HZ) > NOISY_RANGE_DB:
            return heard
        return max(heard, self._second._transcribe_piece(audio, beam), key=lambda each: each.score)

    def _transcribe_all(self, audio: NDArray[np.float32], beam: int) -> Transcript:
        """Transcribe a piece, in halves where words are missing: the decoder may skip whole sentences of a long one."""
        heard = self._transcribe_piece(audio, beam)
        if beam < _CAREFUL_BEAM or len(audio) < _SKIPS_FROM_SAMPLES:
            return heard
        words = len(words_of(heard.text)) if heard.is_speech else 0
        if words >= _LEAST_WORDS_PER_S * pcm.loud_seconds(audio, HEARING_HZ):
            return heard
        third = len(audio) // 3
        cut = pcm.quietest_sample(audio, HEARING_HZ, start=third, end=2 * third)
        halves = [(self._transcribe_all(part, beam), len(part)) for part in (audio[:cut], audio[cut:])]
        believed = [(half, length) for half, length in halves if half.is_speech]
        if len(words_of(" ".join(half.text for half, _ in believed))) <= words:
            return heard
        return _joined(believed)

    def _transcribe_piece(self, audio: NDArray[np.float32], beam: int) -> Transcript:
        if not len(audio) or float(np.max(np.abs(audio))) < _SILENT_PEAK:
            return NOTHING
        with self._lock:
            is_word = len(audio) <= _WORD_SAMPLES
            window_samples = _WORD_WINDOW_SAMPLES if is_word else _WINDOW_SAMPLES
            text, score = self._decode(audio, beam, min_window_samples=window_samples)
            if is_repetitive(text):
                text, score = self._decode(audio, beam, min_window_samples=_FULL_WINDOW_SAMPLES)
        return Transcript(text=text, score=score, is_speech=score > MIN_SCORE and bool(words_of(text)))

    def _decode(self, audio: NDArray[np.float32], beam: int, *, min_window_samples: int) -> tuple[str, float]:
        window_samples = min(_FULL_WINDOW_SAMPLES, max(min_window_samples, len(audio) + HEARING_HZ))
        features = log_mel(audio, window_samples)
        result = self._model.generate(
            ctranslate2.StorageView.from_array(features[None]),
            [self._prompt],
            beam_size=beam,
            # A person says 3 words a second; without a bound the decoder fills silence with inventions.
            max_length=min(_MAX_TOKENS, 14 + 9 * len(audio) // HEARING_HZ),
            return_scores=True,
        )[0]
        text = self._tokenizer.decode(result.sequences_ids[0]).strip()
        return text, float(result.scores[0])


def _joined(parts: Sequence[tuple[Transcript, int]]) -> Transcript:
    """Return one transcript of consecutive parts, each with its length in samples."""
    total = sum(length for _, length in parts)
    return Transcript(
        text=" ".join(heard.text for heard, _ in parts),
        score=sum(heard.score * length for heard, length in parts) / total,
        is_speech=True,
    )


def _token_id(tokenizer: tokenizers.Tokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        raise WeightsError(
            f"The recogniser's tokenizer does not know {token}. {weights.WHISPER_TOKENIZER.cure}",
            code="weights_unusable",
        )
    return token_id


def is_repetitive(text: str) -> bool:
    """Return whether ``text`` compresses so well that the decoder must have looped."""
    data = text.encode()
    return len(data) > _REPETITION_RATIO * len(zlib.compress(data))
