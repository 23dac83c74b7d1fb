"""The log-mel features of Whisper, on which other models were trained too. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from kai.compat.format import HEARING_HZ

_HOP_SAMPLES: Final = 160
_FFT_SAMPLES: Final = 400
_MEL_BANDS: Final = 80


@lru_cache(maxsize=1)
def _mel_filters() -> NDArray[np.float32]:
    """Return the 80 triangular Slaney filters on 201 bins that Whisper was trained with: ``(80, 201)``."""
    bin_hz = np.fft.rfftfreq(_FFT_SAMPLES, 1.0 / HEARING_HZ)
    mels = np.linspace(0.0, 45.245640471924965, _MEL_BANDS + 2)
    edge_hz = np.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mels - 15.0)))
    width_hz = np.diff(edge_hz)
    ramps = edge_hz[:, None] - bin_hz[None, :]
    rising = -ramps[:-2] / width_hz[:-1, None]
    falling = ramps[2:] / width_hz[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= (2.0 / (edge_hz[2:] - edge_hz[:-2]))[:, None]
    return filters.astype(np.float32)


@lru_cache(maxsize=1)
def _hann_window() -> NDArray[np.float32]:
    return np.hanning(_FFT_SAMPLES + 1)[:-1].astype(np.float32)


def log_mel(audio: NDArray[np.float32], window_samples: int) -> NDArray[np.float32]:
    """Return the features of ``audio`` (float32, 16 kHz) padded with silence to ``window_samples``: ``(80, window / 160)``.

    The numbers are those of the reference; the frames of the padding are known and not computed.
    """
    frame_count = window_samples // _HOP_SAMPLES
    half = _FFT_SAMPLES // 2
    padded = np.pad(audio, (0, max(0, half + 1 - len(audio))))
    padded = np.concatenate((padded[half:0:-1], padded, np.zeros(_FFT_SAMPLES + half, np.float32)))
    heard_frames = min(frame_count, (len(padded) - _FFT_SAMPLES) // _HOP_SAMPLES)
    framed = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::_HOP_SAMPLES][:heard_frames]
    spectrum = np.fft.rfft(framed * _hann_window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    features = np.full((_MEL_BANDS, frame_count), -10.0, np.float32)
    features[:, :heard_frames] = np.log10(np.maximum(_mel_filters() @ power.T, np.float32(1e-10)))
    np.maximum(features, features.max() - np.float32(8.0), out=features)
    features += np.float32(4.0)
    features /= np.float32(4.0)
    return features
