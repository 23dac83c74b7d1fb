"""What the session asks of the outer world: a voice brain, a face, and the sinks through which they answer.

Adapters implement these protocols; the contract is in the docstrings, and ``tests/contract`` holds every implementation,
real or fake, to it. Unless a method says otherwise it is called on Kai's own event loop and must not block.

A *segment* is the sound of one answer; its id is the id of the brain's response. Positions in a segment are samples at
24 000 Hz from its first sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

from kai.compat.format import Pcm as Pcm
from kai.compat.format import Picture as Picture
from kai.core.events import Event
from kai.core.state import AgentState, BrainFacts, Card, Look
from kai.errors import KaiError

Emit = Callable[[Event], None]
"""Hands an event to the store. May be called from Kai's loop only."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Something that lasts from ``start`` to ``end`` (samples at 24 000 Hz in its segment): a viseme or a word."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marks:
    """Lip and word times of a part of a segment, in the order of time.

    ``visemes`` are labels of the 15 Oculus visemes (``kai.avatar.lipsync.VISEMES``); ``words`` are as they are written.
    Marks come at the latest together with the sound that they tell of, or not at all.
    """

    visemes: tuple[Timed, ...]
    words: tuple[Timed, ...]


@dataclass(frozen=True, slots=True)
class FaceCapability:
    """What a face can do. ``delay_ms`` is what it adds between ``speak`` and the sound that goes out."""

    name: str
    delay_ms: int
    has_picture: bool
    is_billed: bool
    can_restyle: bool


@dataclass(frozen=True, slots=True)
class MediaReading:
    """Counters of a talk's page since the talk was made; two of them tell what happened between.

    ``pictures`` left for the page, ``late_ms`` is the sum of how much later each left than its own moment, at which the
    sound of that moment leaves; ``dropped_pictures`` were replaced by a newer one before the page took them. By the page's
    own count, told every few seconds: in ``page_s`` seconds it showed ``page_pictures`` and left out ``page_dropped``.
    ``dropped_mic_ms`` of the person's sound came while nobody took it, and is lost.
    """

    pictures: int = 0
    late_ms: float = 0.0
    dropped_pictures: int = 0
    page_s: float = 0.0
    page_pictures: int = 0
    page_dropped: int = 0
    dropped_mic_ms: int = 0

    def since(self, before: MediaReading) -> MediaReading:
        """What happened between ``before`` and this reading."""
        return MediaReading(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(MediaReading)))


@dataclass(frozen=True, slots=True)
class Heard:
    """How far a segment was heard when it was cut off: ``samples`` at 24 000 Hz."""

    segment_id: str
    samples: int


class BrainSink(Protocol):
    """Where a brain's answers go. All methods are called on Kai's loop."""

    def emit(self, event: Event) -> None:
        """Report an event; ``LegFailed`` for the brain when an open brain is lost."""
        ...

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        """Sound of an answer, 24 000 Hz, in order, as it arrives. Only what lies between the answer's start and end:
        silence between answers is not sent, and nothing of an answer after it was cancelled."""
        ...

    def marks(self, segment_id: str, marks: Marks) -> None:
        """Lip and word times of an answer, where the brain has them."""
        ...

    def end_segment(self, segment_id: str) -> None:
        """The answer's sound is complete. Not called for an answer that was cancelled."""
        ...


