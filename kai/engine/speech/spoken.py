"""Text made ready to be spoken: what each written word sounds like, and where a long text may be cut. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_CHARS: Final = 220
FIRST_MAX_CHARS: Final = 110
"""The first clause is shorter, so that the voice begins sooner: 100 characters are about 6 s of sound."""

_MIN_FIRST_CHARS: Final = 10
"""A first clause of less, such as "Well," would be spoken before the voice has the next one."""

_TITLES: Final = frozenset(
    "Mr Mrs Ms Dr Prof St Mt Ft Gen Gov Sen Rep Capt Lt Col Sgt Rev Hon Jr Sr vs etc e.g i.e approx No".split()  # noqa: SIM905
)
_CONJUNCTIONS: Final = frozenset(
    ("and", "but", "or", "because", "which", "that", "so", "while", "when", "if", "although", "since")
)
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*$")
_CLAUSE_END: Final = re.compile(r"[,;:—–][\"'”’)\]]*$")
_WIDE_END: Final = re.compile("([。！？；])")
_URL: Final = re.compile(r"^(?:https?://|www\.)(?P<host>[^/\s?#:]+)\S*$", re.IGNORECASE)
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP: Final = re.compile(r"[*`_~#>|\\]+")
_FILE_DOT: Final = re.compile(
    r"\.(?=(?:env|py|toml|txt|md|json|js|html|css|pdf|wav|mp4|yaml|yml|csv|log)\b)", re.IGNORECASE
)
_LONG_DIGITS: Final = re.compile(r"\d{13,}")
_LONG_WORD_CHARS: Final = 60
_LONG_RUN: Final = re.compile(r"(\w)\1{4,}")
_SAID_NAMES: Final = {"OPENAI": "OpenAI", "KEY": "key", "WebRTC": "web RTC", "JSON": "Jason"}
_NAMES: Final = re.compile(rf"\b(?:{'|'.join(_SAID_NAMES)})\b")
_KEPT_SYMBOLS: Final = frozenset("$£€%&+=@°/<>¢")
_LETTERS_OF_OTHERS: Final = {
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
    "ø": "o",
    "ł": "l",
    "đ": "d",
    "þ": "th",
    "ð": "th",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was written, and as it is handed to the voice (empty: it makes no sound)."""

    written: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are spoken in one breath; ``is_sentence_end`` tells which pause follows."""

    words: tuple[Word, ...]
    is_sentence_end: bool

    @property
    def written(self) -> str:
        return " ".join(word.written for word in self.words)

    @property
    def spoken(self) -> str:
        return " ".join(word.spoken for word in self.words if word.spoken)


def speak_word(written: str) -> str:
    """How one written word is to be said; empty for what has no sound: emoji, markup, scripts that the voice cannot read."""
    address = _URL.match(written)
    if address is not None:
        tail = re.search(r"[,;.!?]+$", written)
        host = address["host"].rstrip(",;.!?").removeprefix("www.")
        return speak_word(" dot ".join(host.split("."))) + (tail.group() if tail else "")
    if "://" in written:
        return "a link"
    text = re.sub(r"(?<=[^\W_])_+(?=[^\W_])", " ", written)
    text = _FILE_DOT.sub(" dot ", _MARKUP.sub("", text)).strip()
    text = _NAMES.sub(lambda match: _SAID_NAMES[match.group()], text)
    text = "".join(_plain(char) for char in text)
    text = _LONG_RUN.sub(r"\1\1\1", text) if not text[:1].isdigit() else text
    text = _LONG_DIGITS.sub(lambda match: " ".join(match.group()[:_LONG_WORD_CHARS]), text)
    if not any(char.isalnum() or char in _KEPT_SYMBOLS for char in text):
        # Punctuation that stands alone keeps its pause; anything else is silent.
        return "—" if text in {"-", "–", "—", "--"} else ""
    return text[:_LONG_WORD_CHARS] if " " not in text else text


def _plain(char: str) -> str:
    """``char`` in letters that the voice can read, or nothing."""
    if char.isascii():
        return char if char.isprintable() else ""
    if char in "’‘“”—–…°£€¢½¼¾":
        return char
    if char.lower() in _LETTERS_OF_OTHERS:
        return _LETTERS_OF_OTHERS[char.lower()]
    plain = unicodedata.normalize("NFKD", char)
    return "".join(part for part in plain if part.isascii() and part.isprintable())


def phrases(
    text: str,
    *,
    first_max_chars: int = FIRST_MAX_CHARS,
    max_chars: int = MAX_CHARS,
    max_growth: float = math.inf,
) -> Iterator[Phrase]:
    """``text`` cut into sentences, and long sentences into clauses. A phrase that has nothing to say is left out.

    None is longer than ``max_growth`` times the one before it: a slow voice makes it while that one sounds.
    """
    limit = first_max_chars
    for sentence in _sentences(text):
        rest = sentence
        while rest:
            count = _cut(rest, limit)
            part, rest = rest[:count], rest[count:]
            # A text that ends in a comma is the first part of one that is still being made.
            is_end = not rest and not _CLAUSE_END.search(part[-1].written)
            phrase = Phrase(words=tuple(part), is_sentence_end=is_end)
            if any(char.isalnum() or char in _KEPT_SYMBOLS for char in phrase.spoken):
                limit = max(first_max_chars, int(min(max_chars, max_growth * len(phrase.spoken))))
                yield phrase


class ClauseCutter:
    """Text that is still being made, cut into parts that can be spoken: the first early, the others by sentences."""

    def __init__(self) -> None:
        self._rest = ""
        self._is_first = True

    def push(self, delta: str) -> list[str]:
        """The parts that ``delta`` completed. A sentence is complete when the next word has begun."""
        self._rest += delta
        found: list[str] = []
        while (end := self._next_end()) is not None:
            part, self._rest = self._rest[:end].strip(), self._rest[end:].lstrip(" ")
            if part:
                found.append(part)
                self._is_first = False
        return found

    def flush(self) -> str:
        """What is left, when no more will come."""
        part, self._rest = self._rest.strip(), ""
        return part

    def _next_end(self) -> int | None:
        for gap in re.finditer(r"\s+", self._rest):
            before = self._rest[: gap.start()].split()
            if "\n" in gap.group():
                return gap.end()
            following = self._rest[gap.end() : gap.end() + 1]
            if not before or not following:
                continue
            length = gap.start()
            if _ends_sentence(before[-1], following):
                return gap.end()
            if self._is_first and length >= _MIN_FIRST_CHARS and _CLAUSE_END.search(before[-1]):
                return gap.end()
            if length >= (FIRST_MAX_CHARS if self._is_first else MAX_CHARS):
                return gap.end()
        return None


def _sentences(text: str) -> Iterator[list[Word]]:
    text = _LINK.sub(r"\1", _WIDE_END.sub(r"\1 ", text))
    for line in re.split(r"[\r\n\v\f\u2028\u2029]+", text):
        sentence: list[Word] = []
        written_words = line.split()
        for position, written in enumerate(written_words):
            sentence.append(Word(written, speak_word(written)))
            following = written_words[position + 1] if position + 1 < len(written_words) else ""
            if following and _ends_sentence(written, following):
                yield sentence
                sentence = []
        if sentence:
            yield sentence


def _ends_sentence(written: str, following: str) -> bool:
    """Whether a sentence ends with the word ``written``: not after a title, an initial, or before a small letter."""
    if written[-1] in "。！？":
        return True
    if not _END.search(written) or following[0].islower():
        return False
    bare = written.rstrip("\"'”’)]")
    if not bare.endswith(".") or bare.endswith(".."):
        return True
    stem = bare[:-1].lstrip("(\"“'‘[")
    return stem not in _TITLES and not (len(stem) == 1 and stem.isupper() and stem != "I")


def _cut(words: list[Word], max_chars: int) -> int:
    """How many of ``words`` the next phrase takes: all if they fit, else up to the best place to breathe."""
    length = 0
    fitting = 0
    for word in words:
        length += len(word.spoken) + 1
        if length > max_chars and fitting:
            break
        fitting += 1
    if fitting == len(words):
        return fitting
    least = max(1, fitting // 4)
    for count in range(fitting, least - 1, -1):
        if _CLAUSE_END.search(words[count - 1].written):
            return count
    for count in range(fitting, least - 1, -1):
        if words[count].written.lower() in _CONJUNCTIONS:
            return count
    return fitting
