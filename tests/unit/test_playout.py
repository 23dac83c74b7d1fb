"""The last buffer before the ear."""

from __future__ import annotations

import numpy as np

from kai.compat.format import BLOCK_MS
from kai.media.playout import Block, Playout


def tone(ms: int, level: int = 3000) -> np.ndarray:
    t = np.arange(24 * ms) / 24_000
    return (np.sin(2 * np.pi * 440 * t) * level).astype(np.int16)


def read_until_idle(playout: Playout) -> list[Block]:
    blocks: list[Block] = []
    while not playout.is_idle:
        blocks.append(playout.read())
        assert len(blocks) < 1000
    return blocks


def test_nothing_to_say_is_silence() -> None:
    block = Playout(80).read()
    assert block.segment_id is None
    assert block.pcm.shape == (960,)
    assert not block.pcm.any()


def test_a_segment_comes_out_whole_with_its_positions() -> None:
    playout = Playout(0)
    playout.write("r1", tone(200))
    playout.end("r1")
    blocks = read_until_idle(playout)
    assert [b.start for b in blocks] == [480 * i for i in range(len(blocks))]
    assert blocks[0].started == "r1"
    assert [b.finished for b in blocks if b.finished] == [("r1",)]
    assert blocks[-1].finished == ("r1",)
    assert len(blocks) * BLOCK_MS in (200, 220)
    sound = np.concatenate([b.pcm for b in blocks]).astype(float)
    assert abs(np.sqrt((sound**2).mean()) - 3000 / np.sqrt(2)) < 250


def test_a_segment_waits_for_its_lead_first() -> None:
    playout = Playout(80)
    playout.write("r1", tone(20))
    waiting = [playout.read() for _ in range(4)]
    assert all(b.segment_id is None for b in waiting)
    assert playout.read().started == "r1"


def test_a_segment_whose_lead_was_shortened_starts_sooner_and_the_next_one_does_not() -> None:
    playout = Playout(80)
    playout.shorten_lead("r1", 40)  # before its first sound there is nothing to shorten
    for name in ("r1", "r2"):
        playout.write(name, tone(20))
    playout.shorten_lead("r1", 40)
    assert [playout.read().started for _ in range(3)] == [None, None, "r1"]
    playout.end("r1")
    assert [playout.read().started for _ in range(6)].index("r2") >= 4


def test_a_segment_that_sounds_already_does_not_wait() -> None:
    playout = Playout(80)
    playout.write("r1", tone(20), is_sounding=True)
    assert playout.read().started == "r1"


def test_a_short_complete_segment_does_not_wait() -> None:
    playout = Playout(80)
    playout.write("r1", tone(20))
    playout.end("r1")
    assert playout.read().started == "r1"


def test_a_gap_inside_a_segment_is_silence_and_no_position_is_lost() -> None:
    playout = Playout(0)
    playout.write("r1", tone(40))
    blocks = [playout.read() for _ in range(5)]
    assert not blocks[-1].pcm.any()
    assert blocks[-1].segment_id == "r1"
    start = playout.read().start
    playout.write("r1", tone(40))
    assert playout.read().start == start


def test_flush_tells_how_far_the_segment_was_heard_and_silences() -> None:
    playout = Playout(0)
    playout.write("r1", tone(400))
    playout.write("r2", tone(400))
    for _ in range(5):
        playout.read()
    assert playout.flush() == ("r1", 5 * 480)
    assert playout.flush() is None
    assert not playout.read().pcm.any()


def test_segments_follow_one_another() -> None:
    playout = Playout(0)
    playout.write("r1", tone(100))
    playout.write("r2", tone(100))
    playout.end("r1")
    playout.end("r2")
    blocks = read_until_idle(playout)
    order = [b.segment_id for b in blocks]
    assert order == sorted(order, key=str)
    assert [f for b in blocks for f in b.finished] == ["r1", "r2"]


def test_a_segment_of_which_nothing_came_ends_all_the_same() -> None:
    playout = Playout(80)
    playout.write("r1", np.zeros(0, np.int16))
    playout.end("r1")
    assert playout.read().finished == ("r1",)


def test_there_is_no_click_where_chunks_meet() -> None:
    playout = Playout(0)
    whole = tone(400)
    for i in range(0, len(whole), 480):
        playout.write("r1", whole[i : i + 480])
    playout.end("r1")
    sound = np.concatenate([b.pcm for b in read_until_idle(playout)]).astype(int)
    steepest = 2 * np.pi * 440 / 48_000 * 3000
    assert np.abs(np.diff(sound[200:-1200])).max() < steepest * 1.3
