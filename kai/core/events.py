"""Everything that can happen to a talk (``Event``) and everything that it can ask for (``Command``).

Events are facts in the past tense; commands are imperatives. Both are closed unions of frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass

from kai.core.state import (
    AgentState,
    BrainFacts,
    Card,
    Face,
    LegName,
    Look,
    Microphone,
    RateLimit,
    SessionState,
    Tokens,
)
from kai.core.timers import Timer

# ------------------------------------------------------------------ what people wish


@dataclass(frozen=True, slots=True)
class StartRequested:
    """A person pressed Start. ``wall_s`` is the wall clock at that moment (seconds since the epoch)."""

    wall_s: float
    look: Look


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The talk shall end: a person pressed Stop, or nobody is there any more (``reason``)."""

    reason: str = "stopped"


@dataclass(frozen=True, slots=True)
class MuteToggled:
    """A person muted or unmuted the microphone; ``is_muted`` is what they want now."""

    is_muted: bool


@dataclass(frozen=True, slots=True)
class InterruptRequested:
    """A person wants Kai to stop speaking."""


@dataclass(frozen=True, slots=True)
class TextSubmitted:
    """A person typed a line. ``item_id`` is made by the caller and is the line's id from then on."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class MessagesCleared:
    """A person cleared the chat. The talk goes on."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """A closed talk shall be forgotten: the state is as new."""


@dataclass(frozen=True, slots=True)
class LookChanged:
    """A person changed the sidebar."""

    look: Look


@dataclass(frozen=True, slots=True)
class FaceRecalled:
    """A person wants the cloud's avatar back, after the face of this computer stood in for it."""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person asked for another try of a failed leg."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class ProblemDismissed:
    """A person has read the problem."""


@dataclass(frozen=True, slots=True)
class TurnKeyPressed:
    """A person holds the push-to-talk key: their turn begins, and Kai is silent."""


@dataclass(frozen=True, slots=True)
class TurnKeyReleased:
    """A person let the push-to-talk key go: their turn is over."""


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """A person wants settings that need a new connection to hold: exchange the brain in the next pause."""


@dataclass(frozen=True, slots=True)
class CardDismissed:
    """A person has read the card."""


@dataclass(frozen=True, slots=True)
class RecordingWished:
    """A person wants the talk's sound to be kept from now on, or no more."""

    is_on: bool


# ------------------------------------------------------------------ what legs report


@dataclass(frozen=True, slots=True)
class LegConnected:
    """A leg is up."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class LegFailed:
    """A leg could not be opened, or was lost. The reducer decides what to do about it.

    ``retry_after_s`` is how long the other side asked to be left alone (HTTP's ``Retry-After``); 0 where it did not.
    """

    leg: LegName
    code: str
    message: str
    is_retryable: bool = True
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BrowserLeft:
    """The page went away without a word (refresh, lost network). The leg may come back by itself."""


@dataclass(frozen=True, slots=True)
class MicrophoneChanged:
    """The browser told what became of the microphone."""

    microphone: Microphone


@dataclass(frozen=True, slots=True)
class TimeZoneTold:
    """The browser told the person's time zone, by its IANA name (``Asia/Tokyo``)."""

    time_zone: str


# ------------------------------------------------------------------ what the brain reports


@dataclass(frozen=True, slots=True)
class UserSpeechStarted:
    """The brain hears the person speak."""

    item_id: str


@dataclass(frozen=True, slots=True)
class UserSpeechStopped:
    """The person's turn is over."""

    item_id: str


@dataclass(frozen=True, slots=True)
class UserTranscriptChanged:
    """What the person has said so far; ``is_final`` when it will not change again. Empty and final: nothing was said.

    ``confidence`` (0 to 1, the geometric mean over its tokens) is known where it was asked for and is told.
    """

    item_id: str
    text: str
    is_final: bool
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    """The brain has begun an answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ResponseDone:
    """The brain has finished making an answer; its sound may go on. ``status`` is the protocol's word.

    ``mind`` names who thought of the answer, where the brain has several minds and tells, and ``tokens_per_s`` how fast.
    """

    response_id: str
    status: str
    message: str = ""
    mind: str = ""
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class AssistantTranscriptChanged:
    """What Kai's line says so far; ``is_final`` when it will not change again."""

    response_id: str
    item_id: str
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class AudioStarted:
    """The brain has begun to send an answer's sound."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AudioStopped:
    """The brain has sent an answer's sound to its end."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AudioCleared:
    """The brain has thrown away the rest of an answer's sound (somebody interrupted)."""

    response_id: str


@dataclass(frozen=True, slots=True)
class BrainComplained:
    """The brain reported an error; the session goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BrainDescribed:
    """What the brain that was opened is, and the settings that it was opened with."""

    facts: BrainFacts
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class UsageReported:
    """What an answer, or the writing down of a person's line (``is_turn`` false), has used. ``cost_usd`` is ``None`` where
    its price is not known."""

    tokens: Tokens
    cost_usd: float | None
    is_turn: bool = True


@dataclass(frozen=True, slots=True)
class RateLimitsReported:
    """What is left of the provider's limits."""

    limits: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True)
