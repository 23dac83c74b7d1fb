"""Notes that a person asks Kai to remember during a talk, and to forget. Pure: they are read from the person's lines.

Of two notes about the same thing the newest wins.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from kai.engine.speech.orders import Done, for_you, requests_of

_SUBJECT: Final = (
    r"(?:my|our|i|i'm|i've|i'll|we|we're|the|there|there's|he|she|they|it|it's|you|today|tomorrow|\w+'s)\b"
)
_NOTE: Final = re.compile(
    r"(?:(?:make|take|keep|leave|write|save|add)(?: me)? (?:a )?note(?! to )(?: down)?(?: of the fact)?(?:,|:)?(?: that| "
    r"of|:)?|"
    r"note(?: down)?(?: that|:|,)|(?:(?:make|take|write|leave)(?: me)? (?:a )?)?note to (?:self|myself)(?:[:,]| that)|"
    r"write down(?: that|:)|jot down(?: that|:)|remember to|remember this:|remember:|don't forget to|do not "
    r"forget to) "
    rf"(?P<any>(?!(?:of )?(?:that|this|it)$).{{3,200}})|"
    r"(?:remember|note|don't forget|do not forget|keep in mind|memorize|memorise|bear in mind),?"
    rf"(?P<that> that)? (?P<fact>{_SUBJECT} .{{2,200}}|[^\W\d_a-z]\w* .{{2,200}})",
    re.IGNORECASE,
)
_NOTED_LAST: Final = re.compile(
    rf"(?P<fact>{_SUBJECT} .{{2,200}}?)(?:,| so| and)+ (?:please )?(?:remember|note|don't forget) (?:that|this|it)",
    re.IGNORECASE,
)
"""The order after the fact: "My car is on level two, remember that"."""
_BARE_FACT: Final = re.compile(r"(?:my|our|i|i'm|i've|i'll|we|we're|there's|there is)\b", re.IGNORECASE)
_VERB: Final = re.compile(
    r"(?:\b(?:is|are|was|were|am|has|have|had|will|can|must|need|like|love|hate|want|live|work|parked|put|left|"
    r"lent|owe|go|do|"
    r"should|take|eat|drink|prefer|said|gave|told|bought|'s|'m|'ve|'ll)\b|'s\b|'m\b|'ve\b|'ll\b|\b\w{3,}(?:s|ed)\b)",
    re.IGNORECASE,
)
_TELLS_OF_IT: Final = re.compile(
    r"^(?:remember|don't forget|do not forget) to\b.*\b(?:is|are|was|says?|said)\b", re.IGNORECASE
)
"""A statement about remembering, not an order."""
_NO_FACT: Final = re.compile(
    r"(?:when|how|why|where|if|the (?:day|days|time|times|first|last|old|good))\b", re.IGNORECASE
)
_FORGET: Final = re.compile(
    r"(?:(?:you (?:can|may)|please) )*(?:forget|delete|remove|clear|erase|scratch|discard|drop)(?: about)? (?:"
    r"(?P<all>(?:all |all of |everything(?: |$)|every )(?:(?:the|my|of|those|these|them|it|notes?|i (?:told|said "
    r"to) you|"
    r"that i (?:told|said to|asked) you|i asked you|to remember)"
    r"(?: |$))*|(?:my|the|those|these) notes)|"
    r"(?P<last>that|this|it|that note|the note|that one|what i (?:just )?(?:said|told you))(?: again)?|"
    r"(?P<about>.+))",
    re.IGNORECASE,
)
_ALL_BUT: Final = re.compile(
    r"(?:all|every)(?: of)?(?: the| my)? notes? (?:except|but|other than)(?: for)?(?: the| my)? (?P<what>.+)",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(
    r"(?:the |my )?(?:(?P<place>first|second|third|fourth|fifth|last|latest|newest) (?:note|one|thing)|"
    r"note (?:number )?(?P<number>\d|one|two|three|four|five))",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"(?:the |my |that )?(?:(?P<label>[\w' ]+) )?(?:note|one)"
    r"(?: (?:about|on|with|of|for|that|which|saying|where|to)(?: says| said)? (?P<what>.+))?",
    re.IGNORECASE,
)
_TOLD: Final = re.compile(
    r"(?:what i (?:said|told you|asked you to remember) )?(?:about |that |where |what |when |who )?",
    re.IGNORECASE,
)
_PLACES: Final = {
    word: place
    for place, words in enumerate(
        (
            ("first", "one", "1"),
            ("second", "two", "2"),
            ("third", "three", "3"),
            ("fourth", "four", "4"),
            ("fifth", "five", "5"),
        )
    )
    for word in words
}
_LISTS: Final = re.compile(
    r"(?:what|which)(?: things| notes)? (?:did i (?:ask|tell) you to (?:remember|note|keep in mind)|(?:do|did|"
    r"should|can) you "
    r"(?:remember|note|keep in mind)(?: for me| about me)?|have you (?:noted|remembered)(?: down| for me)?)|"
    r"(?:what are|what's in|what is in|what's on|read(?: me)?(?: out)?|show(?: me)?|tell me|list|give me|do i "
    r"have any|are there any|"
    r"any) ?(?:all )?(?:my |the |your )?notes(?: (?:back|again|aloud|please|say))*|what do my notes say|what i "
    r"asked you to remember",
    re.IGNORECASE,
)
_STOP_WORDS: Final = frozenset(
    """what where when who whose which how is are was were do does did have has the a an my your i you me of in on at to for
    it that and so again tell know can say remember name's""".split()  # noqa: SIM905
)
_NO_NOTES: Final = "You have not asked me to remember anything yet."


