"""Prepares text for speech: how each written word is spoken, and where a long text may be cut. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kai.engine.speech.reading import (
    HOLDS_SPACE,
    emoji_names,
    is_heard,
    name_script,
    script_of,
    speak_token,
)

MAX_CHARS: Final = 220
FIRST_MAX_CHARS: Final = 110
"""The limit of the first clause, lower so that the voice begins sooner: 100 characters are about 6 s of sound."""

_MIN_FIRST_CHARS: Final = 10
"""A shorter first clause, such as "Well," would end before the voice has made the next one."""

_TITLES: Final = frozenset(
    """mr mrs ms mx dr prof st mt ft gen gov sen rep capt cpt lt col sgt maj adm rev hon messrs mme mlle fr sr. pres supt vs
    e.g i.e approx ca cf incl excl viz z.b d.h""".split()  # noqa: SIM905
)
"""Abbreviations after which a sentence goes on, whatever follows."""
_BEFORE_NUMBERS: Final = frozenset(
    """no nos nr fig figs p pp vol vols ch sec art eq ref tel ext est jan feb mar apr jun jul aug sep sept oct nov dec max min
    op ver v""".split()  # noqa: SIM905
)
"""Abbreviations after which a sentence goes on when a number follows."""
_MAY_END: Final = frozenset(
    """inc ltd co corp llc plc bros etc jr sr ph.d m.d b.a m.a b.c a.d u.s u.k u.s.a u.n e.u d.c a.m p.m al ave blvd rd dept
    univ assn mon tue wed thu fri sat sun""".split()  # noqa: SIM905
)
"""Abbreviations after which a sentence ends when the next word is one that rarely has a capital within a sentence."""
_INITIALS: Final = re.compile(r"(?:[a-z]\.)+[a-z]")
"""Those of a name, or of something that we do not know: "J.R.R."."""
_STARTERS: Final = frozenset(
    """the a an this that these those it he she we they you i there here what when where why how who which if but and so or
    then now yes no please my your his her its our their in on at for as after before let not all some many one do does did
    is are was were can could would should will may""".split()  # noqa: SIM905
)
_CONJUNCTIONS: Final = frozenset(
    ("and", "but", "or", "because", "which", "that", "so", "while", "when", "if", "although", "since")
)
_EARLY_WORDS: Final = 3
_EARLY_CHARS: Final = 14
"""The shortest early part: it takes a second to say, in which a slow model writes the next ten words."""
_EARLY_ENDS: Final = _CONJUNCTIONS | {
    "about",
    "after",
    "as",
    "at",
    "before",
    "between",
    "by",
    "during",
    "for",
    "from",
    "in",
    "into",
    "like",
    "on",
    "through",
    "to",
    "using",
    "where",
    "who",
    "with",
    "without",
}
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*$")
_CLAUSE_END: Final = re.compile(r"[,;:—–][\"'”’)\]]*$")
_WIDE_END: Final = re.compile("([。！？；])")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was written, and as it is given to the voice (empty if it makes no sound)."""

    written: str
    spoken: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that are spoken in one breath; ``is_sentence_end`` decides which pause follows."""

    words: tuple[Word, ...]
    is_sentence_end: bool

    @property
    def written(self) -> str:
        return " ".join(word.written for word in self.words)

    @property
    def spoken(self) -> str:
        return " ".join(word.spoken for word in self.words if word.spoken)


def phrases(
    text: str,
    *,
    first_max_chars: int = FIRST_MAX_CHARS,
    max_chars: int = MAX_CHARS,
    max_growth: float = math.inf,
) -> Iterator[Phrase]:
    """Yield ``text`` cut into sentences, and long sentences into clauses, without phrases that make no sound.

    No phrase is longer than ``max_growth`` times the previous one, since a slow voice makes it while that one is playing.
    """
    limit = first_max_chars
    for sentence in sentences(text):
        rest = _read(sentence)
        while rest:
            count = _cut(rest, limit)
            part, rest = rest[:count], rest[count:]
            # A text that ends in a comma is the beginning of a sentence that is still being made.
            is_end = not rest and not _CLAUSE_END.search(part[-1].written)
            phrase = Phrase(words=tuple(part), is_sentence_end=is_end)
            if is_heard(phrase.spoken):
                limit = max(first_max_chars, int(min(max_chars, max_growth * len(phrase.spoken))))
                yield phrase


def unread_script(text: str) -> str:
    """Return the name of the script of a sentence that `phrases` leaves out since the voice cannot read it, or ""."""
    left_out = (sentence for sentence in sentences(text) if not _read(sentence))
    return next(filter(None, (script_of(" ".join(sentence)) for sentence in left_out)), "")


def end_of(spoken: str, text: str, start: int) -> int:
    """Return the position in ``text``, from ``start`` on, where the ``spoken`` words end; white space may differ."""
    for token in spoken.split():
        found = text.find(token, start)
        if found >= 0:
            start = found + len(token)
    return start


def _read(written: Sequence[str]) -> list[Word]:
    """Return the words of a sentence with their spoken forms; none if the voice cannot read the script of most of them."""
    beside = ["", *written, ""]
    spoken = [speak_token(token, beside[place], beside[place + 2]) for place, token in enumerate(written)]
    unread = [not said and script_of(token) != "" for token, said in zip(written, spoken, strict=True)]
    heard = [is_heard(said) for said in spoken]
    if not any(heard) or sum(unread) > sum(heard):
        return []
    last = max(place for place, is_said in enumerate(heard) if is_said)
    for place, token in enumerate(written):
        if unread[place] and not (place and unread[place - 1]):
            run = next((n for n in range(place, len(written)) if not unread[n]), len(written))
            marks = re.search(r"[,;.!?]+$", written[run - 1])
            spoken[place] = name_script(" ".join(written[place:run]), run - place) + (
                marks[0] if marks else ""
            )
        elif not spoken[place] and any(heard[:place]) and place < last and not unread[place]:
            spoken[place] = emoji_names(token)
    return [Word(token, said) for token, said in zip(written, spoken, strict=True)]


class ClauseCutter:
    """Cuts text that is still being made into parts that can be spoken: the first part early, the others by sentences.

    The parts joined are exactly the text.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._is_first = True

    def push(self, delta: str) -> list[str]:
        """Takes more text; returns the parts that it completed. A sentence is complete when the next word has begun."""
        self._rest += delta
        found: list[str] = []
        while (end := self._next_end()) is not None:
            part, self._rest = self._rest[:end], self._rest[end:]
            found.append(part)
            self._is_first = self._is_first and not part.strip()
        return found

    def flush(self) -> str:
        """Returns the rest at the end of the text."""
        part, self._rest = self._rest, ""
        return part

    def _next_end(self) -> int | None:
        masked = _mask(self._rest)
        for gap in re.finditer(r"\s+", masked):
            words = masked[: gap.start()].split()
            following = masked[gap.end() :]
            if not words or not following or _is_open(self._rest[: gap.start()]):
                continue
            if "\n" in gap.group():
                return gap.end()
            length = gap.start()
            # The next word decides whether "No." ends a sentence or abbreviates "number", so it must be complete.
            next_word = re.match(r"\S+(?=\s)", following)
            if _may_end(words[-1]) and next_word is None and not _is_plain_end(words[-1]):
                continue
            next_token = (next_word or re.match(r"\S+", following) or gap)[0]
            if _ends_sentence(words[-1], next_token, is_first=len(words) == 1):
                return gap.end()
            if self._is_first and length >= _MIN_FIRST_CHARS and _CLAUSE_END.search(words[-1]):
                return gap.end()
            if length >= (FIRST_MAX_CHARS if self._is_first else MAX_CHARS):
                return gap.end()
        return self._early_end(masked) if self._is_first else None

    def _early_end(self, masked: str) -> int | None:
        """Returns where an unfinished first sentence may be cut: before a word that begins a new part of it."""
        for gap in re.finditer(r"\s+", masked):
            following = re.match(r"(\w+)\s", masked[gap.end() :])
            if following is None or gap.start() < _EARLY_CHARS:
                continue
            if len(masked[: gap.start()].split()) < _EARLY_WORDS:
                continue
            if following[1].lower() in _EARLY_ENDS and not _is_open(self._rest[: gap.start()]):
                return gap.end()
        return None


