"""The engine's ears, voice and first small mind. Synchronous: run `transcribe`, `stream` and `reply` in worker threads.

``OMP_NUM_THREADS=1`` must be in the environment of the process before this package is imported.
"""

from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.mind import Mind, MindTurn, Reply
from kai.engine.speech.recognise import Recogniser, Transcript
from kai.engine.speech.synthesise import VOICES, Clause, PhonemeSpan, VisemeSpan, Voice, WordSpan
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

__all__ = [
    "VOICES",
    "Clause",
    "Mind",
    "MindTurn",
    "PartialDue",
    "PhonemeSpan",
    "Recogniser",
    "Reply",
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
    "Voice",
    "WordSpan",
]
