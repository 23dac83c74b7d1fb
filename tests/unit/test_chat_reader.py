"""What a chat endpoint streams, read with care."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kai.wire.chat import (
    GARBLED,
    AnswerEnded,
    AnswerFailed,
    CalledTool,
    ChatPiece,
    ChatReader,
    Words,
    read_failure,
)
from tests.support.chat_providers import chunk, sse
from tests.support.chat_streams import chat_streams


def read(*data: bytes | str) -> list[ChatPiece]:
    reader = ChatReader()
    pieces = [
        piece for part in data for piece in reader.feed(part if isinstance(part, bytes) else part.encode())
    ]
    return pieces + reader.finish()


def words(pieces: list[ChatPiece]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, Words))


def calls(pieces: list[ChatPiece]) -> list[tuple[str, str, str]]:
    return [(p.call_id, p.name, p.arguments) for p in pieces if isinstance(p, CalledTool)]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": None},
        {"choices": []},
        {"choices": {}},
        {"choices": [None, 7, "x"]},
        {"choices": [{"index": 0, "delta": None}]},
        {"choices": [{"index": 0}]},
        {"choices": [{"index": None, "delta": {"content": None}}]},
        {"choices": [{"index": "0", "delta": {"content": 7, "role": None}}]},
        {"choices": [{"index": 0, "delta": {"content": "", "tool_calls": None, "function_call": None}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [None, {}, {"function": None}]}}]},
        {"choices": [{"index": 0, "delta": [], "message": None, "text": None}]},
        {"usage": None, "choices": []},
        {"error": None, "choices": []},
        {},
        [],
        None,
        "text",
        7,
    ],
)
def test_a_chunk_that_tells_nothing_is_skipped_wherever_it_comes(odd: Any) -> None:
    said = [chunk({"content": "Hello. "}), chunk({"content": "Well?"})]
    for place in range(3):
        values = [*said[:place], odd, *said[place:], chunk({}, "stop")]
        pieces = read(*sse(*values))
        assert words(pieces) == "Hello. Well?"
        assert pieces[-1] == AnswerEnded("stop")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Hi", "Hi"),
        ([{"type": "text", "text": "Hi"}], "Hi"),
        (
            [
                {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]},
                {"type": "text", "text": "Hi"},
            ],
            "Hi",
        ),
        ([{"type": "text", "text": {"value": "H"}}, "i"], "Hi"),
        ([{"type": "output_text", "text": "Hi"}, {"type": "reference", "text": "1"}], "Hi"),
        ([{"text": "H"}, {"type": "text", "text": "i"}, None, 7], "Hi"),
        ({"type": "text", "text": "Hi"}, "Hi"),
        ({"type": "reasoning", "text": "Hm"}, ""),
    ],
)
def test_the_text_of_any_content_is_taken_and_thoughts_are_left_out(content: Any, text: str) -> None:
    assert words(read(*sse(chunk({"content": content}), chunk({}, "stop")))) == text


def call(
    index: Any = 0, call_id: Any = "a", name: Any = "f", arguments: Any = "{}", **more: Any
) -> dict[str, Any]:
    part = {
        "index": index,
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
        **more,
    }
    return {key: value for key, value in part.items() if value is not ...}


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([call(arguments='{"a":'), call(call_id=None, name=None, arguments="1}")], [("a", "f", '{"a":1}')]),
        ([call(arguments='{"a":'), call(arguments="1}")], [("a", "f", '{"a":1}')]),
        ([call(arguments={"a": 1})], [("a", "f", '{"a": 1}')]),
        ([call(arguments=None)], [("a", "f", "{}")]),
        ([call(arguments=""), call(arguments='{"a":1}')], [("a", "f", '{"a":1}')]),
        ([call(name="cur"), call(name="rent", arguments="")], [("a", "cur", "{}")]),
        ([call(name="cur", arguments=""), call(name="rent", arguments="")], [("a", "current", "{}")]),
        ([call(index=...), call(index=..., call_id="b", name="g")], [("a", "f", "{}"), ("b", "g", "{}")]),
        ([call(index=..., arguments='{"a":'), call(index=..., arguments="1}")], [("a", "f", '{"a":1}')]),
        ([call(index=0), call(index=0, call_id="b", name="g")], [("a", "f", "{}"), ("b", "g", "{}")]),
        (
            [call(call_id=""), call(call_id="", name="g", arguments='{"b":2}')],
            [("", "f", "{}"), ("", "g", '{"b":2}')],
        ),
        ([call(index=None, call_id=...)], [("", "f", "{}")]),
        ([call(index="1"), call(index=1, name=None, call_id=None, arguments="")], [("a", "f", "{}")]),
        ([call(), call()], [("a", "f", "{}")]),
        ([call(name="")], []),
    ],
)
def test_calls_of_tools_are_put_together_however_they_come(parts: list[Any], wanted: list[Any]) -> None:
    separate = read(*sse(*(chunk({"tool_calls": [part]}) for part in parts), chunk({}, "tool_calls")))
    assert calls(separate) == wanted
    assert separate[-1] == AnswerEnded("tool_calls")


def test_the_old_form_of_a_call_and_what_belongs_to_a_call_are_kept() -> None:
    assert calls(read(*sse(chunk({"function_call": {"name": "f", "arguments": "{}"}})))) == [("", "f", "{}")]
    (kept, _) = [
        piece
        for piece in read(
            *sse(chunk({"tool_calls": [call(extra_content={"google": {"thought_signature": "x"}})]}))
        )
        if isinstance(piece, CalledTool | AnswerEnded)
    ]
    assert isinstance(kept, CalledTool)
    assert kept.extra == {"extra_content": {"google": {"thought_signature": "x"}}}


@pytest.mark.parametrize(
    ("value", "code", "status"),
    [
        ({"error": {"message": "m", "code": "overloaded"}}, "overloaded", None),
        (
            {
                "error": {"message": "m", "code": 502},
                "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
            },
            "",
            502,
        ),
        ({"error": "m"}, "", None),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, "BadRequestError", 400),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded_error", None),
        ({"detail": [{"loc": ["body", "x"], "msg": "m"}]}, "", None),
        (
            [{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}],
            "RESOURCE_EXHAUSTED",
            429,
        ),
        (
            {"choices": [{"delta": {}, "finish_reason": "insufficient_system_resource"}]},
            "insufficient_system_resource",
            500,
        ),
    ],
)
def test_an_error_within_the_stream_is_told(value: Any, code: str, status: int | None) -> None:
    for pieces in (read(*sse(chunk({"content": "Well"}), value)), read(json.dumps(value))):
        (failed,) = [piece for piece in pieces if isinstance(piece, AnswerFailed)]
        assert (failed.code, failed.status) == (code, status)


def test_an_error_does_not_show_the_text_of_the_server() -> None:
    failed = read_failure(b'{"error": {"message": "secret", "param": "tools"}}', 400)
    assert (failed.param, failed.status, "secret" in repr(failed)) == ("tools", 400, False)
    assert read_failure(b"<html>secret</html>", 502).text == "<html>secret</html>"


def test_a_whole_answer_in_place_of_a_stream_is_read() -> None:
    whole = {
        "choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 3},
    }
    for text in (json.dumps(whole), json.dumps(whole, indent=2), json.dumps(whole) + "\n"):
        pieces = read(text)
        assert (words(pieces), pieces[-1]) == ("Hello.", AnswerEnded("stop", 3))


def test_lines_of_json_without_the_protocols_word_are_read() -> None:
    lines = "\n".join(json.dumps(chunk({"content": text})) for text in ("Hel", "lo."))
    assert words(read(lines)) == "Hello."


def test_a_value_on_several_lines_and_other_ends_of_lines_are_read() -> None:
    pretty = "".join(
        f"data: {line}\n" for line in json.dumps(chunk({"content": "Hello."}), indent=1).split("\n")
    )
    assert words(read(pretty + "\n")) == "Hello."
    for end in ("\r\n", "\r"):
        assert words(read("".join(sse(chunk({"content": "Hello."}))).replace("\n", end))) == "Hello."
    assert words(read(b"\xef\xbb\xbf", *sse(chunk({"content": "Hello."})))) == "Hello."


def test_a_character_whose_halves_come_in_two_chunks_is_whole() -> None:
    assert words(read(*sse(chunk({"content": "\ud83d"}), chunk({"content": "\ude00!"})))) == "\U0001f600!"
    assert words(read(*sse(chunk({"content": "a\ud83d"}), chunk({"content": "b\0"})))) == "a\ufffdb"


def test_pieces_of_one_call_that_each_have_an_id_of_their_own_are_one_call() -> None:
    parts = [("a", "weather", ""), ("b", "", '{"city": "'), ("c", None, 'Paris"}')]
    chunks = [
        chunk({"tool_calls": [{"index": 0, "id": each, "function": {"name": name, "arguments": text}}]})
        for each, name, text in parts
    ]
    assert calls(read(*sse(*chunks))) == [("a", "weather", '{"city": "Paris"}')]
    named = [("a", "weather", "{}"), ("b", "time", "{}")]
    chunks = [
        chunk({"tool_calls": [{"index": 0, "id": each, "function": {"name": name, "arguments": text}}]})
        for each, name, text in named
    ]
    assert calls(read(*sse(*chunks))) == named


@pytest.mark.parametrize("end", ["data: [done]\n\n", "data: [DONE]\n\n", "data:[Done]\n\n", ""])
@pytest.mark.parametrize("head", ["data: data: ", "data:data:", "data:", "data:  "])
def test_a_stream_that_a_gateway_wrapped_once_more_is_read(head: str, end: str) -> None:
    pings = "event: ping\ndata: {}\n\n: keep-alive\n\n:\n\n"
    body = f"{pings}{head}{json.dumps(chunk({'content': 'Hello.'}))}\n\n{end}"
    assert words(read(body)) == "Hello."


def test_another_choice_than_the_first_is_left_out() -> None:
    both = {"choices": [{"index": 0, "delta": {"content": "A"}}, {"index": 1, "delta": {"content": "B"}}]}
    other = {"choices": [{"index": 1, "delta": {"content": "B"}}]}
    assert words(read(*sse(both, other, both))) == "AA"


@pytest.mark.parametrize("body", ["<html>Not found</html>", "data: <html>\n\n", "data: {\n\n", "\0\0"])
def test_what_is_no_chat_answer_is_told_as_that(body: str) -> None:
    assert read(body)[-1] == AnswerFailed(GARBLED)


def test_nothing_is_taken_behind_the_end() -> None:
    reader = ChatReader()
    pieces = reader.feed("".join([*sse(chunk({"content": "A"})), *sse(chunk({"content": "B"}))]).encode())
    assert (words(pieces), reader.is_done) == ("A", True)


@given(chat_streams)
def test_no_bytes_whatever_is_in_them_raise_and_each_answer_ends(stream: list[bytes]) -> None:
    pieces = read(*stream)
    assert isinstance(pieces[-1], AnswerEnded | AnswerFailed)
    assert sum(isinstance(piece, AnswerEnded) for piece in pieces) <= 1
    for text in [piece.text for piece in pieces if isinstance(piece, Words)]:
        text.encode()


@given(st.text(max_size=30), st.integers(1, 7))
def test_it_does_not_matter_where_the_bytes_are_cut(text: str, size: int) -> None:
    data = "".join(sse(chunk({"content": text}), chunk({}, "stop"))).encode()
    cut = [data[start : start + size] for start in range(0, len(data), size)]
    assert words(read(*cut)) == words(read(data))