def answer_note(sentence: str, said_before: Sequence[str]) -> Done | None:
    if (noted := _noted(sentence)) is not None:
        return Done(f"I will remember for this talk: {for_you(noted)}.", "note")
    notes = _notes(said_before)
    plain = sentence.strip(" .!?,")
    if _LISTS.fullmatch(plain):
        if not notes:
            return Done(_NO_NOTES, "note")
        return Done(f"You asked me to remember: {'; '.join(for_you(note) for note in notes[-5:])}.", "note")
    forget = _FORGET.fullmatch(plain)
    if forget is not None:
        return _forgotten(forget, notes)
    return _recall(plain, notes)


def _recall(plain: str, notes: Sequence[str]) -> Done | None:
    """Return the newest note that answers the question ``plain``, if there is one."""
    if not re.match(r"(?:and )?(?:what|where|when|who|whose|which|how)\b", plain.lower()) or not re.search(
        r"\b(?:my|our|i|the)\b", plain.lower()
    ):
        return None
    wanted = content_words(plain)
    shared = {note: len(wanted & content_words(note)) for note in notes}
    best = max(reversed(notes), key=lambda note: shared[note], default="")
    if not best or not wanted or shared[best] * 2 < len(wanted):
        return None
    return Done(f"You told me: {for_you(best)}.", "note", is_whole=wanted <= content_words(best))


def _noted(sentence: str) -> str | None:
    """Return what the sentence asks to remember; None if it is anything else."""
    plain = sentence.strip().rstrip(".! ")
    last = _NOTED_LAST.fullmatch(plain)
    if last is not None and _VERB.search(last["fact"]):
        return last["fact"]
    match = None if plain.endswith("?") else _NOTE.fullmatch(plain)
    if match is None:
        return None
    fact = match["any"] or match["fact"]
    if match["any"] and _TELLS_OF_IT.search(plain):
        return None
    if match["fact"]:
        # "Remember the day we met" and "remember that old song" are reminiscences, not orders.
        is_bare = not match["that"] and not re.match(r"note|keep|bear", plain, re.IGNORECASE)
        if not _VERB.search(fact) or _NO_FACT.match(fact) or (is_bare and not _BARE_FACT.match(fact)):
            return None
    return fact


def _notes(said_before: Sequence[str]) -> list[str]:
    """Return the notes that the person's lines asked for and did not cancel, oldest first."""
    notes: list[str] = []
    for line in said_before:
        for sentence in requests_of(line):
            noted = _noted(sentence)
            forget = _FORGET.fullmatch(sentence.strip(" .!?,")) if notes and noted is None else None
            if noted is not None:
                notes.append(noted)
            elif forget is not None:
                notes = _without(notes, forget)
    return notes


def _forgotten(forget: re.Match[str], notes: list[str]) -> Done | None:
    """Return what Kai says to an order to forget; None where the words may be about anything else."""
    about = forget["about"] or ""
    is_of_notes = bool(forget["all"]) or "note" in about.lower().split()
    if not notes:
        # "Forget it" may mean other things, too.
        return Done("Okay, I have forgotten that.", "note") if forget["all"] else None
    if _without(notes, forget) == notes:
        return Done("I have no such note.", "note") if is_of_notes else None
    return Done("Okay, I have forgotten that.", "note")


def _without(notes: list[str], forget: re.Match[str]) -> list[str]:
    """Return ``notes`` without those to forget: all, the newest, one by its number, or those about something."""
    if forget["all"]:
        return []
    if forget["last"]:
        return notes[:-1]
    about = forget["about"]
    all_but = _ALL_BUT.fullmatch(about)
    if all_but is not None:
        return _about(notes, all_but["what"]) or notes
    numbered = _NUMBERED.fullmatch(about)
    if numbered is not None:
        place = _PLACES.get((numbered["place"] or numbered["number"]).lower(), len(notes) - 1)
        return notes[:place] + notes[place + 1 :]
    found = _about(notes, about)
    return [note for note in notes if note not in found]


def _about(notes: list[str], text: str) -> list[str]:
    """Return the notes that ``text`` names: "the note about the car", "the car note", "where my car is"."""
    named = _NAMED.fullmatch(text)
    what = text if named is None else f"{named['label'] or ''} {named['what'] or ''}"
    wanted = content_words(_TOLD.sub("", what.strip(), count=1))
    return [note for note in notes if wanted and wanted <= content_words(note)]


def content_words(text: str) -> set[str]:
    words = {
        word.removesuffix("'s").rstrip("s")
        for word in re.findall(r"[\w']+", text.lower())
        if word not in _STOP_WORDS
    }
    return words - {""}
