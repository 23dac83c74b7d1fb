"""Everything that hears, speaks and thinks, loaded once and warm."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from kai.engine.speech import vad
from kai.engine.speech.mind import Mind, MindTurn
from kai.engine.speech.recognise import Recogniser
from kai.engine.speech.synthesise import Voice
from kai.engine.speech.vad import FRAME_SAMPLES, Vad
from kai.errors import WeightsError
from kai.media import pcm

_WARM_UP_SENTENCE: Final = "Sure, I can help you with that question right now. Tell me more."


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of loading that is done: its name, and the seconds that it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpeechKit:
    """One recogniser, one voice, one mind for all conversations, and a maker of voice detectors, one a stream."""

    recogniser: Recogniser
    voice: Voice
    mind: Mind
    make_vad: Callable[[], Vad]
    problems: tuple[str, ...] = ()
    """What could not be loaded and what stands in for it, in words for a person."""

    @classmethod
    def load(
        cls, on_stage: Callable[[Stage], None] = lambda stage: None, *, recogniser_nice: int = 0
    ) -> SpeechKit:
        """All models, checked, loaded and used once for real; ``on_stage`` hears of each step as it ends.

        Without its sentence encoder the mind understands fixed phrases, and `problems` says so. Without ears, voice or voice
        detector there is no talk.

        Without the warm-up the first answer's voice came 0.6 s late, and three words were not enough of one. The caller
        collects and freezes garbage afterwards, before the first visitor. Raises `WeightsError`.
        """
        started = time.perf_counter()

        def mark(name: str) -> None:
            nonlocal started
            now = time.perf_counter()
            on_stage(Stage(name, now - started))
            started = now

        vad_session = vad.load_vad_session()
        mark("voice detector")
        recogniser = Recogniser.load(nice=recogniser_nice)
        mark("recogniser")
        voice = Voice.load()
        mark("voice")
        problems: list[str] = []
        try:
            mind = Mind.load()
        except WeightsError as error:
            problems.append(f"Kai understands fixed phrases only. {error.message}")
            mind = Mind.load_plain()
        mark("mind")

        detector = Vad(vad_session)
        detector(np.zeros(FRAME_SAMPLES, np.float32))
        sound = [clause.pcm for clause in voice.stream(_WARM_UP_SENTENCE)]
        resampler = pcm.Resampler(24_000, 16_000)
        heard = pcm.to_float32(resampler.push(np.concatenate(sound)))
        recogniser.transcribe(heard)
        mind.reply((MindTurn("user", "Hello, who are you?"),), "", datetime(2000, 1, 1))  # noqa: DTZ001
        _give_back_memory()
        mark("warm-up")
        return cls(recogniser, voice, mind, lambda: Vad(vad_session), tuple(problems))


def _give_back_memory() -> None:
    """Return to the system what loading only borrowed, such as the models' bytes; glibc would keep it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
