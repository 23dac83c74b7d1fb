"""Detects when a person's turn begins and ends, from the frames of a voice detector. Pure: time is counted in samples.

After 128 ms of a pause the words before it are recognised on speculation. That takes about twice as long again, so it is
done when the shortest pause that ends a complete turn is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from kai.compat.format import HEARING_HZ, Float32
from kai.engine.speech.nearness import Nearness
from kai.engine.speech.vad import FRAME_MS, FRAME_SAMPLES
from kai.media import pcm

DEFAULT_THRESHOLD: Final = 0.5
DEFAULT_PREFIX_PADDING_MS: Final = 300
DEFAULT_SILENCE_DURATION_MS: Final = 448
SPECULATION_SILENCE_MS: Final = 128
"""Shorter pauses are frequent within fluent speech, and each would cost a recognition that is thrown away."""
MIN_SPEECH_MS: Final = 128
"""Shorter sounds, such as a click or a chair, are not counted as speech. A word said fast has no more voice than this
("stop", whose consonants are voiceless). The recogniser takes one of 240 noises for a word, see `kai.bench.short_sounds`."""
START_FRAMES: Final = 2
"""The number of voiced frames in a row that begin a turn: a single one (32 ms) is mostly a click."""
MAX_TURN_MS: Final = 120_000
_PARTIAL_INTERVAL_MS: Final = 800
_FIRST_PARTIALS_MS: Final = 256
"""The interval of partials until words are shown, which takes two partials that agree."""
_YOUNG_MS: Final = 3_000
"""After this long without a word the interval is the usual one, to spare the core."""
_PARTIAL_SHARE: Final = 0.12
_CUT_RANGE_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """A turn began. ``audio_start_ms`` counts from the first sample pushed and includes the prefix padding."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class PartialDue:
    """The person is still speaking; ``audio``, the turn so far, may be recognised for display.

    ``audio`` is ``(samples,)`` float32 at 16 kHz, here and in the other events.
    """

    audio: Float32


