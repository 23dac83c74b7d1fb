"""The pulse of live sound: steady, without drift, and what a stall leaves out."""

from __future__ import annotations

import time

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from kai.compat.format import SILENCE
from kai.compat.paced import PacedTrack, Pacer

STEP_S = 0.004


def due(pacer: Pacer) -> float:
    assert pacer.due_s is not None
    return pacer.due_s


async def test_steps_are_due_at_equal_distances_and_never_given_early() -> None:
    pacer = Pacer(STEP_S, 10.0)
    times: list[float] = []
    for _ in range(6):
        assert await pacer.wait_step() == 0
        times.append(due(pacer))
        assert time.monotonic() >= due(pacer)
    assert np.diff(times) == pytest.approx([STEP_S] * 5)


async def test_after_a_short_stall_no_step_is_left_out() -> None:
    pacer = Pacer(STEP_S, 10.0)
    await pacer.wait_step()
    began_s = due(pacer)
    time.sleep(10 * STEP_S)
    assert [await pacer.wait_step() for _ in range(10)] == [0] * 10
    assert due(pacer) == pytest.approx(began_s + 10 * STEP_S)


async def test_after_a_long_stall_the_missed_steps_are_left_out_and_the_beat_stays() -> None:
    pacer = Pacer(STEP_S, 5 * STEP_S)
    await pacer.wait_step()
    began_s = due(pacer)
    time.sleep(10 * STEP_S)
    left_out = await pacer.wait_step()
    assert left_out >= 9
    assert due(pacer) == pytest.approx(began_s + (left_out + 1) * STEP_S)


@pytest.mark.parametrize(("keeps_time", "jumps"), [(True, True), (False, False)])
async def test_the_timestamps_of_a_track_tell_the_time_or_never_jump(keeps_time: bool, jumps: bool) -> None:
    track = PacedTrack(lambda: SILENCE, most_late_s=0.04, keeps_time=keeps_time)
    first = await track.recv()
    time.sleep(0.1)
    second = await track.recv()
    assert (first.pts, first.sample_rate, first.to_ndarray().shape) == (0, 48_000, (1, 960))
    assert second.pts is not None
    assert (second.pts > 960) == jumps
    assert second.pts % 960 == 0
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()
