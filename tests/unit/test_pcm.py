"""PCM helpers: exact where they must be, seamless where a stream is cut."""

from __future__ import annotations

import numpy as np
import pytest

from kai.media import pcm


def tone(hz: float, rate_hz: int, seconds: float, level: float = 0.5) -> np.ndarray:
    return (level * 32767 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)).astype(
        np.int16
    )


def test_int16_survives_the_way_through_float32() -> None:
    samples = np.array([-32768, -1, 0, 1, 32767], np.int16)
    np.testing.assert_array_equal(pcm.to_int16(pcm.to_float32(samples)), samples)


def test_what_is_too_loud_is_clipped_and_does_not_wrap() -> None:
    assert pcm.to_int16(np.array([1.0, 2.0, -2.0], np.float32)).tolist() == [32767, 32767, -32768]


def test_bytes_are_little_endian_and_half_a_sample_is_refused() -> None:
    assert pcm.to_bytes(np.array([1, -2], np.int16)) == b"\x01\x00\xfe\xff"
    assert pcm.from_bytes(b"\x01\x00\xfe\xff").tolist() == [1, -2]
    with pytest.raises(ValueError, match="even"):
        pcm.from_bytes(b"\x01")


def test_stereo_is_mixed_without_overflow() -> None:
    assert pcm.mix_to_mono(np.array([30_000, 32_000, -30_000, -32_000], np.int16), 2).tolist() == [
        31_000,
        -31_000,
    ]


@pytest.mark.parametrize(
    ("source_hz", "target_hz"), [(48_000, 16_000), (24_000, 16_000), (24_000, 48_000), (48_000, 24_000)]
)
def test_a_stream_in_20_ms_frames_is_the_same_as_in_one_piece(source_hz: int, target_hz: int) -> None:
    samples = tone(440, source_hz, 1.0)
    whole = pcm.Resampler(source_hz, target_hz)
    cut = pcm.Resampler(source_hz, target_hz)
    at_once = np.concatenate([whole.push(samples), whole.flush()])
    step = source_hz // 50
    frames = [cut.push(samples[start : start + step]) for start in range(0, len(samples), step)]
    in_frames = np.concatenate([*frames, cut.flush()])
    np.testing.assert_array_equal(in_frames, at_once)
    assert abs(len(in_frames) - target_hz) <= 2
    wanted = tone(440, target_hz, 1.0)
    inner = slice(target_hz // 10, -target_hz // 10)
    assert np.abs(in_frames[: len(wanted)][inner].astype(int) - wanted[: len(in_frames)][inner]).max() < 200


def test_the_resampler_holds_back_less_than_3_ms() -> None:
    resampler = pcm.Resampler(48_000, 16_000)
    given = sum(len(resampler.push(tone(300, 48_000, 0.02))) for _ in range(10))
    assert given >= 16_000 // 5 - 48


def test_the_same_rate_passes_through() -> None:
    samples = tone(300, 16_000, 0.1)
    np.testing.assert_array_equal(pcm.Resampler(16_000, 16_000).push(samples), samples)


def test_after_a_flush_a_new_stream_begins() -> None:
    resampler = pcm.Resampler(48_000, 16_000)
    samples = tone(300, 48_000, 0.1)
    first = np.concatenate([resampler.push(samples), resampler.flush()])
    second = np.concatenate([resampler.push(samples), resampler.flush()])
    np.testing.assert_array_equal(first, second)


def test_silence_is_trimmed_but_for_what_is_kept() -> None:
    samples = np.zeros(1000, np.float32)
    samples[400:600] = 0.5
    assert pcm.loud_span(samples) == (400, 600)
    assert len(pcm.trim_silence(samples, 1000, keep_head_ms=30, keep_tail_ms=50)) == 280
    assert len(pcm.trim_silence(np.zeros(100, np.float32), 1000)) == 0


def test_the_quietest_place_is_found_within_the_range_only() -> None:
    samples = np.ones(2000, np.float32)
    samples[100:300] = 0
    samples[1200:1400] = 0.1
    assert 1250 <= pcm.quietest_sample(samples, 1000, start=500, end=2000) <= 1350
    assert pcm.quietest_sample(samples, 1000, start=500, end=520) == 510


def test_the_level_of_full_scale_is_zero_and_of_silence_very_low() -> None:
    assert pcm.level_dbfs(np.ones(100, np.float32)) == pytest.approx(0.0, abs=0.01)
    assert pcm.level_dbfs(np.zeros(100, np.float32)) == -120.0
    assert pcm.level_dbfs(np.zeros(0, np.float32)) == -120.0
