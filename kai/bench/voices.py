"""Measures the characters' voices: cost, first sound, words heard back, pitch, naturalness, and how distinct they are.

DistillMOS (a neural judge of how natural speech sounds) and Resemblyzer (a speaker embedding) are not part of the project,
because they need PyTorch. They are used if this Python can import them, and otherwise named as missing. One way to have them
is a separate environment that also sees the project's packages::

    python -m venv judges
    judges/bin/pip install torch distillmos==0.9.1 librosa webrtcvad-wheels "setuptools<81"
    judges/bin/pip install --no-deps resemblyzer==0.1.4
    echo "$PWD/.venv/lib/python3.11/site-packages" > judges/lib/python3.11/site-packages/kai.pth
    judges/bin/python -m kai.bench voices
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, cast

import jiwer
import numpy as np
from numpy.typing import NDArray

from kai.bench.bars import Bar, at_least, at_most, percent_of
from kai.engine.speech.recognise import Recogniser
from kai.engine.speech.synthesise import Voice
from kai.engine.speech.voices import CHOICES, Speaker, Voices
from kai.media import pcm

SENTENCES: Final = (
    "Another apple, in our oven, is all over.",
    "Please put the big paper plate back on the table before Bob picks it up.",
    "I am running on this computer, without the internet and without an account.",
    "You can ask me for the time, the date, or what I can do.",
    "That is a good question, and I do not know the answer to it.",
    "The weather will be cold tomorrow, so please take a coat with you.",
    "My mother bought three yellow chairs for the kitchen last week.",
    "Every morning he walks along the river to the old bridge and back.",
    "Sure, I can help you with that question right now.",
    "I was born in a small village near the mountains, and I have loved the snow ever since.",
    "Paper boats float past the pink bridge at dusk.",
    "Would you like to hear a joke, or shall we talk about music?",
)
REPEATS: Final = 5

COST_BAR: Final = 0.02
LATER_BAR_MS: Final = 10.0
WORD_ERRORS_BAR_PERCENT: Final = 1.0
NATURAL_BAR: Final = 4.1
MEN_HZ: Final = (85.0, 145.0)
APART_HZ: Final = 12.0
MISSING: Final = "not asked: {package} cannot be imported here"

Float32 = NDArray[np.float32]
Judge = Callable[[Float32], Any]


def run() -> dict[str, Any]:
    """Return the figures of each character's voice by its id, and how distinct the voices are."""
    own = Voice.load()
    voices = Voices(own, dict, has_extra=lambda: False)
    recognisers = {"tiny.en": Recogniser.load(), "base": Recogniser.load_base()}
    natural, embed = _distillmos(), _resemblyzer()
    characters = [choice for choice in CHOICES if not choice.is_extra]
    speakers = {choice.id: voices.named(choice.id) for choice in characters}
    first_ms: dict[str | None, list[tuple[float, float]]] = {None: [], **{name: [] for name in speakers}}
    shares: dict[str, float] = {}
    # The voices take turns in each round, so that a busy moment of the machine affects all of them.
    for text in SENTENCES:
        for _ in range(REPEATS):
            for name, speaker in ((None, own), *speakers.items()):
                first_ms[name].append(_first_clause_ms(speaker, text))
    later_ms = {name: _added_ms(first_ms, name) for name in speakers}
    figures: dict[str, Any] = {}
    prints: dict[str, NDArray[np.float64]] = {}
    for choice in characters:
        speaker = speakers[choice.id]
        shares[choice.id] = _share_of_real_time(speaker)
        sounds = [np.concatenate([clause.pcm for clause in speaker.stream(text)]) for text in SENTENCES]
        samples = np.concatenate([pcm.to_float32(sound) for sound in sounds])
        heard = [_at_16_khz(sound) for sound in sounds]
        errors = {
            name: jiwer.wer([_words(t) for t in SENTENCES], [_words(ears.transcribe(s).text) for s in heard])
            for name, ears in recognisers.items()
        }
        figures[choice.id] = {
            "sex": choice.sex,
            "share_of_real_time": round(shares[choice.id], 4),
            "first_clause_later_ms_p50": round(later_ms[choice.id][0], 1),
            "first_clause_more_cpu_ms_p50": round(later_ms[choice.id][1], 1),
            "word_error_rate": {name: round(rate, 4) for name, rate in errors.items()},
            "pitch_hz_p50": round(pitch_hz(samples), 1),
            "level_dbfs": round(pcm.level_dbfs(samples), 1),
            "peak": round(float(np.abs(samples).max()), 2),
            "clipped_samples": int(np.count_nonzero(np.abs(samples) >= 0.999)),
            "seconds": round(len(samples) / 24_000, 1),
            "distillmos": MISSING.format(package="distillmos")
            if natural is None
            else round(float(np.mean([natural(sound) for sound in heard])), 2),
        }
        if embed is not None:
            prints[choice.id] = np.asarray([embed(sound) for sound in heard], np.float64)
    pitches = {name: found["pitch_hz_p50"] for name, found in figures.items()}
    figures["least_apart_hz"] = min(abs(a - b) for a, b in combinations(pitches.values(), 2))
    figures["resemblyzer"] = MISSING.format(package="resemblyzer") if embed is None else _told_apart(prints)
    return figures


