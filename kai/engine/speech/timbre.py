"""Changes the timbre of a voice in the network's description of a sentence, before any sound is made. Pure.

The network describes speech as a source and a filter, in frames of 12.5 ms and bins of 20 Hz: the pitch, the envelope and
the phase of the harmonics, the noise, and a residual with free phases. `sound_of` changes four properties of it by which
people recognise a voice; a fifth, the pace, is an input of the network.

- **Pitch.** The pitch curve is multiplied. Between the harmonics the network's envelope was not trained and is arbitrary, and
  a new pitch would make that audible (DistillMOS 3.5). So the envelope and its phase are interpolated between the old
  harmonics (4.2). A lower pitch has more harmonics in the same band, so each is weakened by the square root of the ratio.
- **Formants.** A longer vocal tract lowers all resonances by the same factor. The frames are made longer, which compresses
  the whole spectrum. That also lowers the pitch and the pace, so both are corrected beforehand.
- **Melody.** The deviation of the pitch from its mean is stretched, on a logarithmic scale: 0.8 is calmer, 1.2 livelier.
- **Breath.** The noise under voiced sounds is made louder above 2 kHz.

An example, with pitch 0.70 and formants 0.84. The network is asked for a pace of 1 / 0.84 and gives a pitch of 200 Hz. The
curve becomes 200 x 0.70 / 0.84 = 167 Hz. Frames of 300 samples are made 357 samples long, so that the 167 Hz sound as
140 Hz, at the original pace.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Final

import numpy as np
from hibari import dsp
from numpy.typing import NDArray

from kai.compat.format import Float32

BIN_HZ: Final = dsp.SR / dsp.N_FFT
_VOICED_HZ: Final = 40.0
"""A frame with a lower pitch is not voiced, as in the synthesiser."""
_LAST_HARMONIC_HZ: Final = 11_000.0
_FRAMES_A_WINDOW: Final = dsp.N_FFT // dsp.HOP
_BREATH_FROM_HZ: Final = 2_000.0
_TINY: Final = np.float32(1e-9)


@dataclass(frozen=True, slots=True)
class Timbre:
    """The difference of a voice from the network's own.

    ``pitch``, ``formants`` and ``pace`` are factors of the audible result. ``melody`` is a factor of the pitch's deviation
    from its mean in octaves, and ``breath_db`` is the gain of the breath noise.
    """

    pitch: float = 1.0
    formants: float = 1.0
    melody: float = 1.0
    pace: float = 1.0
    breath_db: float = 0.0

    def tuned(self, higher: int, livelier: int) -> Timbre:
        """Return the voice ``higher`` by that many semitones, with its formants by a third of them, and ``livelier``.

        Each step of ``livelier`` is a sixth more melody and 4 % more pace. Negative values are deeper and calmer.
        """
        return replace(
            self,
            pitch=self.pitch * 2 ** (higher / 12),
            formants=self.formants * 2 ** (higher / 36),
            melody=self.melody * (7 / 6) ** livelier,
            pace=self.pace * 1.04**livelier,
        )

    @property
    def hop_samples(self) -> int:
        """The length of a frame at 24 000 Hz: the network's 300 for its own throat, more for a longer one."""
        return round(dsp.HOP / self.formants)

    @property
    def stretch(self) -> float:
        """The factor by which the formants lengthen the sound: about their inverse, since frames have whole samples."""
        return self.hop_samples / dsp.HOP


OWN: Final = Timbre()
"""The network's own voice."""


@dataclass(frozen=True, slots=True)
class Description:
    """The network's description of a sentence: arrays ``(601, frames)`` float32, except ``pitch_hz``, ``(frames,)``."""

    log_harmonics: Float32
    phase: Float32
    log_noise: Float32
    log_rest: Float32
    rest_phase: Float32
    pitch_hz: Float32


def hurried(said: Description, factor: float) -> Description:
    """Return the sentence with frames left out evenly, so that it is shorter by ``factor``; unchanged for 1 or less."""
    if factor <= 1:
        return said
    frames = len(said.pitch_hz)
    kept = np.minimum(np.rint(np.arange(0, frames, factor)).astype(np.intp), frames - 1)
    return Description(*(getattr(said, part.name)[..., kept] for part in fields(said)))


def sound_of(said: Description, timbre: Timbre) -> Float32:
    """Return the sound in that voice, ``(frames * timbre.hop_samples,)`` float32 at 24 000 Hz. Deterministic."""
    random = np.random.default_rng(0)
    if replace(timbre, pace=1.0) == OWN:
        return dsp.synth(
            said.log_harmonics,
            said.phase,
            said.log_noise,
            said.log_rest,
            said.rest_phase,
            said.pitch_hz,
            random,
        )
    pitch_hz = moved_pitch(said.pitch_hz, timbre.pitch * timbre.stretch, timbre.melody)
    harmonics = redrawn(said.log_harmonics, said.phase, said.pitch_hz)
    harmonics *= np.float32(np.sqrt(timbre.pitch * timbre.stretch))
    spectrum = dsp.stft(dsp.pulses(pitch_hz), len(pitch_hz))
    spectrum *= harmonics
    noise = random.standard_normal((said.log_noise.shape[0], 2 * len(pitch_hz)), dtype=np.float32).view(
        np.complex64
    )
    noise *= dsp.ex(said.log_noise + _breath(timbre, said.pitch_hz) if timbre.breath_db else said.log_noise)
    spectrum += noise
    spectrum += _polar(dsp.ex(said.log_rest), said.rest_phase)
    return _overlapped(spectrum, timbre.hop_samples)