class BrainRemarked:
    """The brain sent an event of an unknown kind. It is kept in the journal and changes nothing."""

    kind: str


@dataclass(frozen=True, slots=True)
class SpareBrainReady:
    """The spare brain is open and waits for a pause."""


@dataclass(frozen=True, slots=True)
class SpareBrainFailed:
    """The spare brain could not be opened, or was lost; the talk goes on with the old one."""

    code: str
    is_retryable: bool = True
    retry_after_s: float = 0.0
    message: str = ""


# ------------------------------------------------------------------ what tools bring


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """Kai wants a tool to be called; ``arguments`` is JSON as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool gave its ``output`` (JSON), or failed: then ``problem`` says why, in words for a person."""

    call_id: str
    output: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CardShown:
    """A tool put a card on the stage."""

    card: Card


# ------------------------------------------------------------------ what the face reports


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sound of a segment goes to the person now. A segment is one answer; its id is the response's."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """The last sound of a segment has gone to the person."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PlayoutInterrupted:
    """A segment was cut off. ``heard_text`` holds the words that were heard, or ``None`` where that is not known; with
    ``heard_ms`` 0 nothing was heard, and its line is dropped."""

    segment_id: str
    heard_ms: int
    heard_text: str | None


@dataclass(frozen=True, slots=True)
class CloudOpened:
    """The paid face that was prepared can be shown. ``longest_s`` from now, where it is known; ``is_sandbox``: a free session
    of a minute."""

    longest_s: float | None
    is_sandbox: bool = False
    is_billed: bool = True


@dataclass(frozen=True, slots=True)
class CloudFailed:
    """The paid face could not be opened, or was lost before it was shown. ``retry_after_s``: the pause that the provider
    asked for, 0 where it asked for none. ``is_billed``: it was started, and paid. ``detail``: the provider's own text."""

    code: str
    message: str
    is_retryable: bool
    retry_after_s: float = 0.0
    is_billed: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CloudLost:
    """The paid face that is shown was lost. ``is_billed``: it cost something."""

    code: str
    message: str
    is_retryable: bool
    is_billed: bool = True


@dataclass(frozen=True, slots=True)
class FaceResumed:
    """A face lost its line for a moment; some of the sound that it was given may be missing. Whoever has that sound gives
    what was not heard once more."""


@dataclass(frozen=True, slots=True)
class CreditsReported:
    """A paid session of the face has used so many credits so far; ``left`` in the account, where that is known now."""

    session_id: str
    used: int
    left: float | None


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """Sound is kept no more, for a reason that is not the person's: a code, and a sentence."""

    code: str
    message: str


