"""Estimates how much of the microphone's sound is Kai's own voice, by comparing it with what was played.

Kai's sound returns through loudspeaker, room and microphone: later, softer and coloured, that is, as a filtered version of
what was played. In a window of half a second, cross-correlation finds the delay. For each frequency we then compute the share
of the microphone's power that a filter of the played sound explains (the magnitude-squared coherence, weighted by power). The
rest belongs to somebody else. If a person is as loud as the echo, the rest is one half.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.compat.format import HEARING_HZ, LIVE_HZ, Float32

WINDOW_MS: Final = 480
MAX_DELAY_MS: Final = 900
EARLY_MS: Final = 120
"""How far the microphone's sound may be ahead of ours, since both arrive in packets."""
MIN_FOREIGN_SHARE: Final = 0.62
"""Kai's own echo leaves at most half of the heard power unexplained; a person talking over it leaves two thirds or more."""
_FFT_SAMPLES: Final = 512
_HOP_SAMPLES: Final = 128
_LOW_HZ: Final = 150.0
_HIGH_HZ: Final = 4_500.0
_QUIET: Final = 1e-9
_STEP: Final = LIVE_HZ // HEARING_HZ


class EchoGate:
    """Compares what Kai played with what the microphone heard, over the last 1.5 s. Not thread-safe."""

    def __init__(self) -> None:
        keep_ms = WINDOW_MS + MAX_DELAY_MS + EARLY_MS
        self._played = np.zeros(keep_ms * HEARING_HZ // 1000, np.float32)
        self._silent_samples = len(self._played)
        """The length of the silence at the end of what was played, up to all of it."""
        self._heard = np.zeros(WINDOW_MS * HEARING_HZ // 1000, np.float32)
        # The newest played sound has not been heard yet: the microphone's window ends at least EARLY_MS earlier.
        self._band = _band()

    def play(self, samples: NDArray[np.int16]) -> None:
        """Take the sound that is played now: ``(n,)`` int16, 48 000 Hz, a multiple of three samples."""
        if samples.any():
            self._silent_samples = 0
        elif self._silent_samples >= len(self._played):
            return  # silence after silence changes nothing
        else:
            self._silent_samples += len(samples) * HEARING_HZ // LIVE_HZ
        self._played = _pushed(self._played, thinned(samples))

    def push_mic(self, samples: Float32) -> None:
        """Take the microphone's new sound: ``(n,)`` float32, 16 000 Hz."""
        self._heard = _pushed(self._heard, samples)

    def foreign_share(self, window_ms: int = WINDOW_MS) -> float:
        """Return the share, 0 to 1, of the microphone's power in the last ``window_ms`` that is not Kai's own sound.

        It is 1.0 if nothing was played and 0.0 if nothing was heard. A call takes about 1.5 ms of a core.
        """
        count = min(window_ms, WINDOW_MS) * HEARING_HZ // 1000
        heard = self._heard[-count:]
        if float(np.dot(heard, heard)) < _QUIET * count:
            return 0.0
        if float(np.dot(self._played, self._played)) < _QUIET * len(self._played):
            return 1.0
        played = self._aligned(heard)
        return 1.0 - _explained(heard, played, self._band)

    def _aligned(self, heard: Float32) -> Float32:
        """Return the stretch of the played sound that fits ``heard`` best, of the same length."""
        played = self._played
        size = 1 << (len(played) + len(heard) - 1).bit_length()
        frequencies_hz = np.fft.rfftfreq(size, 1 / HEARING_HZ)
        spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size))
        # Whiten by half: speech is too tonal for a plain correlation, and full whitening amplifies noise too much.
        spectrum /= np.sqrt(np.abs(spectrum)) + 1e-12
        spectrum[(frequencies_hz < _LOW_HZ) | (frequencies_hz > _HIGH_HZ)] = 0
        correlation = np.fft.irfft(spectrum, size)[: len(played) - len(heard) + 1]
        start = int(np.argmax(np.abs(correlation)))
        return played[start : start + len(heard)]


def thinned(samples: NDArray[np.int16]) -> Float32:
    """Convert 48 000 Hz int16, a multiple of three samples, to float32 at 16 000 Hz by averaging three samples.

    The simplest filter suffices: the coherence is not affected by filtering, and speech has almost nothing above 12 000 Hz
    that could alias into the band.
    """
    if len(samples) % _STEP:
        raise ValueError(f"{len(samples)} samples do not divide by {_STEP}")
    wide = samples.astype(np.float32)
    # Sums of slices take a third of the time of a mean over short rows.
    return (wide[::3] + wide[1::3] + wide[2::3]) * np.float32(1 / (_STEP * 32_768))


def _band() -> NDArray[np.bool_]:
    frequencies_hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / HEARING_HZ)
    return (frequencies_hz >= _LOW_HZ) & (frequencies_hz <= _HIGH_HZ)


def _pushed(ring: Float32, samples: Float32) -> Float32:
    if len(samples) >= len(ring):
        return samples[-len(ring) :].astype(np.float32)
    return np.concatenate((ring[len(samples) :], samples))


def _explained(heard: Float32, played: Float32, band: NDArray[np.bool_]) -> float:
    """Return the share of ``heard``'s power that a filter of ``played`` explains, corrected for chance."""
    ours, theirs = _spectra(heard, band), _spectra(played, band)
    cross = np.abs((ours * np.conj(theirs)).sum(axis=0)) ** 2
    power = (np.abs(ours) ** 2).sum(axis=0)
    explained = cross / ((np.abs(theirs) ** 2).sum(axis=0) + 1e-12)
    share = float(explained.sum() / (power.sum() + 1e-12))
    # Each sample is in four frames, so a quarter of the frames are independent. Chance explains this share of anything.
    chance = min(0.5, 4.0 / max(1, len(ours)))
    return float(np.clip((share - chance) / (1.0 - chance), 0.0, 1.0))


def _spectra(samples: Float32, band: NDArray[np.bool_]) -> NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, _FFT_SAMPLES)[::_HOP_SAMPLES]
    return np.fft.rfft(frames * np.hanning(_FFT_SAMPLES), axis=1)[:, band]
