"""Speech that waits to be played: no sample is lost, doubled or moved, however it comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.compat.format import LIVE_HZ, SPEECH_HZ
from kai.media import segments
from kai.media.pcm import Resampler
from kai.media.segments import Segment

SPEECH = (np.random.default_rng(4).normal(size=4_000) * 6_000).astype(np.int16)


def resampled() -> list[int]:
    resampler = Resampler(SPEECH_HZ, LIVE_HZ)
    return np.concatenate([resampler.push(SPEECH), resampler.flush()]).tolist()


@given(
    cuts=st.lists(st.integers(0, len(SPEECH)), max_size=8),
    takes=st.lists(st.integers(1, 2_000), min_size=1, max_size=8),
)
def test_what_is_taken_is_what_was_pushed_whatever_the_sizes(cuts: list[int], takes: list[int]) -> None:
    segment, taken = Segment(), list[int]()
    chunks = np.split(SPEECH, sorted(cuts))
    for n, chunk in enumerate(chunks):
        assert segment.push(chunk)
        block = np.zeros(takes[n % len(takes)], np.int16)
        before = (segment.queued_samples, segment.played_samples)
        count = segment.take_into(block)
        assert (segment.queued_samples, segment.played_samples) == (before[0] - count, before[1] + count)
        assert count == min(len(block), before[0])
        taken += block[:count].tolist()
    assert not segment.is_over
    segment.complete()
    segment.complete()
    while not segment.is_over:
        block = segment.take_block()
        taken += block[: segment.played_samples - len(taken)].tolist()
    assert taken == resampled()
    assert segment.played_samples == len(taken)


def test_the_next_segment_goes_into_the_rest_of_a_block() -> None:
    first, second = Segment(), Segment()
    for segment, level in ((first, 1_000), (second, -1_000)):
        segment.push(np.full(240, level, np.int16))
        segment.complete()
    block = np.zeros(960, np.int16)
    filled = first.take_into(block)
    filled += second.take_into(block, filled)
    assert 900 <= filled <= 960
    assert block[200] > 900
    assert block[700] < -900
    assert not block[filled:].any()


def test_beyond_the_bound_nothing_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "MOST_QUEUED_S", 0.1)
    segment = Segment()
    assert segment.push(SPEECH)
    held = segment.queued_samples
    assert not segment.push(SPEECH)
    assert segment.queued_samples == held
