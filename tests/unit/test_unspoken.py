"""What a model writes that is not for ears is never spoken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.strategies  # noqa: F401, loads the profile
from kai.engine.unspoken import Opening, Unspoken

THOUGHTS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<Think>", "</think >"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ('<think id="1">', "</think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>commentary to=f<|message|>", "<|call|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|message|>",
    ),
    ("<|channel>thought\n", "<channel|>"),
    ("<unused94>thought\n", "<unused95>"),
]


def spoken(pieces: list[str], opening: Opening = Opening.ANSWER) -> str:
    unspoken = Unspoken(opening)
    return "".join([*(unspoken.push(piece) for piece in pieces), unspoken.flush()])


@pytest.mark.parametrize(("begin", "end"), THOUGHTS)
def test_a_thought_is_left_out_at_the_beginning_in_the_middle_and_where_it_never_ends(
    begin: str, end: str
) -> None:
    for cut in (1, 3, 200):

        def said(text: str, cut: int = cut) -> str:
            return spoken([text[start : start + cut] for start in range(0, len(text), cut)])

        assert said(f"{begin}Hm, 3 < 4 [so].{end}\n\nYes. It is.") == "Yes. It is."
        assert said(f"Well. {begin}Hm.{end} Yes.") == "Well.  Yes."
        assert said(f"{begin}Hm.{end}Yes. {begin}Hm?{end}No.") == "Yes. No."
        assert said(f"{begin}Hm, and so on") == ""


@pytest.mark.parametrize("end", ["</think>", "</THINKING>", "[/THINK]", "◁/think▷"])
def test_a_thought_that_the_template_opened_is_left_out_where_the_endpoint_is_known_to_do_so(
    end: str,
) -> None:
    for pieces in (["Hm, a greeting. ", end, "\n\nHello!"], list(f"Hm, a greeting. {end}\n\nHello!")):
        assert spoken(pieces, Opening.THOUGHT) == "Hello!"
        assert spoken(pieces, Opening.UNKNOWN) == "Hello!"
    assert spoken([f"Hm. {end}Hello!"]) == "Hello!"
    assert spoken(["Hello! ", "How are you?"], Opening.THOUGHT) == "Hello! How are you?"


@pytest.mark.parametrize(
    "thought",
    [
        "Okay, so the user is greeting me. ",
        "The user wants a joke. ",
        "Hmm, the user greets. ",
        "Alright, the person asks ",
        "We need to answer briefly. ",
        "I should respond kindly. ",
        "User says hi. ",
        "Well, let's see. The question is ",
        "First, I need to figure out ",
    ],
)
def test_words_of_an_unknown_endpoint_that_speak_of_the_user_are_held_to_the_end(thought: str) -> None:
    unspoken = Unspoken(Opening.UNKNOWN)
    assert unspoken.push(thought) == ""
    assert unspoken.is_waiting
    assert unspoken.release() == ""
    assert not unspoken.is_waiting
    assert unspoken.push("More.</think>Hello.") + unspoken.flush() == "Hello."
    assert unspoken.was_unopened


def test_words_that_begin_a_thought_as_well_as_an_answer_wait_for_the_next_ones() -> None:
    for first in ("Okay", "Okay, so ", "Hmm, "):
        for rest, is_thought in (("the user greets me.", True), ("Oslo it is.", False)):
            unspoken = Unspoken(Opening.UNKNOWN)
            assert unspoken.push(first) == ""
            assert not unspoken.is_waiting
            assert unspoken.push(f" {rest}") == ""
            assert unspoken.release() == ("" if is_thought else f"{first} {rest}")


@pytest.mark.parametrize(
    "answer", ["Let me see. ", "Well, to be honest, ", "Users of Kai can ", "I need a coffee. ", "Oslo."]
)
def test_other_words_of_an_unknown_endpoint_are_released(answer: str) -> None:
    unspoken = Unspoken(Opening.UNKNOWN)
    assert unspoken.push(answer) == ""
    assert unspoken.release() == answer
    assert unspoken.push("More.") == "More."


@pytest.mark.parametrize(
    "text",
    [
        "3 < 4 and 5 > 4.",
        "<3",
        "<",
        "The array a[0] and [this].",
        "The tag `<think>` begins a thought, `</think>` ends it.",
        'He wrote "<think>" on the wall.',
        "analysis shows it. Analysis!",
        "analysis",
        "Think <b>bold</b>.",
        "x <= y",
        "a | b <|",
    ],
)
def test_text_that_is_no_thought_is_left_alone(text: str) -> None:
    assert spoken([text]) == spoken(list(text)) == text


def test_gpt_oss_without_its_special_tokens_is_understood() -> None:
    text = "analysisThe user greets. So greet.assistantfinalHello there!"
    assert spoken([text]) == spoken(list(text)) == "Hello there!"
    assert spoken(["analysisThe user greets"]) == ""


@pytest.mark.parametrize(
    "mark", ["<|im_end|>", "<|eot_id|>", "</s>", "<｜end▁of▁sentence｜>", "<end_of_turn>", "<|return|>"]
)
def test_marks_of_a_template_are_left_out(mark: str) -> None:
    assert spoken([f"Hello.{mark}"]) == spoken(list(f"Hello.{mark}")) == "Hello."


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>', ["f"]),
        (
            '<tool_call>{"name": "f", "arguments": {}}</tool_call><tool_call>{"name": "g", "parameters": {}}</tool_call>',
            ["f", "g"],
        ),
        ('[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": "g", "arguments": "{}"}]', ["f", "g"]),
        ('<tool_call>{"name": "f", "argu', []),
        ("<tool_call>nonsense</tool_call>", []),
    ],
)
def test_calls_that_are_written_into_the_answer_are_taken_out_of_it(text: str, names: list[str]) -> None:
    for pieces in (["Let me see. ", text], list(f"Let me see. {text}")):
        unspoken = Unspoken()
        assert "".join([*(unspoken.push(piece) for piece in pieces), unspoken.flush()]) == "Let me see. "
        assert [call.name for call in unspoken.calls] == names


marked = st.lists(
    st.one_of(
        st.sampled_from([mark for pair in THOUGHTS for mark in pair]),
        st.sampled_from(["<tool_call>", "</tool_call>", "Hello. ", "<", "[", "analysis", "`"]),
        st.text(max_size=5),
    ),
    max_size=8,
).map("".join)


@given(marked, st.integers(1, 9), st.sampled_from(Opening))
def test_it_does_not_matter_where_a_text_is_cut_and_no_mark_is_ever_spoken(
    text: str, size: int, opening: Opening
) -> None:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    cut = spoken(pieces, opening if opening is not Opening.ANSWER else Opening.THOUGHT)
    assert cut == spoken([text], opening if opening is not Opening.ANSWER else Opening.THOUGHT)
    if not any(quote in text for quote in "`'\"“"):
        assert "<think>" not in cut.lower()
        assert "<|channel|>" not in cut
