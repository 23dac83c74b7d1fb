"""What is worth keeping of a talk, made from the states that it goes through. Pure but for its own memory of one talk.

A turn's times are those of the talk's own events: from the moment at which Kai takes the person's turn to be over (or a line
was typed) to the answer's beginning at the brain, to its first sound there, to its first sound for the person.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from kai.core.state import Message, Phase, Role, SessionState, Span


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a talk. ``start_ms`` and ``end_ms`` count from the talk's start and say when it was spoken."""

    id: str
    role: str
    text: str
    at_wall_s: float
    start_ms: int
    end_ms: int
    is_interrupted: bool
    response_id: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer and how long it took. What did not happen, or was not asked for by anybody, is ``None``.

    ``think_ms``, ``voice_ms`` and ``face_ms`` follow each other and add up to ``wait_ms``: until the brain began, until its
    first sound, until a person heard that. ``spoken_ms`` is how long it was heard.
    """

    response_id: str
    at_wall_s: float
    is_typed: bool
    think_ms: int | None
    voice_ms: int | None
    face_ms: int | None
    wait_ms: int | None
    spoken_ms: int | None
    is_interrupted: bool
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class TalkRecord:
    """A talk as it is kept. ``owner`` tells whose it is without telling who that is."""

    id: str
    owner: str
    started_wall_s: float
    lasted_s: float
    is_over: bool
    character: str
    voice: str
    lines: tuple[Line, ...]
    turns: tuple[Turn, ...]


@dataclass(slots=True)
class _Answer:
    """Times of one answer, on the talk's clock; ``None`` until it happened."""

    created_at_s: float
    asked_at_s: float | None
    is_typed: bool
    sound_at_s: float | None = None
    heard_at_s: float | None = None
    ended_at_s: float | None = None
    is_interrupted: bool = False
    cost_usd: float | None = None


@dataclass(slots=True)
class _Said:
    start_s: float
    end_s: float


class Follower:
    """Follows one session through its talks. ``note`` is called with each state; ``record`` gives what is known of the
    present talk. Not thread-safe."""

    def __init__(self, owner: str = "") -> None:
        self._owner = owner
        self._state = SessionState()
        self._at_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._id = secrets.token_hex(8)
        self._answers: dict[str, _Answer] = {}
        self._said: dict[str, _Said] = {}
        self._asked_at_s: float | None = None
        self._is_typed = False

    @property
    def id(self) -> str:
        """The id of the present talk's record."""
        return self._id

    def note(self, state: SessionState, at_s: float) -> None:
        """The talk is in this state since ``at_s`` (the talk's monotonic clock)."""
        before, self._state, self._at_s = self._state, state, at_s
        if state.phase is Phase.IDLE:
            return
        if state.started_wall_s != before.started_wall_s:
            self._begin()
            before = SessionState()
        self._note_person(before, state, at_s)
        self._note_answers(state, at_s)
        if state.spending.turns > before.spending.turns and self._answers and state.facts.is_billed:
            newest = next(reversed(self._answers.values()))
            newest.cost_usd = state.spending.turn_cost_usd

    def _note_person(self, before: SessionState, state: SessionState, at_s: float) -> None:
        if state.messages is not before.messages:
            known = {m.id: m for m in before.messages}
            for message in state.messages:
                if message.role is Role.ASSISTANT or known.get(message.id) is message:
                    continue
                if message.id not in self._said:
                    self._said[message.id] = _Said(at_s, at_s)
                    if message.role is Role.USER and message.is_final:
                        self._asked_at_s, self._is_typed = at_s, True
        if before.is_user_speaking and not state.is_user_speaking:
            self._asked_at_s, self._is_typed = at_s, False
            line = next((m for m in reversed(state.messages) if m.role is Role.USER), None)
            if line is not None and line.id in self._said:
                self._said[line.id].end_s = at_s

    def _note_answers(self, state: SessionState, at_s: float) -> None:
        there = {answer.id for answer in state.answers}
        for answer in state.answers:
            times = self._answers.get(answer.id)
            if times is None:
                times = self._answers[answer.id] = _Answer(at_s, self._asked_at_s, self._is_typed)
                self._asked_at_s = None
            if times.sound_at_s is None and (answer.audio_out is not Span.AHEAD or answer.is_playing):
                times.sound_at_s = at_s
            if times.heard_at_s is None and answer.is_playing:
                times.heard_at_s = at_s
            if times.ended_at_s is None and answer.playout is Span.PAST:
                times.ended_at_s = at_s
        for answer_id, times in self._answers.items():
            if answer_id not in there and times.ended_at_s is None:
                times.ended_at_s = at_s
                times.is_interrupted = answer_id in state.cancelled

    def record(self) -> TalkRecord | None:
        """The present talk; ``None`` while nothing was said."""
        state = self._state
        said = [m for m in state.messages if m.text.strip()]
        if state.phase is Phase.IDLE or not (said or self._answers):
            return None
        end_s = state.closed_at_s if state.phase is Phase.CLOSED else self._at_s
        return TalkRecord(
            id=self._id,
            owner=self._owner,
            started_wall_s=state.started_wall_s,
            lasted_s=max(0.0, end_s - state.started_at_s),
            is_over=state.phase is Phase.CLOSED,
            character=state.look.character,
            voice=state.look.voice,
            lines=tuple(self._line(m) for m in said),
            turns=tuple(self._turn(name, times) for name, times in self._answers.items()),
        )

    def _line(self, message: Message) -> Line:
        at_s = self._state.started_at_s + message.at_wall_s - self._state.started_wall_s
        said = self._said.get(message.id, _Said(at_s, at_s))
        answer = self._answers.get(message.response_id)
        if answer is not None:
            start_s = answer.heard_at_s if answer.heard_at_s is not None else answer.created_at_s
            end_s = answer.ended_at_s if answer.ended_at_s is not None else self._at_s
            said = _Said(start_s, max(start_s, end_s))
        return Line(
            id=message.id,
            role=message.role.value,
            text=message.text,
            at_wall_s=message.at_wall_s,
            start_ms=self._offset_ms(said.start_s),
            end_ms=self._offset_ms(said.end_s),
            is_interrupted=message.is_interrupted,
            response_id=message.response_id,
        )

    def _turn(self, response_id: str, times: _Answer) -> Turn:
        turn = Turn(
            response_id=response_id,
            at_wall_s=self._state.started_wall_s + times.created_at_s - self._state.started_at_s,
            is_typed=times.is_typed,
            think_ms=_between_ms(times.asked_at_s, times.created_at_s),
            voice_ms=_between_ms(times.created_at_s, times.sound_at_s),
            face_ms=_between_ms(times.sound_at_s, times.heard_at_s),
            wait_ms=_between_ms(times.asked_at_s, times.heard_at_s),
            spoken_ms=_between_ms(times.heard_at_s, times.ended_at_s),
            is_interrupted=times.is_interrupted,
            cost_usd=times.cost_usd,
        )
        return turn if times.asked_at_s is not None else replace(turn, is_typed=False)

    def _offset_ms(self, at_s: float) -> int:
        return max(0, round((at_s - self._state.started_at_s) * 1000))


def _between_ms(start_s: float | None, end_s: float | None) -> int | None:
    if start_s is None or end_s is None:
        return None
    return max(0, round((end_s - start_s) * 1000))
