"""The interfaces between a session and the outside world: the voice brain, the face, the page, and their sinks.

Adapters implement these protocols. The docstrings are the contract, and ``tests/contract`` checks every implementation,
real or fake, against it. Unless its docstring says otherwise, a method is called on Kai's event loop and must not block.

A *segment* is the sound of one answer; its id is the id of the brain's response. Positions in a segment are samples at
24 000 Hz from its first sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Protocol

from kai.avatar.feeling import Feeling as Feeling
from kai.compat.format import Pcm as Pcm
from kai.compat.format import Picture as Picture
from kai.core.events import Event
from kai.core.state import AgentState, BrainFacts, Card, Look
from kai.errors import KaiError
from kai.media.segments import Heard as Heard

Emit = Callable[[Event], None]
"""Hands an event to the store. It may be called on Kai's loop only."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A viseme or a word that lasts from ``start`` to ``end`` (samples at 24 000 Hz in its segment)."""

    label: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Marks:
    """The times of the visemes and words in a part of a segment, in chronological order.

    ``visemes`` are labelled with the 15 Oculus visemes (``kai.avatar.lipsync.VISEMES``), ``words`` with their spelling.
    Marks arrive before or together with the sound that they describe, or not at all.
    """

    visemes: tuple[Timed, ...]
    words: tuple[Timed, ...]


@dataclass(frozen=True, slots=True)
class FaceCapability:
    """What a face can do. ``delay_ms`` is the delay that it adds between ``speak`` and the playout."""

    name: str
    delay_ms: int
    has_picture: bool
    is_billed: bool
    can_restyle: bool


@dataclass(frozen=True, slots=True)
class MediaReading:
    """Media counters of a talk's page since the talk was made. The difference of two readings describes the time between.

    ``pictures`` were sent to the page. ``late_ms`` is the sum of their delays relative to the sound of the same moment.
    ``dropped_pictures`` were replaced by a newer one before they were sent. The page reports its own counts every few
    seconds: in ``page_s`` seconds it showed ``page_pictures`` and dropped ``page_dropped``. ``dropped_mic_ms`` is the
    duration of the microphone sound that was lost because nobody read it in time.
    """

    pictures: int = 0
    late_ms: float = 0.0
    dropped_pictures: int = 0
    page_s: float = 0.0
    page_pictures: int = 0
    page_dropped: int = 0
    dropped_mic_ms: int = 0

    def since(self, before: MediaReading) -> MediaReading:
        """Return the difference between this reading and ``before``."""
        return MediaReading(*(getattr(self, f.name) - getattr(before, f.name) for f in fields(MediaReading)))


class BrainSink(Protocol):
    """Receives a brain's events and answers. All methods are called on Kai's loop."""

    def emit(self, event: Event) -> None:
        """Report an event; ``LegFailed`` for the brain when an open brain is lost."""
        ...

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        """Take sound of an answer, 24 000 Hz, in order, as it arrives.

        Silence between answers is not sent, nor any sound of an answer after it was cancelled."""
        ...

    def marks(self, segment_id: str, marks: Marks) -> None:
        """Take viseme and word times of an answer, if the brain provides them."""
        ...

    def end_segment(self, segment_id: str) -> None:
        """The answer's sound is complete. Not called for an answer that was cancelled."""
        ...


class VoiceBrain(Protocol):
    """Listens to a person and answers by voice. One object is one connection and is opened once."""

    @property
    def facts(self) -> BrainFacts:
        """Facts about this brain, known once it is open."""
        ...

    async def open(self, look: Look, sink: BrainSink) -> None:
        """Connect once, with the look's voice, speed and instructions. Raises ``BrainError`` and then leaves nothing open."""
        ...

    def push_mic(self, pcm: Pcm) -> None:
        """Take 20 ms of the person's sound: ``(960,)`` int16, 48 000 Hz. The queue is bounded and drops the oldest."""
        ...

    def set_muted(self, is_muted: bool) -> None:
        """Mute or unmute. While muted, silence is sent to the brain in place of the microphone."""
        ...

    def seed(self, lines: tuple[tuple[str, str], ...]) -> None:
        """Give a new brain the earlier lines of the talk: ``(role, text)``, oldest first. No answer follows."""
        ...

    def send_text(self, item_id: str, text: str) -> None:
        """Send a line that the person typed. An answer follows."""
        ...

    def cancel(self, response_id: str) -> None:
        """Stop that answer and drop its sound, even if it is in flight. None of it reaches the sink after this call."""
        ...

    def greet(self, words: str) -> None:
        """Speak first, with these words and no others."""
        ...

    def say(self, text: str) -> None:
        """Speak these words as they are, as an answer."""
        ...

    def begin_turn(self) -> None:
        """Push to talk: begin the person's turn. Microphone sound from before does not count."""
        ...

    def end_turn(self, is_kept: bool) -> None:
        """Push to talk: end the person's turn. An answer follows only if ``is_kept``."""
        ...

    def send_tool_result(self, call_id: str, output: str) -> None:
        """Send a tool's output (JSON). One answer follows when every call of that response has its result."""
        ...

    def tell_heard(self, response_id: str, heard_ms: int, heard_text: str | None = None) -> None:
        """Report how much of a cancelled answer was heard, and its words if they are known. A brain that does not track this
        itself forgets the rest."""
        ...

    def update(self, look: Look) -> None:
        """Apply the settings that can change during a connection (see ``kai.core.capabilities``). The others take effect
        with the next one."""
        ...

    async def aclose(self) -> None:
        """Hang up and release everything, within 5 s. May be called twice, and on a brain that never opened."""
        ...


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool's result: JSON for the brain, ``problem`` in words if the tool failed, and ``card`` if it has one to show."""

    output: str
    problem: str = ""
    card: Card | None = None


