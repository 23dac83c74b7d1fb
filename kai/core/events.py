"""Everything that can happen to a talk (``Event``) and everything that a talk can ask for (``Command``).

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


@dataclass(frozen=True, slots=True)
class StartRequested:
    """A person pressed Start. ``wall_s`` is the wall clock at that moment (seconds since the epoch), and ``spent_today_usd``
    what other talks of that day have cost."""

    wall_s: float
    look: Look
    spent_today_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The talk must end because a person pressed Stop, or because nobody is there any more (``reason``)."""

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
class ClearUndone:
    """A person wants the cleared lines back."""


@dataclass(frozen=True, slots=True)
class ResetRequested:
    """A person wants a closed talk to be forgotten. The state is reset, except for the settings."""


@dataclass(frozen=True, slots=True)
class LookChanged:
    """A person changed the sidebar."""

    look: Look


@dataclass(frozen=True, slots=True)
class FaceRecalled:
    """A person wants the cloud avatar back after the local face stood in for it."""


@dataclass(frozen=True, slots=True)
class BrainRecalled:
    """A person wants the cloud's brain back after this computer's engine stood in for it."""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person asked to try a failed leg again."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class ProblemDismissed:
    """A person dismissed the problem."""


@dataclass(frozen=True, slots=True)
class TurnKeyPressed:
    """A person pressed the push-to-talk key. Their turn begins, and Kai stops speaking."""


@dataclass(frozen=True, slots=True)
class TurnKeyReleased:
    """A person released the push-to-talk key. Their turn is over."""


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """A person wants settings applied that need a new connection. The brain is replaced at the next pause."""


@dataclass(frozen=True, slots=True)
class CardDismissed:
    """A person dismissed the card."""


@dataclass(frozen=True, slots=True)
class RecordingWished:
    """A person turned the recording of the talk on or off."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class FaceShown:
    """A page shows the face at this size, in the screen's own pixels."""

    size_px: int


@dataclass(frozen=True, slots=True)
class LegConnected:
    """A leg is up."""

    leg: LegName


@dataclass(frozen=True, slots=True)
class LegFailed:
    """A leg could not be opened, or was lost. The reducer decides what to do about it.

    ``retry_after_s`` is how long the peer asked us to wait (HTTP's ``Retry-After``), or 0 if it did not ask.
    """

    leg: LegName
    code: str
    message: str
    is_retryable: bool = True
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BrowserLeft:
    """The page disconnected without notice (a refresh, a lost network). It may reconnect on its own."""


@dataclass(frozen=True, slots=True)
class Awoke:
    """This computer, or Kai's process, has stood still for ``slept_s``: a closed lid, a suspended virtual machine."""

    slept_s: float


@dataclass(frozen=True, slots=True)
class MicrophoneChanged:
    """The browser reported a new state of the microphone."""

    microphone: Microphone


@dataclass(frozen=True, slots=True)
class TimeZoneTold:
    """The browser reported the person's time zone by its IANA name (``Asia/Tokyo``)."""

    time_zone: str


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
    """What the person has said so far. ``is_final`` means it will not change again; empty and final means nothing was said.

    ``confidence`` (0 to 1, the geometric mean over the tokens) is ``None`` unless it was requested and reported.
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
    """The brain has finished generating an answer; its sound may still be arriving. ``status`` is the protocol's word.

    ``mind`` names the mind that generated the answer, if the brain reports it; ``tokens_per_s`` is its speed, if known.
    """

    response_id: str
    status: str
    message: str = ""
    mind: str = ""
    tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class AssistantTranscriptChanged:
    """What Kai's line says so far. ``is_final`` means it will not change again."""

    response_id: str
    item_id: str
    text: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class AudioStarted:
    """The brain began to send an answer's sound."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AudioStopped:
    """The brain has sent all of an answer's sound."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AudioCleared:
    """The brain discarded the rest of an answer's sound after an interruption."""

    response_id: str


@dataclass(frozen=True, slots=True)
class BrainComplained:
    """The brain reported an error; the session goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BrainDescribed:
    """Describes the brain that was just opened, and the settings it was opened with."""

    facts: BrainFacts
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class UsageReported:
    """The tokens that an answer used, or the transcription of a person's line (``is_turn`` is false). ``cost_usd`` is
    ``None`` if the price is not known."""

    tokens: Tokens
    cost_usd: float | None
    is_turn: bool = True


@dataclass(frozen=True, slots=True)
class RateLimitsReported:
    """The provider reported how much of its rate limits is left."""

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


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The model called a tool; ``arguments`` is the JSON as the model wrote it."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool returned its ``output`` (JSON). If it failed, ``problem`` says why, in words for a person."""

    call_id: str
    output: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CardShown:
    """A tool put a card on the stage."""

    card: Card


@dataclass(frozen=True, slots=True)
class PlayoutStarted:
    """The first sound of a segment is being played. A segment is the sound of one answer; its id is the response's."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PlayoutFinished:
    """The last sound of a segment has been played."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PlayoutInterrupted:
    """A segment was cut off. ``heard_text`` holds the words that were heard, or ``None`` if they are not known. If
    ``heard_ms`` is 0, nothing was heard and the answer's line is dropped."""

    segment_id: str
    heard_ms: int
    heard_text: str | None


