"""A mind that a person chose in mid-talk: tried, made ready, kept ready, lost and found again, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from kai.engine import chat, chat_client
from kai.engine.chat_client import ChatClient, ChatEndpoint
from kai.engine.llm.model import Model
from kai.engine.llm.slots import Slots
from kai.engine.others import choice as choice_module
from kai.engine.others import servers
from kai.engine.others import trial as trial_module
from kai.engine.others.choice import Choice, ChoiceState
from kai.engine.others.thinker import ChosenOrOwn
from kai.engine.others.trial import KEEP_LOADED
from kai.engine.server import Engine
from kai.engine.speech.mind import Mind
from kai.engine.thinking import Finished, LocalThinker, Question, Said, Trouble
from kai.engine.two_minds import SMALL_MIND, TwoMinds
from kai.engine.workers import Workers
from kai.wire.realtime import ContentPart, Item
from tests.support import model_servers as stand_ins
from tests.support.chat_providers import chunk, sse
from tests.support.chat_server import CUT, HOLD, serving_chat
from tests.support.model_servers import KINDS, ModelServer, ServerKind, serving_kind
from tests.support.speech_double import SpeechDouble

NOW = datetime(2026, 11, 30, 10, 15, tzinfo=UTC)
OPEN_QUESTION = "Why do leaves turn red in autumn?"
STILL_THINKING = "One moment, my language model is still thinking. "
OWN_ANSWER = "Their green fades."
OLLAMA, LM_STUDIO, LLAMA_CPP, VLLM = KINDS[:4]
BY_NAME = {kind.kind: kind for kind in KINDS}


def asking(*texts: str) -> Question:
    """A question whose items are these texts, the person's first and last."""
    items = tuple(
        Item(
            id=f"item{index}",
            type="message",
            role="user" if index % 2 == 0 else "assistant",
            content=(ContentPart(type="input_text", text=text),),
        )
        for index, text in enumerate(texts)
    )
    return Question(items, "", NOW)


@dataclass
class Host:
    """Kai's own model, or none."""

    model: Model | None
    is_loading: bool = False


@dataclass
class Bench:
    """One talk with a choice of minds; its own model is a chat server that remembers what it was asked."""

    choice: Choice
    talk: ChosenOrOwn
    own_asked: list[dict[str, Any]]

    async def ask(self, *texts: str) -> tuple[str, str]:
        """The answer's words, and whose they are."""
        words, whose = "", ""
        async with aclosing(self.talk.think(asking(*(texts or (OPEN_QUESTION,))))) as thinking:
            async for thought in thinking:
                match thought:
                    case Said(text=text):
                        words += text
                    case Finished(mind=mind):
                        whose = mind
                    case Trouble():
                        raise AssertionError(f"a person hears of {thought.code}")
                    case _:
                        pass
        return " ".join(words.split()), whose

    async def wait(self, state: ChoiceState) -> None:
        async with asyncio.timeout(10):
            while self.choice.state is not state:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def talking(*, has_model: bool = True) -> AsyncIterator[Bench]:
    workers, choice = Workers(), Choice()
    reflex = LocalThinker(Mind.load_plain(), workers)
    async with serving_chat(pieces=[OWN_ANSWER]) as own:
        endpoint = ChatEndpoint(own.base_url, "own", "key")
        client = ChatClient(endpoint)

        async def erase(_slot: int) -> None:
            pass

        model = Model("Own 1B", endpoint, client, Slots(2, erase), 20.0)
        two = TwoMinds(reflex, Host(model if has_model else None), workers)
        try:
            yield Bench(choice, ChosenOrOwn(two, reflex, choice, workers), own.asked)
        finally:
            await two.aclose()
            await choice.aclose()
            await client.close()
            workers.close()


def endpoint_at(server: ModelServer, model: str = "", key: str = "") -> ChatEndpoint:
    return ChatEndpoint(server.chat.base_url, model or server.kind.models[0], key)


