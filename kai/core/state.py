"""The state of one talk: ``SessionState`` and its parts, frozen values that only the reducer makes.

Times are in seconds on one monotonic clock (the ``at`` of ``step``); a message also has a wall-clock time, to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum

from kai.core.config import Look as Look


class LegName(StrEnum):
    """The three connections of a talk: the voice ``brain``, the avatar's ``face`` and the person's page (``browser``)."""

    BRAIN = "brain"
    FACE = "face"
    BROWSER = "browser"


class LegStatus(StrEnum):
    """The states of a leg. ``failed`` lasts until a person asks to try again, or until the page reconnects on its own."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"


class Phase(StrEnum):
    """The states of a talk. Only a reset leaves ``closed``."""

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
    """What the browser reported about the microphone. A ``SILENCED`` microphone is open, but muted by the system."""

    UNKNOWN = "unknown"
    OPEN = "open"
    SILENCED = "silenced"
    REFUSED = "refused"
    MISSING = "missing"


class Role(StrEnum):
    """The author of a line of the chat. A ``notice`` is a message of the app about itself."""

    USER = "user"
    ASSISTANT = "assistant"
    NOTICE = "notice"


class Span(StrEnum):
    """The progress of one strand of an answer. It only moves forward, so an event may arrive late, early or twice."""

    AHEAD = "ahead"
    ON = "on"
    PAST = "past"


@dataclass(frozen=True, slots=True)
class Leg:
    """One connection: its status, how many tries it took in a row, why it is not up, and since when it has been up.

    ``attempt`` is kept when a leg connects, so that a leg which is lost again soon after connecting runs out of tries.
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

    ``id`` is the brain's item id; ``response_id`` is empty for the person's lines. ``speaker`` is the name of the character
    that says an answer. ``text`` grows while ``is_final`` is
    false. An interrupted answer holds only the words that were heard, if they are known. ``confidence`` is that of the
    transcription of a person's line, 0 to 1, if it is known.
    """

    id: str
    role: Role
    text: str
    at_wall_s: float
    response_id: str = ""
    is_final: bool = False
    is_interrupted: bool = False
    confidence: float | None = None
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Thought:
    """Which ``mind`` generated an answer, if the brain has several and reports it, and how fast, if that is known.

    It is reported when the answer is done or cut off; by then the answer itself may be gone from the state."""

    response_id: str
    mind: str
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """One answer, as three strands: the brain generates it, the brain sends its sound, and the person hears it."""

    id: str
    generating: Span = Span.AHEAD
    audio_out: Span = Span.AHEAD
    playout: Span = Span.AHEAD
    has_failed: bool = False

    @property
    def is_at_brain(self) -> bool:
        """True while the brain generates or sends the answer, and can still cancel it."""
        return Span.ON in (self.generating, self.audio_out)

    @property
    def is_due(self) -> bool:
        """True when the brain has sent the whole answer but none of it has been played yet (a face adds a delay)."""
        return not self.is_at_brain and self.audio_out is Span.PAST and self.playout is Span.AHEAD

    @property
    def is_playing(self) -> bool:
        """True while the person hears the answer."""
        return self.playout is Span.ON

    @property
    def is_sounding(self) -> bool:
        """True while a face holds sound of the answer or receives it."""
        return self.is_playing or (self.audio_out is not Span.AHEAD and self.playout is Span.AHEAD)

    @property
    def is_over(self) -> bool:
        """True when no strand is in progress. A done answer without sound is over, and is live again when sound arrives."""
        return not (self.is_at_brain or self.is_due or self.is_playing)


