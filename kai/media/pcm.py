"""Mono PCM: conversion between int16 and float32, resampling without clicks, and the detection of silence.

Sound is ``(samples,)`` in one of two forms: int16, or float32 in [-1, 1]. Nothing here reads a clock or starts threads.
"""

from __future__ import annotations

import io
import math
import wave
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from kai.compat.format import Float32, Pcm

_INT16_SCALE: Final = 32768.0


def to_float32(samples: Pcm) -> Float32:
    """Convert int16 ``samples`` to float32 in [-1, 1)."""
    if samples.dtype != np.int16:
        raise TypeError(f"expected int16 samples, got {samples.dtype}")
    return samples.astype(np.float32) / np.float32(_INT16_SCALE)


def to_int16(samples: Float32) -> Pcm:
    """Convert float32 ``samples`` (full scale 1.0) to int16, rounded. Values beyond full scale are clipped, not wrapped."""
    if samples.dtype != np.float32:
        raise TypeError(f"expected float32 samples, got {samples.dtype}")
    scaled = np.rint(samples * np.float32(_INT16_SCALE))
    return np.clip(scaled, -32768, 32767).astype(np.int16)


def from_bytes(data: bytes) -> Pcm:
    """Convert little-endian 16-bit PCM to int16 samples. Raises ``ValueError`` for an odd number of bytes."""
    if len(data) % 2:
        raise ValueError(f"16-bit PCM has an even number of bytes, got {len(data)}")
    return np.frombuffer(data, dtype="<i2").astype(np.int16, copy=False)


def to_bytes(samples: Pcm) -> bytes:
    """Convert int16 samples to little-endian 16-bit PCM."""
    if samples.dtype != np.int16:
        raise TypeError(f"expected int16 samples, got {samples.dtype}")
    return samples.astype("<i2", copy=False).tobytes()


