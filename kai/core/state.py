"""What is true of one talk: ``SessionState`` and its parts, frozen values that only the reducer makes.

Times are seconds of one monotonic clock (the ``at`` of ``step``); a message also has its wall-clock time, for people.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum

from kai.core.config import Look as Look


class LegName(StrEnum):
    """The three connections of a talk. ``brain`` hears and answers, ``face`` shows, ``browser`` is the person's page."""

    BRAIN = "brain"
    FACE = "face"
    BROWSER = "browser"


class LegStatus(StrEnum):
    """The life of a leg. ``failed`` is an end state that a person may leave by asking for another try."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


class Phase(StrEnum):
    """The life of a talk. Nothing leaves ``closed``."""

    IDLE = "idle"
    STARTING = "starting"
    ACTIVE = "active"
    CLOSED = "closed"


class AgentState(StrEnum):
    """What Kai is doing, in the words that the page uses."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class Microphone(StrEnum):
    """What the browser said about the microphone. A ``SILENCED`` one is open, but the system has muted it."""

    UNKNOWN = "unknown"
    OPEN = "open"
    SILENCED = "silenced"
    REFUSED = "refused"
    MISSING = "missing"


class Role(StrEnum):
    """Who a line of the chat belongs to. ``notice`` is Kai's app speaking about itself."""

    USER = "user"
    ASSISTANT = "assistant"
    NOTICE = "notice"


class Span(StrEnum):
    """Where one strand of an answer stands. It only moves forward, so an event may come late, early or twice."""

    AHEAD = "ahead"
    ON = "on"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class Leg:
    """One connection: its status, how often it was tried in a row, why it is not up, and since when it is.

    ``attempt`` stays while a connected leg is young, so that one which dies at birth uses its tries up.
    """

    status: LegStatus = LegStatus.DISCONNECTED
    attempt: int = 0
    code: str = ""
    message: str = ""
    up_since_s: float = 0.0

    @property
    def is_up(self) -> bool:
        return self.status is LegStatus.CONNECTED


@dataclass(frozen=True, slots=True)
class Message:
    """One line of the chat.

    ``id`` is the brain's item id; ``response_id`` is empty for the person's lines. ``text`` grows while ``is_final`` is
    false. An interrupted answer holds only the words that were heard, where that is known. ``confidence`` is how sure the
    transcription of a person's line is, 0 to 1, where that is known.
    """

    id: str
    role: Role
    text: str
    at_wall_s: float
    response_id: str = ""
    is_final: bool = False
    is_interrupted: bool = False
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Thought:
    """Which ``mind`` thought of an answer, where the brain has several and tells, and how fast, where that is known. It is
    told once the answer is made or cut off, when the answer itself may be gone from the state."""

    response_id: str
    mind: str
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, as three strands: the brain makes it, the brain sends its sound, a person hears it."""

    id: str
    generating: Span = Span.AHEAD
    audio_out: Span = Span.AHEAD
    playout: Span = Span.AHEAD

    @property
    def is_at_brain(self) -> bool:
        """Whether the brain still makes or sends it, and so could take it back."""
        return Span.ON in (self.generating, self.audio_out)

    @property
    def is_due(self) -> bool:
        """Whether the brain has sent it to its end, and nothing of it was played yet (a face is some time behind)."""
        return not self.is_at_brain and self.audio_out is Span.PAST and self.playout is Span.AHEAD

    @property
    def is_playing(self) -> bool:
        """Whether a person hears it now."""
        return self.playout is Span.ON

    @property
    def is_sounding(self) -> bool:
        """Whether a face has sound of it, or is being given it."""
        return self.is_playing or (self.audio_out is not Span.AHEAD and self.playout is Span.AHEAD)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it goes on. A done answer without sound is over, and lives again when sound comes."""
        return not (self.is_at_brain or self.is_due or self.is_playing)


