"""All models that hear, speak and think, loaded once and warmed up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Final, TypeVar

import numpy as np

from kai.compat import memory
from kai.compat.format import HEARING_HZ, SPEECH_HZ
from kai.engine.models.voices import KOKORO, VoiceShelf
from kai.engine.speech import weights
from kai.engine.speech.endings import JudgeEnding, load_smart_turn, no_opinion
from kai.engine.speech.ladder import EnginePart, PartRole, Rung, climb
from kai.engine.speech.mind import Mind, MindTurn, examples
from kai.engine.speech.recognition import Ears
from kai.engine.speech.stand_ins import (
    CommandRecogniser,
    DeafRecogniser,
    GgmlVad,
    LoudnessVad,
    ProgramVoice,
    SilentVoice,
)
from kai.engine.speech.turns import VoiceDetector
from kai.engine.speech.vad import FRAME_SAMPLES, Vad, load_vad_session
from kai.engine.speech.voices import CHOICES, MovableSpeaker, Speaker, Voices
from kai.errors import WeightsError
from kai.media import pcm

_WARM_UP_SENTENCE: Final = "Sure, I can help you with that question right now. Tell me more."
NO_VOICE: Final = "none"

T = TypeVar("T")

MakeVad = Callable[[], VoiceDetector]


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A finished step of loading: its name, and the seconds that it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SpeechKit:
    """The models shared by all conversations: a recogniser, the voices, a mind, and a judge of whether a turn sounds ended.

    `make_vad` makes a voice detector for each stream. `parts` says which model plays each role, and why, if it is not the
    best one. `files` are the voices that a person may fetch.
    """

    recogniser: Ears
    voice: Voices
    mind: Mind
    make_vad: MakeVad
    judge_ending: JudgeEnding
    parts: tuple[EnginePart, ...] = ()
    files: VoiceShelf | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """The models that could not be loaded and their substitutes, in words for a person."""
        of_parts = [part.problem for part in self.parts if part.problem]
        return tuple(of_parts + ([self.voice.problem] if self.voice.problem else []))

    @property
    def can_speak(self) -> bool:
        """Whether there is a voice; without one, answers are written."""
        return all(part.name != NO_VOICE for part in self.parts if part.role is PartRole.VOICE)

    @classmethod
    def load(
        cls,
        on_stage: Callable[[LoadStep], None] = lambda stage: None,
        *,
        files: VoiceShelf | None = None,
    ) -> SpeechKit:
        """Check, load and warm up all models; ``on_stage`` is called after each step, from any thread. ``files`` are the
        voices that a person has fetched.

        A model that cannot be loaded is replaced by the next best, and `parts` says so. Without the warm-up the first
        answer's voice was 0.6 s late, and a warm-up of three words was not enough. The caller should collect and freeze
        garbage afterwards. Raises `WeightsError` when Kai's own files are damaged or a setting is wrong.
        """
        weights.weights_folder()  # a wrong setting is an error, and no reason for a substitute

        def staged(name: str, load: Callable[[], T]) -> T:
            begun = time.perf_counter()
            found = load()
            on_stage(LoadStep(name, time.perf_counter() - begun))
            return found

        def load_voices() -> tuple[Voices, EnginePart]:
            first, part = climb(PartRole.VOICE, _VOICES)
            fetched = Fetched(files)
            return Voices(first, fetched.load_kokoro, has_extra=fetched.has_kokoro, networks=fetched), part

        # Reading and checking the files releases the interpreter lock, so two threads finish sooner than one.
        with ThreadPoolExecutor(2, thread_name_prefix="load") as pool:
            ears = pool.submit(staged, "recogniser", _load_ears)
            speaker = pool.submit(staged, "voice", load_voices)
            thoughts = pool.submit(staged, "mind", partial(climb, PartRole.MIND, _MINDS))
            detector = pool.submit(staged, "voice detector", partial(climb, PartRole.DETECTOR, _DETECTORS))
            ending = pool.submit(staged, "ends of turns", partial(climb, PartRole.ENDING, _ENDINGS))
        recogniser, *ear_parts = ears.result()
        voices, voice_part = speaker.result()
        mind, mind_part = thoughts.result()
        make_vad, detector_part = detector.result()
        judge_ending, ending_part = ending.result()
        parts = (detector_part, ending_part, *ear_parts, voice_part, mind_part)
        kit = cls(recogniser, voices, mind, make_vad, judge_ending, parts, files)
        staged("warm-up", kit._warm_up)
        memory.give_back()
        return kit

    def _warm_up(self) -> None:
        self.make_vad()(np.zeros(FRAME_SAMPLES, np.float32))
        self.judge_ending(np.zeros(FRAME_SAMPLES, np.float32))
        sound = [clause.pcm for clause in self.voice.stream(_WARM_UP_SENTENCE)]
        if sound:
            resampler = pcm.Resampler(SPEECH_HZ, HEARING_HZ)
            self.recogniser.transcribe(pcm.to_float32(resampler.push(np.concatenate(sound))))
        self.mind.reply((MindTurn("user", "Hello, who are you?"),), "", datetime(2000, 1, 1))  # noqa: DTZ001


# Packages are imported where they are used, so that a missing one is a rung that cannot be loaded.


def _silero() -> MakeVad:
    session = load_vad_session()
    return lambda: Vad(session)


def _ggml_silero() -> MakeVad:
    GgmlVad()
    return GgmlVad


_DETECTORS: Final[tuple[Rung[MakeVad], ...]] = (
    Rung("silero", _silero),
    Rung("silero-ggml", _ggml_silero, "Kai notices voices by another detector, at a little more cost."),
    Rung("loudness", lambda: LoudnessVad, "Kai takes any loud sound for a voice; push to talk is safer."),
)


_ENDINGS: Final[tuple[Rung[JudgeEnding], ...]] = (
    Rung("smart-turn", load_smart_turn),
    Rung("words alone", lambda: no_opinion, "Kai waits longer before it answers what is no question."),
)


def _load_ears() -> tuple[Ears, EnginePart] | tuple[Ears, EnginePart, EnginePart]:
    """Load the recogniser, and the second one that it asks in doubt; return it with the parts that were loaded."""

    def tiny() -> Ears:
        from kai.engine.speech.recognise import Recogniser

        return Recogniser.load()

    def base() -> Ears:
        from kai.engine.speech.recognise import Recogniser

        return Recogniser.load_base()

    rungs: tuple[Rung[Ears], ...] = (
        Rung("whisper-tiny.en", tiny),
        Rung("whisper-base", base, "Kai hears with a larger recogniser, which takes twice the time."),
        Rung(
            "fixed phrases",
            lambda: CommandRecogniser(examples()),
            "Kai hears fixed phrases only; type anything else.",
        ),
        Rung("none", DeafRecogniser, "Kai cannot hear; type to it."),
    )
    ears, part = climb(PartRole.RECOGNISER, rungs)
    if part.name != "whisper-tiny.en":
        return ears, part
    from kai.engine.speech.recognise import Recogniser

    seconds: tuple[Rung[Recogniser | None], ...] = (
        Rung("whisper-base", Recogniser.load_base),
        Rung("none", lambda: None, "Kai hears less well in noise."),
    )
    second, second_part = climb(PartRole.SECOND_RECOGNISER, seconds)
    if second is not None and isinstance(ears, Recogniser):
        ears = ears.with_second(second)
    return ears, part, second_part


def _hibari() -> Speaker:
    from kai.engine.speech.synthesise import Voice

    return Voice.load()


def _kokoro() -> Speaker:
    return Fetched(None).load_kokoro()["bella"]


class Fetched:
    """The voices beyond the first: files that a person has fetched, and Kokoro's packages where they are installed."""

    def __init__(self, files: VoiceShelf | None) -> None:
        self._files = files

    def has(self, file_id: str) -> bool:
        """See `Networks.has`."""
        return self._files is not None and self._files.has(file_id)

    def load(self, file_id: str, accent: str) -> MovableSpeaker:
        """See `Networks.load`."""
        from kai.engine.speech.pronounce import Pronouncer
        from kai.engine.speech.synthesise import Voice

        if self._files is None:
            raise WeightsError(f"The voice {file_id} is not here.", code="weights_missing")
        return Voice.load(Pronouncer(is_british=accent == "British"), self._files.read(file_id))

    def has_kokoro(self) -> bool:
        """Return whether Kokoro's network is here, fetched or installed."""
        return self.has(KOKORO.id) or _is_kokoro_installed()

    def load_kokoro(self) -> Mapping[str, Speaker]:
        """Load Kokoro's voices. Raises ``WeightsError``."""
        from kai.engine.speech.kokoro import load_kokoro
        from kai.engine.speech.pronounce import Pronouncer

        accents = {accent: Pronouncer(is_british=accent == "British") for accent in ("American", "British")}
        network = self._files.read(KOKORO.id) if self._files is not None and self.has(KOKORO.id) else None
        pronouncers = {choice.id: accents[choice.accent] for choice in CHOICES if choice.is_extra}
        return load_kokoro(pronouncers, network)


@cache
def _is_kokoro_installed() -> bool:
    try:
        for part in weights.KOKORO_PARTS:
            weights.find_weights(part)
    except WeightsError:
        return False
    return True


_VOICES: Final[tuple[Rung[Speaker], ...]] = (
    Rung("hibari", _hibari),
    Rung("kokoro", _kokoro, "Kai speaks with the voice Bella, which takes half a core and more."),
    Rung("program", ProgramVoice, "Kai speaks with a plain voice of this computer."),
    Rung(NO_VOICE, SilentVoice, "Kai has no voice; read the answers."),
)

_MINDS: Final[tuple[Rung[Mind], ...]] = (
    Rung("minilm", Mind.load),
    Rung(
        "fixed phrases",
        Mind.load_plain,
        "Kai understands fixed phrases only. It cannot look into your files.",
    ),
)
