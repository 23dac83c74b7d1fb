"""How written words are made ready for the voice, and where long texts are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.engine.speech.reading import speak_token
from kai.engine.speech.spoken import FIRST_MAX_CHARS, MAX_CHARS, ClauseCutter, phrases


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("hello,", "hello,"),
        ("**bold**", "bold"),
        ("https://www.example.com/a?b=1,", "example dot com,"),
        ("(see", "(see"),
        ("😀", ""),
        ("great😀", "great"),
        ("привет", ""),
        ("你好", ""),
        ("Café", "Cafe"),
        ("–", "—"),
        ("•", ""),
        ("$9.99", "$9.99"),
        ("12%", "12%"),
        ("noooooooooo", "nooo"),
        ("12345678901234", "1 2 3 4 5 6 7 8 9 0 1 2 3 4"),
        ("\x00\x07", ""),
    ],
)
def test_a_word_is_said_as_a_person_would(written: str, spoken: str) -> None:
    assert speak_token(written) == spoken


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello there. I am Kai.", ["Hello there.", "I am Kai."]),
        ("Dr. Smith met J. K. Rowling. They talked!", ["Dr. Smith met J. K. Rowling.", "They talked!"]),
        ("It is 3.5 km, i.e. far.", ["It is 3.5 km, i.e. far."]),
        ("One\n\nTwo", ["One", "Two"]),
        ('"Really?" Yes.', ['"Really?"', "Yes."]),
        ("Wait... what?", ["Wait... what?"]),
        ("It was I. You know.", ["It was I.", "You know."]),
        ("😀 👍", []),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, sentences: list[str]) -> None:
    assert [phrase.written for phrase in phrases(text)] == sentences


def test_a_long_sentence_is_cut_where_one_breathes_and_the_first_piece_is_short() -> None:
    text = (
        "Without a key I can tell you the time and the date, do small sums, repeat what I said, tell you who I am, and "
        "explain how to connect a larger model, because everything that I do happens on this computer and nothing else."
    )
    pieces = list(phrases(text))
    assert len(pieces[0].written) <= FIRST_MAX_CHARS
    assert pieces[0].written.endswith(",")
    assert " ".join(piece.written for piece in pieces) == text
    assert [piece.is_sentence_end for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_a_slow_voice_s_clauses_grow_step_by_step() -> None:
    text = "I run on this computer and nothing that you tell me ever leaves it unless you allow me to. " * 2
    lengths = [
        len(phrase.spoken) for phrase in phrases(text, first_max_chars=20, max_chars=60, max_growth=1.5)
    ]
    assert lengths[0] <= 20
    assert max(lengths) <= 60
    assert all(after <= max(20, 1.5 * before) for before, after in zip(lengths, lengths[1:], strict=False))


@given(st.text(max_size=400))
def test_any_text_is_cut_into_pieces_of_bounded_length_that_all_have_a_sound(text: str) -> None:
    for phrase in phrases(text):
        assert phrase.spoken
        assert len(phrase.spoken) <= MAX_CHARS + 130


@pytest.mark.parametrize(
    ("made", "spoken"),
    [
        ("You could make a simple dish like a", ["You could make a simple dish "]),
        ("A lake is a body of water that is", ["A lake is a body of water "]),
        ("The largest ocean in the", ["The largest ocean "]),
        ("The sky is blue because of", ["The sky is blue "]),
        ("I like it and", []),  # too short to be spoken by itself
        ("Photosynthesis happens in the", []),  # too few words
        ("You could make a simple dish li", []),  # the next word is not whole
        (
            "It is a simple dish with eggs. It is",
            ["It is a simple dish with eggs. "],
        ),  # a whole sentence is not cut
    ],
)
def test_a_first_sentence_that_takes_long_is_spoken_before_it_is_whole(made: str, spoken: list[str]) -> None:
    assert ClauseCutter().push(made) == spoken