@dataclass(frozen=True, slots=True)
class StandIn:
    """What plays a part of the local brain because the best one cannot be had. ``role`` is ``detector``, ``recogniser``,
    ``second_recogniser``, ``voice`` or ``mind``; ``problem`` says what is different, why, and what to do."""

    role: str
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class BrainFacts:
    """What the open brain is: how it is reached (``webrtc``, ``websocket``), which model, how long it may last yet, whether
    its words cost money, and what stands in for parts of it."""

    transport: str = ""
    model: str = ""
    expires_in_s: float | None = None
    is_billed: bool = False
    stand_ins: tuple[StandIn, ...] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by kind; those in ``cached`` are not in ``in`` as well. ``transcribed_s`` is sound that was written down."""

    text_in: int = 0
    audio_in: int = 0
    image_in: int = 0
    text_cached: int = 0
    audio_cached: int = 0
    image_cached: int = 0
    text_out: int = 0
    audio_out: int = 0
    transcribed_s: float = 0.0

    @property
    def total(self) -> int:
        return (
            self.text_in
            + self.audio_in
            + self.image_in
            + self.text_cached
            + self.audio_cached
            + self.image_cached
            + self.text_out
            + self.audio_out
        )

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tokens)))


@dataclass(frozen=True, slots=True)
class Spending:
    """What a talk has used so far, and its newest turn. ``is_exact`` is false when some of it has no known price."""

    turns: int = 0
    tokens: Tokens = Tokens()
    cost_usd: float = 0.0
    turn_tokens: Tokens = Tokens()
    turn_cost_usd: float = 0.0
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Credits:
    """What the cloud face costs: credits ``left`` in the account (``None`` until it was told), and what each paid session
    of this talk has used so far, (session id, credits). A minute that was begun counts whole."""

    left: float | None = None
    sessions: tuple[tuple[str, int], ...] = ()

    @property
    def used(self) -> int:
        """Credits that this talk has used."""
        return sum(used for _, used in self.sessions)

    @property
    def minutes_left(self) -> int | None:
        """Whole minutes that what is left buys: a LITE minute costs one credit."""
        return None if self.left is None else int(self.left)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is left of one of the provider's limits (``requests``, ``tokens``), and when it is whole again."""

    name: str
    limit: int
    remaining: int
    reset_s: float = 0.0

    @property
    def is_near(self) -> bool:
        """Whether less than a tenth is left."""
        return self.limit > 0 and self.remaining * 10 < self.limit