def _is_open(text: str) -> bool:
    """Return whether ``text`` ends within a block of code that is still being written."""
    return text.count("```") % 2 == 1 or text.count("~~~") % 2 == 1


_HOLD: Final = str.maketrans({" ": "\ue000", "\n": "\ue001", "\t": "\ue002", "\r": "\ue003"})
_FREE: Final = {hold: chr(space) for space, hold in _HOLD.items()}
_FREED: Final = str.maketrans({str(hold): space for hold, space in _FREE.items()})


def _mask(text: str) -> str:
    """Return ``text``, at the same length, with placeholders for the white space within a token."""
    for construct in HOLDS_SPACE:
        text = construct.sub(lambda match: match[0].translate(_HOLD), text)
    return text


def sentences(text: str) -> Iterator[list[str]]:
    """Yield the sentences of ``text``, each as its tokens as written. Only white space is lost.

    A sentence ends after its mark, a line or a block of code, but not after the stops of "Dr.", "No. 5" or "5 p.m. on
    Friday".
    """
    for line in re.split(r"[\r\n\v\f\x85\u2028\u2029]+", _mask(text)):
        sentence: list[str] = []
        tokens = [token for part in _WIDE_END.sub(r"\1 ", line).split(" ") for token in part.split()]
        for position, token in enumerate(tokens):
            sentence.append(token.translate(_FREED))
            following = tokens[position + 1] if position + 1 < len(tokens) else ""
            if following and (
                _ends_sentence(token, following, is_first=len(sentence) == 1) or following.startswith("```")
            ):
                yield sentence
                sentence = []
        if sentence:
            yield sentence


