"""Kai is softer while somebody speaks over him, and only then."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kai.media.ducking import DUCKED_GAIN, Ducker

BLOCK = 960
SECOND = 50
"""Blocks of 20 ms."""

Blocks = list[np.ndarray]


def speech_like(seconds: float, seed: int, peak: float = 12_000) -> Blocks:
    """Noise whose loudness and colour change, 48 000 Hz, int16, in blocks."""
    rng = np.random.default_rng(seed)
    count = int(seconds * SECOND) * BLOCK
    sound = np.convolve(rng.normal(size=count), np.ones(12) / 12, "same")
    steps = np.repeat(rng.uniform(0.3, 1.0, count // 4_800 + 1), 4_800)[:count]
    sound = sound / np.abs(sound).max() * steps * peak
    return list(sound.astype(np.int16).reshape(-1, BLOCK))


def room(seconds: float, level: float = 15) -> Blocks:
    noise = np.random.default_rng(8).normal(0, level, int(seconds * SECOND) * BLOCK)
    return list(noise.astype(np.int16).reshape(-1, BLOCK))


def gains(kai: Blocks, microphone: Callable[[int, Blocks], np.ndarray]) -> list[float]:
    """How loud Kai was, block by block, against what he said; the microphone hears by what was played so far."""
    ducker, played, found = Ducker(), list[np.ndarray](), list[float]()
    for n, block in enumerate(kai):
        out = ducker.play(block)
        played.append(out)
        ducker.push_mic(microphone(n, played))
        found.append(float(np.abs(out[-50:].astype(float)).sum() / np.abs(block[-50:].astype(float)).sum()))
    return found


def test_somebody_s_first_sound_makes_kai_softer_within_a_tenth_of_a_second_and_silence_restores_him() -> (
    None
):
    kai, person, quiet = speech_like(4, 1), speech_like(1, 2), room(4)
    found = gains(kai, lambda n, _: person[n - 100] if 100 <= n < 150 else quiet[n])
    assert all(gain == pytest.approx(1, abs=0.01) for gain in found[:100])
    assert found[105] == pytest.approx(DUCKED_GAIN, abs=0.01)
    assert all(gain == pytest.approx(DUCKED_GAIN, abs=0.01) for gain in found[105:170])
    assert found[190] == pytest.approx(1, abs=0.01)


def test_between_two_words_kai_stays_soft() -> None:
    kai, person, quiet = speech_like(3, 1), speech_like(2, 2), room(3)
    # 0.3 s of voice, 0.3 s of pause.
    found = gains(kai, lambda n, _: person[n - 50] if n >= 50 and (n // 15) % 2 == 0 else quiet[n])
    assert max(found[70:140]) == pytest.approx(DUCKED_GAIN, abs=0.01)


@pytest.mark.parametrize("echo_db", [-20, -10, -6])
def test_kais_own_echo_leaves_him_as_loud_as_he_is(echo_db: float) -> None:
    kai, quiet, gain = speech_like(6, 1), room(6), 10 ** (echo_db / 20)

    def echoing(n: int, played: Blocks) -> np.ndarray:
        return (played[n - 9] * gain + quiet[n]).astype(np.int16) if n >= 9 else quiet[n]

    assert min(gains(kai, echoing)) == pytest.approx(1, abs=0.01)


def test_a_click_and_a_steady_noise_leave_kai_as_loud_as_he_is() -> None:
    kai, quiet, loud = speech_like(12, 1), room(12), room(12, level=600)
    clicking = gains(kai, lambda n, _: loud[n] * 20 if n % 40 == 0 else quiet[n])
    assert min(clicking) == pytest.approx(1, abs=0.01)
    fan = gains(kai, lambda n, _: loud[n])
    assert min(fan[-100:]) == pytest.approx(1, abs=0.01)


def test_who_speaks_while_kai_is_silent_finds_his_answer_as_loud_as_ever() -> None:
    person, quiet, silence = speech_like(2, 2), room(4), np.zeros(BLOCK, np.int16)
    answer = speech_like(1, 1)
    kai = [silence] * 130 + answer
    ducker = Ducker()
    for n, block in enumerate(kai):
        out = ducker.play(block)
        ducker.push_mic(person[n] if n < 100 else quiet[n])
        assert np.array_equal(out, block)
