"""The tape of the present answer."""

from __future__ import annotations

import numpy as np

from kai.ports import Heard, Marks, Pcm, Timed
from kai.runtime.tape import SEGMENTS_KEPT, Rest, Spoken, Tape, Told

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


def rest_of(tape: Tape, heard: Heard | None) -> Rest:
    (rest,) = tape.rests(heard, lambda _: True)
    return rest


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
    rest_of(tape, Heard("r1", 2400))
    assert tape.spoken(Heard("r1", 2400)) == Spoken("r1", 3, 200, None)


def test_another_face_goes_on_at_the_heard_sample() -> None:
    rest = rest_of(recorded(), Heard("r1", 2400))
    assert rest.pcm[0] == 2400
    assert not rest.is_complete
    assert rest.marks[0].visemes == (Timed("PP", 0, 2400),)
    assert rest.marks[0].words[0] == Timed("there", 0, 2400)


def test_positions_after_a_change_of_face_count_from_the_segments_start() -> None:
    tape = recorded()
    rest_of(tape, Heard("r1", 2400))
    assert tape.heard(Heard("r1", 1300)) == Told("r1", 154, "Hello there")
    assert tape.shifted("r1", WORDS).words[0] == Timed("there", 0, 2400)


def test_a_second_change_of_face_adds_up() -> None:
    tape = recorded()
    rest_of(tape, Heard("r1", 2400))
    assert rest_of(tape, Heard("r1", 2400)).pcm[0] == 4800


def test_there_is_no_rest_of_an_unknown_segment() -> None:
    assert recorded().rests(Heard("r0", 100), lambda _: True) == ()
    assert recorded().rests(None, lambda _: False) == ()


def test_the_next_answer_follows_the_rest_of_the_one_that_is_heard() -> None:
    tape = recorded()
    tape.complete("r1")
    tape.record("r2", np.arange(10, dtype=np.int16))
    first, second = tape.rests(Heard("r1", 2400), lambda _: True)
    assert (first.segment_id, first.pcm[0], first.is_complete) == ("r1", 2400, True)
    assert (second.segment_id, len(second.pcm), second.is_complete) == ("r2", 10, False)
    assert tape.heard(Heard("r1", 1300)).text == "Hello there"
    tape.played("r1")
    assert rest_of(tape, None).segment_id == "r2"


def test_only_the_newest_segments_are_kept() -> None:
    tape = Tape()
    for number in range(SEGMENTS_KEPT + 1):
        tape.record(f"r{number}", np.zeros(10, np.int16))
    kept = [rest.segment_id for rest in tape.rests(None, lambda _: True)]
    assert kept == [f"r{number}" for number in range(1, SEGMENTS_KEPT + 1)]


def speech(*parts_ms: tuple[int, int]) -> Pcm:
    """Noise as loud as speech, each part with the silence after it."""
    noise = np.random.default_rng(0)
    parts = [
        np.concatenate([noise.integers(-6000, 6000, loud * 24), np.zeros(quiet * 24, np.int64)])
        for loud, quiet in parts_ms
    ]
    return np.concatenate(parts).astype(np.int16)


def test_without_marks_the_words_are_found_by_the_pauses_of_the_sound() -> None:
    """The example in the docstring of `kai.media.alignment`."""
    text = "Good morning. The train leaves at nine."
    tape = Tape()
    tape.record("r1", speech((700, 250), (750, 0)))
    assert tape.heard(Heard("r1", 1700 * 24), text) == Told("r1", 1700, "Good morning. The train leaves")
    assert tape.heard(Heard("r1", 800 * 24), text) == Told("r1", 800, "Good morning.")
    tape.record("r1", speech((600, 200)))
    tape.complete("r1")
    assert tape.heard(Heard("r1", 2400 * 24), text) == Told("r1", 2400, text)


def test_words_without_spaces_are_counted_by_their_characters() -> None:
    tape = Tape()
    tape.record("r1", speech((400, 300), (400, 200)))
    tape.complete("r1")
    assert tape.heard(Heard("r1", 500 * 24), "你好。再见。") == Told("r1", 500, "你好。")
