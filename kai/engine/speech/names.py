"""Reads the name that a person gives: "My name is Élodie", "It's not Anna, it's Hanna". Pure.

A name is taken from a sentence that says nothing else, and kept as it was said.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_PARTICLES: Final = frozenset(
    "van der den de la le du di da dos das del della von zu zur bin ibn al el bint ben ter ten of the y e und".split()  # noqa: SIM905
)
_LOWER_PARTICLES: Final = _PARTICLES - {"the", "of", "y", "e", "und", "la", "le", "ten"}
_MAX_NAME_WORDS: Final = 5
_NO_NAMES: Final = frozenset(
    """monday tuesday wednesday thursday friday saturday sunday today tomorrow tonight later back again soon now maybe
    january february march september october november december i me you he she it we they mom mum dad
    hard difficult long short unusual common strange secret irrelevant unknown important unimportant boring taken old new
    funny weird rare mud nothing none not no easy simple beautiful ugly what who
    german english american british french spanish italian portuguese dutch polish russian ukrainian turkish arab arabic
    hebrew indian chinese japanese korean swedish danish norwegian finnish greek czech austrian swiss belgian irish scottish
    welsh canadian australian mexican brazilian african european asian jewish muslim catholic christian protestant buddhist
    hindu iranian persian israeli egyptian hungarian romanian bulgarian croatian serbian slovak vietnamese thai filipino
    indonesian pakistani argentinian colombian peruvian chilean cuban latino latina nigerian kenyan ethiopian moroccan
    okay ok fine good tired happy sad sorry sure ready busy hungry thirsty bored sick ill late here back home done lost
    kai god santa siri alexa crazy lucky""".split()  # noqa: SIM905
)
"""Words that occur in the place of a name without being one; a person with such a name must add a second name."""
_HEDGES: Final = r"(?:(?:no|well|actually|yes|by the way|oh|and|sorry|so)[,.!]? )*"
_TELLS: Final = re.compile(
    _HEDGES
    + r"(?:(?P<surely>my (?:first |full |real |own |given )?name(?: is|'s)|i am called|i'm called|the name(?: is|'s)|"
    r"i go by)|(?:you (?:can|may|could|should) |please |just |simply |people |everybody |everyone |my friends |"
    r"friends )*call me|i'm|i am|(?P<here>this is|it is|it's)) "
    r"(?P<name>.+?)(?:,? (?:and )?(?:not|instead of) (?P<other>[^,]+?))?(?:,? (?:by the way|(?:nice|pleased|good|"
    r"glad) to meet you)|(?P<on> here| speaking))?",
    re.IGNORECASE,
)
_MENTIONS: Final = re.compile(
    _HEDGES
    + r"(?:my (?:first |full |real )?name(?: is|'s)|i am called|i'm called) (?P<name>[^,.;!?]+?)(?:,| and | but )",
    re.IGNORECASE,
)
_IS: Final = r"(?: but| it is| it's| my name is| my name's| i am| i'm| call me)+"
_CORRECTS: Final = re.compile(
    _HEDGES + r"(?:(?:it is|it's|my name is|my name's|i am|i'm|that is|that's) not|it isn't|my name isn't) "
    rf"(?P<other>[^,.;]+?)[,.;]?{_IS} (?P<name>.+)",
    re.IGNORECASE,
)
_FORGETS: Final = re.compile(
    r"(?:please )?forget my name|(?:please )?don't call me (?:by my name|that)(?: any ?more)?", re.IGNORECASE
)


def _is_name_word(word: str) -> bool:
    return unicodedata.category(word[0])[0] == "L" and all(
        unicodedata.category(char)[0] in "LM" or char in ".'-" for char in word
    )


def read_name(text: str) -> str | None:
    """Return the name that the whole ``text`` is: up to five words, each with a capital or a particle of names.

    In small letters, a single word is a name too, and so are words around a particle ("van der berg"); they get capitals.
    """
    words = text.strip(" ,.!?").replace("’", "'").split()
    if not words or len(words) > _MAX_NAME_WORDS or not all(map(_is_name_word, words)):
        return None
    if len(words) == 1 and words[0].lower() in _NO_NAMES:
        return None
    if all(word.islower() for word in words) and (len(words) == 1 or _LOWER_PARTICLES & set(words)):
        if words[-1] in _PARTICLES or _NO_NAMES & set(words):
            return None
        titled = [
            word if word in _PARTICLES and place else word[:1].upper() + word[1:]
            for place, word in enumerate(words)
        ]
        return " ".join(titled)
    is_name = [not word[0].islower() or word.lower() in _PARTICLES for word in words]
    return " ".join(words) if all(is_name) and not words[-1][0].islower() else None


def told_name(bare: str) -> str | None:
    """Return the speaker's name if that is all that the sentence ``bare``, without courtesies, says; else None."""
    plain = bare.strip().replace("’", "'").rstrip(".! ")
    corrects = _CORRECTS.fullmatch(plain)
    if corrects is not None:
        return read_name(corrects["name"]) if read_name(corrects["other"]) is not None else None
    tells = _TELLS.fullmatch(plain)
    if tells is None or (tells["other"] and read_name(tells["other"]) is None):
        return None
    # Without a capital "call me later" has no name and "I'm anna" is ambiguous; "it's Bob" may be about somebody else.
    is_clear = tells["surely"] or (not tells["name"].islower() and (not tells["here"] or tells["on"]))
    return read_name(tells["name"]) if is_clear else None


def mentioned_name(bare: str) -> str | None:
    """Return the speaker's name in a sentence that goes on, "My name is Anna and I live in Berlin"; None without one."""
    match = _MENTIONS.match(bare.strip().replace("’", "'"))
    return None if match is None or match["name"].islower() else read_name(match["name"])


def forgets_name(bare: str) -> bool:
    """Return whether the sentence ``bare`` asks to forget its speaker's name."""
    return _FORGETS.fullmatch(bare.strip(" .!")) is not None
