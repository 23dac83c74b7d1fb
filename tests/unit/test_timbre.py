"""A voice moved to another throat, on a description whose pitch, resonance and noise are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hibari import dsp
from hypothesis import given, settings
from hypothesis import strategies as st

from kai.bench.voices import pitch_hz
from kai.engine.speech.timbre import BIN_HZ, OWN, Description, Timbre, hurried, moved_pitch, redrawn, sound_of

FRAMES = 120
RESONANCE_HZ = 2_400
BINS = np.arange(601) * BIN_HZ


def vowel(pitch: float = 200.0, frames: int = FRAMES, noise: float = -6.0) -> Description:
    """A steady vowel of that pitch with one resonance, a little noise and no rest."""
    size = 0.5 + 2.5 * np.exp(-(((BINS - RESONANCE_HZ) / 300) ** 2))
    shape = (601, frames)

    def even(value: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(value, np.float32), shape).copy()

    curve = np.full(frames, pitch, np.float32)
    return Description(even(size[:, None]), even(0), even(noise), even(-30), even(0), curve)


def resonance_hz(samples: np.ndarray) -> float:
    """Where the sound's power above 1 kHz, squared so that the floor weighs little, has its middle."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 4
    hz = np.fft.rfftfreq(len(samples), 1 / 24_000)
    heard = (hz > 1_000) & (hz < 5_000)
    return float(np.sum(hz[heard] * power[heard]) / np.sum(power[heard]))


def test_the_own_voice_is_the_synthesiser_s_to_the_sample() -> None:
    said = vowel()
    parts = (said.log_harmonics, said.phase, said.log_noise, said.log_rest, said.rest_phase, said.pitch_hz)
    wanted = dsp.synth(*parts, np.random.default_rng(0))
    np.testing.assert_array_equal(sound_of(said, OWN), wanted)
    np.testing.assert_array_equal(sound_of(said, Timbre(pace=1.1)), wanted)


@pytest.mark.parametrize(("pitch", "formants"), [(0.7, 0.84), (0.53, 0.79), (0.9, 1.0), (1.1, 1.07)])
def test_pitch_and_resonance_are_where_the_timbre_puts_them(pitch: float, formants: float) -> None:
    own, moved = sound_of(vowel(), OWN), sound_of(vowel(), Timbre(pitch, formants))
    assert pitch_hz(own) == pytest.approx(200, rel=0.01)
    assert pitch_hz(moved) == pytest.approx(200 * pitch, rel=0.015)
    assert resonance_hz(moved) / resonance_hz(own) == pytest.approx(formants, abs=0.03)
    level_db = 10 * np.log10(np.mean(moved**2) / np.mean(own**2))
    assert abs(level_db) < 1.5


def test_the_length_is_told_by_the_stretch_that_the_pace_is_asked_with() -> None:
    timbre = Timbre(0.7, 0.84)
    assert timbre.hop_samples == 357
    assert len(sound_of(vowel(), timbre)) == FRAMES * 357 == round(FRAMES * dsp.HOP * timbre.stretch)


def test_a_hurried_sentence_leaves_frames_out_evenly_and_keeps_its_pitch() -> None:
    said = replace(vowel(), pitch_hz=np.linspace(100, 300, FRAMES, dtype=np.float32))
    short = hurried(said, 1.25)
    assert short.log_noise.shape == (601, FRAMES / 1.25)
    np.testing.assert_allclose(short.pitch_hz, np.linspace(100, 300, 96), atol=3)
    assert hurried(said, 0.8) is said


def test_what_lies_between_the_harmonics_is_not_heard_at_another_pitch() -> None:
    said, random = vowel(), np.random.default_rng(1)
    wild, turned = said.log_harmonics.copy(), said.phase.copy()
    # Harmonics lie on every tenth bin; the window sees two bins about each.
    between = np.arange(601) % 10
    away = (between > 2) & (between < 8)
    wild[away] += random.normal(0, 3, (int(away.sum()), FRAMES)).astype(np.float32)
    turned[away] = random.normal(0, 1, (int(away.sum()), FRAMES)).astype(np.float32)
    np.testing.assert_allclose(
        redrawn(wild, turned, said.pitch_hz),
        redrawn(said.log_harmonics, said.phase, said.pitch_hz),
        rtol=1e-4,
    )


