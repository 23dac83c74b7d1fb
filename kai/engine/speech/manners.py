"""What the words tell of a talk's manners: is a turn whole or unfinished, or is it only a nod? Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from kai.engine.speech.recognition import Transcript, sentences_of

_OPEN_WORDS: Final = frozenset(
    """and but or so because if when while although since unless until than the a an my your his her its our their to of for
    from with without between about into onto i we they he she is are was were am be been um uh er erm hmm like whose which
    please very really some any every each how not has have had""".split()  # noqa: SIM905
)
"""A sentence does not end with these; what stands before a pause with one of them goes on."""
_CONDITION: Final = re.compile(
    r"(?:(?:and|but|so|well|or)\W+)?(?:unless|if|although|though|whereas|while|"
    r"when (?!is|are|was|were|do|does|did|will|would|can|could|should|shall|may|has|have|had))\b[^,]*$",
    re.IGNORECASE,
)
"""Such a clause is followed by another; the comma between the two is mostly heard."""

_NODS: Final = frozenset(
    """mm mmm mhm hm hmm mmhmm mmhm uhhuh uh huh aha ah oh yeah yes yep ya ok okay right sure cool nice great wow really
    mama momma mom mum umhum interesting indeed true alright all good i see got it understood exactly of course you""".split()  # noqa: SIM905
)
# "Mama" is what the recogniser makes of "mm-hm" most of the time.
_MAX_NOD_WORDS: Final = 4

_SOUNDS_LIKE_AN_END: Final = 0.85
_NOT_AGAINST: Final = 0.5


def is_unfinished(text: str) -> bool:
    """Whether ``text`` plainly goes on: it ends with a comma, a dash, dots, or a word that wants another, or it is the first
    half of a sentence ("If it rains")."""
    stripped = text.strip().rstrip("\"'”’)")
    if not stripped or stripped.endswith(("?", "!")):
        return False
    if stripped.endswith((",", "-", "–", "—", "...", "…", ":", ";")):
        return True
    words = _words(stripped)
    if len(words) < 2:
        return False
    return words[-1] in _OPEN_WORDS or _CONDITION.match(sentences_of(stripped)[-1]) is not None


def is_whole(heard: Transcript, ending: float, is_request: Callable[[str], bool]) -> bool:
    """Whether a turn that pauses after the words ``heard`` is over, so that it may be answered without waiting longer.

    ``ending`` is how much its sound ends like a turn, 0 to 1 (see `kai.engine.speech.endings`). Words that ask for something
    (``is_request``, which is asked only where it matters) need no more than that the sound does not speak against it; others
    must have been heard for sure as well: a sentence that breaks off is misheard at its end, which costs the whole of it its
    score. ``python -m kai.bench speech`` breaks recordings off and counts how many are taken for whole.
    """
    if not heard.is_speech or ending < _NOT_AGAINST or is_unfinished(heard.text):
        return False
    sounds_whole = ending >= _SOUNDS_LIKE_AN_END and heard.is_sure
    return (sounds_whole and heard.text.rstrip().endswith((".", "!", "?"))) or is_request(heard.text)


def is_back_channel(text: str) -> bool:
    """Whether ``text`` only says that its speaker listens ("mm-hm", "yeah", "I see"), and wants no turn."""
    words = _words(text.replace("-", ""))
    return len(words) <= _MAX_NOD_WORDS and all(word in _NODS for word in words)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