def to_wav(samples: Pcm, rate_hz: int) -> bytes:
    """Return a WAV file of ``samples``, ``(n,)`` int16 mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(to_bytes(samples))
    return buffer.getvalue()


def read_wav(path: Path, rate_hz: int) -> Pcm:
    """Return the sound of a 16-bit WAV file as ``(samples,)`` int16 mono at ``rate_hz``."""
    with wave.open(str(path)) as file:
        samples = mix_to_mono(from_bytes(file.readframes(file.getnframes())), file.getnchannels())
        return resampled(samples, file.getframerate(), rate_hz)


def resampled(samples: Pcm, source_hz: int, target_hz: int) -> Pcm:
    """Return a whole sound, ``(samples,)`` int16 mono at ``source_hz``, at ``target_hz``."""
    resampler = Resampler(source_hz, target_hz)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def mix_to_mono(interleaved: Pcm, channels: int) -> Pcm:
    """Return the mean of ``channels`` interleaved channels: ``(samples * channels,)`` in, ``(samples,)`` out."""
    if channels < 1 or len(interleaved) % channels:
        raise ValueError(f"{len(interleaved)} samples do not divide into {channels} channels")
    if channels == 1:
        return interleaved
    frames = interleaved.reshape(-1, channels).astype(np.int32)
    return np.rint(frames.mean(axis=1)).astype(np.int16)


class Resampler:
    """Resamples one stream of mono int16 from ``source_hz`` to ``target_hz``. Keep one instance per stream.

    A new resampler for each frame would click at every seam. The filter holds back a few samples until more sound arrives or
    `flush` is called. Not thread-safe.
    """

    def __init__(self, source_hz: int, target_hz: int) -> None:
        if source_hz <= 0 or target_hz <= 0:
            raise ValueError(f"rates are positive, got {source_hz} and {target_hz} Hz")
        self.source_hz = source_hz
        self.target_hz = target_hz
        self._resampler = self._make()
        self._pushed_samples = 0

    def _make(self) -> AudioResampler | None:
        if self.source_hz == self.target_hz:
            return None
        return AudioResampler(format="s16", layout="mono", rate=self.target_hz)

    def push(self, samples: Pcm) -> Pcm:
        """Take ``samples`` (int16 mono at ``source_hz``) and return the samples at ``target_hz`` that are ready."""
        if samples.dtype != np.int16 or samples.ndim != 1:
            raise TypeError(f"expected (samples,) int16, got {samples.shape} {samples.dtype}")
        if self._resampler is None:
            return samples
        if not len(samples):
            return np.zeros(0, np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="s16", layout="mono")
        frame.sample_rate = self.source_hz
        frame.time_base = Fraction(1, self.source_hz)
        # Without an explicit position the resampler guesses one, and may insert silence to correct it.
        frame.pts = self._pushed_samples
        self._pushed_samples += len(samples)
        return self._gather(self._resampler, frame)

    def flush(self) -> Pcm:
        """End the stream and return the samples that the filter held back. The next push begins a new stream."""
        if self._resampler is None or not self._pushed_samples:
            return np.zeros(0, np.int16)
        tail = self._gather(self._resampler, None)
        self._resampler = self._make()
        self._pushed_samples = 0
        return tail

    @staticmethod
    def _gather(resampler: AudioResampler, frame: av.AudioFrame | None) -> Pcm:
        parts = [out.to_ndarray().reshape(-1) for out in resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)


def loud_span(samples: Float32, *, threshold: float = 0.01) -> tuple[int, int]:
    """Return ``(first, end)`` of the range from the first to the last sample louder than ``threshold``, or (0, 0)."""
    loud = np.flatnonzero(np.abs(samples) > threshold)
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, 0)


def trim_silence(
    samples: Float32, rate_hz: int, *, keep_head_ms: int = 30, keep_tail_ms: int = 30, threshold: float = 0.01
) -> Float32:
    """Return a view of ``samples`` without the silence at both ends, except the parts to keep. Empty if all is silent."""
    first, end = loud_span(samples, threshold=threshold)
    if first == end:
        return samples[:0]
    return samples[max(0, first - keep_head_ms * rate_hz // 1000) : end + keep_tail_ms * rate_hz // 1000]


def quietest_sample(samples: Float32, rate_hz: int, *, start: int, end: int, window_ms: int = 100) -> int:
    """Return the middle of the quietest ``window_ms`` of ``samples[start:end]``, where a cut is least audible.

    The first of equally quiet places is chosen. If the range is shorter than the window, its middle is returned.
    """
    window_samples = max(1, window_ms * rate_hz // 1000)
    part = samples[start:end].astype(np.float64)
    if len(part) <= window_samples:
        return start + len(part) // 2
    energy = np.concatenate(([0.0], np.cumsum(part * part)))
    sums = energy[window_samples:] - energy[:-window_samples]
    return start + int(np.argmin(sums)) + window_samples // 2


def level_dbfs(samples: Float32) -> float:
    """Return the RMS level relative to full scale, in dB. Silence is -120."""
    if not len(samples):
        return -120.0
    wide = samples.astype(np.float64)
    return max(-120.0, 10.0 * math.log10(float(np.dot(wide, wide)) / len(wide) + 1e-12))


def level_range_db(samples: Float32, rate_hz: int, *, frame_ms: int = 32) -> float:
    """Return how far, in dB, the loud parts (95th percentile of frames) are above the quiet ones (10th). Speech in a silent
    room has 40 dB or more; speech 10 dB above a steady noise has about 14."""
    levels_db = _frame_levels_db(samples, rate_hz * frame_ms // 1000)
    if not len(levels_db):
        return 0.0
    quiet_db, loud_db = np.percentile(levels_db, (10, 95))
    return float(loud_db - quiet_db)


def loud_seconds(samples: Float32, rate_hz: int, *, range_db: float = 25.0, frame_ms: int = 32) -> float:
    """Return how many seconds of ``samples`` are at most ``range_db`` below the loud parts (95th percentile of frames)."""
    levels_db = _frame_levels_db(samples, rate_hz * frame_ms // 1000)
    if not len(levels_db):
        return 0.0
    return int(np.sum(levels_db > np.percentile(levels_db, 95) - range_db)) * frame_ms / 1000


def _frame_levels_db(samples: Float32, count: int) -> NDArray[np.float64]:
    """Return the level of each whole frame of ``count`` samples, in dB relative to full scale, -100 for silence."""
    frames = samples[: len(samples) // count * count].reshape(-1, count)
    return 10.0 * np.log10(np.mean(frames.astype(np.float64) ** 2, axis=1) + 1e-10)
