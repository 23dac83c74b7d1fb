"""How well and how fast the engine hears, speaks and thinks: ``python -m kai.bench.speech``."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import re
import time
import wave
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import jiwer
import numpy as np
from numpy.typing import NDArray

from kai.engine.speech import Clause, MindTurn, SpeechKit, Voice
from kai.engine.speech.kit import Stage
from kai.engine.speech.synthesise import PHONEME_VISEMES
from kai.media import pcm

RECORDINGS_DIR: Final = Path(__file__).resolve().parents[2] / "tests" / "support" / "speech"
_SENTENCES: Final = (
    "Another apple, in our oven, is all over.",
    "It is 3:05 pm and 12% of people, like Dr. Smith, agree.",
    "Please put the big paper cup back on the table before Bob picks it up.",
    "She sells sea shells by the sea shore.",
    "Tom took ten tickets to the top of the tower.",
    "I am running on this computer, without the internet and without an account.",
    "You can ask me for the time, the date, or what I can do.",
    "Paper boats float past the pink bridge at dusk.",
)
_REPEATS: Final = 3
_Result = TypeVar("_Result")


def run() -> dict[str, Any]:
    """Figures of loading, recognition, speech, times and mind, by name; seconds unless the name says otherwise."""
    stages: list[Stage] = []
    load_s, kit = _timed(lambda: SpeechKit.load(stages.append))
    figures: dict[str, Any] = {
        "load_average": os.getloadavg()[0],
        "load_s": load_s,
        "load_stages_s": {stage.name: stage.seconds for stage in stages},
    }
    figures |= _hearing(kit)
    figures |= _speaking(kit.voice)
    figures["label_agreement_r"] = label_agreement(kit.voice)
    turns = (MindTurn("user", "Could you tell me what time it is, please?"),)
    reply_s = [_timed(lambda: kit.mind.reply(turns, "", datetime(2026, 1, 1)))[0] for _ in range(9)]  # noqa: DTZ001
    figures["mind_reply_s_p50"] = float(np.median(reply_s))
    vad = kit.make_vad()
    frame = np.zeros(512, np.float32)
    figures["vad_ms_a_frame"] = _timed(lambda: [vad(frame) for _ in range(200)])[0] * 1000 / 200
    return figures


def label_agreement(voice: Voice) -> dict[str, float]:
    """How well the phonemes' times fit the sound: the correlation of the loudness that the phonemes should have with the
    loudness heard, with all times moved by some ms. The best should be at 0."""
    moves_ms = range(-60, 61, 20)
    totals = dict.fromkeys(moves_ms, 0.0)
    clauses = [clause for text in _SENTENCES for clause in voice.stream(text)]
    step = 24_000 // 200
    for clause in clauses:
        samples = pcm.to_float32(clause.pcm)
        count = len(samples) // step
        loud_db = np.array([pcm.level_dbfs(part) for part in samples[: count * step].reshape(-1, step)]).clip(
            -80
        )
        wanted = np.zeros(count)
        for phoneme, start, end in clause.phonemes:
            wanted[start // step : end // step] = _expected_loudness(phoneme)
        inner = np.arange(40, count - 80)
        for move_ms in moves_ms:
            moved = wanted[np.clip(inner - move_ms // 5, 0, count - 1)]
            totals[move_ms] += float(np.corrcoef(loud_db[inner], moved)[0, 1]) / len(clauses)
    return {f"{move_ms:+d} ms": value for move_ms, value in totals.items()}


def _expected_loudness(phoneme: str) -> float:
    for phonemes, loudness in (
        ("mnŋlɹjwT", 0.75),
        ("sʃʧ", 0.45),
        ("zʒvðʤbdɡ", 0.35),
        ("fθh", 0.25),
        ("ptk", 0.15),
    ):
        if phoneme and phoneme in phonemes:
            return loudness
    return 1.0 if phoneme in PHONEME_VISEMES else 0.5


def _hearing(kit: SpeechKit) -> dict[str, Any]:
    wanted: list[str] = []
    heard: list[str] = []
    asr_s: list[float] = []
    asr_cpu_s: list[float] = []
    audio_s = 0.0
    for entry in json.loads((RECORDINGS_DIR / "manifest.json").read_text(encoding="utf-8")):
        samples = _read(RECORDINGS_DIR / entry["file"])
        audio_s += len(samples) / 16_000
        wanted.append(_words(entry["text"]))
        text = ""
        for _ in range(_REPEATS):
            cpu = time.process_time()
            took_s, transcript = _timed(lambda samples=samples: kit.recogniser.transcribe(samples))
            asr_cpu_s.append(time.process_time() - cpu)
            asr_s.append(took_s)
            text = transcript.text
        heard.append(_words(text))
    found = jiwer.process_words(wanted, heard)
    return {
        "wer": found.wer,
        "word_errors": found.substitutions + found.deletions + found.insertions,
        "words": sum(len(text.split()) for text in wanted),
        "asr_s_p50": float(np.median(asr_s)),
        "asr_s_max": max(asr_s),
        "asr_cpu_s_p50": float(np.median(asr_cpu_s)),
        "asr_share_of_real_time": sum(asr_cpu_s) / _REPEATS / audio_s,
    }


def _speaking(voice: Voice) -> dict[str, float]:
    first_s: list[float] = []
    whole_s = 0.0
    audio_s = 0.0
    for text in _SENTENCES * _REPEATS:
        started = time.perf_counter()
        stream = voice.stream(f"{text} And this is what follows it.")
        clause: Clause | None = next(stream, None)
        first_s.append(time.perf_counter() - started)
        while clause is not None:
            audio_s += len(clause.pcm) / 24_000
            clause = next(stream, None)
        whole_s += time.perf_counter() - started
    return {
        "first_clause_s_p50": float(np.median(first_s)),
        "first_clause_s_p95": float(np.percentile(first_s, 95)),
        "tts_share_of_real_time": whole_s / audio_s,
    }


def _read(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        resampler = pcm.Resampler(file.getframerate(), 16_000)
        samples = pcm.mix_to_mono(pcm.from_bytes(file.readframes(file.getnframes())), file.getnchannels())
    return pcm.to_float32(np.concatenate([resampler.push(samples), resampler.flush()]))


def _words(text: str) -> str:
    text = re.sub(r"\bmr\b", "mister", text.lower().replace("-", " "))
    return " ".join(re.sub(r"[^a-z0-9' ]", " ", text).split())


def _timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def main() -> None:
    """Print the figures as JSON."""
    print(json.dumps(run(), indent=2, default=float))


if __name__ == "__main__":
    main()