def test_frames_without_a_pitch_keep_their_filter_and_their_pitch() -> None:
    said = vowel(pitch=0.0)
    own = np.exp(said.log_harmonics) * np.exp(1j * np.pi * np.tanh(said.phase))
    np.testing.assert_allclose(redrawn(said.log_harmonics, said.phase, said.pitch_hz), own, rtol=1e-4)
    np.testing.assert_array_equal(moved_pitch(said.pitch_hz, 0.7, 1.2), said.pitch_hz)


def test_melody_is_the_way_about_the_mean_in_octaves() -> None:
    curve = np.asarray([0, 100, 200, 400, 0], np.float32)
    np.testing.assert_allclose(moved_pitch(curve, 0.5, 1.0), [0, 50, 100, 200, 0], rtol=1e-5)
    np.testing.assert_allclose(
        moved_pitch(curve, 1.0, 0.5), [0, 200 / 2**0.5, 200, 200 * 2**0.5, 0], rtol=1e-5
    )


def test_breath_is_heard_above_2_khz_and_only_with_the_voice() -> None:
    def power(said: Description, timbre: Timbre, low_hz: int, high_hz: int) -> float:
        sound = sound_of(said, timbre)
        hz = np.fft.rfftfreq(len(sound), 1 / 24_000)
        return float(np.sum(np.abs(np.fft.rfft(sound))[(hz > low_hz) & (hz < high_hz)] ** 2))

    calm, breathy = Timbre(0.7, 0.84), Timbre(0.7, 0.84, breath_db=6.0)
    noisy = replace(vowel(noise=-2.0), log_harmonics=np.full((601, FRAMES), -20, np.float32))
    assert power(noisy, breathy, 5_000, 8_000) > 2.5 * power(noisy, calm, 5_000, 8_000)
    assert power(noisy, breathy, 100, 400) < 1.1 * power(noisy, calm, 100, 400)
    unvoiced = replace(noisy, pitch_hz=np.zeros(FRAMES, np.float32))
    np.testing.assert_array_equal(sound_of(unvoiced, breathy), sound_of(unvoiced, calm))


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(5, 30),
    pitches=st.lists(st.floats(-5, 500), min_size=30, max_size=30),
    timbre=st.builds(
        Timbre,
        st.floats(0.4, 1.6),
        st.floats(0.7, 1.3),
        st.floats(0.3, 2.0),
        st.floats(0.8, 1.2),
        st.floats(-10, 10),
    ),
)
def test_any_curve_in_any_timbre_gives_a_sound_of_its_length(
    frames: int, pitches: list[float], timbre: Timbre
) -> None:
    said = replace(vowel(frames=frames), pitch_hz=np.asarray(pitches[:frames], np.float32))
    sound = sound_of(said, timbre)
    assert sound.shape == (frames * timbre.hop_samples,)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 4


def test_tuning_goes_up_and_down_by_steps_that_take_each_other_back() -> None:
    voice = Timbre(0.7, 0.84, 0.9, 1.0, 2.0)
    assert voice.tuned(0, 0) == voice
    higher, calmer = voice.tuned(2, 0), voice.tuned(0, -1)
    assert higher.pitch == pytest.approx(0.7 * 2 ** (2 / 12))
    assert 0.84 < higher.formants < 0.84 * 2 ** (2 / 12)
    assert (calmer.melody < 0.9, calmer.pace < 1.0, calmer.pitch) == (True, True, 0.7)
    back = higher.tuned(-2, 0)
    assert (back.pitch, back.formants) == (pytest.approx(0.7), pytest.approx(0.84))
