"""Orders about how Kai speaks: slower, louder, as usual. Pure.

Only orders to Kai count: a slow car or a loud concert changes nothing.
"""

from __future__ import annotations

import re
from typing import Final

from kai.engine.speech.orders import Done, Manner

_BIT: Final = (
    r"(?:(?:a bit|a little bit|a little|a tiny bit|a lot|much|slightly|somewhat|even|still|way|far|just|so|that|"
    r"quite|really) "
    r")*"
)
_BITS: Final = r"(?: (?:a bit|a little bit|a little|a tiny bit|slightly|again|more|some more|a notch))*"
_TALK: Final = r"(?:speak|talk|speaking|talking|go|read|say (?:it|that|this)|sound|be|tell (?:it|that))"
_YOU: Final = (
    r"(?:you are|you're|you|your (?:voice|speech|talking|speaking) is)"
    r"(?: (?:speak|talk|speaking|talking|going|sound|sounding|being))?"
)
_VOICE: Final = r"(?:your voice|the volume|the sound|your volume|yourself|your speech|volume|it)"


def _manner_words(comparative: str, plain_form: str, too: str, others: str) -> re.Pattern[str]:
    """Return the pattern of an order for one change: the bare words, "speak …", or "you are too …"."""
    return re.compile(
        rf"(?:(?:{_TALK}|make it) )?{_BIT}(?:{comparative}){_BITS}|{_TALK} {_BIT}(?:{plain_form}){_BITS}|"
        rf"(?:not|(?:don't|do not|not) {_TALK}) (?:so|too|that|quite so) (?:{too})|"
        rf"(?:{_YOU} )?{_BIT}too (?:{too})(?: for me)?|{_YOU} so (?:{too})|(?:{others})"
    )


_SLOWER: Final = _manner_words(
    "slower|more slowly|less quickly|less fast",
    "slow|slowly",
    "fast|quick|quickly",
    rf"slow (?:it )?down{_BITS}",
)
_FASTER: Final = _manner_words(
    "faster|more quickly|quicker|less slowly",
    "fast|quickly|quick",
    "slow|slowly",
    rf"speed (?:it )?up{_BITS}|hurry up",
)
_LOUDER: Final = _manner_words(
    "louder|more loudly|less quietly|less softly",
    "loud|loudly|up",
    "quiet|quietly|soft|softly|low",
    rf"turn {_VOICE} up{_BITS}|turn up {_VOICE}{_BITS}|volume up|raise {_VOICE}{_BITS}|increase {_VOICE}",
)
_SOFTER: Final = _manner_words(
    "softer|quieter|more quietly|more softly|less loud|less loudly",
    "soft|softly|quietly",
    "loud|loudly",
    rf"turn {_VOICE} down{_BITS}|turn down {_VOICE}{_BITS}|volume down|lower {_VOICE}{_BITS}|reduce {_VOICE}",
)
_NORMAL: Final = re.compile(
    rf"(?:you (?:can|may) )?(?:{_TALK} )?(?:normally|as (?:you did )?before|like before|the way you did before)(?: "
    rf"again)?|"
    rf"(?:(?:go|switch|return) )?back to (?:your |the )?(?:normal|usual)(?: speed| pace| voice| volume)?|"
    rf"(?:{_TALK} )?(?:at |in |with |use )?(?:a |your |the )?"
    r"(?:normal|usual|original|default) (?:speed|pace|voice|volume|loudness)(?: again)?|reset your (?:speed|pace|"
    r"voice|volume)"
)
_MANNERS: Final = (
    (_SLOWER, Done("Okay, I'll speak more slowly.", "slower"), Manner(pace=0.82)),
    (_FASTER, Done("Okay, I'll speak faster.", "faster"), Manner(pace=1.22)),
    (_LOUDER, Done("Okay, I'm louder now.", "louder"), Manner(gain_db=6.0)),
    (_SOFTER, Done("Okay, I'm softer now.", "softer"), Manner(gain_db=-6.0)),
    (_NORMAL, Done("Okay, back to my usual voice.", "normal"), None),
)
_LEAST, _MOST = Manner(0.5, -18.0), Manner(1.6, 12.0)


def changed(manner: Manner, skill: str) -> Manner:
    """Return ``manner`` after the skill of that name; it is unchanged by a skill of another kind."""
    change = next((change for _, done, change in _MANNERS if done.skill == skill), manner)
    if change is None:
        return Manner()
    if change is manner:
        return manner
    return Manner(
        min(_MOST.pace, max(_LEAST.pace, manner.pace * change.pace)),
        min(_MOST.gain_db, max(_LEAST.gain_db, manner.gain_db + change.gain_db)),
    )


def answer_manner(plain: str) -> Done | None:
    """Return the answer to the order ``plain`` about pace or loudness; None if it is anything else."""
    return next((done for words, done, _ in _MANNERS if words.fullmatch(plain)), None)