class ToolBox(Protocol):
    """The tools that Kai may call."""

    async def run(self, name: str, arguments: str, time_zone: str = "") -> ToolResult:
        """Call a tool with JSON arguments, for a person in that time zone (an IANA name, or empty).

        It never raises and ends within a time limit; the result reports a failure."""
        ...


class FaceSink(Protocol):
    """Receives a face's pictures and events. All methods are called on Kai's loop."""

    def emit(self, event: Event) -> None:
        """Report ``PlayoutStarted``, ``PlayoutFinished``, and ``LegFailed`` for the face when an open face is lost."""
        ...

    def picture(self, picture: Picture, at_s: float) -> None:
        """Take a frame to show now. ``at_s`` is its time on the monotonic clock. The receiver owns the array."""
        ...


class AvatarFace(Protocol):
    """Plays the sound that it is given and shows a matching picture. One object is one session and is opened once."""

    @property
    def capability(self) -> FaceCapability: ...

    async def open(self, look: Look, sink: FaceSink) -> None:
        """Start once, with the look's character. Raises ``FaceError`` and then leaves nothing open."""
        ...

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        """Take sound to speak, 24 000 Hz, in order, in real time or faster. A new segment is played after the previous one.

        ``is_sounding`` means that another face has played the segment up to here, so that playout must continue at once,
        without waiting to look ahead.
        """
        ...

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Take viseme and word times of a part of a segment, before or with its sound."""
        ...

    def end_segment(self, segment_id: str) -> None:
        """Mark the segment as complete. ``PlayoutFinished`` follows when its last sample has been played."""
        ...

    def stop_speaking(self) -> Heard | None:
        """Fall silent at once and close the mouth. Return how far the segment that was playing had been heard, if any."""
        ...

    def heard_now(self) -> Heard | None:
        """Return how far the segment that is playing has been heard so far, if any. Any thread."""
        ...

    def set_mood(self, mood: AgentState) -> None:
        """Show what Kai is doing."""
        ...

    def set_emotion(self, feeling: Feeling) -> None:
        """Show this feeling, in a face that can, wherever `mark` gave no words that have one of their own."""
        ...

    def rest(self, is_resting: bool) -> None:
        """Nobody speaks and nothing is awaited, or that is over: a face that rests moves less, and may draw less often."""
        ...

    def set_look(self, look: Look) -> None:
        """Change the character or its style without interrupting the picture."""
        ...

    def want_frames(self, wanted: bool) -> None:
        """Start or pause rendering. A paused face uses almost no CPU and shows a frame within 0.5 s when it resumes."""
        ...

    def want_size(self, size_px: int) -> None:
        """Draw squares of this size from now on, if the face is drawn here and the machine manages it."""
        ...

    def pull_sound(self) -> Pcm:
        """Return the next 20 ms to play: ``(960,)`` int16, 48 000 Hz, zeros when there is nothing to say.

        The player calls this once every 20 ms, **from any one thread**. These calls are the playout clock.
        """
        ...

    async def aclose(self) -> None:
        """Stop and release everything, within 5 s. May be called twice, and on a face that never opened."""
        ...


class SoundRecorder(Protocol):
    """Records the sound of both sides of a talk while it is on."""

    def start(self, on_failed: Callable[[KaiError], None]) -> None:
        """Start to record. Raises ``KaiError``; a later error is passed to ``on_failed`` (any thread)."""
        ...

    def stop(self) -> None:
        """Stop recording. Returns at once; may be called twice."""
        ...

    def push_mic(self, pcm: Pcm) -> None:
        """Take 20 ms of the person's sound: ``(960,)`` int16, 48 000 Hz."""
        ...

    def push_played(self, pcm: Pcm) -> None:
        """Take 20 ms of the sound that the page plays, in the format of ``push_mic``. These calls are the recording's clock.
        From any one thread; never blocks."""
        ...


class BrowserLink(Protocol):
    """The person's page: it receives picture and sound, and sends the microphone. Only here do media cross threads.

    It lives as long as the talk; the page may disconnect and reconnect.
    """

    def connect(self, emit: Emit, on_mic: Callable[[Pcm], None]) -> None:
        """Start reporting ``LegConnected`` and ``BrowserLeft`` to ``emit``, and 20 ms of microphone sound at a time
        (``(960,)`` int16, 48 000 Hz) to ``on_mic``. Both are called on Kai's loop."""
        ...

    def expect_page(self) -> None:
        """Expect a page to connect. Raises ``BrowserError``, which says what to do, if no page can."""
        ...

    def show(self, picture: Picture, at_s: float) -> None:
        """Set the newest picture, replacing one that was not fetched yet."""
        ...

    def play_from(self, pull: Callable[[], Pcm]) -> None:
        """Take the sound from ``pull`` (``AvatarFace.pull_sound``) from now on, every 20 ms, whether or not a page is
        connected, so that the playout clock never stops."""
        ...

    def close_page(self) -> None:
        """End the page's connection, if there is one. It may connect again."""
        ...

    async def aclose(self) -> None:
        """End everything. May be called twice."""
        ...
