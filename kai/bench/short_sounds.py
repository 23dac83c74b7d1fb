"""Measures how many words as short as "stop", and how many noises, are taken for speech."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.kit import SpeechKit
from kai.engine.speech.turns import SpeechStopped, TurnDetector
from kai.media import pcm

WORDS: Final = ("Stop.", "No.", "Yes.", "Wait.", "Go.", "Okay.", "Hi.", "Hello.", "Thanks.")
PACES: Final = (0.85, 1.0, 1.18)
"""The speeds at which the words are said; a faster word is also higher."""
NOISES_A_KIND: Final = 60
RATE_HZ: Final = 16_000
_QUIET: Final = 0.0007

Float32 = NDArray[np.float32]
Random = np.random.Generator


def figures(kit: SpeechKit) -> dict[str, Any]:
    """Return how many of the short words were recognised, and how many noises were taken for words."""
    said = [(text, sound) for text in WORDS for sound in in_own_voice(kit, [text])]
    right = [_plain(_heard(kit, sound)) == _plain(text) for text, sound in said]
    random = np.random.default_rng(5)
    noises = [make(random) for make in (_cough, _knock, _squeak, _laugh) for _ in range(NOISES_A_KIND)]
    taken = [bool(_heard(kit, noise)) for noise in noises]
    return {
        "short_words_heard": f"{sum(right)} of {len(right)}",
        "noises_taken_for_words": f"{sum(taken)} of {len(taken)}",
    }


def in_own_voice(kit: SpeechKit, texts: Sequence[str]) -> list[Float32]:
    """Return each text in Kai's own voice at each of `PACES`: ``(samples,)`` at 16 kHz, without silence around it."""
    found: list[Float32] = []
    for text in texts:
        spoken = pcm.to_float32(np.concatenate([clause.pcm for clause in kit.voice.stream(text)]))
        for pace in PACES:
            places = np.arange(0, len(spoken) - 1, 24_000 / RATE_HZ * pace)
            said = np.interp(places, np.arange(len(spoken)), spoken).astype(np.float32)
            found.append(pcm.trim_silence(said / np.abs(said).max() * np.float32(0.5), RATE_HZ))
    return found


def _heard(kit: SpeechKit, sound: Float32) -> str:
    """Return the transcript of a turn that has only this sound."""
    quiet = np.random.default_rng(0).normal(0, _QUIET, RATE_HZ).astype(np.float32)
    detector = TurnDetector(vad=kit.make_vad())
    heard = [
        kit.recogniser.transcribe(event.audio)
        for event in detector.push(np.concatenate([quiet, sound, quiet]))
        if isinstance(event, SpeechStopped)
    ]
    return " ".join(each.text for each in heard if each.is_speech)


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalpha())


def _cough(random: Random) -> Float32:
    """Return a cough: a burst of air, mostly with a voice that fades with it."""
    count = _count(random, 0.15, 0.4)
    burst = _band(random, count, 300, random.uniform(1_500, 4_000)) * _falling(
        count, 0.005, random.uniform(0.05, 0.15)
    )
    time_s = np.arange(count) / RATE_HZ
    pitch_hz = random.uniform(90, 250)
    parts = [np.sin(2 * np.pi * pitch_hz * k * time_s + random.uniform(0, 6)) / k for k in range(1, 12)]
    voice = np.sum(parts, axis=0) * _falling(count, 0.03, random.uniform(0.05, 0.2))
    return _loud(random, burst + random.uniform(0, 1) * voice / np.abs(voice).max())


def _laugh(random: Random) -> Float32:
    parts = [
        part
        for _ in range(random.integers(1, 4))
        for part in (_cough(random), np.zeros(_count(random, 0.05, 0.15), np.float32))
    ]
    return np.concatenate(parts)


def _knock(random: Random) -> Float32:
    count = RATE_HZ // 4
    time_s = np.arange(count) / RATE_HZ
    parts = [
        np.sin(2 * np.pi * random.uniform(80, 900) * time_s) * np.exp(-time_s / random.uniform(0.01, 0.06))
        for _ in range(5)
    ]
    click = 0.3 * _band(random, count, 200, 3_000) * _falling(count, 0.001, 0.01)
    return _loud(random, np.sum(parts, axis=0) + click)


def _squeak(random: Random) -> Float32:
    """Return a chair's squeak: harmonics whose pitch glides and trembles."""
    count = _count(random, 0.15, 0.6)
    time_s = np.arange(count) / RATE_HZ
    glide = (
        1 + random.uniform(-0.3, 0.3) * time_s * 3 + 0.05 * np.sin(2 * np.pi * random.uniform(3, 12) * time_s)
    )
    phase = 2 * np.pi * np.cumsum(random.uniform(200, 1_500) * glide) / RATE_HZ
    steepness = random.uniform(0.5, 2)
    parts = [np.sin(k * phase) / k**steepness for k in range(1, 8)]
    return _loud(random, np.sum(parts, axis=0) * _falling(count, 0.02, random.uniform(0.1, 0.5)))


def _count(random: Random, least_s: float, most_s: float) -> int:
    return int(RATE_HZ * random.uniform(least_s, most_s))


def _falling(count: int, rise_s: float, fall_s: float) -> NDArray[np.float64]:
    time_s = np.arange(count) / RATE_HZ
    return np.minimum(time_s / rise_s, 1) * np.exp(-time_s / fall_s)


def _band(random: Random, count: int, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Return noise around the middle of a band, with a peak of 1."""
    frequency_hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    weight = np.exp(-(((frequency_hz - (low_hz + high_hz) / 2) / ((high_hz - low_hz) / 2)) ** 2))
    sound = np.fft.irfft(np.fft.rfft(random.normal(size=count)) * weight, count)
    return sound / np.abs(sound).max()


def _loud(random: Random, sound: NDArray[np.float64]) -> Float32:
    return (sound / np.abs(sound).max() * random.uniform(0.1, 0.8)).astype(np.float32)
