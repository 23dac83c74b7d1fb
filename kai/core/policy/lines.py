"""The lines of the chat: how they are added, how they grow, and what remains of an interrupted one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kai.core.characters import name_of
from kai.core.events import (
    ArmTimer,
    AssistantTranscriptChanged,
    CancelTimer,
    PlayoutInterrupted,
    Step,
    UserTranscriptChanged,
)
from kai.core.state import Message, Role, SessionState
from kai.core.timers import TranscriptOverdue, UndoOver
from kai.core.words import first_words, words_of

TRANSCRIPT_PATIENCE_S = 15.0
"""If a person's line has no transcript after this time, none is expected any more."""

FALSE_START_MS = 1_000
"""An answer of which less than this was heard before the person spoke on was begun in the middle of the person's turn."""


UNDO_S = 5.0
"""How long cleared lines can be put back."""


def clear(state: SessionState) -> Step:
    """Take all finished lines from the chat, for good once `UNDO_S` are over. A line that the brain has not yet stays."""
    unsent = {item_id for item_id, _ in state.pending_text}
    kept = tuple(m for m in state.messages if not m.is_final or m.id in unsent)
    gone = tuple(m for m in state.messages if m not in kept)
    if not gone:
        return state, ()
    return replace(state, messages=kept, cleared=(*state.cleared, *gone)), (ArmTimer(UndoOver(), UNDO_S),)


def undo_clear(state: SessionState) -> Step:
    """Put the cleared lines back before those that came since. A late transcript may have begun such a line anew."""
    if not state.cleared:
        return state, ()
    since = {m.id for m in state.messages}
    back = tuple(m for m in state.cleared if m.id not in since)
    return replace(state, messages=(*back, *state.messages), cleared=()), (CancelTimer(UndoOver()),)


def find_line(state: SessionState, message_id: str) -> Message | None:
    return next((m for m in reversed(state.messages) if m.id == message_id), None)


def change_line(state: SessionState, message_id: str, change: Callable[[Message], Message]) -> SessionState:
    return replace(state, messages=tuple(change(m) if m.id == message_id else m for m in state.messages))


def change_response_lines(
    state: SessionState, response_id: str, change: Callable[[Message], Message]
) -> SessionState:
    messages = tuple(change(m) if m.response_id == response_id else m for m in state.messages)
    return replace(state, messages=messages)


def finish_lines(state: SessionState, response_id: str) -> SessionState:
    return change_response_lines(state, response_id, lambda m: replace(m, is_final=True))


def without_empty(state: SessionState, message_id: str) -> SessionState:
    messages = tuple(m for m in state.messages if m.id != message_id or m.text.strip())
    return replace(state, messages=messages)


def wall_s(state: SessionState, at: float) -> float:
    return state.started_wall_s + (at - state.started_at_s)


def put_user_line(state: SessionState, item_id: str, text: str, at: float, *, is_final: bool) -> SessionState:
    if find_line(state, item_id) is not None:
        return change_line(state, item_id, lambda m: replace(m, text=text or m.text, is_final=is_final))
    line = Message(item_id, Role.USER, text, wall_s(state, at), is_final=is_final)
    return replace(state, messages=(*state.messages, line))


def assistant_line(state: SessionState, event: AssistantTranscriptChanged, at: float) -> SessionState:
    line = find_line(state, event.item_id)
    if line is None:
        line = Message(
            event.item_id,
            Role.ASSISTANT,
            event.text,
            wall_s(state, at),
            response_id=event.response_id,
            is_final=event.is_final,
            speaker=name_of(state.look),
        )
        return replace(state, messages=(*state.messages, line))
    if line.is_final and not event.is_final:
        return state
    return change_line(state, event.item_id, lambda m: replace(m, text=event.text, is_final=event.is_final))


def is_false_start(state: SessionState, event: PlayoutInterrupted) -> bool:
    """Return whether Kai took a pause for an end: the person goes on speaking within a second of Kai's first sound."""
    return state.is_user_speaking and event.heard_ms < FALSE_START_MS


def cut_message(state: SessionState, event: PlayoutInterrupted) -> SessionState:
    """Shorten an interrupted answer to the words that were heard, and drop lines of which nothing was heard.

    Words are counted, not compared: the number of heard words is spent on the answer's lines in order. An answer into which
    the person went on speaking at once was a false start, and leaves no line.
    """
    if is_false_start(state, event):
        return replace(state, messages=tuple(m for m in state.messages if m.response_id != event.segment_id))
    if event.heard_text is None and event.heard_ms > 0:
        return state
    heard = len(words_of(event.heard_text or ""))
    messages: list[Message] = []
    for m in state.messages:
        if m.response_id != event.segment_id:
            messages.append(m)
            continue
        count = len(words_of(m.text))
        part, heard = min(heard, count), max(0, heard - count)
        if part:
            text = m.text if part == count else first_words(m.text, part).strip()
            messages.append(replace(m, text=text, is_final=True, is_interrupted=heard == 0))
    return replace(state, messages=tuple(messages))


def user_transcript(state: SessionState, event: UserTranscriptChanged, at: float) -> Step:
    line = find_line(state, event.item_id)
    if line is not None and line.is_final:
        return state, ()
    if not event.is_final:
        return put_user_line(state, event.item_id, event.text, at, is_final=False), ()
    commands = (CancelTimer(TranscriptOverdue(event.item_id)),)
    if not event.text.strip():
        # The sound was not speech (a cough, noise), so no answer will follow.
        messages = tuple(m for m in state.messages if m.id != event.item_id)
        return replace(state, messages=messages, is_waiting=False), commands
    state = put_user_line(state, event.item_id, event.text, at, is_final=True)
    return change_line(state, event.item_id, lambda m: replace(m, confidence=event.confidence)), commands
