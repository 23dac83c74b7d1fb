"""Kai's own sound in the microphone is known from a stranger's, also after he was silent for a while."""

from __future__ import annotations

import numpy as np
import pytest

from kai.media.echo import EchoGate

BLOCK = 960


def speech_like(seconds: float, seed: int) -> np.ndarray:
    """Noise whose loudness and colour change, 48 000 Hz, int16."""
    rng = np.random.default_rng(seed)
    count = int(seconds * 48_000) // BLOCK * BLOCK
    sound = np.convolve(rng.normal(size=count), np.ones(12) / 12, "same")
    steps = np.repeat(rng.uniform(0.1, 1.0, count // 4_800 + 1), 4_800)[:count]
    return (sound * steps * 20_000).astype(np.int16)


def hear(gate: EchoGate, played: np.ndarray, heard: np.ndarray) -> None:
    """20 ms at a time: what goes out at 48 kHz, what comes in at 48 kHz."""
    for start in range(0, len(played), BLOCK):
        gate.play(played[start : start + BLOCK])
        # 16 kHz of what is smooth enough to be thinned out.
        gate.push_mic((heard[start : start + BLOCK : 3] / 32_768).astype(np.float32))


def delayed(sound: np.ndarray, ms: int) -> np.ndarray:
    return np.concatenate([np.zeros(ms * 48, np.int16), sound])[: len(sound)]


@pytest.mark.parametrize("silence_blocks", [0, 2, 3, 4, 50, 100])
def test_an_echo_is_kais_own_whatever_silence_was_before_it(silence_blocks: int) -> None:
    gate = EchoGate()
    parts = [speech_like(0.8, 1), np.zeros(silence_blocks * BLOCK, np.int16), speech_like(1.2, 2)]
    played = np.concatenate(parts)
    hear(gate, played, (delayed(played, 120) * 0.3).astype(np.int16))
    assert gate.foreign_share() < 0.35


def test_a_stranger_s_sound_is_not_kais() -> None:
    gate = EchoGate()
    played = speech_like(2.0, 1)
    hear(gate, played, speech_like(2.0, 9))
    assert gate.foreign_share() > 0.7


def test_when_kai_is_silent_every_sound_is_a_stranger_s_and_silence_is_nobody_s() -> None:
    gate = EchoGate()
    nothing = np.zeros(48_000 * 2 // BLOCK * BLOCK, np.int16)
    hear(gate, nothing, speech_like(2.0, 3))
    assert gate.foreign_share() == 1.0
    hear(gate, nothing, nothing)
    assert gate.foreign_share() == 0.0