@dataclass(frozen=True, slots=True)
class StandIn:
    """A simpler replacement for a part of the local brain that is not available. ``role`` is ``detector``, ``recogniser``,
    ``second_recogniser``, ``voice`` or ``mind``; ``problem`` says what is different, why, and what to do."""

    role: str
    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class BrainFacts:
    """Facts about the open brain: its ``transport`` (``webrtc`` or ``websocket``), its model, how many seconds its session
    may still last, whether it is billed, and which parts of it are stand-ins."""

    transport: str = ""
    model: str = ""
    expires_in_s: float | None = None
    is_billed: bool = False
    stand_ins: tuple[StandIn, ...] = ()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts by kind. Cached tokens are not counted again as input. ``transcribed_s`` is the duration transcribed."""

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
    """What a talk and its newest turn have used. ``is_exact`` is false when the price of some of it is not known."""

    turns: int = 0
    tokens: Tokens = Tokens()
    cost_usd: float = 0.0
    turn_tokens: Tokens = Tokens()
    turn_cost_usd: float = 0.0
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Credits:
    """What the cloud face costs: the credits ``left`` in the account (``None`` until reported), and for each paid session of
    this talk its (session id, credits used). A started minute counts as a whole one."""

    left: float | None = None
    sessions: tuple[tuple[str, int], ...] = ()

    @property
    def used(self) -> int:
        """Credits that this talk has used."""
        return sum(used for _, used in self.sessions)

    @property
    def minutes_left(self) -> int | None:
        """The whole minutes that the remaining credits buy: one minute in LITE mode costs one credit."""
        return None if self.left is None else int(self.left)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much is left of one of the provider's limits (``requests``, ``tokens``), and the seconds until it is reset."""

    name: str
    limit: int
    remaining: int
    reset_s: float = 0.0

    @property
    def is_near(self) -> bool:
        """True when less than a tenth of the limit is left."""
        return self.limit > 0 and self.remaining * 10 < self.limit


@dataclass(frozen=True, slots=True)
class ToolRun:
    """One call of a tool. ``problem`` says in words why it failed."""

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
"""The default limit for how long a paid face is shown without a break."""


class Face(StrEnum):
    """The faces by name."""

    CLOUD = "liveavatar"
    LOCAL = "local"


class Next(StrEnum):
    """The state of the paid session that is being prepared."""

    NONE = "none"
    OPENING = "opening"
    READY = "ready"


class Standby(StrEnum):
    """The state of the local face, which stands by in the background."""

    OFF = "off"
    OPENING = "opening"
    READY = "ready"


class Why(StrEnum):
    """Why another face takes over, or soon will. The value is the code of the message that a person reads."""

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
    BUDGET = "avatar-budget"
    CREDITS = "avatar-last-credit"


@dataclass(frozen=True, slots=True)
class Faces:
    """The state of the faces while the face's leg is opening or up (``is_open``).

    ``next_longest_s`` belongs to the session in ``next``. ``limit_at_s`` and ``deadline_at_s`` are the times at which
    those timers fire, or 0 while they are not armed.
    """

    is_open: bool = False
    on: Face | None = None
    next: Next = Next.NONE
    local: Standby = Standby.OFF
    wants_cloud: bool = True
    is_speaking: bool = False
    playing: str = ""
    """The id of the answer that a face is speaking, even if it was given up as lost and another face has taken it over."""
    is_paused: bool = False
    is_over_limit: bool = False
    leaves: Why | None = None
    """Why the cloud face will be replaced at the next pause, or ``None``."""
    next_longest_s: float | None = None
    is_billed: bool = True
    is_sandbox: bool = False
    is_warned: bool = False
    failures: int = 0
    failed_starts: int = 0
    """Consecutive paid starts that failed or whose session was lost within its first minute."""
    mutes: int = 0
    """Consecutive sessions that never spoke."""
    is_plan_told: bool = False
    up_since_s: float = 0.0
    limit_s: float = LIMIT_S
    limit_at_s: float = 0.0
    deadline_at_s: float = 0.0


class HandOver(StrEnum):
    """The progress of a hand-over to a new brain: none, the spare is opening, or the spare is ready and waits for a pause."""

    NONE = "none"
    OPENING = "opening"
    READY = "ready"


class BudgetStage(StrEnum):
    """How much of its budget a talk has spent; `kai.core.policy.budget` explains it."""

    WITHIN = "within"
    NEAR = "near"
    REACHED = "reached"


