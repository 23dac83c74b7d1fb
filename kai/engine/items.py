"""The items of one conversation, in order, and how much of Kai's speech was heard."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kai.compat.format import SPEECH_HZ
from kai.engine.answer import assistant_part
from kai.engine.speech.clauses import Clause
from kai.wire.realtime import ClientMistake, ContentPart, InputTokenDetails, Item, OutputTokenDetails, Usage

_USER_AUDIO_MS_PER_TOKEN: Final = 100
_KAI_AUDIO_MS_PER_TOKEN: Final = 50
_CHARACTERS_PER_TOKEN: Final = 4


def new_id(prefix: str) -> str:
    """Return a random id, such as ``item_0f3a...``."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass(slots=True)
class Entry:
    """An item, and the facts about it that are not on the wire.

    `words` are Kai's spoken words with the end of each in ms of the item's sound. `transcribing` is the task that will
    write the person's words into the item. `is_cut` is true when Kai's speech was truncated, perhaps while still being made.
    `continues` is the person's previous item, whose end was mistaken for the end of the sentence. `asides` are Kai's remarks
    on its own machinery, such as why there is no answer; a mind that read them as part of the talk would repeat them.
    `paused_ms` is when the pause began that ended this turn of the person, on the clock of the turn detector.
    """

    item: Item
    audio_ms: int = 0
    words: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    transcribing: asyncio.Task[None] | None = None
    is_cut: bool = False
    continues: Entry | None = None
    asides: list[Aside] = field(default_factory=list["Aside"])
    paused_ms: int | None = None

    @property
    def item_id(self) -> str:
        return self.item.id or ""

    @property
    def text(self) -> str:
        """All words of the item, written or spoken."""
        parts = self.item.content or ()
        return " ".join(filter(None, (part.text or part.transcript for part in parts)))

    @property
    def told(self) -> Item:
        """The item as a mind reads it, without the asides."""
        if not self.asides:
            return self.item
        if self.is_cut:
            asides = [range(aside.first_word, aside.end_word) for aside in self.asides]
            kept = [word for place, (word, _) in enumerate(self.words) if not any(place in a for a in asides)]
            text = " ".join(kept)
        else:
            text = self.text
            for aside in reversed(self.asides):
                text = f"{text[: aside.start].rstrip()} {text[aside.end :].lstrip()}"
        return replace(self.item, content=(assistant_part(text.strip(), speaks=self.is_kais_speech),))

    @property
    def is_kais_speech(self) -> bool:
        return bool(self.words) or any(part.type == "output_audio" for part in self.item.content or ())

    def add_clause(self, clause: Clause) -> None:
        """Extends Kai's speech by `clause`, unless the speech was cut."""
        if self.is_cut:
            return
        start_ms = self.audio_ms
        self.words += [(span.word, start_ms + span.end_sample * 1000 // SPEECH_HZ) for span in clause.words]
        self.audio_ms += len(clause.pcm) * 1000 // SPEECH_HZ

    def finish(self, item: Item) -> None:
        """Takes Kai's complete message; one that was cut in the meantime keeps its truncated text."""
        if not self.is_cut:
            self.item = item

    def truncate(self, audio_end_ms: int) -> None:
        """Keeps only the words of Kai's speech that end by `audio_end_ms`, so that no mind takes the rest for heard."""
        self.words = [(word, end_ms) for word, end_ms in self.words if end_ms <= audio_end_ms]
        self.audio_ms = min(self.audio_ms, audio_end_ms)
        self.is_cut = True
        text = " ".join(word for word, _ in self.words)
        self.item = replace(self.item, status="incomplete", content=(assistant_part(text, speaks=True),))

    def set_transcript(self, transcript: str) -> None:
        """Writes the transcript into the person's item."""
        content = tuple(
            replace(part, transcript=transcript) if part.type == "input_audio" else part
            for part in self.item.content or ()
        )
        self.item = replace(self.item, content=content)


@dataclass(frozen=True, slots=True)
class Aside:
    """The position of an aside in an item's text, in characters, and in its spoken words; the ends are exclusive."""

    start: int
    end: int
    first_word: int
    end_word: int


class Items:
    """The entries of a conversation, oldest first. A missing id raises `ClientMistake`."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def last_id(self) -> str | None:
        return self._entries[-1].item_id if self._entries else None

    def get(self, item_id: str) -> Entry | None:
        """Return the entry with this id, if there is one."""
        return next((entry for entry in self._entries if entry.item_id == item_id), None)

    def find(self, item_id: str, *, verb: str) -> Entry:
        """Return the entry with this id; `verb` is what the client wants to do with it, for the message of the error."""
        if (entry := self.get(item_id)) is not None:
            return entry
        raise ClientMistake(
            f"Error: the item with id '{item_id[:80]}' does not exist, so it cannot be {verb}d.",
            code=f"item_{verb}_invalid_item_id",
            param="item_id",
        )

    def add(self, entry: Entry, *, previous_item_id: str | None = None) -> str | None:
        """Inserts `entry` after `previous_item_id` (``root``: first; ``None``: last); returns the id before it, if any."""
        if any(known.item_id == entry.item_id for known in self._entries):
            raise ClientMistake(
                f"Error: an item with id '{entry.item_id[:80]}' already exists.",
                code="item_create_duplicate_item_id",
                param="item.id",
            )
        if previous_item_id is None:
            index = len(self._entries)
        elif previous_item_id == "root":
            index = 0
        else:
            index = self._entries.index(self.find(previous_item_id, verb="create")) + 1
        before = self._entries[index - 1].item_id if index else None
        self._entries.insert(index, entry)
        return before

    def remove(self, item_id: str) -> None:
        self._entries.remove(self.find(item_id, verb="delete"))


def text_tokens(text: str) -> int:
    """Return about how many tokens `text` has, at four characters a token."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def usage_of(before: list[Entry], instructions: str, cached_tokens: int, answer: Sequence[Entry]) -> Usage:
    """Return the tokens that an answer would have cost at the reference's rates; this engine's own answers are free.

    The whole conversation is input to every answer; the part that was input before counts as cached.
    """
    in_text = text_tokens(instructions)
    in_audio = 0
    for entry in before:
        parts: tuple[ContentPart, ...] = entry.item.content or ()
        if any(part.type in ("input_audio", "output_audio") for part in parts):
            rate = _KAI_AUDIO_MS_PER_TOKEN if entry.is_kais_speech else _USER_AUDIO_MS_PER_TOKEN
            in_audio += -(-entry.audio_ms // rate)
        if not any(part.type == "input_audio" for part in parts):
            in_text += text_tokens(entry.text)
    out_text = sum(text_tokens(entry.text) for entry in answer)
    out_audio = sum(-(-entry.audio_ms // _KAI_AUDIO_MS_PER_TOKEN) for entry in answer)
    return Usage(
        total_tokens=in_text + in_audio + out_text + out_audio,
        input_tokens=in_text + in_audio,
        output_tokens=out_text + out_audio,
        input_token_details=InputTokenDetails(
            text_tokens=in_text, audio_tokens=in_audio, cached_tokens=min(cached_tokens, in_text + in_audio)
        ),
        output_token_details=OutputTokenDetails(text_tokens=out_text, audio_tokens=out_audio),
    )