def moved_pitch(pitch_hz: Float32, ratio: float, melody: float) -> Float32:
    """Return the curve, ``(frames,)``, times ``ratio``, with its deviation from its logarithmic mean times ``melody``.

    Frames that are not voiced are unchanged.
    """
    is_voiced = pitch_hz > _VOICED_HZ
    if not is_voiced.any():
        return pitch_hz
    logs = np.log(np.maximum(pitch_hz, _VOICED_HZ))
    mean = logs[is_voiced].mean()
    moved = np.exp(mean + np.log(ratio) + (logs - mean) * melody)
    return np.where(is_voiced, np.maximum(moved, _VOICED_HZ + 1), pitch_hz).astype(np.float32)


def redrawn(log_harmonics: Float32, phase: Float32, pitch_hz: Float32) -> NDArray[np.complex64]:
    """Return the harmonics' filter, ``(601, frames)``, interpolated between its values at the multiples of the pitch.

    The logarithm of its magnitude is interpolated linearly, its phase along the shorter arc. Frames that are not voiced are
    unchanged.
    """
    own = _polar(dsp.ex(log_harmonics), np.float32(np.pi) * np.tanh(phase))
    is_voiced = pitch_hz > _VOICED_HZ
    own[:, is_voiced] = _through_harmonics(
        log_harmonics[:, is_voiced], own[:, is_voiced], (pitch_hz[is_voiced] / BIN_HZ).astype(np.float32)
    )
    return own


def _through_harmonics(
    log_size: Float32, own: NDArray[np.complex64], spacing: Float32
) -> NDArray[np.complex64]:
    """Return the interpolated filter of voiced frames, whose harmonics are ``spacing`` bins apart, ``(frames,)``."""
    bins, frames = log_size.shape
    last = np.floor(_LAST_HARMONIC_HZ / BIN_HZ / spacing)
    # For each bin, find the harmonics below and above it, and its relative position between them.
    share = np.arange(bins, dtype=np.float32)[:, None] / spacing
    np.clip(share, 1, last, out=share)
    below = np.floor(share)
    share -= below
    low = np.rint(below * spacing).astype(np.intp) * frames + np.arange(frames)
    below += 1
    np.minimum(below, last, out=below)
    high = np.rint(below * spacing).astype(np.intp) * frames + np.arange(frames)
    sizes, turns = _about_each_bin(log_size, own)
    size = sizes.take(low)
    size += share * (sizes.take(high) - size)
    drawn = turns.take(low)
    drawn += share * (turns.take(high) - drawn)
    drawn *= dsp.ex(size) / np.maximum(np.abs(drawn), _TINY)
    return drawn


def _about_each_bin(log_size: Float32, own: NDArray[np.complex64]) -> tuple[Float32, NDArray[np.complex64]]:
    """Return log magnitude and unit phasor at each bin, averaged over the width of the window, which is some bins wide.

    A single bin is noisy: a man's voice had a DistillMOS of 4.1 with it, and has 4.3 with the average.
    """
    sizes = log_size.copy()
    sizes[2:-2] = (
        log_size[:-4] + 2 * log_size[1:-3] + 3 * log_size[2:-2] + 2 * log_size[3:-1] + log_size[4:]
    ) / 9
    turns = own.copy()
    turns[1:-1] += (own[:-2] + own[2:]) / 2
    turns /= np.maximum(np.abs(turns), _TINY)
    return sizes, turns


def _polar(size: Float32, angle: Float32) -> NDArray[np.complex64]:
    found = np.empty(size.shape, np.complex64)
    np.cos(angle, out=found.real)
    np.sin(angle, out=found.imag)
    found *= size
    return found


def _breath(timbre: Timbre, pitch_hz: Float32) -> Float32:
    """Return the gain in the logarithm of the noise, ``(601, frames)``: it rises around an audible 2 kHz in voiced frames."""
    heard_hz = np.arange(dsp.N_FFT // 2 + 1, dtype=np.float32) * np.float32(BIN_HZ / timbre.stretch)
    part = heard_hz**2 / (heard_hz**2 + np.float32(_BREATH_FROM_HZ) ** 2)
    gain = part * (timbre.breath_db * np.log(10) / 20)
    return (gain[:, None] * (pitch_hz > _VOICED_HZ)).astype(np.float32)


@cache
def _window(hop_samples: int) -> Float32:
    """Return a periodic Hann window of four frames."""
    count = hop_samples * _FRAMES_A_WINDOW
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(count) / count)).astype(np.float32)


def _overlapped(spectrum: NDArray[np.complex64], hop_samples: int) -> Float32:
    """Return the inverse of the network's analysis with frames of another length, ``(frames * hop_samples,)``.

    The same bins are spread over more or fewer samples, which compresses or stretches the spectrum.
    """
    frames, window = spectrum.shape[1], _window(hop_samples)
    count = hop_samples * _FRAMES_A_WINDOW
    parts = np.fft.irfft(spectrum.T, count).astype(np.float32, copy=False)
    # A transform of another length is normalised differently.
    parts *= window * np.float32(count / dsp.N_FFT)
    parts = parts.reshape(frames, _FRAMES_A_WINDOW, hop_samples)
    squares = (window * window).reshape(_FRAMES_A_WINDOW, hop_samples)
    sound = np.zeros((frames + _FRAMES_A_WINDOW - 1, hop_samples), np.float32)
    weight = np.zeros_like(sound)
    for part in range(_FRAMES_A_WINDOW):
        sound[part : part + frames] += parts[:, part]
        weight[part : part + frames] += squares[part]
    sound /= np.maximum(weight, 1e-11)
    half = count // 2
    return sound.reshape(-1)[half : half + frames * hop_samples]