@dataclass(frozen=True, slots=True)
class CloudOpened:
    """The paid face that was being prepared can be shown. It lasts ``longest_s`` from now, if that is known;
    ``is_sandbox`` means a free session of one minute."""

    longest_s: float | None
    is_sandbox: bool = False
    is_billed: bool = True


@dataclass(frozen=True, slots=True)
class CloudFailed:
    """The paid face could not be opened, or was lost before it was shown. ``retry_after_s`` is the pause that the provider
    asked for, or 0. ``is_billed`` means that a session was started and paid. ``detail`` is the provider's own text."""

    code: str
    message: str
    is_retryable: bool
    retry_after_s: float = 0.0
    is_billed: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CloudLost:
    """The paid face was lost while it was shown. ``is_billed`` means that the session cost something."""

    code: str
    message: str
    is_retryable: bool
    is_billed: bool = True


@dataclass(frozen=True, slots=True)
class FaceResumed:
    """A face lost its connection for a moment, so some of the sound it was given may be missing. The owner of that sound
    sends the part that was not heard again."""


@dataclass(frozen=True, slots=True)
class CreditsReported:
    """The credits that a paid session has ``used`` so far, and those ``left`` in the account, if known."""

    session_id: str
    used: int
    left: float | None


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """Recording stopped because of a fault: a code, and a sentence for the person."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that the reducer armed has run out."""

    timer: Timer


BrainEvent = (
    UserSpeechStarted
    | UserSpeechStopped
    | UserTranscriptChanged
    | ResponseCreated
    | ResponseDone
    | AssistantTranscriptChanged
    | AudioStarted
    | AudioStopped
    | AudioCleared
    | BrainComplained
    | ToolRequested
)
"""What a brain reports of its turns. It counts while the brain's leg is up."""

Event = (
    StartRequested
    | StopRequested
    | MuteToggled
    | InterruptRequested
    | TextSubmitted
    | MessagesCleared
    | ClearUndone
    | ResetRequested
    | LookChanged
    | FaceRecalled
    | BrainRecalled
    | RetryRequested
    | ProblemDismissed
    | TurnKeyPressed
    | TurnKeyReleased
    | HandOverRequested
    | CardDismissed
    | RecordingWished
    | FaceShown
    | LegConnected
    | LegFailed
    | BrowserLeft
    | Awoke
    | MicrophoneChanged
    | TimeZoneTold
    | BrainEvent
    | BrainDescribed
    | UsageReported
    | RateLimitsReported
    | BrainRemarked
    | SpareBrainReady
    | SpareBrainFailed
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


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """Try once to open a leg; answer with ``LegConnected`` or ``LegFailed``. For the face's leg this is the local face."""

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
    """Stop the brain's answer and discard the sound that is still on the way."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Greet:
    """Ask the brain to speak first, with these words."""

    words: str


@dataclass(frozen=True, slots=True)
class SayWords:
    """Have the brain speak these words as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class BeginTurn:
    """Begin the person's turn (push to talk). Sound from before this moment does not count."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """End the person's turn (push to talk). The brain answers it if ``is_kept``, and discards it otherwise."""

    is_kept: bool


@dataclass(frozen=True, slots=True)
class RunTool:
    """Call a tool; answer with ``ToolFinished``."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class SendToolResult:
    """Give the brain a tool's output. The brain answers once it has the results of all its calls."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class OpenSpareBrain:
    """Open a second brain in the background, this computer's engine if it ``is_stand_in``; answer with ``SpareBrainReady`` or
    ``SpareBrainFailed``."""

    is_stand_in: bool = False


@dataclass(frozen=True, slots=True)
class SwapBrain:
    """Replace the brain with the spare one, and close the old one."""


@dataclass(frozen=True, slots=True)
class StopSpeaking:
    """Silence the face at once; answer with ``PlayoutInterrupted``."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class PrepareFace:
    """Open a paid face in the background; answer with ``CloudOpened`` or ``CloudFailed``."""


@dataclass(frozen=True, slots=True)
class DropFace:
    """Stop the paid face that is being prepared, whether or not it is open yet."""


@dataclass(frozen=True, slots=True)
class ShowFace:
    """Show the prepared paid face or the local one, and stop the paid face that was shown before."""

    face: Face


@dataclass(frozen=True, slots=True)
class SetMood:
    """Tell the face what Kai is doing."""

    mood: AgentState


@dataclass(frozen=True, slots=True)
class SetMuted:
    """Pass the microphone on to the brain, or send silence in its place."""

    is_muted: bool


@dataclass(frozen=True, slots=True)
class SetRecording:
    """Turn the recording of the talk on or off; answer with ``RecordingFailed`` if it cannot start."""

    is_on: bool


@dataclass(frozen=True, slots=True)
class ApplyLook:
    """Hand a changed look to the legs that are up."""

    look: Look


@dataclass(frozen=True, slots=True)
class ArmTimer:
    """Report ``TimerFired(timer)`` after ``delay_s``. If an equal timer is already armed, it is replaced."""

    timer: Timer
    delay_s: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Disarm a timer, if it is armed."""

    timer: Timer


Command = (
    OpenLeg
    | CloseLeg
    | SendText
    | SeedHistory
    | CancelResponse
    | Greet
    | SayWords
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
