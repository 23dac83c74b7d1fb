"""The record of a talk, made from the sequence of its states. Pure except for its memory of the current talk.

The times of a turn are measured from the person's last sound at the microphone (or from a typed line) on, and then by the
talk's own events: the end of the person's turn as Kai sees it, the beginning of the answer at the brain, its first sound
there, and its first sound for the person.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from kai.core.capabilities import LOCAL, engine_voice, family_of
from kai.core.policy.budget import CREDIT_USD
from kai.core.policy.costs import FAILED_START
from kai.core.policy.lines import FALSE_START_MS
from kai.core.state import Message, Phase, Role, SessionState, Span
from kai.ports import MediaReading

CLOUD_FACE = "liveavatar"
"""The face whose pictures are synchronised when they arrive (see ``SessionState.face_name``)."""

LONGEST_END_S = 5.0
"""A last sound longer ago than this was no part of the turn that has just ended: the person was too soft to be told from the
room."""

LEAST_COST_USD = 1e-9
"""Sums of costs differ by less than this."""

LEAST_WATCHED_S = 1.0
"""The picture rate is not computed over a shorter time."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a talk. ``start_ms`` and ``end_ms`` say when it was spoken, counted from the start of the talk. ``speaker``
    is the name of the character that said an answer; empty in talks of an older Kai."""

    id: str
    role: str
    text: str
    at_wall_s: float
    start_ms: int
    end_ms: int
    is_interrupted: bool
    response_id: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer and its times. A time is ``None`` if that part did not happen or nobody had asked for the answer.

    ``end_ms``, ``think_ms``, ``voice_ms`` and ``face_ms`` are consecutive and add up to ``wait_ms``: from the person's last
    sound until Kai took the turn to be over (nothing for a typed line), until the brain began, until its first sound, and
    until the person heard that sound. ``spoken_ms`` is how long the answer was heard.

    The picture counters cover the time in which the answer was heard: pictures per second that were sent to the page
    (``sent_fps``) and that the page showed by its own count (``shown_fps``), how many were dropped on either side, and the
    mean delay of the pictures relative to the sound of the same moment (``picture_late_ms``, for the local face only).
    ``dropped_sound_ms`` is the person's sound that was lost since the previous answer.

    ``mind`` names the mind that generated the answer, if the brain has several, and ``tokens_per_s`` is its speed.
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
    sent_fps: float | None = None
    shown_fps: float | None = None
    dropped_pictures: int | None = None
    picture_late_ms: int | None = None
    dropped_sound_ms: int | None = None
    mind: str | None = None
    tokens_per_s: float | None = None
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """One thing that a talk has cost. ``leg`` is ``brain`` or ``face``. ``why`` is ``answer`` (of ``response_id``),
    ``listening`` (transcripts, and whatever else the brain charged beside its answers), ``avatar`` (a session of the paid
    face) or ``failed-start`` (a paid start of it that showed nothing). ``credits`` are those of the face's account."""

    leg: str
    why: str
    usd: float
    credits: int = 0
    response_id: str = ""


@dataclass(frozen=True, slots=True)
class TalkRecord:
    """A talk as it is kept. ``owner`` is an anonymous name of its owner.

    ``cost_usd`` is the cost of the brain, ``None`` if it is free; ``is_cost_exact`` is false if the price of a part of it is
    not known. ``avatar_s`` is how long a paid face was shown, and ``avatar_credits`` what all paid faces have used, including
    those whose start failed. ``costs`` are the parts of the whole, in the order in which they arose within each leg.
    """

    id: str
    owner: str
    started_wall_s: float
    lasted_s: float
    is_over: bool
    character: str
    voice: str
    lines: tuple[Line, ...]
    turns: tuple[Turn, ...]
    cost_usd: float | None = None
    is_cost_exact: bool = True
    avatar_s: float = 0.0
    avatar_credits: int = 0
    costs: tuple[Cost, ...] = ()


@dataclass(slots=True)
class _Answer:
    """The times of one answer on the talk's clock; each is ``None`` until it happened."""

    created_at_s: float
    asked_at_s: float | None
    is_typed: bool
    silent_at_s: float | None = None
    """When the person's last sound arrived; ``None`` for a typed line, and where it is not known."""
    sound_at_s: float | None = None
    heard_at_s: float | None = None
    ended_at_s: float | None = None
    is_interrupted: bool = False
    cost_usd: float | None = None
    is_cloud_face: bool = False
    media_before: MediaReading | None = None
    media_after: MediaReading | None = None
    dropped_sound_ms: int | None = None
    mind: str | None = None
    tokens_per_s: float | None = None


