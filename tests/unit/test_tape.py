"""The tape of the present answer."""

from __future__ import annotations

import numpy as np

from kai.ports import Heard, Marks, Timed
from kai.runtime.tape import Spoken, Tape, Told

WORDS = Marks(
    visemes=(Timed("aa", 0, 2400), Timed("PP", 2400, 4800)),
    words=(Timed("Hello", 0, 2400), Timed("there", 2400, 4800), Timed("friend", 4800, 7200)),
)


def recorded() -> Tape:
    tape = Tape()
    tape.mark("r1", WORDS)
    tape.record("r1", np.arange(7200, dtype=np.int16))
    return tape


def test_the_words_whose_half_was_heard_are_told() -> None:
    assert recorded().heard(Heard("r1", 3700)) == Told("r1", 154, "Hello there")
    assert recorded().heard(Heard("r1", 3500)) == Told("r1", 145, "Hello")


def test_nothing_heard_is_an_empty_text_and_unknown_words_are_none() -> None:
    assert recorded().heard(Heard("r1", 0)) == Told("r1", 0, "")
    tape = Tape()
    tape.record("r1", np.zeros(7200, np.int16))
    assert tape.heard(Heard("r1", 2400)) == Told("r1", 100, None)
    assert tape.heard(Heard("r1", 0)) == Told("r1", 0, "")


def test_words_have_begun_as_the_voice_reaches_them_and_are_unknown_without_their_times() -> None:
    tape = recorded()
    assert tape.spoken(Heard("r1", 2399)) == Spoken("r1", 1, 99, None)
    assert tape.spoken(Heard("r1", 2400)) == Spoken("r1", 2, 100, None)
    tape.complete("r1")
    assert tape.spoken(Heard("r1", 7199)) == Spoken("r1", 3, 299, 300)
    assert tape.spoken(Heard("r0", 10)) is None
    plain = Tape()
    plain.record("r1", np.zeros(7200, np.int16))
    assert plain.spoken(Heard("r1", 2400)) == Spoken("r1", None, 100, None)


def test_words_are_counted_on_when_another_face_has_taken_over() -> None:
    tape = recorded()
    tape.rest(Heard("r1", 2400))
    assert tape.spoken(Heard("r1", 2400)) == Spoken("r1", 3, 200, None)


def test_another_face_goes_on_at_the_heard_sample() -> None:
    tape = recorded()
    rest = tape.rest(Heard("r1", 2400))
    assert rest is not None
    assert rest.pcm[0] == 2400
    assert not rest.is_complete
    assert rest.marks[0].visemes == (Timed("PP", 0, 2400),)
    assert rest.marks[0].words[0] == Timed("there", 0, 2400)


def test_positions_after_a_change_of_face_count_from_the_segments_start() -> None:
    tape = recorded()
    tape.rest(Heard("r1", 2400))
    assert tape.heard(Heard("r1", 1300)) == Told("r1", 154, "Hello there")
    assert tape.shifted("r1", WORDS).words[0] == Timed("there", 0, 2400)


def test_a_second_change_of_face_adds_up() -> None:
    tape = recorded()
    tape.rest(Heard("r1", 2400))
    rest = tape.rest(Heard("r1", 2400))
    assert rest is not None
    assert rest.pcm[0] == 4800


def test_there_is_no_rest_of_another_segment() -> None:
    tape = recorded()
    assert tape.rest(Heard("r0", 100)) is None
    assert tape.rest(None) is None


def test_a_new_segment_takes_the_old_ones_place() -> None:
    tape = recorded()
    tape.record("r2", np.zeros(10, np.int16))
    assert tape.heard(Heard("r2", 0)) == Told("r2", 0, "")
    assert tape.shifted("r2", WORDS) == WORDS