@dataclass(frozen=True, slots=True)
class Caps:
    """What a talk and a day may cost at most on this computer, in US dollars, whatever a person chooses; 0 for no limit."""

    talk_usd: float = 0.0
    day_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """On which rung the talk's brain stands; `kai.core.policy.rungs` explains it.

    While this computer's engine ``is_standing_in``, ``code`` and ``message`` say why the cloud's brain does not answer.
    ``falls`` counts the losses and failed climbs in a row, ``up_since_s`` is when the cloud's brain was last up,
    ``lost_answer`` is the id of the answer that the last loss cut, and ``unsaid`` what was not heard of it."""

    is_standing_in: bool = False
    is_climbing: bool = False
    resting: str = ""
    """Why a spare of this computer's engine will take over at the next pause: the code of a limit, or an empty text."""
    rest_s: float = 0.0
    """For how long that limit lasts; 0 if its end is not known."""
    falls: int = 0
    code: str = ""
    message: str = ""
    up_since_s: float = 0.0
    lost_answer: str = ""
    unsaid: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person should know: a stable code, and a sentence that says what happened and what to do.

    ``detail`` is the provider's own text, if there is one. ``leg`` is the connection concerned, if any. What comes next is
    never in the sentence, since policy decides it: ``is_given_up`` is true once every try of the leg has failed."""

    code: str
    message: str
    is_fatal: bool = False
    detail: str = ""
    leg: LegName | None = None
    is_given_up: bool = False


@dataclass(frozen=True, slots=True)
class SessionState:
    """Everything that is true of one talk.

    ``answers`` are the newest answers, oldest first. While one is still heard, the next may already be generated; answers
    that are over are kept for a while so that their late events find them (bound: ``ANSWERS_KEPT``). ``cancelled`` holds
    the ids of the last answers that were cut off, so that their late events change nothing (bound: ``CANCELLED_KEPT``).
    ``pending_text`` holds the person's lines, as (item id, text), that wait for the brain to connect. ``tool_runs`` are the
    last tool calls (bound: ``TOOL_RUNS_KEPT``). ``cleared`` are lines that were cleared from the chat and can still be put
    back. ``key_down_at_s`` is when the push-to-talk key was pressed, or 0.

    ``brain_look`` is the look that the brain was opened with. If ``look`` differs from it in a setting that needs a new
    connection, that change is pending. ``is_change_wished`` is true during a hand-over that a person asked for.
    ``face_until_s`` is when the shown face must be replaced, or 0 for never. ``face_paid_s`` is the paid time up to
    ``face_paid_from_s``, which is 0 while nothing is paid. ``time_zone`` is the person's IANA time zone, empty if unknown.
    ``is_greeting_due`` is true in a new talk until Kai has greeted the person, or somebody else was first.
    ``cloud_limit_s`` is how long a paid face may be shown without a break; it is 0, and ``face_name`` is empty, in a talk
    without one. ``caps`` bound what the talk may cost, and ``spent_today_usd`` is what other talks of the day have cost.
    ``has_cloud_brain`` is true when a cloud brain can be had, for which this computer's engine can stand in. ``shown_px`` is
    the size at which a page shows the face, in the screen's own pixels, or 0 if it is unknown.
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
    is_greeting_due: bool = False
    answers: tuple[Response, ...] = ()
    thoughts: tuple[Thought, ...] = ()
    cancelled: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    cleared: tuple[Message, ...] = ()
    pending_text: tuple[tuple[str, str], ...] = ()
    look: Look = field(default_factory=Look)
    problem: Problem | None = None
    faces: Faces = Faces()
    cloud_limit_s: float = 0.0
    caps: Caps = Caps()
    has_cloud_brain: bool = False
    ladder: Ladder = Ladder()
    budget: BudgetStage = BudgetStage.WITHIN
    spent_today_usd: float = 0.0
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
    shown_px: int = 0
    started_at_s: float = 0.0
    started_wall_s: float = 0.0
    closed_at_s: float = 0.0

    @property
    def is_active(self) -> bool:
        """True while a talk is in progress, even if it is still connecting."""
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
        """What Kai is doing. Kai counts as speaking while the person hears it, not while the brain sends sound."""
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
    def is_at_rest(self) -> bool:
        """True in a talk in which nobody speaks and nothing is pending."""
        return self.agent is AgentState.LISTENING and self.is_between_turns

    @property
    def is_between_turns(self) -> bool:
        """True when nobody speaks and nothing is pending, so that the brain can be replaced without anybody noticing."""
        return not (
            self.is_user_speaking
            or self.is_waiting
            or self.live_answers
            or any(run.is_running for run in self.tool_runs)
            or any(m.role is Role.USER and not m.is_final for m in self.messages)
        )

    @property
    def near_limits(self) -> tuple[RateLimit, ...]:
        """The provider's limits with less than a tenth left."""
        return tuple(limit for limit in self.rate_limits if limit.is_near)

    @property
    def can_interrupt(self) -> bool:
        """True when there is an answer to interrupt."""
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
        """The same state with that problem shown, unless a fatal one is shown and the new one is not fatal."""
        if self.problem is not None and self.problem.is_fatal and not problem.is_fatal:
            return self
        return replace(self, problem=problem)

    def without_problem_of(self, name: LegName) -> SessionState:
        """The same state without the shown problem, if it concerns that leg."""
        is_its = self.problem is not None and self.problem.leg is name
        return replace(self, problem=None) if is_its else self
