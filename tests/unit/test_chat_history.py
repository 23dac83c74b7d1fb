"""A talk in the chat protocol's words is legal for every template."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.strategies  # noqa: F401, loads the profile
from kai.engine.chat_history import CANCELLED, STILL_RUNNING, HistoryForm, chat_messages
from kai.engine.spoken_rules import rules_of
from kai.engine.thinking import Question
from kai.wire.realtime import ContentPart, Item
from tests.support.chat_providers import anthropic, mistral, openai_history, strict_history


def said(role: str, text: str) -> Item:
    return Item(type="message", role=role, content=(ContentPart(type="input_text", text=text),))


def call(call_id: str = "c1", name: str | None = "weather", arguments: str | None = "{}") -> Item:
    return Item(type="function_call", call_id=call_id, name=name, arguments=arguments)


def result(call_id: str = "c1", output: str | None = "rain") -> Item:
    return Item(type="function_call_output", call_id=call_id, output=output)


def told(*items: Item, **more: Any) -> list[Any]:
    now = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001
    return list(chat_messages(Question(items=items, instructions="Be kind.", now=now), **more))


def roles(messages: list[Any]) -> str:
    return "".join(message["role"][0] for message in messages)


USER, KAI = said("user", "Hm?"), said("assistant", "Well.")


def test_a_result_stands_right_behind_its_call_whenever_it_came() -> None:
    messages = told(USER, call(), said("user", "Are you there?"), KAI, result())
    assert roles(messages) == "suatauau"
    assert messages[3]["content"] == "rain"
    assert messages[2]["tool_calls"][0]["id"] == messages[3]["tool_call_id"]


def test_a_call_without_a_result_is_still_running_and_after_two_more_sentences_cancelled() -> None:
    assert told(USER, call(), USER)[3]["content"] == STILL_RUNNING
    assert told(USER, call(), USER, KAI, USER)[3]["content"] == CANCELLED


def test_two_calls_of_one_id_keep_their_own_results() -> None:
    messages = told(USER, call("0"), result("0", "rain"), USER, call("0"), result("0", "snow"))
    assert [m["content"] for m in messages if m["role"] == "tool"] == ["rain", "snow"]
    assert len({m["tool_call_id"] for m in messages if m["role"] == "tool"}) == 2


def test_kais_greeting_is_told_but_not_as_the_first_message() -> None:
    messages = told(said("assistant", "Hello, I am Kai."), USER)
    assert roles(messages) == "su"
    assert "Hello, I am Kai." in messages[0]["content"]


def test_two_calls_in_a_row_are_one_message_with_what_was_said_before_them() -> None:
    messages = told(USER, said("assistant", "Let me see."), call("a"), call("b"))
    assert roles(messages) == "suatt"
    assert messages[2]["content"] == "Let me see."
    assert len(messages[2]["tool_calls"]) == 2


def test_a_long_talk_is_told_from_where_it_fits_and_begins_with_a_person() -> None:
    long = said("user", "word " * 6_000)
    assert roles(told(long, call(), result(output="x" * 100), said("user", "And now?"))) == "su"
    assert roles(told(call(), long, result(), said("user", "Now?"))) == "su"
    assert "word" in told(long)[1]["content"]


def test_the_rules_are_the_callers() -> None:
    assert told(USER, rules="Rhyme.")[0]["content"].startswith(
        "Rhyme. Your name is Kai. It is Friday, 02 January 2026, 03:04."
    )


def test_a_model_is_told_where_its_words_go_and_what_it_cannot_do() -> None:
    here, elsewhere = rules_of(is_here=True), rules_of(is_here=False, has_tools=True)
    assert "nothing that is said leaves it" in here
    assert "You cannot set timers" in here
    assert "this computer" not in elsewhere
    assert "what is said goes there" in elsewhere
    assert "Without a tool for it you cannot set timers" in elsewhere


def test_what_an_endpoint_wants_back_with_a_call_is_given_back() -> None:
    kept = {"c1": {"extra_content": {"x": 1}, "": {"reasoning_content": "Hm."}}}
    message = told(USER, call(), result(), kept=kept)[2]
    assert message["reasoning_content"] == "Hm."
    assert message["tool_calls"][0]["extra_content"] == {"x": 1}
    assert "" not in message["tool_calls"][0]


@pytest.mark.parametrize(
    "arguments", [None, "", "nonsense", "[1]", "7", "null", "[" * 5_000, '{"a": "\ud83d"}']
)
def test_arguments_are_told_as_an_object(arguments: str | None) -> None:
    made = told(USER, call(arguments=arguments), result())[2]["tool_calls"][0]["function"]["arguments"]
    assert isinstance(json.loads(made), dict)


ids = st.sampled_from(["a", "b", "c", ""])
words = st.one_of(st.sampled_from(["", " ", "Hm?", "word " * 400]), st.text(max_size=6))
items = st.one_of(
    st.builds(said, st.sampled_from(["user", "assistant"]), words),
    st.builds(
        call, ids, st.one_of(st.none(), words), st.one_of(st.none(), st.sampled_from(["{}", "{", '{"a":1}']))
    ),
    st.builds(result, ids, st.one_of(st.none(), words)),
)
manners = st.builds(
    HistoryForm,
    max_chars=st.sampled_from([200, 3_000, 24_000]),
    has_system=st.booleans(),
    has_calls=st.booleans(),
    has_empty=st.booleans(),
)


@given(st.lists(items, max_size=60), manners)
def test_every_talk_is_legal_for_every_template(talk: list[Item], form: HistoryForm) -> None:
    messages = told(*talk, form=form)
    json.dumps(messages, ensure_ascii=False).encode()
    body = {"model": "m", "messages": messages, "tools": [{}]}
    for refuse in (openai_history, strict_history, mistral, anthropic):
        assert refuse(body) is None, (refuse.__name__, roles(messages))
    assert ("system" in {message["role"] for message in messages}) == form.has_system
    assert form.has_calls or not any("tool_calls" in message for message in messages)
    newest = [item.content[0].text for item in talk[-40:] if item.role == "user" and item.content]
    heard = [text for text in newest if text and text.strip(" \t\n\r\x00\x0b\x0c\x1c\x1d\x1e\x1f\x85")]
    if heard and heard[-1].isalnum() and heard[-1].isascii() and form.has_calls:
        assert heard[-1] in str(messages)
