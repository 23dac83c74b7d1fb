"""The first small mind, with the real sentence encoder: it knows what it knows, and says so when it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pytest

from kai.engine.speech import mind as mind_module
from kai.engine.speech.days import say_time
from kai.engine.speech.mind import Mind, MindTurn, Reply
from kai.engine.speech.sums import answer_sum
from tests.support.sayings import HELD_OUT, OUT_OF_SCOPE

NOON_SUNDAY = datetime(2026, 11, 22, 15, 5)  # noqa: DTZ001 - the mind is told local time


@pytest.fixture(scope="module")
def mind() -> Mind:
    return Mind.load()


def ask(mind: Mind, *texts: str, instructions: str = "") -> Reply:
    """The reply to the last of ``texts``, which a person and Kai said in turn."""
    turns = [MindTurn("assistant" if position % 2 else "user", text) for position, text in enumerate(texts)]
    return mind.reply(turns, instructions, NOON_SUNDAY)


def test_what_people_say_in_other_words_is_understood(mind: Mind) -> None:
    wrong = [
        (said, intent, mind.understand(said))
        for intent, sayings in HELD_OUT.items()
        for said in sayings
        if mind.understand(said)[0] != intent
    ]
    total = sum(len(sayings) for sayings in HELD_OUT.values())
    assert len(wrong) <= total * 0.08, wrong


def test_questions_about_the_world_get_an_honest_no(mind: Mind) -> None:
    answered = [
        (said, mind.understand(said)) for said in OUT_OF_SCOPE if mind.understand(said)[0] != "unknown"
    ]
    assert not answered
    reply = ask(mind, "What is the capital of Germany?")
    assert reply.intent == "unknown"
    assert "can't answer that offline" in reply.text


def test_it_does_not_know_in_more_than_one_wording(mind: Mind) -> None:
    first = ask(mind, "Who wrote Hamlet?")
    second = ask(mind, "Who wrote Hamlet?", first.text, "And who wrote Faust?")
    assert first.intent == second.intent == "unknown"
    assert first.text != second.text


def test_it_tells_the_time_and_the_date_it_was_given(mind: Mind) -> None:
    assert "3:05 pm" in ask(mind, "What time is it?").text
    assert "Sunday, November 22, 2026" in ask(mind, "What day is it today?").text


@pytest.mark.parametrize(
    ("hour", "minute", "spoken"),
    [(0, 0, "midnight"), (0, 5, "12:05 am"), (9, 0, "9:00 am"), (12, 0, "noon"), (12, 30, "12:30 pm")],
)
def test_the_time_is_said_in_twelve_hours(hour: int, minute: int, spoken: str) -> None:
    assert say_time(NOON_SUNDAY.replace(hour=hour, minute=minute)) == spoken


def test_it_says_that_it_is_an_ai_and_takes_a_name_from_the_instructions(mind: Mind) -> None:
    assert "Kai" in ask(mind, "Who are you?").text
    named = ask(mind, "Who are you?", instructions="Be kind. Your name is Mara. Be brief.")
    assert "Mara" in named.text
    assert "AI" in named.text
    assert "AI" in ask(mind, "Are you a real person?").text


def test_it_repeats_its_last_answer(mind: Mind) -> None:
    assert ask(mind, "What time is it?", "It is 3:05 pm.", "Can you say that again?").text == "It is 3:05 pm."
    assert "not said anything" in ask(mind, "Can you say that again?").text


def test_it_keeps_a_name_that_it_was_told(mind: Mind) -> None:
    assert "Ann" in ask(mind, "My name is Ann.").text
    assert (
        ask(mind, "My name is Ann.", "Nice to meet you, Ann.", "What is my name?").text == "Your name is Ann."
    )
    assert "not told me" in ask(mind, "What is my name?").text


def test_a_question_wins_over_the_politeness_around_it(mind: Mind) -> None:
    assert ask(mind, "Hello! What time is it? Thank you.").intent == "time"
    assert ask(mind, "Hello Kai. What is the capital of France?").intent == "unknown"


def test_a_remark_is_not_answered_like_a_question(mind: Mind) -> None:
    reply = ask(mind, "I went to the beach yesterday.")
    assert reply.intent == "unknown"
    assert "do not know" not in reply.text
    assert "offline" in reply.text


@pytest.mark.parametrize(
    "heard", ["Count to five.", "Please count from one to 5", "can you count up to five?"]
)
def test_it_counts(mind: Mind, heard: str) -> None:
    assert ask(mind, heard).text == "1, 2, 3, 4, 5."


def test_it_counts_no_further_than_anybody_listens(mind: Mind) -> None:
    assert ask(mind, "Count to a million.").intent == "unknown"
    assert ask(mind, "Count to twenty one.").text.endswith("20, 21.")


@pytest.mark.parametrize(
    ("heard", "intent"),
    [("Yes.", "assent"), ("No.", "refusal"), ("Mm-hmm.", "assent"), ("Can you see me?", "eyes")],
)
def test_the_shortest_words_are_understood(mind: Mind, heard: str, intent: str) -> None:
    assert ask(mind, heard).intent == intent


@pytest.mark.parametrize("heard", ["", "   ", "...", "😀", "?!"])
def test_nothing_heard_is_asked_for_again(mind: Mind, heard: str) -> None:
    assert ask(mind, heard).intent == "unheard"


@pytest.mark.parametrize("turns", [[], [MindTurn("assistant", "Hello.")]])
def test_a_conversation_without_a_user_turn_is_no_error(mind: Mind, turns: Sequence[MindTurn]) -> None:
    assert mind.reply(turns, "", NOON_SUNDAY).intent == "unheard"


@pytest.mark.parametrize(
    "heard",
    [
        "word " * 5_000,
        "\x00\x01",
        "你好吗",
        "a" * 10_000,
        "{name} {time}",
        "'; DROP TABLE",
        "ok so well please " * 50 + "go",
        "a and b and c and " * 50,
        "set a timer for " * 60,
    ],
)
def test_odd_words_are_answered(mind: Mind, heard: str) -> None:
    assert ask(mind, heard).text


def test_the_committed_vectors_are_those_of_the_examples(mind: Mind) -> None:
    intents, digest = mind_module._load_intents()  # pyright: ignore[reportPrivateUsage]
    stored = mind_module._load_vectors(digest)  # pyright: ignore[reportPrivateUsage]
    assert stored is not None, "run: python -m kai.engine.speech.mind"
    assert len(stored) == sum(len(intent.examples) for intent in intents.values())
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1.0, atol=0.01)


def test_every_intent_has_ten_examples_and_an_answer() -> None:
    intents, _ = mind_module._load_intents()  # pyright: ignore[reportPrivateUsage]
    assert {
        name for name, intent in intents.items() if len(intent.examples) < 10 or not intent.replies
    } == set()


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is 7 times 8?", "7 times 8 is 56."),
        ("what is seven times eight", "7 times 8 is 56."),
        ("What is 7x8?", "7 times 8 is 56."),
        ("12% of 50", "12 percent of 50 is 6."),
        ("twenty-five plus one hundred and two", "25 plus 102 is 127."),
        ("What's 10 divided by 4?", "10 divided by 4 is 2.5."),
        ("10/3", "10 divided by 3 is about 3.333."),
        ("what is two minus five", "2 minus 5 is minus 3."),
        ("What is 2 plus 3 times 4?", "2 plus 3 times 4 is 14."),
        ("Add two and three.", "2 plus 3 is 5."),
        ("What is 1,250 plus 1?", "1,250 plus 1 is 1,251."),
        ("five divided by zero", "Nothing can be divided by zero."),
    ],
)
def test_small_sums_are_right(asked: str, answer: str) -> None:
    assert answer_sum(asked) == answer


@pytest.mark.parametrize(
    "asked",
    [
        "what is love",
        "5",
        "what are cats and dogs",
        "what is two and two called",
        "call me at five",
        "",
        "+",
        "1 +",
    ],
)
def test_what_is_no_sum_is_not_taken_for_one(asked: str) -> None:
    assert answer_sum(asked) is None


@pytest.mark.parametrize(
    ("heard", "parts"),
    [
        ("By the way, what is your name and who made you?", ("I am Kai", "free, open parts")),
        ("Are you a person? And who made you?", ("not a person", "free, open parts")),
    ],
)
def test_several_questions_about_kai_are_all_answered_by_who_knows(
    mind: Mind, heard: str, parts: tuple[str, ...]
) -> None:
    reply = mind.reply([MindTurn("user", heard)], "", NOON_SUNDAY)
    assert reply.is_sure
    assert all(part in reply.text for part in parts)


@pytest.mark.parametrize(
    "heard", ["What is your name and what is the capital of Peru?", "Who made you and this cake?"]
)
def test_a_question_about_kai_beside_another_one_is_for_the_model(mind: Mind, heard: str) -> None:
    assert not mind.reply([MindTurn("user", heard)], "", NOON_SUNDAY).is_sure