def told(body: Mapping[str, Any]) -> list[str]:
    return [message["content"] for message in body["messages"] if message["role"] == "user"]


async def test_a_trial_of_a_server_that_takes_connections_and_hangs_ends_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chat_client.SIGN_OF_LIFE_S + trial_module.HANGS_S <= 8
    monkeypatch.setattr(chat_client, "SIGN_OF_LIFE_S", 0.05)
    monkeypatch.setattr(trial_module, "HANGS_S", 0.1)
    monkeypatch.setattr(servers, "LOOK_S", 0.1)
    async with engine_routes() as client, stand_ins.never_answering() as port:
        body = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "small"}
        trial = (await client.post("/kai/mind/trial", json=body)).json()
    assert (trial["code"], trial["is_fine"]) == ("mind_frozen", False)


# -- the talk ----------------------------------------------------------------------------------------------------------


async def test_a_mind_is_chosen_in_the_middle_of_a_talk_and_given_back() -> None:
    async with talking() as bench, serving_kind(OLLAMA, pieces=["The green goes ", "away."]) as ollama:
        assert await bench.ask() == (OWN_ANSWER, "Own 1B")
        await bench.choice.choose(endpoint_at(ollama))
        await bench.wait(ChoiceState.UP)
        assert await bench.ask("My name is Petra.", "Hello Petra.", OPEN_QUESTION) == (
            "The green goes away.",
            "llama3.2:3b",
        )
        assert told(ollama.chat.asked[-1]) == ["My name is Petra.", OPEN_QUESTION]
        assert (await bench.ask("What is eighteen times seven?"))[1] == SMALL_MIND
        asked = len(ollama.chat.asked)
        await bench.choice.clear()
        assert await bench.ask() == (OWN_ANSWER, "Own 1B")
        assert (len(ollama.chat.asked), bench.choice.to_json()["state"]) == (asked, "own")


async def test_while_a_mind_is_loading_kais_own_answers() -> None:
    async with talking() as bench, serving_kind(VLLM, pieces=[HOLD, "I am here."]) as server:
        await bench.choice.choose(endpoint_at(server))
        async with asyncio.timeout(5):
            await server.chat.held.wait()
        assert bench.choice.state is ChoiceState.LOADING
        assert (await bench.ask())[1] == "Own 1B"
        server.chat.go_on.set()
        await bench.wait(ChoiceState.UP)
        assert await bench.ask() == ("I am here.", "Qwen/Qwen3-8B")


async def test_a_model_that_takes_long_to_load_is_given_the_time_that_a_load_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat_client, "FIRST_WORD_S", 0.05)
    async with talking() as bench, serving_kind(LM_STUDIO, pieces=[HOLD, "I am here."]) as server:
        await bench.choice.choose(endpoint_at(server))
        async with asyncio.timeout(5):
            await server.chat.held.wait()
        await asyncio.sleep(0.3)
        assert bench.choice.state is ChoiceState.LOADING
        server.chat.go_on.set()
        await bench.wait(ChoiceState.UP)


