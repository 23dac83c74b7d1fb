"""Converts words to phonemes by hibari's rules (after misaki's), American or British, with tables of verified hashes."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Container, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from hibari.g2p import G2P
from hibari.g2p.lexicon import Lexicon
from hibari.g2p.normalize import normalize
from hibari.g2p.oov import OOV
from hibari.g2p.tagger import Tagger
from hibari.g2p.token import Tok
from hibari.g2p.tokenize import Tokenizer

from kai.engine.speech import weights
from kai.engine.speech.clauses import PHONEME_VISEMES, Sound
from kai.engine.speech.sessions import make_session
from kai.engine.speech.spoken import Phrase

_MAX_PHONEMES: Final = 400


class _CheckedG2P(G2P):
    """hibari's text-to-phoneme rules with tables of verified hashes."""

    def __init__(self, *, is_british: bool) -> None:
        weights.load_weights(weights.HIBARI_NORMALIZE)  # only checked: hibari reads the file itself on import
        gold, silver = weights.HIBARI_LEXICON_GOLD, weights.HIBARI_LEXICON_SILVER
        letters, model = weights.HIBARI_SPELLER_LETTERS, weights.HIBARI_SPELLER_MODEL
        if is_british:
            gold, silver = weights.HIBARI_LEXICON_GOLD_GB, weights.HIBARI_LEXICON_SILVER_GB
            letters, model = weights.HIBARI_SPELLER_LETTERS_GB, weights.HIBARI_SPELLER_MODEL_GB
        self.lexicon = Lexicon(_load_table(gold), _load_table(silver), is_british)
        self.tokenizer = Tokenizer(_load_table(weights.HIBARI_TOKENIZER))
        self.tagger = Tagger(_load_table(weights.HIBARI_TAGGER))
        self.unk = ""
        self.british = is_british
        weights.load_weights(letters)
        speller = make_session(weights.load_weights(model), name=model.name)
        self._oov = OOV(path=str(weights.find_weights(model)), session=speller)


def _load_table(file: weights.WeightFile) -> dict[str, object]:
    data = weights.load_weights(file)
    return json.loads(gzip.decompress(data) if file.name.endswith(".gz") else data)


class Pronouncer:
    """Finds the phonemes of phrases in one accent. May be used from any thread."""

    def __init__(self, *, is_british: bool = False) -> None:
        """Load and check the tables. Raises `WeightsError`."""
        self._g2p: G2P = _CheckedG2P(is_british=is_british)
        self._lock = threading.Lock()

    def sounds_of(self, phrase: Phrase, alphabet: Container[str]) -> list[Sound]:
        """Return the phonemes of ``phrase`` that are in ``alphabet``, each with its word; none if they make no sound."""
        spoken = phrase.spoken
        if not phrase.is_sentence_end and spoken[-1].isalnum():
            spoken += ","
        with self._lock:
            tokens = self._g2p.phonemize_tokens(self._g2p.tokenize(normalize(spoken)))
        owners = _owners(phrase, tokens)
        sounds: list[Sound] = []
        for token, owner in zip(tokens, owners, strict=True):
            text = (token.phonemes or "") + (" " if token.whitespace else "")
            for char in text:
                if char in alphabet and not (char == " " and (not sounds or sounds[-1].phoneme == " ")):
                    sounds.append(Sound(char, owner))
        while sounds and sounds[-1].phoneme == " ":
            sounds.pop()
        return sounds if any(sound.phoneme in PHONEME_VISEMES for sound in sounds) else []


def split(sounds: Sequence[Sound]) -> Iterator[Sequence[Sound]]:
    """Yield ``sounds`` in pieces short enough for a model, cut at spaces where there are any."""
    rest = sounds
    while len(rest) > _MAX_PHONEMES:
        spaces = [index for index in range(_MAX_PHONEMES // 2, _MAX_PHONEMES) if rest[index].phoneme == " "]
        cut = spaces[-1] if spaces else _MAX_PHONEMES
        yield rest[:cut]
        rest = rest[cut + 1 :] if spaces else rest[cut:]
    if rest:
        yield rest


def _owners(phrase: Phrase, tokens: Sequence[Tok]) -> list[int]:
    """Return for each token of the normalised text the index of the phrase's word that it speaks.

    Normalisation turns "3:05 pm" into "three oh five P.M."; unchanged words anchor the alignment of the others.
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
            # Within a changed stretch the words are assigned proportionally, in order.
            i = i1 + (j - j1) * (i2 - i1) // (j2 - j1) if i2 > i1 else max(0, i1 - 1)
            for position in groups[j]:
                owners[position] = written[min(i, len(written) - 1)][1] if written else 0
    return owners


def _bare(text: str) -> str:
    return re.sub(r"[^\w]", "", text).lower()
