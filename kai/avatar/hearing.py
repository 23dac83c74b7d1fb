"""Visemes and loudness from sound as it arrives: log-mel features, a small network, a silence gate and a closure rule.

The network (312-256-128-15, 115 000 weights, ``data/visemes.npz``) was trained by ``tools/train_visemes.py`` on synthetic
voices whose phoneme times are known. It sees 80 ms of the past and 30 ms of the future. With half an analysis window
(12.5 ms) and the mouth's smoothing (30 ms, see `kai.avatar.lipsync`) the mouth of a moment is final 72.5 ms after that
moment's sound was pushed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kai.avatar.lipsync import ROW_SAMPLES
from kai.avatar.rig import DATA_DIR, load_data
from kai.avatar.visemes import INDEX, VISEMES
from kai.compat.format import Array

WINDOW_SAMPLES = 600
_HALF_WINDOW = WINDOW_SAMPLES // 2
_FFT = 768
"""768 points at 24 000 Hz have the bins of 512 points at 16 000 Hz, the rate at which the network was trained."""
_BINS = 257
MEL_BANDS = 26
PAST_ROWS, FUTURE_ROWS = 8, 3
"""The rows of features that the network sees before and after a row."""
_START_MAXIMUM = -2.0
_MAXIMUM_DECAY = 1 / 1500.0
_MEAN_TAU_ROWS = 200.0
_SPEECH_BELOW_MAXIMUM = 5.5

_PP, _SIL = INDEX["PP"], INDEX["sil"]
_STOPS = [INDEX[name] for name in ("PP", "DD", "kk", "nn", "TH")]

_PEAK_FALL_DB = 0.06
"""The fall per row: 6 dB per second."""
_LOUDNESS_RANGE_DB = 28.0
_QUIET_VOICE_DB = -40.0
"""Voices are assumed to be at least this loud (dB of full scale), so that noise does not count as speech."""


def _mel_filters() -> Array:
    """Return ``(257, 26)`` triangular filters from 60 to 7600 Hz, evenly spaced on the mel scale."""

    def mel(hz: Any) -> Any:
        return 2595 * np.log10(1 + hz / 700)

    corners = np.linspace(mel(60), mel(7600), MEL_BANDS + 2)
    bins = 700 * (10 ** (corners / 2595) - 1) / 16_000 * 512
    k = np.arange(_BINS)[:, None]
    low, middle, high = bins[:-2], bins[1:-1], bins[2:]
    return np.clip(np.minimum((k - low) / (middle - low), (high - k) / (high - middle)), 0, None)


_MEL = _mel_filters()
_HANN = np.hanning(WINDOW_SAMPLES)


def log_mel(frames: Array) -> Array:
    """Return ``(n, 26)`` logarithms of the energy in mel bands, from ``(n, 600)`` samples from -1 to 1."""
    # A window has 1.5 times as many samples as at 16 000 Hz.
    spectrum = np.abs(np.fft.rfft(frames * _HANN, _FFT)[:, :_BINS] / 1.5) ** 2
    return np.log(spectrum @ _MEL + 1e-7)


@dataclass(frozen=True, slots=True)
class VisemeNet:
    """The network's weights; ``mean`` and ``deviation`` (312,) standardise inputs, ``band_mean`` (26,) is the mean voice."""

    mean: Array
    deviation: Array
    band_mean: Array
    layers: tuple[tuple[Array, Array], ...]

    def shares(self, inputs: Array) -> Array:
        """Return ``(n, 15)`` viseme shares that sum to 1, for ``(n, 312)`` inputs."""
        h = (inputs - self.mean) / self.deviation
        for i, (weights, bias) in enumerate(self.layers):
            h = h @ weights + bias
            if i < len(self.layers) - 1:
                h = np.maximum(h, 0)
        e = np.exp(h - h.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)


def load_net(data_dir: Path = DATA_DIR) -> VisemeNet:
    """Load the network. Raises `WeightsError` when its file is missing or not the known one."""
    data = load_data("visemes.npz", data_dir)
    layers = tuple((data[f"W{i}"], data[f"b{i}"]) for i in range(3))
    return VisemeNet(data["mu"], data["sd"], data["GM"], layers)