@pytest.mark.parametrize("has_model", [True, False], ids=["own model", "small mind"])
async def test_a_mind_that_is_killed_in_mid_answer_is_told_and_kais_own_goes_on(
    has_model: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice_module, "RETRY_HERE_S", 0.05)
    async with talking(has_model=has_model) as bench:
        async with serving_kind(LM_STUDIO, pieces=["Leaves turn red, "]) as server:
            await bench.choice.choose(endpoint_at(server))
            await bench.wait(ChoiceState.UP)
            server.chat.pieces = ["Leaves turn red, ", CUT]
            words, whose = await bench.ask()
            port = server.port
        assert words.startswith(
            "Leaves turn red, The connection to my language model broke. I answer with my own"
        )
        assert whose == ("Own 1B" if has_model else SMALL_MIND)
        assert words.endswith(OWN_ANSWER) == has_model
        await bench.wait(ChoiceState.DOWN)
        # Nobody waits for it, and Kai speaks of it once.
        assert (await bench.ask())[0].count("language model broke") == 0
        async with serving_kind(LM_STUDIO, pieces=["I am back."], port=port):
            await bench.wait(ChoiceState.UP)
            assert (await bench.ask())[0] == "I am back."


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"status": 500}, "mind_broken"),
        (
            {"status": 404, "error": {"error": {"message": "model not found, try pulling it first"}}},
            "mind_model",
        ),
        ({"raw": [b"<html>Log in</html>"]}, "mind_garbled"),
    ],
    ids=["broken", "model gone", "another program"],
)
async def test_a_mind_that_fails_later_is_put_aside(given: dict[str, Any], code: str) -> None:
    async with talking() as bench, serving_kind(VLLM) as server:
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        for name, value in given.items():
            setattr(server.chat, name, value)
        words, whose = await bench.ask()
        assert words.endswith(f"I answer with my own mind instead. {OWN_ANSWER}")
        assert (whose, bench.choice.state) == ("Own 1B", ChoiceState.DOWN)
        assert bench.choice.to_json()["problem"]
        asked = len(server.chat.asked)
        assert await bench.ask() == (OWN_ANSWER, "Own 1B")
        assert len(server.chat.asked) == asked, code