@dataclass(frozen=True, slots=True)
class ToolRun:
    """A tool that Kai called. ``problem`` says in words why it gave nothing."""

    call_id: str
    name: str
    is_running: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Something to read on the stage: a title and a few lines of plain text."""

    title: str
    text: str


LIMIT_S = 1200.0
"""A paid face is on for no longer in one go, unless it is set otherwise."""


class Face(StrEnum):
    """The faces by name."""

    CLOUD = "liveavatar"
    LOCAL = "local"


class Next(StrEnum):
    """The paid session that is being prepared."""

    NONE = "none"
    OPENING = "opening"
    READY = "ready"


class Standby(StrEnum):
    """The local face behind the scenes."""

    OFF = "off"
    OPENING = "opening"
    READY = "ready"


class Why(StrEnum):
    """Why a face takes over, or soon will: the code of what a person is told."""

    COMING = "avatar-coming"
    SILENCE_SOON = "avatar-silence-soon"
    RESTING = "avatar-resting"
    SANDBOX_OVER = "avatar-sandbox-over"
    TIME_UP = "avatar-time-up"
    LIMIT = "avatar-limit"
    FAILED_STARTS = "avatar-failed-starts"
    MUTE = "avatar-mute"
    ROTATING = "avatar-rotating"
    PLAN = "avatar-plan"


@dataclass(frozen=True, slots=True)
class Faces:
    """What is true of the faces while the face's leg is being opened or up (``is_open``).

    ``next_longest_s`` belongs to the session in ``next``. ``limit_at_s`` and ``deadline_at_s`` are when
    those timers run out, 0 while they are not armed.
    """

    is_open: bool = False
    on: Face | None = None
    next: Next = Next.NONE
    local: Standby = Standby.OFF
    wants_cloud: bool = True
    is_speaking: bool = False
    playing: str = ""
    """The answer that a face says, also one that was given up for lost and that another face has taken up."""
    is_paused: bool = False
    is_over_limit: bool = False
    leaves: Why | None = None
    """Why the cloud face leaves with the next pause, where it does."""
    next_longest_s: float | None = None
    is_billed: bool = True
    is_sandbox: bool = False
    is_warned: bool = False
    failures: int = 0
    failed_starts: int = 0
    """Paid starts in a row that failed, or brought a session that was lost within its first minute."""
    mutes: int = 0
    """Sessions in a row that never spoke."""
    is_plan_told: bool = False
    up_since_s: float = 0.0
    limit_s: float = LIMIT_S
    limit_at_s: float = 0.0
    deadline_at_s: float = 0.0


class HandOver(StrEnum):
    """How far the talk's move to a fresh brain is: nothing planned, a spare is being opened, the spare waits for a pause."""

    NONE = "none"
    OPENING = "opening"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know: a stable code, and a sentence that says what happened and what to do.
    ``detail`` is what a provider said about it in its own words; ``leg`` is the connection that it is about, if it is about
    one."""

    code: str
    message: str
    is_fatal: bool = False
    detail: str = ""
    leg: LegName | None = None


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything that is true of one talk.

    ``answers`` are the last ones, oldest first: while one still sounds the next may be made already; those that are over
    stay for a while, so that their late events find them (bound: ``ANSWERS_KEPT``). ``cancelled`` remembers the last
    answers that were cut off, so that their late events change nothing (bound: ``CANCELLED_KEPT``). ``pending_text`` holds
    lines of the person, (item id, text), that wait for the brain to come up. ``tool_runs`` are the last calls of tools
    (bound: ``TOOL_RUNS_KEPT``); ``key_down_at_s`` is when the push-to-talk key went down, 0 while it is up. ``brain_look``
    is what the brain was opened with: where ``look`` differs in what needs a connection, a change waits. ``is_change_wished``
    while a hand-over is under way that a person asked for. ``face_until_s`` is when the face that is on must go, 0 for never;
    ``face_paid_s`` counts its paid time up to ``face_paid_from_s``, which is 0 while nothing is paid. ``time_zone`` is the
    IANA name of the person's, empty where the browser did not tell. ``cloud_limit_s`` is how long a paid face may be on in
    one go; 0 where the talk has none, and then ``face_name`` is empty.
    """

    phase: Phase = Phase.IDLE
    brain: Leg = field(default_factory=Leg)
    face: Leg = field(default_factory=Leg)
    browser: Leg = field(default_factory=Leg)
    microphone: Microphone = Microphone.UNKNOWN
    time_zone: str = ""
    is_muted: bool = False
    is_recording: bool = False
    is_user_speaking: bool = False
    is_waiting: bool = False
    answers: tuple[Response, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    cancelled: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    pending_text: tuple[tuple[str, str], ...] = ()
    look: Look = field(default_factory=Look)
    problem: Problem | None = None
    faces: Faces = Faces()
    cloud_limit_s: float = 0.0
    face_name: str = ""
    credits: Credits = Credits()
    face_until_s: float = 0.0
    face_paid_s: float = 0.0
    face_paid_from_s: float = 0.0
    brain_look: Look | None = None
    is_change_wished: bool = False
    facts: BrainFacts = BrainFacts()
    spending: Spending = Spending()
    rate_limits: tuple[RateLimit, ...] = ()
    tool_runs: tuple[ToolRun, ...] = ()
    card: Card | None = None
    hand_over: HandOver = HandOver.NONE
    key_down_at_s: float = 0.0
    started_at_s: float = 0.0
    started_wall_s: float = 0.0
    closed_at_s: float = 0.0

    @property
    def is_active(self) -> bool:
        """Whether a talk is under way (it may still be connecting)."""
        return self.phase in (Phase.STARTING, Phase.ACTIVE)

    @property
    def live_answers(self) -> tuple[Response, ...]:
        """The answers that are not over, oldest first."""
        return tuple(answer for answer in self.answers if not answer.is_over)

    @property
    def response(self) -> Response | None:
        """The newest answer that is not over."""
        return next(reversed(self.live_answers), None)

    @property
    def agent(self) -> AgentState:
        """What Kai is doing. Speaking is what a person hears, not what the brain has sent."""
        if not self.is_active:
            return AgentState.IDLE
        if any(answer.is_playing for answer in self.answers):
            return AgentState.SPEAKING
        if self.is_user_speaking:
            return AgentState.LISTENING
        if self.is_waiting or self.live_answers:
            return AgentState.THINKING
        return AgentState.LISTENING if self.brain.is_up else AgentState.IDLE

    @property
    def is_between_turns(self) -> bool:
        """Whether nobody speaks and nothing is on its way: the moment in which a brain can be exchanged unheard."""
        return not (
            self.is_user_speaking
            or self.is_waiting
            or self.live_answers
            or any(run.is_running for run in self.tool_runs)
            or any(m.role is Role.USER and not m.is_final for m in self.messages)
        )

    @property
    def near_limits(self) -> tuple[RateLimit, ...]:
        """The provider's limits of which less than a tenth is left."""
        return tuple(limit for limit in self.rate_limits if limit.is_near)

    @property
    def can_interrupt(self) -> bool:
        """Whether there is an answer to cut off."""
        return self.is_active and bool(self.live_answers)

    def leg(self, name: LegName) -> Leg:
        """The leg of that name."""
        match name:
            case LegName.BRAIN:
                return self.brain
            case LegName.FACE:
                return self.face
            case LegName.BROWSER:
                return self.browser

    def with_leg(self, name: LegName, leg: Leg) -> SessionState:
        """The same state with that leg replaced."""
        match name:
            case LegName.BRAIN:
                return replace(self, brain=leg)
            case LegName.FACE:
                return replace(self, face=leg)
            case LegName.BROWSER:
                return replace(self, browser=leg)

    def with_problem(self, problem: Problem) -> SessionState:
        """That problem is shown, unless a worse one is."""
        if self.problem is not None and self.problem.is_fatal and not problem.is_fatal:
            return self
        return replace(self, problem=problem)

    def without_problem_of(self, name: LegName) -> SessionState:
        """The leg's problem is no longer shown; another's stays."""
        is_its = self.problem is not None and self.problem.leg is name
        return replace(self, problem=None) if is_its else self
