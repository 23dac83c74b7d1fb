"""The microphone's track towards the brain."""

from __future__ import annotations

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from kai.adapters.openai_realtime.mic import NOISE_FRAMES, NOISE_PEAK, QUEUE_FRAMES, TARGET_FRAMES, MicTrack

LOUD = np.full(960, 5000, np.int16)
QUIET = np.zeros(960, np.int16)


async def levels(track: MicTrack, count: int) -> list[int]:
    return [int(np.abs((await track.recv()).to_ndarray()).max()) for _ in range(count)]


async def test_it_sends_silence_when_nothing_came() -> None:
    track = MicTrack()
    assert await levels(track, 3) == [0, 0, 0]


async def test_a_second_of_a_microphone_s_own_noise_is_followed_by_silence_until_the_first_sound() -> None:
    track = MicTrack()
    noise, whisper = np.full(960, NOISE_PEAK - 1, np.int16), np.full(960, -NOISE_PEAK, np.int16)
    sent: list[int] = []
    for pcm in [noise] * (NOISE_FRAMES + 5) + [whisper] + [noise] * 3:
        track.push(pcm)
        sent += await levels(track, 1)
    assert sent == [NOISE_PEAK - 1] * NOISE_FRAMES + [0] * 5 + [NOISE_PEAK] + [NOISE_PEAK - 1] * 3


async def test_timestamps_never_jump() -> None:
    track = MicTrack()
    track.push(LOUD)
    assert [(await track.recv()).pts for _ in range(4)] == [0, 960, 1920, 2880]


async def test_muted_it_sends_silence_and_forgets_what_was_said_meanwhile() -> None:
    track = MicTrack()
    track.is_muted = True
    for _ in range(5):
        track.push(LOUD)
    assert await levels(track, 3) == [0, 0, 0]
    track.is_muted = False
    track.push(LOUD)
    assert await levels(track, 2) == [5000, 0]


async def test_a_burst_after_a_stall_loses_no_word() -> None:
    track = MicTrack()
    for _ in range(30):
        track.push(LOUD)
    assert await levels(track, 30) == [5000] * 30


async def test_a_backlog_is_made_up_in_the_next_pause() -> None:
    track = MicTrack()
    for pcm in [LOUD] * 3 + [QUIET] * 20 + [LOUD]:
        track.push(pcm)
    sent = await levels(track, 3 + TARGET_FRAMES)
    assert sent[:3] == [5000] * 3
    assert sent[-1] == 5000
    assert track.dropped_frames == 20 - (TARGET_FRAMES - 1)


async def test_the_queue_is_bounded_and_counts_what_it_dropped() -> None:
    track = MicTrack()
    for _ in range(QUEUE_FRAMES + 7):
        track.push(LOUD)
    assert track.dropped_frames == 7


async def test_a_stopped_track_ends() -> None:
    track = MicTrack()
    track.stop()
    with pytest.raises(MediaStreamError):
        await track.recv()
