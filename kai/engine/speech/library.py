"""Finds the passages of the person's own text and Markdown files that answer a question.

A passage is the text under a heading, up to 80 words. A question is compared with all passages as sentence vectors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.recognition import sentences_of

MAX_PASSAGES: Final = 800
"""About 50 pages; reading them takes 5 s of a core."""
MIN_SCORE: Final = 0.45
"""The lowest cosine at which a passage counts as an answer."""
_PASSAGE_WORDS: Final = 80
_SPOKEN_SENTENCES: Final = 2

Encode = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Document:
    """A file's name and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: the headings above it, and its sentences."""

    source: str
    heading: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Found:
    """A passage, its score for the question (0 to 1), and the sentences of it that answer best."""

    passage: Passage
    score: float
    answer: str


class Library:
    """A searchable set of documents. `find` may be called from any thread."""

    def __init__(self, documents: Sequence[Document], encode: Encode) -> None:
        self._encode = encode
        self._passages = [passage for document in documents for passage in passages(document)][:MAX_PASSAGES]
        vectors = [encode(f"{passage.heading}. {passage.text}".lower()) for passage in self._passages]
        self._vectors = np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)

    def __len__(self) -> int:
        return len(self._passages)

    def find(self, question: str, count: int = 1) -> list[Found]:
        """Return at most `count` passages that answer `question`, best first, without those below `MIN_SCORE`."""
        if not self._passages:
            return []
        wanted = self._encode(question.lower())
        likeness = self._vectors @ wanted
        found: list[Found] = []
        for index in np.argsort(-likeness)[:count]:
            passage = self._passages[int(index)]
            by_sentence = [float(self._encode(sentence.lower()) @ wanted) for sentence in passage.sentences]
            score = max(float(likeness[index]), *by_sentence)
            if score >= MIN_SCORE:
                start = int(np.argmax(by_sentence))
                found.append(
                    Found(passage, score, " ".join(passage.sentences[start : start + _SPOKEN_SENTENCES]))
                )
        return found


def passages(document: Document) -> Iterator[Passage]:
    """Yield the passages of a document, in order."""
    headings: list[str] = []
    for block in re.split(
        r"\n\s*\n|\n(?=\s*(?:#{1,6}\s|[-*+]\s|\d+[.)]\s))", document.text.replace("\r\n", "\n")
    ):
        heading = re.match(r"\s*(#{1,6})\s+(.*)", block)
        if heading is not None:
            depth = len(heading[1])
            headings[depth - 1 :] = [""] * max(0, depth - 1 - len(headings)) + [_plain(heading[2])]
            block = "\n".join(block.splitlines()[1:]) if "\n" in block.strip() else ""
        words: list[str] = []
        for sentence in sentences_of(_plain(block)):
            if sum(len(word.split()) for word in [*words, sentence]) > _PASSAGE_WORDS and words:
                yield Passage(document.name, ". ".join(filter(None, headings)), tuple(words))
                words = []
            if sentence.strip():
                words.append(" ".join(sentence.split()[: 2 * _PASSAGE_WORDS]))
        if words:
            yield Passage(document.name, ". ".join(filter(None, headings)), tuple(words))


def _plain(markdown: str) -> str:
    """Return the text without Markdown's marks: links keep their words, tables and code fences lose their lines."""
    text = re.sub(r"^\s*(?:```.*|\|?[\s:|-]+\|?)$", "", markdown, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*(?:[-*+>]|\d+[.)]|#{1,6})\s+", "", text, flags=re.MULTILINE)
    text = re.sub(r"[*`~]+|(?<!\w)_+|_+(?!\w)", "", text).replace("|", " ")
    return re.sub(r"\s+", " ", text).strip()
