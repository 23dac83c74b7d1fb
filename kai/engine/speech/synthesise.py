"""Text to speech: the hibari voice, with the exact times of its phonemes and words.

The model knows how long each phoneme lasts but does not say so; `with_output` makes it say so. The sentence's own silence
is cut away, since 290 ms of it at each end would be heard as a slow answer and as holes between sentences.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import onnxruntime
from hibari import dsp
from hibari.g2p import G2P
from hibari.g2p.lexicon import Lexicon
from hibari.g2p.normalize import normalize
from hibari.g2p.oov import OOV
from hibari.g2p.tagger import Tagger
from hibari.g2p.token import Tok
from hibari.g2p.tokenize import Tokenizer
from numpy.typing import NDArray

from kai.engine.speech import weights
from kai.engine.speech.sessions import make_session, run_session
from kai.engine.speech.spoken import Phrase, phrases
from kai.media import pcm

SAMPLE_RATE_HZ: Final = 24_000
MIN_SPEED: Final = 0.5
MAX_SPEED: Final = 2.0

VOICES: Final[Mapping[str, str]] = MappingProxyType({"heart": "Heart, a woman's voice, American English"})
"""The voices there are, and how to name them to a person."""

_DURATIONS_OUTPUT: Final = "/Round_output_0"
_MAX_PHONEMES: Final = 400
_HEAD_MS: Final = 30
_SENTENCE_PAUSE_MS: Final = 180
_CLAUSE_PAUSE_MS: Final = 60
_LABEL_LAG_SAMPLES: Final = 1100
"""The model's durations run 46 ms behind its sound. Where the loudness that the phonemes should have agrees best with the
loudness heard is printed by ``python -m kai.bench.speech``: r = .51 with this correction, .24 with 40 ms less of it."""

SILENCE: Final = "sil"
VISEMES: Final = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
"""The 15 Oculus visemes by the names used here, in their order."""

_STRESS: Final = frozenset("ˈˌ")
_LENGTHENERS: Final = frozenset("ːʲʰ\u0303")


def _viseme_table() -> dict[str, tuple[str, ...]]:
    groups = {
        "PP": "pbm",
        "FF": "fvɸ",
        "TH": "θð",
        "DD": "tdɾTʈɖ",
        "nn": "nlɲɴɳ",
        "SS": "szʦʣ",
        "CH": "ʃʒʧʤʂɕ",
        "kk": "kɡŋhgxqcχ",
        "RR": "ɹɜɚrɻɽʁ",
        "I": "jiɪᵻɨyʝ",
        "U": "wuʊɯ",
        "O": "oɔɒ",
        "aa": "əʌɑaæᵊɐ",
        "E": "eɛœø",
    }
    table: dict[str, tuple[str, ...]] = {
        phoneme: (viseme,) for viseme, phonemes in groups.items() for phoneme in phonemes
    }
    # The capitals are diphthongs: day, my, cow, boy, go.
    table.update(A=("E", "I"), I=("aa", "I"), W=("aa", "U"), Y=("O", "I"), O=("O", "U"), Q=("O", "U"))
    return table


PHONEME_VISEMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(_viseme_table())
"""The mouth shapes of each phoneme, in turn; what is not listed (pauses) is silence."""


class PhonemeSpan(NamedTuple):
    """One phoneme (misaki's alphabet; "" is a pause) in samples of the clause's sound, end exclusive."""

    phoneme: str
    start_sample: int
    end_sample: int


class VisemeSpan(NamedTuple):
    """One of `VISEMES` in samples of the clause's sound, end exclusive."""

    viseme: str
    start_sample: int
    end_sample: int


class WordSpan(NamedTuple):
    """One word as it was written, in samples of the clause's sound, end exclusive."""

    word: str
    start_sample: int
    end_sample: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of speech: a sentence, or a part of a long one, with the pause that follows it.

    ``pcm`` is ``(samples,)`` int16, 24 000 Hz mono. ``phonemes`` and ``visemes`` each cover it from 0 to its end without a
    gap. ``words`` are those of ``text`` that make a sound, in order.
    """

    text: str
    pcm: NDArray[np.int16]
    phonemes: tuple[PhonemeSpan, ...]
    visemes: tuple[VisemeSpan, ...]
    words: tuple[WordSpan, ...]


class _CheckedG2P(G2P):
    """hibari's text-to-phoneme rules over tables whose hashes were checked."""

    def __init__(self) -> None:
        weights.load_weights(weights.HIBARI_NORMALIZE)  # read by hibari itself when it is imported
        self.lexicon = Lexicon(
            _load_table(weights.HIBARI_LEXICON_GOLD), _load_table(weights.HIBARI_LEXICON_SILVER), False
        )
        self.tokenizer = Tokenizer(_load_table(weights.HIBARI_TOKENIZER))
        self.tagger = Tagger(_load_table(weights.HIBARI_TAGGER))
        self.unk = ""
        self.british = False
        weights.load_weights(weights.HIBARI_SPELLER_LETTERS)
        speller = make_session(
            weights.load_weights(weights.HIBARI_SPELLER_MODEL), name=weights.HIBARI_SPELLER_MODEL.name
        )
        self._oov = OOV(path=str(weights.find_weights(weights.HIBARI_SPELLER_MODEL)), session=speller)


def _load_table(file: weights.WeightFile) -> dict[str, object]:
    data = weights.load_weights(file)
    return json.loads(gzip.decompress(data) if file.name.endswith(".gz") else data)


def with_output(model: bytes, name: str) -> bytes:
    """The ONNX ``model`` with its inner float value ``name`` as one more output, without the onnx package.

    Protobuf merges a message that comes twice, so a second ``graph`` with nothing but the output may follow the model:
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


class _Sound(NamedTuple):
    """A phoneme to be spoken and the index of the phrase's word that it belongs to."""

    phoneme: str
    word: int


class Voice:
    """The voice "heart". `stream` may run in several threads at once."""

    def __init__(
        self, session: onnxruntime.InferenceSession, vocabulary: Mapping[str, int], g2p: G2P
    ) -> None:
        self._session = session
        self._vocabulary = vocabulary
        self._g2p = g2p
        self._g2p_lock = threading.Lock()

    @classmethod
    def load(cls) -> Voice:
        """Load and check the voice and its pronunciation tables. Raises `WeightsError`."""
        model = with_output(weights.load_weights(weights.HIBARI_MODEL), _DURATIONS_OUTPUT)
        vocabulary: dict[str, int] = json.loads(weights.load_weights(weights.HIBARI_VOCABULARY))
        return cls(make_session(model, name=weights.HIBARI_MODEL.name), vocabulary, _CheckedG2P())

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """``text`` as speech, clause by clause, each made only when it is asked for; nothing if nothing can be said.

        ``speed`` 1.0 is the voice's own pace; it is held between 0.5 and 2.0.
        """
        pace = min(MAX_SPEED, max(MIN_SPEED, speed))
        for phrase in phrases(text):
            with self._g2p_lock:
                sounds = self._sounds_of(phrase)
            told_words = 0
            pieces = list(_split(sounds))
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

    def _sounds_of(self, phrase: Phrase) -> list[_Sound]:
        """The phonemes of ``phrase`` that the model knows, each with its word."""
        spoken = phrase.spoken
        if not phrase.is_sentence_end and spoken[-1].isalnum():
            spoken += ","
        tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(normalize(spoken)))
        owners = _owners(phrase, tokens)
        sounds: list[_Sound] = []
        for token, owner in zip(tokens, owners, strict=True):
            text = (token.phonemes or "") + (" " if token.whitespace else "")
            for char in text:
                if char in self._vocabulary and not (
                    char == " " and (not sounds or sounds[-1].phoneme == " ")
                ):
                    sounds.append(_Sound(char, owner))
        while sounds and sounds[-1].phoneme == " ":
            sounds.pop()
        return sounds if any(sound.phoneme in PHONEME_VISEMES for sound in sounds) else []

    def _speak(
        self,
        phrase: Phrase,
        text: str,
        sounds: Sequence[_Sound],
        speed: float,
        *,
        pause_ms: int,
    ) -> Clause | None:
        ids = [0, *(self._vocabulary[sound.phoneme] for sound in sounds), 0]
        outputs = run_session(
            self._session, {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        )
        log_harmonics, phase, log_noise, log_rest, rest_phase, pitch_hz = (
            output[0] for output in outputs[:6]
        )
        # A seed of its own for each clause keeps the same words sounding the same, always.
        wave = dsp.synth(
            log_harmonics, phase, log_noise, log_rest, rest_phase, pitch_hz, np.random.default_rng(0)
        )
        first, end = pcm.loud_span(wave, threshold=0.01)
        if first == end:
            return None
        start = max(0, first - _HEAD_MS * SAMPLE_RATE_HZ // 1000)
        length = end + pause_ms * SAMPLE_RATE_HZ // 1000 - start
        sound = wave[start : start + length]
        samples = pcm.to_int16(np.pad(sound, (0, length - len(sound))).astype(np.float32, copy=False))

        units = outputs[6].ravel().astype(np.int64)
        edges = np.concatenate(([0], np.cumsum(units))) * (len(wave) / max(1, int(units.sum())))
        edges = np.clip(np.rint(edges) - _LABEL_LAG_SAMPLES - start, 0, length).astype(np.int64)
        # The pads before and after are silence; they take what the phonemes leave of the sound.
        starts, ends = edges[1:-2].tolist(), edges[2:-1].tolist()
        # The last phoneme's duration reaches into the silence after it.
        loud_end = end - start
        ends = [min(value, loud_end) for value in ends]
        starts = [min(value, loud_end) for value in starts]
        spans = _phoneme_spans(sounds, starts, ends, length)
        return Clause(
            text=text,
            pcm=samples,
            phonemes=spans,
            visemes=_viseme_spans(spans),
            words=_word_spans(phrase, sounds, starts, ends, length),
        )


def _split(sounds: Sequence[_Sound]) -> Iterator[Sequence[_Sound]]:
    """``sounds`` in pieces that the model can take, cut at spaces where there are any."""
    rest = sounds
    while len(rest) > _MAX_PHONEMES:
        spaces = [index for index in range(_MAX_PHONEMES // 2, _MAX_PHONEMES) if rest[index].phoneme == " "]
        cut = spaces[-1] if spaces else _MAX_PHONEMES
        yield rest[:cut]
        rest = rest[cut + 1 :] if spaces else rest[cut:]
    if rest:
        yield rest


def _owners(phrase: Phrase, tokens: Sequence[Tok]) -> list[int]:
    """For each token of the normalised text, the index of the phrase's word that it speaks.

    "3:05 pm" became "three oh five P.M."; words that stayed as they were hold the rest in place.
    """
    written: list[tuple[str, int]] = []
    for index, word in enumerate(phrase.words):
        written += [(_bare(part), index) for part in word.spoken.split()]
    groups: list[list[int]] = [[]]
    for position, token in enumerate(tokens):
        groups[-1].append(position)
        if token.whitespace:
            groups.append([])
    groups = [group for group in groups if group]
    said = [_bare("".join(tokens[position].text for position in group)) for group in groups]
    owners = [0] * len(tokens)
    matcher = SequenceMatcher(None, [text for text, _ in written], said, autojunk=False)
    for _, i1, i2, j1, j2 in matcher.get_opcodes():
        for j in range(j1, j2):
            # Within a stretch that changed, words share the time in order.
            i = i1 + (j - j1) * (i2 - i1) // (j2 - j1) if i2 > i1 else max(0, i1 - 1)
            for position in groups[j]:
                owners[position] = written[min(i, len(written) - 1)][1] if written else 0
    return owners


def _bare(text: str) -> str:
    return re.sub(r"[^\w]", "", text).lower()


def _phoneme_spans(
    sounds: Sequence[_Sound], starts: Sequence[int], ends: Sequence[int], length: int
) -> tuple[PhonemeSpan, ...]:
    """The phonemes from 0 to ``length`` without a gap: stress belongs to the vowel it announces, length to the one before."""
    spans: list[PhonemeSpan] = []

    def add(phoneme: str, start: int, end: int) -> None:
        if end <= start:
            return
        if spans and spans[-1].phoneme == phoneme == "":
            spans[-1] = spans[-1]._replace(end_sample=end)
        else:
            spans.append(PhonemeSpan(phoneme, start, end))

    add("", 0, starts[0])
    begun: int | None = None
    for sound, start, end in zip(sounds, starts, ends, strict=True):
        if sound.phoneme in _STRESS:
            begun = start if begun is None else begun
        elif sound.phoneme in _LENGTHENERS and spans:
            spans[-1] = spans[-1]._replace(end_sample=end)
        else:
            phoneme = sound.phoneme if sound.phoneme in PHONEME_VISEMES else ""
            add(phoneme, start if begun is None else begun, end)
            begun = None
    add("", spans[-1].end_sample if spans else 0, length)
    return tuple(spans)


def _viseme_spans(spans: Sequence[PhonemeSpan]) -> tuple[VisemeSpan, ...]:
    """The mouth shapes of ``spans``; a diphthong is two, half each.

    The space between two words of one breath is no silence: its short time goes to the shape before it.
    """
    visemes: list[VisemeSpan] = []
    for position, (phoneme, start, end) in enumerate(spans):
        shapes = PHONEME_VISEMES.get(phoneme, (SILENCE,))
        is_inner_gap = not phoneme and 0 < position < len(spans) - 1 and end - start <= _SHORT_GAP_SAMPLES
        if is_inner_gap:
            visemes[-1] = visemes[-1]._replace(end_sample=end)
            continue
        bounds = [start + (end - start) * index // len(shapes) for index in range(len(shapes) + 1)]
        for shape, shape_start, shape_end in zip(shapes, bounds, bounds[1:], strict=False):
            if shape_end <= shape_start:
                continue
            if visemes and visemes[-1].viseme == shape:
                visemes[-1] = visemes[-1]._replace(end_sample=shape_end)
            else:
                visemes.append(VisemeSpan(shape, shape_start, shape_end))
    return tuple(visemes)


_SHORT_GAP_SAMPLES: Final = 75 * SAMPLE_RATE_HZ // 1000


def _word_spans(
    phrase: Phrase, sounds: Sequence[_Sound], starts: Sequence[int], ends: Sequence[int], length: int
) -> tuple[WordSpan, ...]:
    found: dict[int, tuple[int, int]] = {}
    for sound, start, end in zip(sounds, starts, ends, strict=True):
        if sound.phoneme in PHONEME_VISEMES or sound.phoneme in _STRESS:
            known = found.get(sound.word)
            found[sound.word] = (start, end) if known is None else (known[0], max(known[1], end))
    # A word whose time was trimmed away with the silence is still said: it keeps one sample.
    return tuple(
        WordSpan(phrase.words[word].written, min(start, length - 1), max(end, min(start, length - 1) + 1))
        for word, (start, end) in sorted(found.items())
    )