@pytest.mark.parametrize("said", ["", "Leaves turn red, "], ids=["before a word", "in mid-answer"])
async def test_a_server_that_hangs_is_given_up_within_seconds_and_one_that_only_thinks_is_not(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat.SLOW_S + chat_client.SIGN_OF_LIFE_S <= 8
    monkeypatch.setattr(chat, "SLOW_S", 0.05)
    monkeypatch.setattr(chat_client, "SIGN_OF_LIFE_S", 0.2)
    async with talking() as bench, serving_kind(VLLM) as server:
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        server.chat.pieces = [said, HOLD, "because it is cold."]
        asked = asyncio.create_task(bench.ask())
        async with asyncio.timeout(5):
            while server.got.count("/v1/models") < 4:
                await asyncio.sleep(0.005)
        server.chat.go_on.set()
        words, whose = await asked
        assert words.replace(STILL_THINKING, "") == f"{said}because it is cold."
        assert whose == VLLM.models[0]
        server.chat.go_on.clear()
        server.is_frozen = True
        words, whose = await bench.ask()
        assert words.replace(STILL_THINKING, "") == (
            f"{said}My language model does not answer any more. I answer with my own mind instead. {OWN_ANSWER}"
        )
        assert (whose, bench.choice.state) == ("Own 1B", ChoiceState.DOWN)


async def test_one_question_that_it_does_not_take_says_nothing_about_the_next() -> None:
    async with talking() as bench, serving_kind(VLLM) as server:
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        server.chat.status, server.chat.error = 400, {"error": {"code": "content_filter", "message": "no"}}
        assert (await bench.ask())[1] == "Own 1B"
        server.chat.status = 200
        assert (await bench.ask())[1] == "Qwen/Qwen3-8B"


async def test_kais_own_model_reads_nothing_ahead_while_another_answers() -> None:
    async with talking() as bench, serving_kind(VLLM) as server:
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        bench.talk.foresee(asking(OPEN_QUESTION), is_whole=True)
        assert (await bench.ask())[1] == "Qwen/Qwen3-8B"
        assert bench.own_asked == []
        await bench.choice.clear()
        bench.talk.foresee(asking(OPEN_QUESTION), is_whole=True)
        assert (await bench.ask())[1] == "Own 1B"
        assert len(bench.own_asked) == 1


# -- made ready, and kept ready ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "model", "said"),
    [
        ("ollama", "llama3.2:3b", {}),
        ("ollama", "qwen3:4b", {"reasoning_effort": "none"}),
        ("ollama", "gpt-oss:20b", {"reasoning_effort": "low"}),
        ("lmstudio", "qwen/qwen3-4b-2507", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("llama.cpp", "gemma-4-E2B-it", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("vllm", "Qwen/Qwen3-8B", {"chat_template_kwargs": {"enable_thinking": False}}),
    ],
)
async def test_a_model_is_loaded_ahead_as_it_is_and_asked_not_to_think(
    kind: str, model: str, said: dict[str, Any]
) -> None:
    async with talking() as bench, serving_kind(BY_NAME[kind]) as server:
        await bench.choice.choose(endpoint_at(server, model))
        await bench.wait(ChoiceState.UP)
        await bench.ask()
    loads = [("/api/generate", {"model": model, "keep_alive": KEEP_LOADED})] if kind == "ollama" else []
    assert server.posted == loads
    assert len(server.chat.asked) == 2
    for body in server.chat.asked:
        assert {
            name: body[name] for name in ("reasoning_effort", "chat_template_kwargs") if name in body
        } == said
        # Another length of context would load the model again.
        assert not {"num_ctx", "options", "keep_alive", "n_ctx"} & set(body)


async def test_an_endpoint_elsewhere_is_told_nothing_beside_the_protocol() -> None:
    endpoint, server = await choice_module.describe(ChatEndpoint("https://minds.example/v1", "large", "key"))
    assert (server, dict(endpoint.extra)) == (None, {})


@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
async def test_a_model_is_kept_loaded_as_long_as_it_is_chosen(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice_module, "RENEW_S", 0.05)
    async with talking() as bench, serving_kind(BY_NAME[kind]) as server:
        await bench.choice.choose(endpoint_at(server))
        renewals = server.posted if kind == "ollama" else server.chat.asked
        async with asyncio.timeout(5):
            while len(renewals) < 3:
                await asyncio.sleep(0.005)
        await bench.choice.clear()
        count = len(renewals)
        await asyncio.sleep(0.2)
        assert len(renewals) == count


async def test_a_renewal_that_hangs_does_not_keep_a_lost_mind_from_being_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice_module, "RENEW_S", 0.05)
    monkeypatch.setattr(choice_module, "RETRY_HERE_S", 0.05)
    async with talking() as bench, serving_kind(OLLAMA) as server:
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        server.is_frozen, before = True, len(server.posted)
        async with asyncio.timeout(5):
            while len(server.posted) == before:
                await asyncio.sleep(0.005)
        server.is_frozen = False
        assert (chosen := bench.choice.ready) is not None
        bench.choice.report(chosen, "mind_frozen", "It does not answer.")
        await bench.wait(ChoiceState.UP)


async def test_a_switch_for_thinking_that_is_refused_is_left_out_from_then_on() -> None:
    mistral = ServerKind("vllm", "vLLM", VLLM.answers, VLLM.models)
    async with talking() as bench, serving_kind(mistral) as server:
        server.chat.provider = next(p for p in stand_ins.PROVIDERS if p.name == "mistral")
        await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        refused = len(server.chat.refused)
        assert refused > 0
        await bench.ask()
        assert len(server.chat.refused) == refused
        assert "chat_template_kwargs" not in server.chat.asked[-1]


# -- by hand -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def engine_routes() -> AsyncIterator[httpx.AsyncClient]:
    app = Engine(SpeechDouble().as_kit(), run_key="run").application()
    headers = {"authorization": "Bearer run"}
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client,
    ):
        yield client


async def tried(given: dict[str, Any], *, kind: ServerKind = VLLM, key: str = "") -> dict[str, Any]:
    async with engine_routes() as client, serving_kind(kind, **given) as server:
        body = {"base_url": server.chat.base_url, "model": "small", "api_key": key}
        return (await client.post("/kai/mind/trial", json=body)).json()


THOUGHTFUL = [
    line.encode() for line in sse(chunk({"reasoning_content": "Hm."}), chunk({"content": "Hello."}))
]


