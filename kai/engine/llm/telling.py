"""The prompts that the language model of this computer gets in one talk: text is only ever added at the end.

A model on one core reads a few dozen tokens a second, and caches what it has read. A prompt that begins like the previous
one costs only its new words; one that differs in its first line costs a minute of silence. So text that the model has read
is never changed. The rules and the persona's instructions come first, with the time at which the talk began. Later changes
are added where they occur: after ten minutes the time is given before the person's next words, and passages from the
person's files are put before the question that they belong to.

A talk may be longer than the model's 4,096 tokens. Once it has grown past `HISTORY_TOKENS`, its oldest turns are removed,
half of the talk at once. The server then moves the rest to its new position without reading it again, which works only for
text that is removed, not for text that is inserted. The content of the old turns is therefore noted beforehand and put at
the end of the talk, where it stays when the turns before it are removed. The model itself writes these notes while nobody
speaks; if there was no time for that, the person's own statements are kept word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kai.engine.speech.recognition import sentences_of
from kai.engine.spoken_rules import RULES, TASK
from kai.engine.thinking import Question, text_of
from kai.wire.realtime import Item, JsonObject

HISTORY_TOKENS: Final = 2_400
"""The talk's share of a slot's 4,096 tokens; the rest is for rules, instructions, files and the answer."""
NOTES_FROM_TOKENS: Final = 1_200
KEPT_SHARE: Final = 0.5
INSTRUCTION_TOKENS: Final = 900
LINE_TOKENS: Final = 800
"""The limit of a single message, such as a pasted text."""
CLOCK_STEP: Final = timedelta(minutes=10)
NOTE_TOKENS: Final = 140
MAX_STATEMENTS: Final = 12
MAX_STATEMENT_CHARS: Final = 140
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_MESSAGE: Final = 5
_OWN: Final = re.compile(r"\b(?:i|i'm|i've|my|mine|we|our|us|me)\b", re.IGNORECASE)

NOTE_RULES: Final = (
    "You keep the notes of a conversation. Write down in at most six short lines what the person told: names, numbers, "
    "places, plans, likes, and what was agreed. Only what stands there. Earlier notes stay, unless they have changed."
)


@dataclass(frozen=True, slots=True)
class NoteRequest:
    """A prompt that asks for notes of the items `item_ids`."""

    messages: tuple[JsonObject, ...]
    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    item_id: str
    role: str
    text: str

    @property
    def tokens(self) -> int:
        return tokens_of(self.text)

    @property
    def message(self) -> JsonObject:
        return {"role": self.role, "content": self.text}


class Telling:
    """The successive prompts of one talk. Pure; from any thread, but one call at a time."""

    def __init__(self) -> None:
        self._began: datetime | None = None
        self._told_time: datetime | None = None
        self._clock: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._notes: tuple[str, str] | None = None
        """The newest notes, and the id of the item after which they are told."""
        self._fresh_notes = ""
        self._noted: set[str] = set()

    def messages(self, question: Question, name: str, passages: str = "") -> list[JsonObject]:
        """Return the prompt for an answer to `question` by the character `name`; `passages` are from the person's files."""
        self._began = self._began or question.now
        self._told_time = self._told_time or question.now
        lines = _lines_of(question.items)
        self._tell_time(lines, question.now)
        self._place_notes(lines)
        self._make_room(lines)
        rules = f"{RULES} Your name is {name}. This talk began on {say_when(self._began)}."
        instructions = _clipped(question.instructions.strip(), INSTRUCTION_TOKENS)
        if instructions:
            rules = f"{rules}\n{TASK}{instructions}"
        told: list[JsonObject] = [{"role": "system", "content": rules}]
        for index, line in enumerate(lines):
            if line.item_id in self._clock:
                told.append({"role": "system", "content": self._clock[line.item_id]})
            if passages and index == len(lines) - 1 and line.role == "user":
                told.append({"role": "system", "content": passages})
            if line.item_id not in self._left_out:
                told.append(line.message)
            if self._notes is not None and line.item_id == self._notes[1]:
                told.append(
                    {"role": "system", "content": f"Notes of what was said before:\n{self._notes[0]}"}
                )
        return told

    def due_notes(self, question: Question) -> NoteRequest | None:
        """Return the request for notes that is due, before old turns are removed; ``None`` while the talk is short."""
        lines = [line for line in _lines_of(question.items) if line.item_id not in self._left_out]
        fresh = [line for line in lines if line.item_id not in self._noted]
        if len(fresh) < 2 or sum(line.tokens for line in fresh) < NOTES_FROM_TOKENS:
            return None
        said = "\n".join(f"{'Person' if line.role == 'user' else 'You'}: {line.text}" for line in fresh)
        earlier = f"Earlier notes:\n{self._notes[0]}\n" if self._notes is not None else ""
        asked = f"{earlier}The conversation:\n{said}\n\nThe notes:"
        return NoteRequest(
            ({"role": "system", "content": NOTE_RULES}, {"role": "user", "content": asked}),
            tuple(line.item_id for line in fresh),
        )

    def take_notes(self, request: NoteRequest, notes: str) -> None:
        """Keeps the notes that were made for `request`; the next prompt includes them."""
        if notes.strip():
            self._noted |= set(request.item_ids)
            self._fresh_notes = notes.strip()

    def _place_notes(self, lines: Sequence[_Line]) -> None:
        if self._fresh_notes and (behind := _last_told(lines)):
            self._notes, self._fresh_notes = (self._fresh_notes, behind), ""

    def _tell_time(self, lines: Sequence[_Line], now: datetime) -> None:
        if not lines or lines[-1].role != "user" or lines[-1].item_id in self._clock:
            return
        if self._told_time is not None and now - self._told_time >= CLOCK_STEP:
            self._told_time = now
            self._clock[lines[-1].item_id] = f"It is {say_when(now)} now."

    def _make_room(self, lines: Sequence[_Line]) -> None:
        kept = [line for line in lines if line.item_id not in self._left_out]
        size = sum(line.tokens for line in kept) + (tokens_of(self._notes[0]) if self._notes else 0)
        if size <= HISTORY_TOKENS:
            return
        leaving: list[_Line] = []
        # Always keep the last two lines, since without them there would be nothing to answer.
        while len(kept) > 2 and size > HISTORY_TOKENS * KEPT_SHARE:
            line = kept.pop(0)
            size -= line.tokens
            leaving.append(line)
        self._left_out |= {line.item_id for line in leaving}
        lost = [line.text for line in leaving if line.role == "user" and line.item_id not in self._noted]
        behind = _last_told(kept)
        if behind and (statements := statements_of(lost)):
            earlier = [] if self._notes is None else self._notes[0].splitlines()
            self._notes = ("\n".join([*earlier, *statements][-2 * MAX_STATEMENTS :]), behind)
        self._noted |= {line.item_id for line in leaving}