@dataclass(slots=True)
class _Said:
    start_s: float
    end_s: float


class Follower:
    """Follows one session through its talks. Call ``note`` with each state; ``record`` returns the record of the current
    talk. ``read_media`` reads the counters of the session's page, and ``voiced_at_s`` tells when the person's last sound
    arrived there. Not thread-safe."""

    def __init__(
        self,
        owner: str = "",
        read_media: Callable[[], MediaReading] | None = None,
        voiced_at_s: Callable[[], float] | None = None,
    ) -> None:
        self._owner = owner
        self._read_media = read_media
        self._voiced_at_s = voiced_at_s
        self._state = SessionState()
        self._at_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._id = secrets.token_hex(8)
        self._answers: dict[str, _Answer] = {}
        self._said: dict[str, _Said] = {}
        self._asked_at_s: float | None = None
        self._silent_at_s: float | None = None
        self._is_typed = False
        reading = self._media()
        self._dropped_mic_ms = 0 if reading is None else reading.dropped_mic_ms

    @property
    def id(self) -> str:
        """The id of the current talk's record."""
        return self._id

    def note(self, state: SessionState, at_s: float) -> None:
        """Take the talk's new state, which it entered at ``at_s`` (the talk's monotonic clock)."""
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
                        self._asked_at_s, self._silent_at_s, self._is_typed = at_s, None, True
        if before.is_user_speaking and not state.is_user_speaking:
            self._asked_at_s, self._silent_at_s, self._is_typed = at_s, self._last_sound_s(at_s), False
            line = next((m for m in reversed(state.messages) if m.role is Role.USER), None)
            if line is not None and line.id in self._said:
                self._said[line.id].end_s = at_s

    def _last_sound_s(self, at_s: float) -> float | None:
        voiced_at_s = None if self._voiced_at_s is None else self._voiced_at_s()
        if voiced_at_s is None or voiced_at_s < at_s - LONGEST_END_S:
            return None
        return min(at_s, voiced_at_s)

    def _note_answers(self, state: SessionState, at_s: float) -> None:
        there = {answer.id for answer in state.answers}
        for answer in state.answers:
            times = self._answers.get(answer.id)
            if times is None:
                times = self._answers[answer.id] = _Answer(
                    at_s, self._asked_at_s, self._is_typed, self._silent_at_s
                )
                self._asked_at_s = None
            if times.sound_at_s is None and (answer.audio_out is not Span.AHEAD or answer.is_playing):
                times.sound_at_s = at_s
            if times.heard_at_s is None and answer.is_playing:
                times.heard_at_s = at_s
                times.is_cloud_face = state.face_name == CLOUD_FACE and state.face.is_up
                times.media_before = self._media()
            if times.ended_at_s is None and answer.playout is Span.PAST:
                self._end(times, at_s)
        for thought in state.thoughts:
            if (times := self._answers.get(thought.response_id)) is not None:
                times.mind, times.tokens_per_s = thought.mind, thought.tokens_per_s
        for answer_id, times in self._answers.items():
            if answer_id not in there and times.ended_at_s is None:
                self._end(times, at_s)
                heard_ms = _between_ms(times.heard_at_s, at_s) or 0
                was_false_start = state.is_user_speaking and heard_ms < FALSE_START_MS
                times.is_interrupted = answer_id in state.cancelled and not was_false_start

    def _end(self, times: _Answer, at_s: float) -> None:
        times.ended_at_s = at_s
        after = self._media()
        if after is None:
            return
        times.media_after = after
        times.dropped_sound_ms = after.dropped_mic_ms - self._dropped_mic_ms
        self._dropped_mic_ms = after.dropped_mic_ms

    def _media(self) -> MediaReading | None:
        return None if self._read_media is None else self._read_media()

    def record(self) -> TalkRecord | None:
        """Return the record of the current talk, or ``None`` while nothing was said and nothing was paid."""
        state = self._state
        said = [m for m in state.messages if m.text.strip()]
        costs = self._costs()
        if state.phase is Phase.IDLE or not (said or self._answers or costs):
            return None
        end_s = state.closed_at_s if state.phase is Phase.CLOSED else self._at_s
        spent = state.spending
        is_local = family_of(state.facts.model) is LOCAL
        paid_now_s = max(0.0, end_s - state.face_paid_from_s) if state.face_paid_from_s else 0.0
        return TalkRecord(
            id=self._id,
            owner=self._owner,
            started_wall_s=state.started_wall_s,
            lasted_s=max(0.0, end_s - state.started_at_s),
            is_over=state.phase is Phase.CLOSED,
            character=state.look.character,
            voice=engine_voice(state.look) if is_local else state.look.voice,
            lines=tuple(self._line(m) for m in said),
            turns=tuple(self._turn(name, times) for name, times in self._answers.items()),
            cost_usd=spent.cost_usd if state.facts.is_billed or spent.cost_usd else None,
            is_cost_exact=spent.is_exact,
            avatar_s=round(state.face_paid_s + paid_now_s, 1),
            avatar_credits=state.credits.used,
            costs=costs,
        )

    def _costs(self) -> tuple[Cost, ...]:
        answers = [
            Cost("brain", "answer", times.cost_usd, response_id=name)
            for name, times in self._answers.items()
            if times.cost_usd
        ]
        rest_usd = self._state.spending.cost_usd - sum(cost.usd for cost in answers)
        listening = [Cost("brain", "listening", rest_usd)] if rest_usd > LEAST_COST_USD else []
        sessions = [
            Cost(
                "face", "failed-start" if name.startswith(FAILED_START) else "avatar", used * CREDIT_USD, used
            )
            for name, used in self._state.credits.sessions
            if used
        ]
        return (*answers, *listening, *sessions)

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
            speaker=message.speaker,
        )

    def _turn(self, response_id: str, times: _Answer) -> Turn:
        since_s = times.asked_at_s if times.silent_at_s is None else times.silent_at_s
        turn = Turn(
            response_id=response_id,
            at_wall_s=self._state.started_wall_s + times.created_at_s - self._state.started_at_s,
            is_typed=times.is_typed,
            think_ms=_between_ms(times.asked_at_s, times.created_at_s),
            voice_ms=_between_ms(times.created_at_s, times.sound_at_s),
            face_ms=_between_ms(times.sound_at_s, times.heard_at_s),
            wait_ms=_between_ms(since_s, times.heard_at_s),
            spoken_ms=_between_ms(times.heard_at_s, times.ended_at_s),
            is_interrupted=times.is_interrupted,
            cost_usd=times.cost_usd,
            mind=times.mind,
            tokens_per_s=times.tokens_per_s,
            end_ms=_between_ms(times.silent_at_s, times.asked_at_s),
        )
        turn = replace(_with_media(turn, times), dropped_sound_ms=times.dropped_sound_ms)
        return turn if times.asked_at_s is not None else replace(turn, is_typed=False)

    def elapsed_ms(self, at_s: float) -> int:
        """Return how long the current talk had lasted at ``at_s``."""
        return self._offset_ms(at_s)

    def _offset_ms(self, at_s: float) -> int:
        return max(0, round((at_s - self._state.started_at_s) * 1000))


def _between_ms(start_s: float | None, end_s: float | None) -> int | None:
    if start_s is None or end_s is None:
        return None
    return max(0, round((end_s - start_s) * 1000))


def _with_media(turn: Turn, times: _Answer) -> Turn:
    """Add the page's counters for the time in which the answer was heard."""
    before, after = times.media_before, times.media_after
    if before is None or after is None or times.heard_at_s is None or times.ended_at_s is None:
        return turn
    lasted_s = times.ended_at_s - times.heard_at_s
    seen = after.since(before)
    if seen.pictures == 0 or lasted_s < LEAST_WATCHED_S:
        return turn
    is_shown_known = seen.page_s >= LEAST_WATCHED_S
    # A cloud face's pictures are synchronised when they arrive, so their own time is not known here.
    is_late_known = not times.is_cloud_face
    return replace(
        turn,
        sent_fps=round(seen.pictures / lasted_s, 1),
        shown_fps=round(seen.page_pictures / seen.page_s, 1) if is_shown_known else None,
        dropped_pictures=seen.dropped_pictures + seen.page_dropped,
        picture_late_ms=round(seen.late_ms / seen.pictures) if is_late_known else None,
    )
