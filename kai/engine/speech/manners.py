"""Decides from a turn's words whether it is complete, unfinished, or only a back channel. Pure."""

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
"""Words that do not end a sentence, so that a turn that pauses after one of them is unfinished."""
_CONDITION: Final = re.compile(
    r"(?:(?:and|but|so|well|or)\W+)?(?:unless|if|although|though|whereas|while|"
    r"when (?!is|are|was|were|do|does|did|will|would|can|could|should|shall|may|has|have|had))\b[^,]*$",
    re.IGNORECASE,
)
"""A conditional clause without its main clause; the recogniser mostly puts a comma between the two."""

_NODS: Final = frozenset(
    """mm mmm mhm hm hmm mmhmm mmhm uhhuh uh huh aha ah oh yeah yes yep ya ok okay right sure cool nice great wow really
    mama momma mom mum umhum interesting indeed true alright all good i see got it understood exactly of course you""".split()  # noqa: SIM905
)
# The recogniser mostly writes "mama" for "mm-hm".
_MAX_NOD_WORDS: Final = 4

_SOUNDS_LIKE_AN_END: Final = 0.85
_NOT_AGAINST: Final = 0.5


def is_unfinished(text: str) -> bool:
    """Return whether ``text`` is plainly unfinished.

    It is when it ends with a comma, a dash, dots, or a word that needs another, or is the first half of a sentence ("If it
    rains").
    """
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
    """Return whether a turn that pauses after the words ``heard`` is complete, so that it can be answered without waiting.

    ``ending`` says how much the turn's sound ends like a complete one, 0 to 1 (see `kai.engine.speech.endings`). For a
    request (``is_request`` is called only if needed) it is enough that the sound does not contradict it. Other words must
    also sound complete and be recognised with certainty: a sentence that breaks off is misrecognised at its end, which
    lowers the score of the whole. ``python -m kai.bench speech`` breaks recordings off and counts those taken for complete.
    """
    if not heard.is_speech or ending < _NOT_AGAINST or is_unfinished(heard.text):
        return False
    sounds_whole = ending >= _SOUNDS_LIKE_AN_END and heard.is_sure
    return (sounds_whole and heard.text.rstrip().endswith((".", "!", "?"))) or is_request(heard.text)


def is_back_channel(text: str) -> bool:
    """Return whether ``text`` is a back channel, which only shows that its speaker listens ("mm-hm", "yeah", "I see")."""
    words = _words(text.replace("-", ""))
    return len(words) <= _MAX_NOD_WORDS and all(word in _NODS for word in words)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())