def say_when(now: datetime) -> str:
    """Return a date and time in words: "Monday, 30 November 2026, 10:15"."""
    return f"{now:%A}, {now.day} {now:%B %Y}, {now:%H:%M}"


def tokens_of(text: str) -> int:
    """Return a high estimate of the tokens of a message: English has some 4.5 bytes a token, Russian 5."""
    return len(text.encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE


def _clipped(text: str, tokens: int) -> str:
    """Return ``text``, or its beginning and end joined by dots where it is longer than ``tokens``."""
    most = tokens * _BYTES_PER_TOKEN
    data = text.encode()
    if len(data) <= most:
        return text
    head, tail = data[: most * 3 // 4], data[-most // 4 :]
    return f"{head.decode(errors='ignore')} ... {tail.decode(errors='ignore')}"


def _last_told(lines: Sequence[_Line]) -> str:
    """Return the id of the last item before the person's words: text put after it moves nothing that was read, or ""."""
    told = lines[:-1] if lines and lines[-1].role == "user" else lines
    return told[-1].item_id if told else ""


def statements_of(texts: Iterable[str]) -> list[str]:
    """Return the person's sentences about themselves, word for word and without questions."""
    found: list[str] = []
    for text in texts:
        for sentence in sentences_of(text):
            if _OWN.search(sentence) and not sentence.endswith("?"):
                found.append(f"The person said: {sentence[:MAX_STATEMENT_CHARS]}")
    return found[-MAX_STATEMENTS:]


def _lines_of(items: Sequence[Item]) -> list[_Line]:
    return [
        _Line(item.id or f"#{index}", item.role, _clipped(text, LINE_TOKENS))
        for index, item in enumerate(items)
        if item.type == "message" and item.role in ("user", "assistant") and (text := text_of(item).strip())
    ]