def bars(figures: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of each voice. A judge that is not installed has no bar."""
    found: list[Bar] = []
    for choice in CHOICES:
        if choice.is_extra:
            continue
        of_voice, name = figures[choice.id], choice.name
        errors = max(of_voice["word_error_rate"].values())
        found += [
            at_most(f"{name}: share of real time", of_voice["share_of_real_time"], COST_BAR),
            at_most(f"{name}: first clause later", of_voice["first_clause_later_ms_p50"], LATER_BAR_MS, "ms"),
            at_most(
                f"{name}: words misheard, the worse recogniser", 100 * errors, WORD_ERRORS_BAR_PERCENT, "%"
            ),
            at_most(f"{name}: clipped samples", of_voice["clipped_samples"], 0),
        ]
        if choice.sex == "man":
            found.append(at_least(f"{name}: pitch", of_voice["pitch_hz_p50"], MEN_HZ[0], "Hz"))
            found.append(at_most(f"{name}: pitch", of_voice["pitch_hz_p50"], MEN_HZ[1], "Hz"))
        if isinstance(of_voice["distillmos"], float):
            found.append(at_least(f"{name}: DistillMOS", of_voice["distillmos"], NATURAL_BAR))
    found.append(at_least("pitch between any two", figures["least_apart_hz"], APART_HZ, "Hz"))
    if isinstance(told := figures["resemblyzer"], dict):
        share = percent_of(cast("str", told["sentences_told_apart"]))
        found.append(at_least("sentences whose speaker is told by Resemblyzer", share, 100, "%"))
    return found


def _at_16_khz(sound: NDArray[np.int16]) -> Float32:
    return pcm.to_float32(pcm.resampled(sound, 24_000, 16_000))


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())


def _first_clause_ms(speaker: Speaker, text: str) -> tuple[float, float]:
    """Return the time of the first clause and the CPU time of the thread that makes it; on an idle machine both are equal."""
    begun_s, worked_s = time.perf_counter(), time.thread_time()
    next(speaker.stream(text))
    return (time.perf_counter() - begun_s) * 1000, (time.thread_time() - worked_s) * 1000


def _added_ms(first_ms: Mapping[str | None, Sequence[tuple[float, float]]], name: str) -> tuple[float, float]:
    """Return the added time against the network's own voice: medians over the sentences of the best of their repeats."""
    own, moved = (
        np.asarray(first_ms[key]).reshape(len(SENTENCES), REPEATS, 2).min(axis=1) for key in (None, name)
    )
    took, worked = np.median(moved - own, axis=0)
    return float(took), float(worked)


def _share_of_real_time(speaker: Speaker) -> float:
    cpu_s, audio_s = time.process_time(), 0.0
    for text in SENTENCES:
        audio_s += sum(len(clause.pcm) for clause in speaker.stream(text)) / 24_000
    return (time.process_time() - cpu_s) / audio_s


def pitch_hz(samples: Float32, rate_hz: int = 24_000) -> float:
    """Return the median pitch of the voiced frames of ``(samples,)``, by autocorrelation, 60 to 400 Hz; NaN without any."""
    window, step = rate_hz // 20, rate_hz // 80
    if len(samples) < window:
        return float("nan")
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::step]
    frames = frames[np.sqrt(np.mean(frames**2, axis=1)) > 0.02]
    hann = np.hanning(window)
    spectrum = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * hann, 2 * window)
    likeness = np.fft.irfft(np.abs(spectrum) ** 2)[:, :window]
    of_window = np.fft.irfft(np.abs(np.fft.rfft(hann, 2 * window)) ** 2)[:window]
    likeness /= np.maximum(of_window, 1e-3 * of_window[0])
    likeness /= np.maximum(likeness[:, :1], 1e-12)
    found: list[float] = []
    shortest, longest = rate_hz // 400, rate_hz // 60
    for row in likeness:
        inner = row[shortest:longest]
        is_peak = (row[shortest:longest] > row[shortest - 1 : longest - 1]) & (
            inner >= row[shortest + 1 : longest + 1]
        )
        best = float(np.max(inner, initial=0.0, where=is_peak))
        if best > 0.6:
            # Take the shortest period that is nearly as good, because an autocorrelation rates its double just as high.
            found.append(rate_hz / (shortest + int(np.argmax(is_peak & (inner > 0.9 * best)))))
    return float(np.median(found)) if found else float("nan")


def _told_apart(prints: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Return how many sentences are nearest to the mean of their own speaker's others, and how alike the means are."""
    names, right = list(prints), 0
    for name in names:
        for number, one in enumerate(prints[name]):
            others = {n: np.delete(p, number, axis=0).mean(axis=0) for n, p in prints.items()}
            likeness = {n: float(one @ mean / np.linalg.norm(mean)) for n, mean in others.items()}
            right += max(names, key=lambda n: likeness[n]) == name
    means = {name: p.mean(axis=0) / np.linalg.norm(p.mean(axis=0)) for name, p in prints.items()}
    alike = {f"{a} {b}": round(float(means[a] @ means[b]), 2) for a, b in combinations(names, 2)}
    return {"sentences_told_apart": f"{right} of {sum(len(p) for p in prints.values())}", "alike": alike}


def _distillmos() -> Judge | None:
    """Return a judge of how natural ``(samples,)`` at 16 kHz sounds, 1 to 5, or ``None`` if it is not installed."""
    try:
        torch: Any = importlib.import_module("torch")
        distillmos: Any = importlib.import_module("distillmos")
    except (ImportError, OSError):
        return None
    torch.set_num_threads(1)
    model = distillmos.ConvTransformerSQAModel()
    model.eval()

    def judge(sound: Float32) -> float:
        with torch.no_grad():
            return float(model(torch.from_numpy(sound[None]))[0, 0])

    return judge


def _resemblyzer() -> Judge | None:
    """Return a speaker embedding for ``(samples,)`` at 16 kHz, 256 numbers of length 1, or ``None`` if not installed."""
    try:
        package: Any = importlib.import_module("resemblyzer")
    except (ImportError, OSError):
        return None
    encoder = package.VoiceEncoder("cpu", verbose=False)
    return lambda sound: encoder.embed_utterance(package.preprocess_wav(sound, 16_000))
