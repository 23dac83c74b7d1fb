"""Reads from instructions what the small mind can follow: names, a role, brevity, facts, and a language. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kai.engine.speech.recognition import sentences_of

_WORD: Final = r"[^\W\d_a-z][^\W\d_]*(?:['’-][^\W\d_]+)*"
_NAME: Final = rf"(?P<name>{_WORD}(?: {_WORD}){{0,3}})"
_OWN_NAME: Final = re.compile(
    rf"(?i:\byour (?:first |own )?name (?:is|shall be|will be)|\byou(?:'re| are) (?:called|named)|\bcall "
    r"yourself|\b(?:introduce yourself|act|answer|speak|present yourself) as(?: an?)?|\bgo by(?: the name(?: "
    r"of)?)?|^\W*name:)\s+"
    rf"{_NAME}|(?i:\b(?:you(?:'re| are| play| will be)|act as|play|pretend to be|be)\b[^.!?\n]*?\b(?:called|named|"
    rf"by the name of|whose name is|"
    rf"with the name))\s+{_NAME.replace('name', 'named')}|"
    rf"(?i:\byou(?:'re| are))\s+{_NAME.replace('name', 'bare')}(?=[.,;:!]|\s*$|\s+(?:an?|the|from|who|and|of)\b)",
    re.MULTILINE,
)
"""Kai's name in instructions: "Your name is Nora", "You are a museum guide called Nora", "You are Nora, a guide"."""
_NO_OWN_NAMES: Final = frozenset("kai's english german french spanish italian american british".split())  # noqa: SIM905
_THEIR_NAME: Final = re.compile(
    rf"\b(?i:my name is|my name's|call me|i am called|i'm called|the user is called|the user's name is)\s+{_NAME}"
)
_BRIEF: Final = re.compile(
    r"\b(?:brief(?:ly)?|concise(?:ly)?|terse|curt|laconic|few words|short (?:answers?|replies|sentences?)|"
    r"(?:answer|reply|speak|keep (?:it|answers?)) short|one sentence|in a sentence|to the point)\b",
    re.IGNORECASE,
)
_LANGUAGE: Final = re.compile(
    r"\b(?:speak|answer|reply|respond|talk|be|always|only|in)\s+(?:only\s+|always\s+)?(?:in\s+)?"
    r"(german|french|spanish|italian|portuguese|dutch|polish|russian|ukrainian|turkish|arabic|hebrew|hindi|chinese|"
    r"mandarin|japanese|korean|swedish|danish|norwegian|finnish|greek|czech|deutsch|fran[cç]ais|espa[nñ]ol)\b",
    re.IGNORECASE,
)
_ROLE_CHARS: Final = 160
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")
_RULE: Final = re.compile(
    r"(?:please|always|never|do|don't|be|answer|ask|speak|say|tell|keep|use|explain|reply|respond|act|avoid|stay|"
    r"talk|give|"
    r"make|call|help|welcome|greet|introduce|pretend|imagine|remember|think|try|if|when|whenever|no|not|my name|"
    r"your name|"
    r"(?:i am|i'm) called|the user)\b",
    re.IGNORECASE,
)
"""The beginning of a sentence that is a rule for Kai, or is read by one of the patterns above."""
_STATES: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|had|can|costs?|opens?|closes?|starts?|begins?|ends?|takes?|lives?|works?|"
    r"sells?|makes?|"
    r"offers?|belongs?|needs?|means?|comes?|goes)\b",
    re.IGNORECASE,
)
_TELLS_OF_KAI: Final = re.compile(
    r"(?:your \w+|you (?:are|were|have|had|live|work|come|like|love|know))\b", re.IGNORECASE
)
_AS_KAI: Final = {
    "you are": "I am",
    "you were": "I was",
    "yourself": "myself",
    "yours": "mine",
    "your": "my",
    "you": "I",
}
_OF_KAI: Final = re.compile(rf"\b(?:{'|'.join(_AS_KAI)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DescribedPersona:
    """The persona that the instructions describe; a text that they do not give is empty.

    ``name`` is Kai's name, ``their_name`` the person's, and ``role`` a sentence in which Kai says what it is. ``language``
    is one that was asked for and that Kai does not speak.
    """

    name: str = ""
    their_name: str = ""
    is_brief: bool = False
    language: str = ""
    role: str = ""

    def shape(self, text: str, *, is_first: bool) -> str:
        """Return ``text`` as this persona says it: only the first sentence if it is brief.

        The first answer also says that the requested language is not available.
        """
        said = _SENTENCE.split(text, maxsplit=1)[0] if self.is_brief else text
        if not self.language or not is_first:
            return said
        return f"I speak English only, not {self.language}, without a larger voice model. {said}"


@lru_cache(maxsize=8)
def read_persona(instructions: str, name: str = "") -> DescribedPersona:
    """Return the part of ``instructions`` that the small mind understands. ``name`` is Kai's name if they give none."""
    theirs = _THEIR_NAME.search(instructions)
    language = _LANGUAGE.search(instructions)
    own_name = _own_name(instructions)
    return DescribedPersona(
        name=own_name or name,
        their_name="" if theirs is None else theirs["name"],
        is_brief=_BRIEF.search(instructions) is not None,
        language="" if language is None else language[1].capitalize(),
        role=_role(instructions, own_name),
    )


def _own_name(instructions: str) -> str:
    for match in _OWN_NAME.finditer(instructions):
        name = match["name"] or match["named"] or match["bare"]
        if name.lower() not in _NO_OWN_NAMES:
            return name
    return ""


def _role(instructions: str, name: str) -> str:
    """Return the first fact about Kai in ``instructions`` other than its name, as Kai says it, or ""."""
    told = (fact for fact in facts_of(instructions) if fact.startswith("I ") and len(fact) <= _ROLE_CHARS)
    return next((fact for fact in told if not name or fact.rstrip(".") != f"I am {name}"), "")


def facts_of(instructions: str) -> tuple[str, ...]:
    """Return the sentences of ``instructions`` that state facts rather than rules, as Kai would say them.

    Examples: "Breakfast is from seven to ten.", and "You work at the front desk.", which becomes "I work at the front
    desk."
    """
    lines = (line.strip().lstrip("*•- \t") for line in instructions.splitlines())
    found: list[str] = []
    for sentence in (sentence for line in lines for sentence in sentences_of(line)):
        tells_of_kai = _TELLS_OF_KAI.match(sentence) is not None
        if sentence.endswith("?") or _RULE.match(sentence) or (_OF_KAI.search(sentence) and not tells_of_kai):
            continue
        if not tells_of_kai and not _STATES.search(sentence):
            continue
        said = _OF_KAI.sub(lambda heard: _AS_KAI[heard[0].lower()], sentence)
        found.append(said[:1].upper() + said[1:])
    return tuple(found)