# ------------------------------------------------------------------ what time brings


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that the reducer armed has run out."""

    timer: Timer


Event = (
    StartRequested
    | StopRequested
    | MuteToggled
    | InterruptRequested
    | TextSubmitted
    | MessagesCleared
    | ResetRequested
    | LookChanged
    | FaceRecalled
    | RetryRequested
    | ProblemDismissed
    | TurnKeyPressed
    | TurnKeyReleased
    | HandOverRequested
    | CardDismissed
    | RecordingWished
    | LegConnected
    | LegFailed
    | BrowserLeft
    | MicrophoneChanged
    | TimeZoneTold
    | UserSpeechStarted
    | UserSpeechStopped
    | UserTranscriptChanged
    | ResponseCreated
    | ResponseDone
    | AssistantTranscriptChanged
    | AudioStarted
    | AudioStopped
    | AudioCleared
    | BrainComplained
    | BrainDescribed
    | UsageReported
    | RateLimitsReported
    | BrainRemarked
    | SpareBrainReady
    | SpareBrainFailed
    | ToolRequested
    | ToolFinished
    | CardShown
    | PlayoutStarted
    | PlayoutFinished
    | PlayoutInterrupted
    | CloudOpened
    | CloudFailed
    | CloudLost
    | FaceResumed
    | CreditsReported
    | RecordingFailed
    | TimerFired
)

# ------------------------------------------------------------------ commands


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """Try once to open a leg; answer with ``LegConnected`` or ``LegFailed``. The face's leg is the face of this computer."""

    leg: LegName
    attempt: int


@dataclass(frozen=True, slots=True)
class CloseLeg:
    """Close a leg and everything that it holds."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class SendText:
    """Give the brain a typed line and ask for an answer."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class SeedHistory:
    """Tell a fresh brain what was said before, as (role, text) lines, oldest first."""

    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Stop the brain's answer, and what of its sound is still on the way."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Greet:
    """Let the brain speak first, by this instruction."""

    instructions: str


@dataclass(frozen=True, slots=True)
class BeginTurn:
    """The person's turn begins now (push to talk): what was heard before does not count."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The person's turn ends now (push to talk): answer it, or forget it."""

    is_kept: bool


@dataclass(frozen=True, slots=True)
class RunTool:
    """Call a tool; answer with ``ToolFinished``."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class SendToolResult:
    """Give the brain what a tool gave; it answers when all that it called for have come."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class OpenSpareBrain:
    """Open a second brain beside the talk's; answer with ``SpareBrainReady`` or ``SpareBrainFailed``."""


@dataclass(frozen=True, slots=True)
class SwapBrain:
    """Let the spare brain take the old one's place, and close that."""


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Silence the face at once; answer with ``PlayoutInterrupted``."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PrepareFace:
    """Open a paid face beside what is shown; answer with ``CloudOpened`` or ``CloudFailed``."""


@dataclass(frozen=True, slots=True)
class DropFace:
    """Stop the paid face that is being prepared, opened or not."""


@dataclass(frozen=True, slots=True)
class ShowFace:
    """Let the paid face that was prepared, or the one of this computer, take over; stop the paid one that was shown."""

    face: Face


@dataclass(frozen=True, slots=True)
class SetMood:
    """Tell the face what Kai is doing."""

    mood: AgentState


@dataclass(frozen=True, slots=True)
class SetMuted:
    """Let the microphone through, or send silence in its place."""

    is_muted: bool


@dataclass(frozen=True, slots=True)
class SetRecording:
    """Keep the talk's sound from now on, or no more; answer with ``RecordingFailed`` where that cannot be."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class ApplyLook:
    """Hand a changed look to the legs that are up."""

    look: Look


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Report ``TimerFired(timer)`` after ``delay_s``; where that timer is armed already, it is replaced."""

    timer: Timer
    delay_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer."""

    timer: Timer


Command = (
    OpenLeg
    | CloseLeg
    | SendText
    | SeedHistory
    | CancelResponse
    | Greet
    | BeginTurn
    | EndTurn
    | RunTool
    | SendToolResult
    | OpenSpareBrain
    | SwapBrain
    | StopSpeaking
    | PrepareFace
    | DropFace
    | ShowFace
    | SetMood
    | SetMuted
    | SetRecording
    | ApplyLook
    | ArmTimer
    | CancelTimer
)

Step = tuple[SessionState, tuple[Command, ...]]
"""The state after an event, and what to do about it."""
