"""Chat endpoints as they are: every provider's habits, over a real server, with the whole thinker before it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import given, settings
from hypothesis import strategies as st

from kai.engine.chat import ChatThinker
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.speech.mind import UNKNOWN, Reply
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Thought, ToolCall, Trouble
from kai.engine.unspoken import Opening
from kai.engine.workers import Workers
from kai.wire import realtime as wire
from kai.wire.realtime import ContentPart, Item
from tests.support.chat_providers import PROVIDERS, Provider, chunk, sse
from tests.support.chat_server import HOLD, ChatServer, serving_chat
from tests.support.chat_streams import chat_streams
from tests.support.engine_talk import TYPED, talking

TOOLS = tuple(
    {"type": "function", "name": name, "description": name, "parameters": {"type": "object"}}
    for name in ("weather", "clock")
)
NOW = datetime(2026, 1, 2, 3, 4)  # noqa: DTZ001


class Silent(LocalThinker):
    """A small mind that knows nothing."""

    def __init__(self) -> None:
        pass

    async def reply(self, question: Question) -> Reply:
        return Reply("I do not know.", UNKNOWN, 0.0)


@asynccontextmanager
async def asking(
    provider: Provider | None = None, **given: Any
) -> AsyncIterator[tuple[ChatServer, ChatThinker]]:
    workers = Workers()
    async with serving_chat(provider=provider, **given) as chat:
        named = provider or PROVIDERS[0]
        endpoint = ChatEndpoint(chat.base_url, named.model, "k-1", extra=named.extra)
        client = ChatClient(endpoint)
        try:
            yield chat, ChatThinker(endpoint, client, Silent(), workers=workers)
        finally:
            await client.close()
            workers.close()


def said(role: str, text: str) -> Item:
    return Item(type="message", role=role, content=(ContentPart(type="input_text", text=text),))


def call(call_id: str = "c1", name: str = "weather", arguments: str = '{"in":"Oslo"}') -> Item:
    return Item(type="function_call", call_id=call_id, name=name, arguments=arguments)


def result(call_id: str = "c1", output: str = "rain") -> Item:
    return Item(type="function_call_output", call_id=call_id, output=output)


def question(*items: Item, **more: Any) -> Question:
    return Question(items=items, instructions="Be kind.", now=NOW, **{"tools": TOOLS, **more})


async def think(thinker: ChatThinker, *items: Item, **more: Any) -> list[Thought]:
    return [thought async for thought in thinker.think(question(*items, **more))]


def words(thoughts: list[Thought]) -> str:
    return "".join(thought.text for thought in thoughts if isinstance(thought, Said) and not thought.is_aside)


USER, KAI = said("user", "What is up?"), said("assistant", "Not much.")
TALKS = {
    "the first word": (USER,),
    "Kai greets first": (said("assistant", "Hello, I am Kai."), USER),
    "nobody said anything": (),
    "two sentences in a row": (USER, said("user", "Tell me.")),
    "Kai speaks last": (USER, KAI),
    "two answers in a row": (USER, KAI, said("assistant", "And more."), USER),
    "a tool answered": (USER, call(), result()),
    "the person speaks while a tool runs": (USER, call(), said("user", "Are you there?")),
    "the result comes late": (
        USER,
        call(),
        said("user", "Are you there?"),
        said("assistant", "Yes."),
        result(),
    ),
    "the result never comes": (USER, call(), said("user", "Hm?"), KAI, said("user", "Well."), KAI, USER),
    "a result of nothing": (USER, result("c9"), USER),
    "two calls, one result": (USER, call("c1"), call("c2", "clock", "{}"), result("c2", "noon"), USER),
    "a call that is no call": (USER, call("", "no such tool!", "not json"), result("", ""), USER),
    "ids that repeat": (USER, call("0"), result("0", "rain"), USER, call("0"), result("0", "snow"), USER),
    "words before a call": (USER, said("assistant", "Let me see."), call(), result(), KAI, USER),
    "one call after the other": (
        USER,
        call("c1"),
        result("c1"),
        call("c2", "clock"),
        result("c2"),
        KAI,
        USER,
    ),
    "a call first": (call(), result(), USER),
}


OFTEN = {
    "openai-reasoning",
    "gemini",
    "mistral",
    "qwen",
    "gemma",
    "llama.cpp-small",
    "ollama",
    "silent-refuser",
}
"""The providers that differ most from each other; the rest are asked in ``make long``."""


def grid(*, calls_tools: bool | None = None) -> list[ParameterSet]:
    """The providers, those with or without tools alone where that is asked for."""
    return [
        pytest.param(p, marks=() if p.name in OFTEN else (pytest.mark.long,), id=p.name)
        for p in PROVIDERS
        if calls_tools is None or p.calls_tools is calls_tools
    ]


@pytest.mark.parametrize("provider", grid())
async def test_every_provider_answers_every_talk_and_only_the_answer_is_said(provider: Provider) -> None:
    async with asking(provider) as (chat, thinker):
        for name, items in TALKS.items():
            if provider.name in ("gemini", "deepseek") and any(
                item.type == "function_call" for item in items
            ):
                continue  # they want back what came with the call; a test below has such talks
            thoughts = await think(thinker, *items)
            assert words(thoughts) == "Hello. I am a model.", name
            assert not [t for t in thoughts if isinstance(t, Trouble)], name
            assert isinstance(thoughts[-1], Finished), name
            assert thoughts[-1].completion_tokens == provider.tokens, name
        refused = len(chat.refused)
        await think(thinker, USER, KAI, USER)
    assert len(chat.refused) == refused <= 5, "what was learnt is remembered"
    assert all("Be kind." in str(asked["messages"]) for asked in chat.asked)


CALL_PIECES = [
    {
        "tool_calls": [
            {
                "index": 0,
                "id": "a1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"in": "Oslo"}'},
            },
            {"index": 1, "id": "a2", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
        ]
    }
]


@pytest.mark.parametrize("provider", grid(calls_tools=True))
async def test_two_calls_of_tools_come_whole_and_the_talk_goes_on_with_their_results(
    provider: Provider,
) -> None:
    async with asking(provider, pieces=CALL_PIECES) as (chat, thinker):
        thoughts = await think(thinker, USER)
        calls = [thought for thought in thoughts if isinstance(thought, ToolCall)]
        assert [(c.name, c.arguments.replace(" ", "")) for c in calls] == [
            ("weather", '{"in":"Oslo"}'),
            ("clock", "{}"),
        ]
        assert len({c.call_id for c in calls}) == 2
        chat.pieces = ["It ", "rains."]
        made = [call(c.call_id, c.name, c.arguments) for c in calls]
        interrupted = await think(thinker, USER, *made, said("user", "Are you there?"))
        assert words(interrupted) == "It rains."
        results = [result(c.call_id) for c in calls]
        answered = await think(thinker, USER, *made, said("user", "Are you there?"), KAI, *results)
    assert words(answered) == "It rains."
    assert [m["content"] for m in chat.asked[-1]["messages"] if m["role"] == "tool"] == ["rain", "rain"]


@pytest.mark.parametrize("provider", grid(calls_tools=False))
async def test_a_provider_without_tools_is_told_their_results_in_words(provider: Provider) -> None:
    async with asking(provider) as (chat, thinker):
        thoughts = await think(thinker, USER, call(), result(), KAI, USER)
    assert words(thoughts) == "Hello. I am a model."
    assert "rain" in str(chat.asked[-1]["messages"])
    assert "tools" not in chat.asked[-1]


async def test_a_talk_that_is_too_long_for_the_model_is_told_from_a_later_point() -> None:
    provider = next(p for p in PROVIDERS if p.name == "llama.cpp-small")
    long = [said("user" if n % 2 == 0 else "assistant", f"{n} " + "word " * 100) for n in range(31)]
    async with asking(provider) as (chat, thinker):
        thoughts = await think(thinker, *long)
        await think(thinker, *long)
    assert words(thoughts) == "Hello. I am a model."
    assert chat.asked[-1]["messages"][-1]["content"].startswith("30 ")
    assert len(chat.refused) <= 3


async def test_one_message_that_is_too_long_for_the_model_is_told_as_that() -> None:
    provider = next(p for p in PROVIDERS if p.name == "llama.cpp-small")
    async with asking(provider) as (chat, thinker):
        thoughts = await think(thinker, said("user", "word " * 3_000))
    assert [t.code for t in thoughts if isinstance(t, Trouble)] == ["mind_long"]
    assert len(chat.asked) < 7


@pytest.mark.parametrize(
    ("status", "error", "code", "asked"),
    [
        (400, {"error": {"message": "API key not valid. Please pass a valid API key."}}, "mind_key", 1),
        (402, {"error": {"message": "Insufficient Balance"}}, "mind_quota", 1),
        (
            429,
            {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}},
            "mind_quota",
            1,
        ),
        (
            400,
            {"error": {"code": "content_filter", "message": "The response was filtered"}},
            "mind_filtered",
            1,
        ),
        (500, {"error": "CUDA out of memory while streaming"}, "mind_broken", 1),
        (400, "not a refusal of anything", "mind_refused", 2),
        (404, {"error": {"message": 'model "small" not found, try pulling it first'}}, "mind_model", 1),
    ],
)
async def test_what_no_other_request_would_mend_is_told_and_nothing_is_unlearnt(
    status: int, error: Any, code: str, asked: int
) -> None:
    async with asking(status=status, error=error) as (chat, thinker):
        thoughts = await think(thinker, USER)
        assert [t.code for t in thoughts if isinstance(t, Trouble)] == [code]
        assert len(chat.asked) == asked
        chat.status = 200
        assert words(await think(thinker, USER)) == "Hello. I am a model."
    assert {"tools", "tool_choice", "max_tokens", "stream", "stream_options"} <= set(chat.asked[-1])


@pytest.mark.parametrize(
    "name",
    [
        *("max_tokens", "temperature", "stream_options"),
        *(pytest.param(name, marks=pytest.mark.long) for name in ("tool_choice", "seed", "top_p", "stream")),
    ],
)
@pytest.mark.parametrize("names_it", [True, False], ids=["named", "not named"])
async def test_any_parameter_that_is_refused_is_learnt(name: str, names_it: bool) -> None:
    def refuse(body: Any) -> tuple[int, Any] | None:
        if name not in body:
            return None
        return 400, {"error": {"message": f"{name} is not permitted" if names_it else "Bad request"}}

    provider = Provider("any", refuse, extra={"temperature": 0.2, "seed": 1, "top_p": 0.9})
    async with asking(provider) as (chat, thinker):
        assert words(await think(thinker, USER)) == (
            "" if name == "stream" and not names_it else "Hello. I am a model."
        )
        if name == "stream" and not names_it:
            return  # a stream is never given up on a guess
        assert words(await think(thinker, USER)) == "Hello. I am a model."
    assert len(chat.refused) == 1
    assert "max_completion_tokens" in chat.asked[-1] or name != "max_tokens" or not names_it


async def test_an_address_without_its_v1_is_found() -> None:
    async with asking() as (chat, thinker):
        thinker._endpoint = ChatEndpoint(chat.base_url.removesuffix("/v1"), "small")
        thinker._client.endpoint = thinker._endpoint
        assert words(await think(thinker, USER)) == "Hello. I am a model."


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("something_new", "stop"),
        (None, "none"),
    ],
)
async def test_how_an_answer_ended_is_told(finish: str | None, reason: str) -> None:
    raw = [event.encode() for event in sse(chunk({"content": "Well, I"}), chunk({}, finish))]
    async with asking(raw=raw) as (_, thinker):
        thoughts = await think(thinker, USER)
        assert thoughts[-1] == Finished(reason)
        async with talking(thinker=thinker) as talk:
            talk.do(TYPED)
            talk.do(wire.ResponseCreate())
            done = await talk.transport.wait(wire.ResponseDone)
    told = done.response.status_details
    if reason in ("length", "content_filter"):
        assert done.response.status == "incomplete"
        assert told.reason == {"length": "max_output_tokens"}.get(reason, reason)
    else:
        assert done.response.status == "completed"
    assert done.response.output[0].content[0].transcript.startswith("Well, I")


async def test_a_model_that_thinks_its_tokens_away_gets_more_of_them_once() -> None:
    raw = [event.encode() for event in sse(chunk({"reasoning_content": "Hm."}), chunk({}, "length"))]
    async with asking(raw=raw) as (chat, thinker):
        thoughts = await think(thinker, USER)
        assert [t.code for t in thoughts if isinstance(t, Trouble)] == ["mind_cut"]
        limits = [asked["max_tokens"] for asked in chat.asked]
        chat.raw = None
        assert words(await think(thinker, USER)) == "Hello. I am a model."
    assert limits == [600, 4_800]
    assert chat.asked[-1]["max_tokens"] == 4_800


async def test_kais_own_trouble_is_not_told_as_something_that_it_said() -> None:
    async with asking(status=500) as (chat, thinker), talking(thinker=thinker) as talk:
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        done = await talk.transport.wait(wire.ResponseDone)
        assert "fault of its own" in done.response.output[0].content[0].transcript
        chat.status = 200
        talk.do(TYPED)
        talk.do(wire.ResponseCreate())
        await talk.transport.wait(wire.ResponseDone, count=2)
    assert "fault of its own" not in str(chat.asked[-1]["messages"])
    assert [message["role"] for message in chat.asked[-1]["messages"]] == ["system", "user"]


async def test_a_stream_that_is_not_closed_behind_its_end_is_not_waited_for() -> None:
    async with asking(pieces=["Hello."]) as (chat, thinker):
        chat.pieces = ["Hello.", {"__finish__": True}, HOLD]
        raw = chunk({}, "stop")

        def event(body: dict[str, Any]) -> str:
            delta = body["choices"][0]["delta"]
            return sse(raw if "__finish__" in delta else chunk(delta), done=False)[0]

        chat._event = event  # type: ignore[method-assign]
        assert words(await think(thinker, USER)) == "Hello."


# ------------------------------------------------------------------ no chunk ends a talk


async def survive(streams: list[list[bytes]]) -> None:
    async with asking() as (chat, thinker):
        for stream in streams:
            thinker._client.habits.opening = Opening.ANSWER
            chat.raw = stream
            thoughts = await think(thinker, USER)
            assert isinstance(thoughts[-1], Finished | Trouble)
            for text in (t.text for t in thoughts if isinstance(t, Said)):
                text.encode()
                assert "\0" not in text
        chat.raw = None
        async with talking(thinker=thinker) as talk:
            for stream in streams:
                chat.raw = stream
                talk.do(TYPED)
                talk.do(wire.ResponseCreate())
                await talk.transport.wait(
                    wire.ResponseDone, count=len(talk.transport.of(wire.ResponseDone)) + 1
                )
            assert not talk.transport.cut_offs


streams_of_events = st.lists(chat_streams, min_size=2, max_size=4)


@given(streams_of_events)
@settings(settings.get_profile("kai"), max_examples=4)
async def test_no_chunk_whatever_is_in_it_ends_a_talk(streams: list[list[bytes]]) -> None:
    await survive(streams)


@pytest.mark.long
@pytest.mark.timeout(300)
@given(streams_of_events)
@settings(settings.get_profile("kai"), max_examples=100)
async def test_no_chunk_whatever_is_in_it_ends_a_talk_long(streams: list[list[bytes]]) -> None:
    await survive(streams)
