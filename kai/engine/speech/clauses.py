"""A clause of speech with the times of its phonemes, mouth shapes and words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kai.compat.format import SPEECH_HZ
from kai.engine.speech.spoken import Phrase

SILENCE: Final = "sil"
VISEMES: Final = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "I", "O", "U")
"""The 15 Oculus visemes in their order."""

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
    # The capitals are diphthongs: A as in day, I in my, W in cow, Y in boy, O and Q in go.
    table.update(A=("E", "I"), I=("aa", "I"), W=("aa", "U"), Y=("O", "I"), O=("O", "U"), Q=("O", "U"))
    return table


PHONEME_VISEMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(_viseme_table())
"""The mouth shapes of each phoneme, in order; any other phoneme (a pause) is silence."""


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
    gap, or are empty where the voice does not know them, so that the lips are derived from the sound. ``words`` are those
    of ``text`` that make a sound, in order.
    """

    text: str
    pcm: NDArray[np.int16]
    phonemes: tuple[PhonemeSpan, ...]
    visemes: tuple[VisemeSpan, ...]
    words: tuple[WordSpan, ...]


class Sound(NamedTuple):
    """A phoneme to be spoken, and the index of its word in the phrase."""

    phoneme: str
    word: int


def louder(clause: Clause, gain_db: float) -> Clause:
    """Return the clause with its sound made louder by `gain_db`."""
    if gain_db == 0.0:
        return clause
    sound = clause.pcm.astype(np.float32) * 10 ** (gain_db / 20)
    # A soft knee, since hard clipping crackles.
    bent = np.tanh(sound / 32_767) * 32_767 if gain_db > 0 else sound
    return replace(clause, pcm=bent.astype(np.int16))


def phoneme_spans(
    sounds: Sequence[Sound], starts: Sequence[int], ends: Sequence[int], length: int
) -> tuple[PhonemeSpan, ...]:
    """Return the phonemes from 0 to ``length`` without a gap.

    A stress mark is added to the vowel after it, and a length mark to the vowel before it.
    """
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


def viseme_spans(spans: Sequence[PhonemeSpan]) -> tuple[VisemeSpan, ...]:
    """Return the mouth shapes of ``spans``; a diphthong has two, half each.

    A short gap between two words of one breath is not a silence: its time is added to the shape before it.
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


_SHORT_GAP_SAMPLES: Final = 75 * SPEECH_HZ // 1000


def word_spans(
    phrase: Phrase, sounds: Sequence[Sound], starts: Sequence[int], ends: Sequence[int], length: int
) -> tuple[WordSpan, ...]:
    found: dict[int, tuple[int, int]] = {}
    for sound, start, end in zip(sounds, starts, ends, strict=True):
        if sound.phoneme in PHONEME_VISEMES or sound.phoneme in _STRESS:
            known = found.get(sound.word)
            found[sound.word] = (start, end) if known is None else (known[0], max(known[1], end))
    # A word whose time was trimmed with the silence is still spoken, so it keeps one sample.
    return tuple(
        WordSpan(phrase.words[word].written, min(start, length - 1), max(end, min(start, length - 1) + 1))
        for word, (start, end) in sorted(found.items())
    )