@pytest.mark.parametrize(
    ("given", "code", "thinks", "part"),
    [
        ({}, "", False, ""),
        ({"raw": THOUGHTFUL}, "", True, ""),
        ({"pieces": ["<think>Hm.</think>", "Hello."]}, "", True, ""),
        ({"pieces": [""]}, "mind_empty", False, "empty"),
        ({"status": 401}, "mind_key", False, "key"),
        ({"status": 404, "error": {"error": {"message": "no such model"}}}, "mind_model", False, "small"),
        ({"status": 503}, "mind_loading", False, "not ready"),
        ({"raw": [b"<html>Please log in</html>"]}, "mind_garbled", False, "chat protocol"),
    ],
    ids=["fine", "thinks apart", "thinks aloud", "empty", "key", "model", "loading", "login page"],
)
async def test_a_trial_says_how_it_is(given: dict[str, Any], code: str, thinks: bool, part: str) -> None:
    trial = await tried(given)
    assert (trial["code"], trial["is_fine"], trial["thinks"]) == (code, not code, thinks)
    assert part in trial["message"]
    assert (trial["first_word_s"] is not None) == (not code)
    assert trial["models"] == ["Qwen/Qwen3-8B"]


async def test_a_trial_where_nobody_is_says_so_and_a_list_behind_a_key_is_read_with_it() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with engine_routes() as client:
        body = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "small"}
        trial = (await client.post("/kai/mind/trial", json=body)).json()
    assert (trial["code"], trial["models"]) == ("mind_unreachable", [])
    jan = BY_NAME["jan"]
    assert (await tried({}, kind=jan, key="jan-key"))["models"] == ["Jan-v3-4B"]
    assert (await tried({}, kind=jan, key="other"))["models"] == []


async def test_a_trial_does_not_wait_for_a_long_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "WHOLE_S", 0.1)
    async with engine_routes() as client, serving_kind(VLLM, pieces=["Hello. ", "I am ", HOLD]) as server:
        body = {"base_url": server.chat.base_url, "model": "Qwen/Qwen3-8B"}
        assert (await client.post("/kai/mind/trial", json=body)).json()["is_fine"]
        async with asyncio.timeout(5):
            await server.chat.left.wait()
        assert len(server.chat.asked) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "base_url"),
        ({"base_url": "127.0.0.1:11434", "model": "m"}, "base_url"),
        ({"base_url": "http://", "model": "m"}, "base_url"),
        ({"base_url": "http://x:99999/v1", "model": "m"}, "base_url"),
        ({"base_url": "http://x/v1\n", "model": ""}, "model"),
        ({"base_url": "http://x/v1", "model": "m", "api_key": 7}, "api_key"),
    ],
)
async def test_what_is_no_address_is_refused_and_the_talk_keeps_its_mind(
    body: dict[str, Any], param: str
) -> None:
    async with engine_routes() as client, serving_kind(VLLM) as server:
        good = {"base_url": server.chat.base_url, "model": "Qwen/Qwen3-8B", "api_key": "secret-1"}
        assert (await client.put("/kai/mind", json=good)).json()["state"] == "loading"
        for method, path in (("PUT", "/kai/mind"), ("POST", "/kai/mind/trial")):
            refused = await client.request(method, path, json=body)
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)
        now = await client.get("/kai/mind")
        status = await client.get("/kai/status")
        assert now.json()["model"] == status.json()["chosen"]["model"] == "Qwen/Qwen3-8B"
        assert "secret-1" not in now.text + status.text
        assert (await client.get("/kai/mind", headers={"authorization": "Bearer no"})).status_code == 401
        assert (await client.delete("/kai/mind")).json()["state"] == "own"


async def test_many_changes_of_mind_end_with_the_last_one() -> None:
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(talking())
        servers = [
            await stack.enter_async_context(serving_kind(kind, pieces=[kind.name])) for kind in KINDS[:4]
        ]
        for server in [*servers, *servers]:
            await bench.choice.choose(endpoint_at(server))
        await bench.wait(ChoiceState.UP)
        assert (await bench.ask())[1] == servers[-1].kind.models[0]