class Features:
    """The front end of `Hearing`: a sound's features for the network, and its loudness. Push pieces of any length.

    Not thread-safe. Row ``i`` is centred on sample ``i * ROW_SAMPLES``.
    """

    def __init__(self, band_mean: Array) -> None:
        self._sound = np.zeros(_HALF_WINDOW, np.float32)
        self._maximum: float | None = None
        self._band_mean = band_mean.astype(np.float64)

    def push(self, sound: Array) -> tuple[Array, Array]:
        """Add ``sound`` (samples,) float32; return features (n, 26) and level in dB of full scale (n,) of the new rows."""
        self._sound = np.concatenate([self._sound, sound.astype(np.float32, copy=False)])
        count = max(0, (len(self._sound) - WINDOW_SAMPLES) // ROW_SAMPLES + 1)
        if not count:
            return np.zeros((0, MEL_BANDS), np.float32), np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self._sound, WINDOW_SAMPLES)[::ROW_SAMPLES][:count]
        self._sound = self._sound[count * ROW_SAMPLES :]
        features = np.stack([self._normalise(row) for row in log_mel(frames)])
        return features, (10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)).astype(np.float32)

    def _normalise(self, bands: Array) -> Array:
        """Remove the voice's level (a slowly falling maximum) and its colour (a slow mean of each band in speech)."""
        loudest = float(bands.max())
        if self._maximum is None:
            self._maximum = max(loudest, _START_MAXIMUM)
        elif loudest > self._maximum:
            self._maximum = loudest
        else:
            self._maximum -= (self._maximum - max(loudest, _START_MAXIMUM)) * _MAXIMUM_DECAY
        level = bands - self._maximum
        if loudest > self._maximum - _SPEECH_BELOW_MAXIMUM:
            self._band_mean = self._band_mean + (level - self._band_mean) / _MEAN_TAU_ROWS
        return np.clip((level - self._band_mean) / 3.0, -4, 3).astype(np.float32)


class Hearing:
    """Finds the visemes of one segment of speech. Push its sound in pieces of any length; rows are returned once known.

    Not thread-safe. Keeps 110 ms of features; memory does not grow.
    """

    def __init__(self, net: VisemeNet) -> None:
        self._net = net
        self._front = Features(net.band_mean)
        self._peak_db = _QUIET_VOICE_DB
        self._features = np.zeros((0, MEL_BANDS), np.float32)
        self._level_db = np.zeros(0, np.float32)
        """Both hold ``PAST_ROWS`` rows that are classified already, then the rows that still need later ones."""

    def push(self, pcm: NDArray[np.int16]) -> tuple[Array, Array]:
        """Add ``pcm``, ``(samples,)`` int16, 24 000 Hz mono; return shares (n, 15) and loudness (n,) float32 of new rows."""
        features, level_db = self._front.push(pcm.astype(np.float32) / 32768)
        if len(features):
            if len(self._features) == 0:
                self._features = np.repeat(features[:1], PAST_ROWS, axis=0)
                self._level_db = np.repeat(level_db[:1], PAST_ROWS)
            self._features = np.vstack([self._features, features])
            self._level_db = np.concatenate([self._level_db, level_db])
        ready = len(self._features) - PAST_ROWS - FUTURE_ROWS
        if ready <= 0:
            return np.zeros((0, len(VISEMES)), np.float32), np.zeros(0, np.float32)
        return self._classify(ready)

    def finish(self) -> tuple[Array, Array]:
        """Return the last rows, as if silence followed."""
        return self.push(np.zeros(FUTURE_ROWS * ROW_SAMPLES + _HALF_WINDOW, np.int16))

    def _classify(self, count: int) -> tuple[Array, Array]:
        span = PAST_ROWS + 1 + FUTURE_ROWS
        windows = np.lib.stride_tricks.sliding_window_view(self._features, span, axis=0)[:count]
        shares = self._net.shares(windows.transpose(0, 2, 1).reshape(count, span * MEL_BANDS))
        around = np.lib.stride_tricks.sliding_window_view(self._level_db, span)[:count]
        loudness = np.empty(count, np.float32)
        for i, level_db in enumerate(around[:, PAST_ROWS]):
            self._peak_db = max(float(level_db), self._peak_db - _PEAK_FALL_DB, _QUIET_VOICE_DB)
            loudness[i] = (level_db - self._peak_db + _LOUDNESS_RANGE_DB + 2) / _LOUDNESS_RANGE_DB
            shares[i] = _close_lips(shares[i], around[i])
            shares[i] = _gate_silence(shares[i], float(around[i].max()), self._peak_db)
        self._features = self._features[count:]
        self._level_db = self._level_db[count:]
        return shares.astype(np.float32), np.clip(loudness, 0, 1)


def _close_lips(shares: Array, around_db: Array) -> Array:
    """Close the lips at a dip in the sound, which is a stop consonant, if the network gives lips any weight there.

    The network is less sure about voices that it was not trained on, and people notice a missed closure at once.
    """
    dip = np.clip((around_db.max() - around_db[PAST_ROWS] - 6) / 8, 0, 1)
    lips_among_stops = shares[_PP] / (shares[_STOPS].sum() + 1e-3)
    # In such dips the median of this is 0.7 at p, b and m, and 0.2 at other sounds.
    lips_shut = np.clip(lips_among_stops * 3 - 0.8, 0, 1)
    shut = max(float(shares[_PP]), float(dip * lips_shut * (1 - shares[_SIL])))
    others = shares * ((1 - shut) / max(1 - float(shares[_PP]), 1e-3))
    others[_PP] = shut
    return others


def _gate_silence(shares: Array, nearby_db: float, peak_db: float) -> Array:
    """Rest the mouth in a pause, whatever the network finds in its noise. A stop's short gap is no pause."""
    silent = max(np.clip((peak_db - 36 - nearby_db) / 8, 0, 1), np.clip((-52 - nearby_db) / 6, 0, 1))
    rest = shares * (1 - silent)
    rest[_SIL] += silent
    return rest
