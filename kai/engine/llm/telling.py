"""What the language model of this computer is told of one talk: a prompt that grows at its end.

A model on one core reads a few dozen tokens a second, and keeps what it has read. A prompt that begins as the last one did
costs only its new words; one that differs in its first line costs a minute of silence. So nothing that was told is ever
changed. The rules and the persona's instructions come first, with the time at which the talk began. Later changes are said
where they happen: when ten minutes have passed, the time stands before the next words of the person, and what their files
say stands before the question that it belongs to.

A talk may be longer than the model's 4,096 tokens. When it has grown past `HISTORY_TOKENS`, its oldest turns are left out,
half of it at once: the server moves what follows to its new place without reading it again, which works only where something
is taken away and nothing is put in. What the old turns held is therefore written down beforehand, and put at the end of the
talk, where it stays when the turns before it go. These notes are made by the model itself while nobody speaks; if there was
no time for that, the person's own statements are kept word for word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kai.engine.speech.recognition import sentences_of
from kai.engine.thinking import Question, text_of
from kai.wire.realtime import Item, JsonObject

HISTORY_TOKENS: Final = 2_400
"""What the talk may take of a slot's 4,096 tokens, beside rules, instructions, files and the answer."""
NOTES_FROM_TOKENS: Final = 1_200
KEPT_SHARE: Final = 0.5
INSTRUCTION_TOKENS: Final = 900
LINE_TOKENS: Final = 800
"""The most of a single line, such as a text that was pasted."""
CLOCK_STEP: Final = timedelta(minutes=10)
NOTE_TOKENS: Final = 140
MAX_STATEMENTS: Final = 12
MAX_STATEMENT_CHARS: Final = 140
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_MESSAGE: Final = 5
_OWN: Final = re.compile(r"\b(?:i|i'm|i've|my|mine|we|our|us|me)\b", re.IGNORECASE)

RULES: Final = (
    "You are an AI with a voice and a drawn face, in a spoken conversation with a person. You are not a person: you "
    "have no body, no age, no family and no past. You are not ChatGPT, Siri or Alexa, and neither OpenAI nor any "
    "other company made you. You run on the computer in front of the person; nothing that is said leaves it, and "
    "nobody else listens. You know a lot: history, science, art, geography, cooking, words and sums. But you cannot "
    "see or feel the person or the room, and you know no news, weather, prices, nor the future: then say that you "
    "cannot know. You cannot set timers, play music, open pages or send anything. Answer in one or two short spoken "
    "sentences, plain and warm, then ask back when it helps. No lists, no code, no links. Examples. Person: Are you a "
    "real person? You: No, I'm an AI with a drawn face. Person: Who made you? You: I'm a free program that runs on "
    "this computer, no company made me. Person: How old are you? You: I'm a program, so I have no age. Person: Does "
    "anybody listen to us? You: No, nothing that you say leaves this computer. Person: What am I holding? You: I "
    "can't see you, so I don't know. Person: How many days has a leap year? You: Three hundred and sixty-six. Person: "
    "What will happen tomorrow? You: Nobody can know that, and I can't either. Person: May I smoke in here? You, "
    "where it is forbidden: No, smoking is not allowed here, I'm sorry."
)
"""What the model is told first. A small model follows an example better than a rule, so each rule has one."""
TASK: Final = "Your task, which is true and which you follow: "
NOTE_RULES: Final = (
    "You keep the notes of a conversation. Write down in at most six short lines what the person told: names, numbers, "
    "places, plans, likes, and what was agreed. Only what stands there. Earlier notes stay, unless they have changed."
)


@dataclass(frozen=True, slots=True)
class NoteRequest:
    """A prompt for notes of the items `item_ids`."""

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
    """The prompt of one talk, from its first to its last. Pure; event loop or thread, one at a time."""

    def __init__(self) -> None:
        self._began: datetime | None = None
        self._told_time: datetime | None = None
        self._clock: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._notes: tuple[str, str] | None = None
        """The newest notes, and the item behind which they stand."""
        self._fresh_notes = ""
        self._noted: set[str] = set()

    def messages(self, question: Question, name: str, passages: str = "") -> list[JsonObject]:
        """The prompt for an answer to `question`, by the character `name`; `passages` is what the person's files say."""
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
        """What to ask the model for when nobody speaks, so that old turns may go; ``None`` while the talk is short."""
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
        """Keeps the notes that were made for `request`; they are told with the next words of the person."""
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
        # The last two lines stay whatever they are: without them there would be nothing to answer.
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
    """A date and a time of day in words: "Monday, 30 November 2026, 10:15"."""
    return f"{now:%A}, {now.day} {now:%B %Y}, {now:%H:%M}"


def tokens_of(text: str) -> int:
    """About how many tokens a message of `text` takes, rather too many: English has some 4.5 bytes a token, Russian 5."""
    return len(text.encode()) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE


def _clipped(text: str, tokens: int) -> str:
    """``text``, or its beginning and its end where it is longer than so many tokens."""
    most = tokens * _BYTES_PER_TOKEN
    data = text.encode()
    if len(data) <= most:
        return text
    head, tail = data[: most * 3 // 4], data[-most // 4 :]
    return f"{head.decode(errors='ignore')} ... {tail.decode(errors='ignore')}"


def _last_told(lines: Sequence[_Line]) -> str:
    """The item behind which something may be put without moving what was read: the last one before the person's words."""
    told = lines[:-1] if lines and lines[-1].role == "user" else lines
    return told[-1].item_id if told else ""


def statements_of(texts: Iterable[str]) -> list[str]:
    """What the person said of themselves, sentence by sentence, as it stands; questions are left out."""
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
