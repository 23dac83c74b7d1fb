"""The engine's recogniser, voices and small mind. Synchronous: run `transcribe`, `stream` and `reply` in worker threads.

``OMP_NUM_THREADS=1`` must be in the environment of the process before this package is imported.
"""

from kai.engine.speech.clauses import Clause, PhonemeSpan, VisemeSpan, WordSpan
from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.ladder import EnginePart, PartRole
from kai.engine.speech.mind import Mind, MindTurn, Reply
from kai.engine.speech.recognition import Transcript
from kai.engine.speech.turns import (
    PartialDue,
    SpeculationDue,
    SpeechDropped,
    SpeechResumed,
    SpeechStarted,
    SpeechStopped,
    TurnDetector,
    TurnEvent,
)
from kai.engine.speech.vad import Vad
from kai.engine.speech.voices import Speaker, VoiceChoice, Voices

__all__ = [
    "Clause",
    "Mind",
    "MindTurn",
    "EnginePart",
    "PartialDue",
    "PhonemeSpan",
    "Reply",
    "PartRole",
    "Speaker",
    "SpeculationDue",
    "SpeechDropped",
    "SpeechKit",
    "SpeechResumed",
    "SpeechStarted",
    "SpeechStopped",
    "Transcript",
    "TurnDetector",
    "TurnEvent",
    "Vad",
    "VisemeSpan",
    "VoiceChoice",
    "Voices",
    "WordSpan",
]
