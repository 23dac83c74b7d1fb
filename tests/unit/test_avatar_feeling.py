"""What an answer's words make the face feel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.avatar.feeling import CALM, Emotion, Feeling, feeling_of, newest_feeling


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I'm sorry, that didn't work.", Emotion.CONCERNED),
        ("I\u2019m afraid the file is broken.", Emotion.CONCERNED),
        ("Unfortunately there is nothing I can do.", Emotion.CONCERNED),
        ("Why did the tomato laugh? It was a joke.", Emotion.AMUSED),
        ("Hahaha, you got me.", Emotion.AMUSED),
        ("Wow, that is incredible!", Emotion.SURPRISED),
        ("No way!", Emotion.SURPRISED),
        ("Hello, nice to meet you.", Emotion.WARM),
        ("Thank you, I am glad you like it.", Emotion.WARM),
        ("Don't worry, we have time.", Emotion.WARM),
        ("No problem.", Emotion.WARM),
    ],
)
def test_a_tell_tale_word_makes_the_face_feel(text: str, emotion: Emotion) -> None:
    felt = feeling_of(text)
    assert felt.emotion is emotion
    assert felt.strength > 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is half past three.",
        "Paris is the capital of France.",
        "That is not funny.",
        "I wasn't happy.",
        "She is never sad.",
        "The highest point is the Zugspitze.",
        "A gladiator fought in the arena.",
        "He bought a funnel and a pundit's book.",
    ],
)
def test_plain_words_parts_of_words_and_negated_ones_leave_it_calm(text: str) -> None:
    assert feeling_of(text) == CALM


def test_more_words_make_it_feel_more() -> None:
    one, two, three = map(feeling_of, ("Hello.", "Welcome.", "Hello and welcome, I am glad you came."))
    assert 0 < one.strength < two.strength < three.strength <= 1


@pytest.mark.parametrize(
    ("text", "felt"),
    [
        ("", CALM),
        ("I'm sorry. That is funny!", feeling_of("That is funny!")),
        ("I'm sorry. The train", Feeling(Emotion.CONCERNED, 0.35)),
        ("I'm sorry. The train has left. The next one", CALM),
        ("I'm sorry. " + "The train has left. " * 40, CALM),
    ],
)
def test_a_growing_text_has_the_feeling_of_its_end(text: str, felt: Feeling) -> None:
    assert newest_feeling(text) == felt


@given(st.text(max_size=200))
def test_any_text_gives_a_feeling_that_can_be_shown(text: str) -> None:
    felt = feeling_of(text)
    assert (felt.emotion is Emotion.NEUTRAL) == (felt.strength == 0)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        Feeling(Emotion.WARM, strength)