def _is_plain_end(written: str) -> bool:
    """Return whether a sentence ends with this word, whatever follows."""
    return not _may_end(written) or written.rstrip("\"'”’)]")[-1] in "!?…。！？"


def _may_end(written: str) -> bool:
    """Return whether the word may be an abbreviation, so that its stop may not end a sentence."""
    stem = written.rstrip("\"'”’)]").removesuffix(".").lstrip("(\"“'‘[").lower()
    return written.rstrip("\"'”’)]").endswith(".") and (
        stem in _TITLES
        or stem in _BEFORE_NUMBERS
        or stem in _MAY_END
        or len(stem) == 1
        or _INITIALS.fullmatch(stem) is not None
    )


def _ends_sentence(written: str, following: str, *, is_first: bool = False) -> bool:
    """Return whether a sentence ends with the word ``written``; ``is_first``: it is the sentence's first word.

    A sentence does not end after an abbreviation or an initial, or before a small letter. pysbd was tried: it loses
    characters that it uses as its own marks, and cuts "approx. 5 km" and "5 p.m. Eastern time".
    """
    if written[-1] in "。！？":
        return True
    if not _END.search(written) or following.lstrip("\"“'‘([")[:1].islower():
        return False
    bare = written.rstrip("\"'”’)]")
    if not bare.endswith(".") or bare.endswith(".."):
        return True
    stem = bare[:-1].lstrip("(\"“'‘[")
    name = stem.lower()
    if is_abbreviation(stem):
        return False
    if name in _BEFORE_NUMBERS and stem not in ("May", "Mar"):
        return not following[0].isdigit()
    if name in _MAY_END or _INITIALS.fullmatch(name):
        return re.sub(r"\W", "", following).lower() in _STARTERS
    if name.isdigit():
        return not (is_first and len(name) < 3)  # "1. Boil the water." is an item of a list
    return True


def is_abbreviation(stem: str) -> bool:
    """Return whether ``stem`` with a full stop is a title, an initial, or another word that does not end a sentence."""
    return stem.lower() in _TITLES or (len(stem) == 1 and stem.isupper() and stem != "I")


def _cut(words: list[Word], max_chars: int) -> int:
    """Return how many of ``words`` the next phrase takes: all if they fit, else up to the best place for a breath."""
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
