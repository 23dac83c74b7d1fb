"""The prompt of a long talk: it grows at its end, loses whole stretches at its beginning, and keeps what they held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from kai.engine.llm import telling
from kai.engine.llm.telling import Telling, statements_of, tokens_of
from kai.engine.thinking import Question
from kai.wire.realtime import ContentPart, Item, JsonObject

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
TEXTS = st.lists(st.text(min_size=1, max_size=900).filter(str.strip), min_size=1, max_size=40)


def items_of(texts: list[str]) -> tuple[Item, ...]:
    """A talk in which the person begins; the last line is the person's."""
    return tuple(
        Item(
            id=f"item{index}",
            type="message",
            role="user" if index % 2 == 0 else "assistant",
            content=(ContentPart(type="input_text", text=text),),
        )
        for index, text in enumerate(texts)
    )


def prompts_of(texts: list[str], minutes: float = 0.5) -> list[list[JsonObject]]:
    """The prompt at each turn of the person."""
    talk = Telling()
    items = items_of(texts)
    return [
        talk.messages(
            Question(items[: turn + 1], "Be kind.", NOON + timedelta(minutes=minutes * turn)), "Kai"
        )
        for turn in range(0, len(items), 2)
    ]


def is_what_stayed(before: list[JsonObject], after: list[JsonObject]) -> bool:
    """Whether ``after`` begins with ``before``, out of which nothing but whole messages behind the rules was taken."""
    head, rest = before[:1], before[1:]
    if after[:1] != head:
        return False
    stays = [message for message in rest if message in after]
    return after[1 : 1 + len(stays)] == stays


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_a_prompt_only_grows_at_its_end_and_loses_stretches_of_its_beginning(texts: list[str]) -> None:
    texts = [f"{index} {text}" for index, text in enumerate(texts)]
    prompts = prompts_of(texts)
    for before, after in zip(prompts, prompts[1:], strict=False):
        assert is_what_stayed(before, after)


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_no_talk_is_longer_than_its_slot_and_the_newest_words_are_always_told(texts: list[str]) -> None:
    for turn, prompt in enumerate(prompts_of(texts)):
        size = sum(tokens_of(str(message["content"])) for message in prompt[1:])
        assert size <= telling.HISTORY_TOKENS + 2 * telling.LINE_TOKENS
        assert prompt[-1]["role"] == "user"
        assert str(prompt[-1]["content"])[:50] == texts[2 * turn].strip()[:50]


def test_what_the_person_told_of_themselves_outlives_the_turns_that_are_left_out() -> None:
    texts = ["My sister is called Petra. Is that a nice name?", "Very nice."]
    for turn in range(40):
        texts += [
            f"Number {turn}: {'what do you think of the long way home? ' * 8}",
            "It is a nice walk. " * 8,
        ]
    prompt = prompts_of([*texts, "What is my sister called?"])[-1]
    told = "\n".join(str(message["content"]) for message in prompt)
    assert "My sister is called Petra." in told
    assert "Is that a nice name?" not in told
    assert len(prompt) < len(texts)


def test_notes_of_the_model_stand_at_the_end_and_stay_when_their_turns_go() -> None:
    talk = Telling()
    texts = [f"{index}: {'I like red boats and blue rivers. ' * 6}" for index in range(31)]
    items = items_of(texts)
    asked = Question(items[:30], "", NOON)
    talk.messages(asked, "Kai")
    request = talk.due_notes(asked)
    assert request is not None
    talk.take_notes(request, "The person likes red boats.")
    assert talk.due_notes(asked) is None  # all of it is noted
    told = talk.messages(Question(items, "", NOON), "Kai")
    assert "The person likes red boats." in str(told[-2]["content"])
    later = items_of([*texts, *(f"{index}: {'We spoke of hats. ' * 12}" for index in range(31, 51))])
    told = talk.messages(Question(later, "", NOON), "Kai")
    assert not any(str(message["content"]).startswith("0: ") for message in told)
    assert any("The person likes red boats." in str(message["content"]) for message in told)


def test_a_short_talk_needs_no_notes() -> None:
    asked = Question(items_of(["Hello.", "Hello, I am Kai.", "How are you?"]), "", NOON)
    assert Telling().due_notes(asked) is None


def test_the_time_is_told_again_when_it_has_moved_on_and_stays_where_it_was_told() -> None:
    prompts = prompts_of(["Hi.", "Hello.", "Are you there?", "Yes.", "Good.", "Yes.", "Bye."], minutes=6)
    told = [
        [str(message["content"]) for message in prompt if message["role"] == "system"] for prompt in prompts
    ]
    assert all("Monday, 30 November 2026, 12:00" in lines[0] for lines in told)
    assert told[0][1:] == []
    assert told[1][1:] == ["It is Monday, 30 November 2026, 12:12 now."]
    assert told[3][1:] == [f"It is Monday, 30 November 2026, 12:{minute} now." for minute in (12, 24, 36)]


def test_passages_stand_before_the_question_they_belong_to_and_go_with_it() -> None:
    talk = Telling()
    items = items_of(["When is breakfast?", "From seven.", "And lunch?"])
    first = talk.messages(Question(items[:1], "", NOON), "Kai", "[menu.md] Breakfast is from seven.")
    assert [message["role"] for message in first] == ["system", "system", "user"]
    later = talk.messages(Question(items, "", NOON), "Kai")
    assert [message["role"] for message in later] == ["system", "user", "assistant", "user"]


def test_the_character_and_its_instructions_stand_in_the_rules() -> None:
    told = Telling().messages(Question(items_of(["Hi."]), "You work at the front desk.", NOON), "Nora")
    assert "Your name is Nora." in str(told[0]["content"])
    assert "front desk" in str(told[0]["content"])


def test_statements_are_the_persons_own_sentences_and_no_questions() -> None:
    said = ["I live in Porto. Do I talk too much? The weather is fine.", "Our dog is called Bruno."]
    assert statements_of(said) == [
        "The person said: I live in Porto.",
        "The person said: Our dog is called Bruno.",
    ]