class VoiceBrain(Protocol):
    """Hears a person, answers by voice. One object is one connection; it is opened once."""

    @property
    def facts(self) -> BrainFacts:
        """What this brain is, once it is open."""
        ...

    async def open(self, look: Look, sink: BrainSink) -> None:
        """Connect with this voice, speed and instructions, trying once. Raises ``BrainError``; then nothing is left open."""
        ...

    def push_mic(self, pcm: Pcm) -> None:
        """20 ms of the person's sound: ``(960,)`` int16, 48 000 Hz. Kept in a bounded queue (the oldest is dropped)."""
        ...

    def set_muted(self, is_muted: bool) -> None:
        """While muted the brain is sent silence in place of the microphone."""
        ...

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None:
        """Tell a fresh brain what was said before: ``(role, text)``, oldest first. No answer follows."""
        ...

    def send_text(self, item_id: str, text: str) -> None:
        """A typed line of the person; an answer follows."""
        ...

    def cancel(self, response_id: str) -> None:
        """Stop that answer and drop its sound, also what is on the way. Nothing of it reaches the sink after this call."""
        ...

    def greet(self, instructions: str) -> None:
        """Speak first, by this instruction."""
        ...

    def begin_turn(self) -> None:
        """Push to talk: the person's turn begins; what the microphone brought before does not count."""
        ...

    def end_turn(self, is_kept: bool) -> None:
        """Push to talk: the person's turn is over. An answer follows, or, where it is not kept, nothing."""
        ...

    def send_tool_result(self, call_id: str, output: str) -> None:
        """What a tool gave (JSON). One answer follows when every call of that response has its result."""
        ...

    def tell_heard(self, response_id: str, heard_ms: int) -> None:
        """So much of a cancelled answer was heard; a brain that does not know it by itself forgets the rest."""
        ...

    def update(self, look: Look) -> None:
        """Apply what can be changed in a running talk (``kai.core.capabilities`` says what); the rest holds until the next
        one."""
        ...

    async def aclose(self) -> None:
        """Hang up and release everything, within 5 s. May be called twice, and on a brain that never opened."""
        ...


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave: JSON for the brain; ``problem`` in words where it failed; ``card`` where it has one to show."""

    output: str
    problem: str = ""
    card: Card | None = None


class ToolBox(Protocol):
    """The tools that Kai may call."""

    async def run(self, name: str, arguments: str, time_zone: str = "") -> ToolResult:
        """Call a tool with JSON arguments, for a person in that time zone (an IANA name, or empty). It raises nothing and
        takes no longer than it may: what goes wrong is told in the result."""
        ...


class FaceSink(Protocol):
    """Where a face's picture and reports go. All methods are called on Kai's loop."""

    def emit(self, event: Event) -> None:
        """``PlayoutStarted``, ``PlayoutFinished``, and ``LegFailed`` for the face when an open face is lost."""
        ...

    def picture(self, picture: Picture, at_s: float) -> None:
        """A frame to show now. ``at_s`` is its time on the monotonic clock. The array belongs to the receiver."""
        ...


class AvatarFace(Protocol):
    """Speaks what it is given, with a picture. One object is one session of a face; it is opened once."""

    @property
    def capability(self) -> FaceCapability: ...

    async def open(self, look: Look, sink: FaceSink) -> None:
        """Start with this character, trying once. Raises ``FaceError``; then nothing is left open."""
        ...

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        """Sound to speak, 24 000 Hz, in order, in real time or faster. A new segment begins after the one before it.

        ``is_sounding``: another face has said the segment up to here; it goes on at once, without a pause to look ahead.
        """
        ...

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Lip and word times of a part of a segment, before or with its sound."""
        ...

    def end_segment(self, segment_id: str) -> None:
        """The segment is complete; ``PlayoutFinished`` comes when its last sample has gone out."""
        ...

    def stop_speaking(self) -> Heard | None:
        """Be silent at once and close the mouth. Tells how far the segment that was sounding had been heard."""
        ...

    def set_mood(self, mood: AgentState) -> None:
        """Show what Kai is doing."""
        ...

    def set_look(self, look: Look) -> None:
        """Change the character or its style, without a gap in the picture."""
        ...

    def want_frames(self, wanted: bool) -> None:
        """Render or rest. A face at rest costs next to nothing and shows its first frame within 0.5 s."""
        ...

    def pull_sound(self) -> Pcm:
        """The next 20 ms to play: ``(960,)`` int16, 48 000 Hz, zeros when there is nothing to say.

        Called once every 20 ms by whoever plays the sound, **from any one thread**; each call is the playout clock.
        """
        ...

    async def aclose(self) -> None:
        """Stop and release everything, within 5 s. May be called twice, and on a face that never opened."""
        ...


class SoundRecorder(Protocol):
    """Keeps both sides' sound of a talk, while it is on."""

    def start(self, on_failed: Callable[[KaiError], None]) -> None:
        """Keep what sounds from now on. Raises ``KaiError``; one that comes later goes to ``on_failed`` (any thread)."""
        ...

    def stop(self) -> None:
        """Keep nothing more. Returns at once; may be called twice."""
        ...

    def hear(self, pcm: Pcm) -> None:
        """20 ms of the person: ``(960,)`` int16, 48 000 Hz."""
        ...

    def say(self, pcm: Pcm) -> None:
        """20 ms of what goes to the page, as ``hear``; each call is the clock. From any one thread; never waits."""
        ...


class BrowserLink(Protocol):
    """The person's page: where the picture and the sound go, where the microphone comes from. The only thread crossing.

    It lives as long as the talk; the page's connection behind it may come and go.
    """

    def connect(self, emit: Emit, on_mic: Callable[[Pcm], None]) -> None:
        """Start reporting: ``LegConnected``, ``BrowserLeft``, and 20 ms of microphone at a time (``(960,)`` int16,
        48 000 Hz). Both are called on Kai's loop."""
        ...

    def expect_page(self) -> None:
        """A page is about to connect. Raises ``BrowserError`` where none can, and says what to do."""
        ...

    def show(self, picture: Picture, at_s: float) -> None:
        """The newest picture; one that was not fetched yet is replaced."""
        ...

    def play_from(self, pull: Callable[[], Pcm]) -> None:
        """From now on the sound comes from ``pull`` (``AvatarFace.pull_sound``), every 20 ms, whether or not a page
        listens: the playout clock never stops."""
        ...

    def close_page(self) -> None:
        """End the page's connection, if there is one. It may connect again."""
        ...

    async def aclose(self) -> None:
        """End everything. May be called twice."""
        ...
