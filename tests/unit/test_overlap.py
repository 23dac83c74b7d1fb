"""A voice over Kai's own, millisecond by millisecond: echo, hum, nod, word, speech."""

from __future__ import annotations

import pytest

from kai.engine.overlap import WEIGH_MS, Overlap
from kai.engine.speech.recognition import Transcript

WORDS = Transcript("Never mind.", -0.2, True)
NOD = Transcript("Mm-hm.", -0.2, True)
NOTHING = Transcript("", -3.0, False)


def voiced(overlap: Overlap, for_ms: int, share: float | None = 0.9, *, from_ms: int = 1_000) -> int:
    """Weighs so much of a voice, packet by packet; the time at its end."""
    now_ms = from_ms
    for _ in range(for_ms // WEIGH_MS):
        now_ms += WEIGH_MS
        assert overlap.is_due(now_ms)
        overlap.weigh(now_ms, share)
    return now_ms


def turn_after_ms(heard: Transcript | None) -> int:
    """How much of a voice is a turn, when this is read of it whenever it is worth reading."""
    overlap, now_ms = Overlap(), 1_000
    while not overlap.is_turn():
        now_ms = voiced(overlap, WEIGH_MS, from_ms=now_ms)
        if overlap.is_worth_reading and heard is not None:
            overlap.reading_began()
            overlap.take(heard)
    return overlap.foreign_ms


def test_words_are_a_turn_when_they_are_read_a_hum_and_a_nod_may_last() -> None:
    assert turn_after_ms(WORDS) == 200
    assert turn_after_ms(None) == 420
    assert turn_after_ms(NOTHING) == 560
    assert turn_after_ms(NOD) == 1_100


def test_what_could_not_be_read_is_read_again_with_more_of_it() -> None:
    overlap = Overlap()
    now_ms = voiced(overlap, 220)
    assert overlap.is_worth_reading
    overlap.reading_began()
    now_ms = voiced(overlap, 80, from_ms=now_ms)
    assert not overlap.is_worth_reading
    voiced(overlap, 20, from_ms=now_ms)
    assert overlap.is_worth_reading


def test_a_nod_stays_one_when_its_end_cannot_be_read() -> None:
    overlap = Overlap()
    voiced(overlap, 700)
    overlap.take(NOD)
    overlap.take(NOTHING)
    assert not overlap.is_turn()


@pytest.mark.parametrize("share", [0.5, None], ids=["echo", "silence"])
def test_neither_an_echo_nor_silence_is_a_voice(share: float | None) -> None:
    overlap = Overlap()
    voiced(overlap, 2_000, share)
    assert not overlap.is_voice
    assert not overlap.is_worth_reading
    assert not overlap.is_turn(is_kai_over=True)


def test_an_echo_takes_back_what_was_taken_for_a_voice_and_a_pause_does_not() -> None:
    overlap = Overlap()
    now_ms = voiced(overlap, 200)
    now_ms = voiced(overlap, 400, None, from_ms=now_ms)
    assert overlap.foreign_ms == 180
    voiced(overlap, 100, 0.3, from_ms=now_ms)
    assert overlap.foreign_ms == 80


def test_after_the_end_of_an_answer_a_yes_is_a_turn() -> None:
    overlap = Overlap()
    voiced(overlap, 140)
    overlap.take(NOD)
    assert not overlap.is_turn()
    assert overlap.is_turn(is_kai_over=True)
