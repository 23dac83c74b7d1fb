"""Ears, voice and mind that are scripts: loud sound is a voice, a beep is a word. Fast, and the same every time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kai.engine.models.voices import VoiceShelf
from kai.engine.speech.clauses import Clause, PhonemeSpan, VisemeSpan, WordSpan
from kai.engine.speech.endings import no_opinion
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.ladder import EnginePart
from kai.engine.speech.mind import MindTurn, Reply
from kai.engine.speech.orders import RunningTimer
from kai.engine.speech.recognition import Transcript

WORD_MS = 500
WORD_SAMPLES = 24_000 * WORD_MS // 1000


class LoudnessVad:
    """A frame with a sample over 0.1 holds a voice."""

    def __call__(self, frame: NDArray[np.float32], /) -> float:
        return 1.0 if float(np.abs(frame).max()) > 0.1 else 0.0

    def reset(self) -> None:
        pass


@dataclass
class ScriptedRecogniser:
    """Hears the next line of `lines`, and the last one for ever; counts."""

    lines: list[Transcript] = field(default_factory=lambda: [Transcript("hello kai", -0.2, True)])
    beams: list[int] = field(default_factory=list[int])

    def transcribe(self, audio: NDArray[np.float32], beam: int = 5) -> Transcript:
        del audio
        self.beams.append(beam)
        return self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]


class BeepingVoice:
    """Half a second of 440 Hz a word, a clause a sentence."""

    installed = frozenset({"kai", "mara", "ade", "ines", "emil", "vera", "jun"})
    asked: list[str]

    def __init__(self) -> None:
        self.asked = []

    def must_load(self, voice_id: str) -> bool:
        del voice_id
        return False

    def stream(self, text: str, speed: float = 1.0, voice_id: str = "") -> Iterator[Clause]:
        del speed
        self.asked.append(voice_id)
        for sentence in re.findall(r"[^.?]+[.?]*", text):
            words = sentence.split()
            if not words:
                continue
            t = np.arange(len(words) * WORD_SAMPLES) / 24_000
            spans = [(word, i * WORD_SAMPLES, (i + 1) * WORD_SAMPLES) for i, word in enumerate(words)]
            yield Clause(
                text=sentence.strip(),
                pcm=(8_000 * np.sin(2 * np.pi * 440 * t)).astype(np.int16),
                phonemes=tuple(PhonemeSpan("a", start, end) for _, start, end in spans),
                visemes=tuple(VisemeSpan("aa", start, end) for _, start, end in spans),
                words=tuple(WordSpan(*span) for span in spans),
            )


@dataclass
class EchoingMind:
    """Says what it heard, after `prefix`; remembers what it was asked with."""

    prefix: str = "You said"
    asked: list[tuple[tuple[MindTurn, ...], str]] = field(default_factory=list[Any])

    def is_request(self, heard: str) -> bool:
        return heard.endswith("?")

    def reply(
        self,
        turns: Sequence[MindTurn],
        instructions: str,
        now: datetime,
        timers: Sequence[RunningTimer] = (),
        name: str = "",
    ) -> Reply:
        del now, timers, name
        self.asked.append((tuple(turns), instructions))
        heard = next((turn.text for turn in reversed(turns) if turn.role == "user"), "")
        return Reply(f"{self.prefix} {heard}. That is all I know about it.", "echo", 1.0)


@dataclass
class SpeechDouble:
    """Everything that a `SpeechKit` has."""

    recogniser: ScriptedRecogniser = field(default_factory=ScriptedRecogniser)
    voice: BeepingVoice = field(default_factory=BeepingVoice)
    mind: EchoingMind = field(default_factory=EchoingMind)
    make_vad: type[LoudnessVad] = LoudnessVad
    judge_ending: Callable[[NDArray[np.float32]], float] = no_opinion
    problems: tuple[str, ...] = ()
    parts: tuple[EnginePart, ...] = ()
    files: VoiceShelf | None = None
    can_speak: bool = True

    def as_kit(self) -> SpeechKit:
        return cast("SpeechKit", self)


def voice_ms(duration_ms: int) -> NDArray[np.float32]:
    """Somebody speaks: float32, 16 000 Hz."""
    return np.full(16 * duration_ms, 0.5, np.float32)


def silence_ms(duration_ms: int) -> NDArray[np.float32]:
    return np.zeros(16 * duration_ms, np.float32)
