"""What the words tell of a talk's manners."""

from __future__ import annotations

import pytest

from kai.engine.speech.manners import is_back_channel, is_unfinished, is_whole
from kai.engine.speech.recognition import Transcript
from kai.engine.speech.spoken import ClauseCutter


@pytest.mark.parametrize(
    "text",
    [
        "I would like to",
        "I would like to.",
        "Well,",
        "And then...",
        "My name is",
        "How much there might be.",
        "If it rains tomorrow.",
        "Yes. And unless it is cold",
        "When I was young.",
    ],
)
def test_a_sentence_that_wants_more_words_is_unfinished(text: str) -> None:
    assert is_unfinished(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Stop.",
        "What is that for?",
        "Turn it on.",
        "Say that again.",
        "So!",
        "What time is it",
        "Kai",
        "If it rains, stay in.",
        "When is it",
        "When will it be over.",
        "I know if it rains.",
    ],
)
def test_a_sentence_that_may_end_here_is_not(text: str) -> None:
    assert not is_unfinished(text)


@pytest.mark.parametrize(
    ("text", "score", "ending", "is_request", "wanted"),
    [
        ("He was tall.", -0.1, 0.95, False, True),
        ("He was tall.", -0.1, 0.6, False, False),
        ("He was tall.", -0.5, 0.95, False, False),  # what breaks off within a word is misheard
        ("He was tall", -0.1, 0.95, False, False),
        ("He was tall and", -0.1, 0.99, False, False),
        ("What time is it?", -0.5, 0.6, True, True),
        ("What time is it?", -0.1, 0.2, True, False),
        ("What time is it?", -1.5, 0.9, True, False),
    ],
)
def test_a_turn_is_whole_when_words_and_voice_agree(
    text: str, score: float, ending: float, is_request: bool, wanted: bool
) -> None:
    assert is_whole(Transcript(text, score, score > -1.1), ending, lambda _text: is_request) is wanted


@pytest.mark.parametrize("text", ["Mm-hm.", "Yeah.", "I see.", "Oh, okay.", "Uh-huh, right.", ""])
def test_a_nod_wants_no_turn(text: str) -> None:
    assert is_back_channel(text)


@pytest.mark.parametrize("text", ["Stop.", "No.", "Wait.", "Yes, but what is the date?", "Kai?", "Hold on."])
def test_a_word_that_wants_something_is_no_nod(text: str) -> None:
    assert not is_back_channel(text)


@pytest.mark.parametrize(
    ("deltas", "parts"),
    [
        (["Well, I", " think so. And", " more"], ["Well, I think so.", "And more"]),
        (
            ["To be honest, it", " is late, and cold. Yes."],
            ["To be honest,", "it is late, and cold.", "Yes."],
        ),
        (["Dr. Smith has 3", ".5 cats. He", "y"], ["Dr. Smith has 3.5 cats.", "Hey"]),
        (["One\nTwo\n"], ["One", "Two"]),
        ([""], []),
    ],
)
def test_text_that_is_still_being_made_is_cut_where_it_can_be_spoken(
    deltas: list[str], parts: list[str]
) -> None:
    cutter = ClauseCutter()
    found = [*(part for delta in deltas for part in cutter.push(delta)), cutter.flush()]
    assert "".join(found) == "".join(deltas)
    assert [part.strip() for part in found if part.strip()] == parts


def test_a_sentence_without_an_end_is_cut_all_the_same() -> None:
    cutter = ClauseCutter()
    parts = [part for _ in range(200) for part in cutter.push("word ")]
    assert all(len(part) <= 230 for part in parts)
    assert len(parts[0]) <= 120