@dataclass(frozen=True, slots=True)
class SpeculationDue:
    """A pause began that may end the turn: recognise ``audio`` now. `SpeechResumed` makes the result void."""

    audio: Float32
    version: int


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The pause did not end the turn; the speculation since then is void."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The turn ended at ``audio_end_ms``, the silence at its end included.

    ``version`` is that of the newest `SpeculationDue`, whose audio has the same words, so its text is the turn's text.
    ``audio`` has the whole turn with the prefix padding and the silence.
    """

    audio_end_ms: int
    audio: Float32
    version: int


@dataclass(frozen=True, slots=True)
class SpeechDropped:
    """The sound announced by `SpeechStarted` was too short for speech; there is nothing to recognise or to answer."""

    audio_end_ms: int


TurnEvent = SpeechStarted | PartialDue | SpeculationDue | SpeechResumed | SpeechStopped | SpeechDropped


class VoiceDetector(Protocol):
    """A detector that tells a voice from noise: `kai.engine.speech.vad.Vad`, or a double in tests."""

    def __call__(self, frame: Float32, /) -> float: ...

    def reset(self) -> None: ...


class TurnDetector:
    """Detects the turns in one stream of sound. Not thread-safe. Bound: a turn is cut after two minutes.

    Voices in the background neither begin a turn nor keep one open: see `kai.engine.speech.nearness`.
    """

    def __init__(
        self,
        threshold: float = DEFAULT_THRESHOLD,
        prefix_padding_ms: int = DEFAULT_PREFIX_PADDING_MS,
        silence_duration_ms: int = DEFAULT_SILENCE_DURATION_MS,
        *,
        vad: VoiceDetector,
        max_turn_ms: int = MAX_TURN_MS,
    ) -> None:
        self._vad = vad
        self._max_turn_samples = max_turn_ms * HEARING_HZ // 1000
        self._pending: Float32 = np.zeros(0, np.float32)
        self._heard_samples = 0
        self._version = 0
        self._before: deque[Float32] = deque()
        self._nearness = Nearness()
        self.configure(threshold, prefix_padding_ms, silence_duration_ms)
        self._forget_turn()

    def configure(self, threshold: float, prefix_padding_ms: int, silence_duration_ms: int) -> None:
        """Apply new rules from the next frame on; a turn in progress goes on. Raises ``ValueError`` for invalid values."""
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold lies between 0 and 1, got {threshold}")
        if prefix_padding_ms < 0 or silence_duration_ms <= 0:
            raise ValueError("prefix_padding_ms is not negative and silence_duration_ms is positive")
        self._threshold = threshold
        prefix_frames = -(-prefix_padding_ms // FRAME_MS)
        self._silence_frames = -(-silence_duration_ms // FRAME_MS)
        self._speculation_frames = min(self._silence_frames, SPECULATION_SILENCE_MS // FRAME_MS)
        self._before = deque(self._before, maxlen=prefix_frames + START_FRAMES)

    @property
    def time_ms(self) -> int:
        """The milliseconds of sound pushed so far."""
        return (self._heard_samples + len(self._pending)) * 1000 // HEARING_HZ

    @property
    def is_speaking(self) -> bool:
        """Whether a turn is in progress."""
        return self._is_in_turn

    def learn_voice(self, audio: Float32) -> None:
        """Learn the person's loudness from ``audio``, a turn that was certainly theirs; much softer voices are ignored."""
        self._nearness.learn(audio)

    def discard(self) -> None:
        """Forget the turn in progress and the sound before it, without an event; the time goes on."""
        self._heard_samples += len(self._pending)
        self._pending = np.zeros(0, np.float32)
        self._before.clear()
        self._vad.reset()
        self._forget_turn()

    def push(self, samples: Float32) -> list[TurnEvent]:
        """Return the events in ``samples``, ``(n,)`` float32 at 16 kHz, any n. Takes about 0.1 ms of a core for 32 ms."""
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise TypeError(f"expected (samples,) float32, got {samples.shape} {samples.dtype}")
        self._pending = np.concatenate((self._pending, samples))
        whole = len(self._pending) // FRAME_SAMPLES * FRAME_SAMPLES
        frames, self._pending = self._pending[:whole], self._pending[whole:].copy()
        events: list[TurnEvent] = []
        for frame in frames.reshape(-1, FRAME_SAMPLES):
            self._heard_samples += FRAME_SAMPLES
            is_voice = self._vad(frame) >= self._threshold
            is_voiced = is_voice and self._nearness.is_near(pcm.level_dbfs(frame))
            if self._is_in_turn:
                self._go_on(frame, is_voiced, events)
                continue
            if is_voice and not is_voiced:
                self._nearness.ignore(FRAME_MS / 1000)
            self._wait_for_voice(frame, is_voiced, events)
        return events

    @property
    def is_silent(self) -> bool:
        """Whether the newest frame has no voice."""
        return not self._is_in_turn or self._silent_frames > 0

    def audio(self) -> Float32:
        """Return the sound of the turn in progress, ``(samples,)``; empty without a turn."""
        return self._audio() if self._is_in_turn else np.zeros(0, np.float32)

    def settle(self) -> None:
        """Use the usual interval of partials in this turn, since words of it are shown."""
        self._has_words = True

    def hold(self, silence_ms: int) -> None:
        """Let the current pause end the turn after ``silence_ms``; the next pause has the usual length again."""
        self._hold_frames = -(-silence_ms // FRAME_MS)

    def forget_before(self, keep_ms: int) -> None:
        """Keep only the last ``keep_ms`` of the turn in progress: the sound before was somebody else's."""
        frames = -(-keep_ms // FRAME_MS)
        if self._is_in_turn and len(self._turn) > frames:
            self._turn = self._turn[-frames:]
            self._turn_samples = len(self._turn) * FRAME_SAMPLES
            self._plan_partial()

    def finish(self) -> list[TurnEvent]:
        """End the turn now, as after a silence, and return its events; none without a turn."""
        events: list[TurnEvent] = []
        if self._is_in_turn:
            self._end_turn(events)
        return events

    def _forget_turn(self) -> None:
        self._is_in_turn = False
        self._turn: list[Float32] = []
        self._turn_samples = 0
        self._voiced_run = 0
        self._voiced_frames = 0
        self._silent_frames = 0
        self._is_speculating = False
        self._next_partial_samples = 0
        self._has_words = False
        self._hold_frames = 0

    def _ms(self, samples: int) -> int:
        return samples * 1000 // HEARING_HZ

    def _wait_for_voice(self, frame: Float32, is_voiced: bool, events: list[TurnEvent]) -> None:
        self._before.append(frame.copy())
        self._voiced_run = self._voiced_run + 1 if is_voiced else 0
        if self._voiced_run < START_FRAMES:
            return
        voiced_frames = self._voiced_run
        self._forget_turn()
        self._is_in_turn = True
        self._voiced_frames = voiced_frames
        self._turn = list(self._before)
        self._before.clear()
        self._turn_samples = len(self._turn) * FRAME_SAMPLES
        self._plan_partial()
        events.append(SpeechStarted(self._ms(self._heard_samples - self._turn_samples)))

    def _go_on(self, frame: Float32, is_voiced: bool, events: list[TurnEvent]) -> None:
        self._turn.append(frame.copy())
        self._turn_samples += FRAME_SAMPLES
        if is_voiced:
            if self._is_speculating:
                self._is_speculating = False
                events.append(SpeechResumed())
            self._silent_frames = 0
            self._hold_frames = 0
            self._voiced_frames += 1
            if self._turn_samples >= self._next_partial_samples:
                self._plan_partial()
                events.append(PartialDue(self._audio()))
        else:
            self._silent_frames += 1
            if (
                self._silent_frames >= self._speculation_frames
                and not self._is_speculating
                and self._is_speech
            ):
                self._speculate(events)
            if self._silent_frames >= (self._hold_frames or self._silence_frames):
                self._end_turn(events)
                return
        if self._turn_samples >= self._max_turn_samples:
            self._cut_turn(events)

    @property
    def _is_speech(self) -> bool:
        return self._voiced_frames * FRAME_MS >= MIN_SPEECH_MS

    def _audio(self) -> Float32:
        return np.concatenate(self._turn)

    def _plan_partial(self) -> None:
        # A longer sound costs more to recognise, so recognise it less often: that takes a sixth of a core at most.
        share_ms = int(_PARTIAL_SHARE * self._ms(self._turn_samples))
        is_young = not self._has_words and self._ms(self._turn_samples) < _YOUNG_MS
        wait_ms = _FIRST_PARTIALS_MS if is_young else max(_PARTIAL_INTERVAL_MS, share_ms)
        self._next_partial_samples = self._turn_samples + wait_ms * HEARING_HZ // 1000

    def _speculate(self, events: list[TurnEvent]) -> None:
        self._version += 1
        self._is_speculating = True
        events.append(SpeculationDue(self._audio(), self._version))

    def _end_turn(self, events: list[TurnEvent]) -> None:
        end_ms = self._ms(self._heard_samples)
        if self._is_speech:
            if not self._is_speculating:
                self._speculate(events)
            events.append(SpeechStopped(end_ms, self._audio(), self._version))
        else:
            events.append(SpeechDropped(end_ms))
        # The detector's state belongs to the turn that ended, and would mislead it about the next one.
        self._vad.reset()
        self._forget_turn()

    def _cut_turn(self, events: list[TurnEvent]) -> None:
        """End a turn that has become too long at the quietest place near its end; the rest begins the next turn."""
        audio = self._audio()
        first = max(len(audio) // 2, len(audio) - _CUT_RANGE_MS * HEARING_HZ // 1000)
        spot = pcm.quietest_sample(audio, HEARING_HZ, start=first, end=len(audio))
        cut = max(1, spot // FRAME_SAMPLES) * FRAME_SAMPLES
        if self._is_speculating:
            events.append(SpeechResumed())
        self._version += 1
        events.append(SpeculationDue(audio[:cut], self._version))
        rest = audio[cut:]
        cut_ms = self._ms(self._heard_samples - len(rest))
        events.append(SpeechStopped(cut_ms, audio[:cut], self._version))
        silent_frames = self._silent_frames
        self._forget_turn()
        self._is_in_turn = True
        self._turn = list(rest.reshape(-1, FRAME_SAMPLES))
        self._turn_samples = len(rest)
        # The person was in the middle of speaking, so the rest counts as speech.
        self._voiced_frames = -(-MIN_SPEECH_MS // FRAME_MS)
        self._silent_frames = silent_frames
        self._plan_partial()
        events.append(SpeechStarted(cut_ms))
