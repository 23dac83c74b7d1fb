"""A language model behind a chat endpoint as Kai's mind: a real small server, real requests, scripted ears and voice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import httpx2
import numpy as np
import openai
import pytest

from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_minds import EngineMind, give_mind
from kai.engine import chat as chat_module
from kai.engine.minds import Minds
from kai.engine.others.thinker import ChosenOrOwn
from kai.engine.server import Engine
from kai.engine.speech.mind import MindTurn, Reply
from kai.engine.speech.orders import CancelTimers, Effect, RunningTimer, SetTimer
from kai.engine.thinking import Finished, Question, Said, Thinker, Trouble
from kai.engine.workers import Workers
from kai.errors import BrainError, ConfigError
from kai.settings import Settings
from kai.wire import realtime as wire
from kai.wire.realtime import ClientMistake, ContentPart, Item
from tests.support.chat_server import HOLD, ChatServer, serving_chat
from tests.support.engine_inside import engine_address
from tests.support.engine_talk import TYPED, Talk, talking, voice_ms
from tests.support.speech_double import SpeechDouble

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather",
    "parameters": {"type": "object"},
}


@asynccontextmanager
async def thinking_with(**body: Any) -> AsyncIterator[Thinker]:
    """The thinker of a mind that was put with `body`."""
    workers = Workers()
    minds = Minds(SpeechDouble().as_kit().mind, workers)
    try:
        await minds.put("mine", body)
        yield minds.thinker_of("kai-mine")
    finally:
        await minds.aclose()
        workers.close()


@asynccontextmanager
async def modelling(**given: Any) -> AsyncIterator[tuple[ChatServer, Thinker]]:
    """A chat server, and the thinker that asks it."""
    async with (
        serving_chat(**given) as chat,
        thinking_with(base_url=chat.base_url, model="small", api_key="k-1") as thinker,
    ):
        yield chat, thinker


def question(*items: Item, **more: Any) -> Question:
    given = items or (said("user", "What is up?"),)
    return Question(items=given, instructions="Be kind.", now=datetime(2026, 1, 2, 3, 4), **more)  # noqa: DTZ001


def said(role: str, text: str) -> Item:
    return Item(type="message", role=role, content=(ContentPart(type="input_text", text=text),))


async def ask(talk: Talk) -> None:
    talk.do(TYPED)
    talk.do(wire.ResponseCreate())


async def test_the_first_clause_is_spoken_while_the_model_still_makes_the_rest() -> None:
    pieces = ["Well", ", to be", " honest, I ", "like it. It", HOLD, " is warm."]
    async with modelling(pieces=pieces) as (chat, thinker), talking(thinker=thinker) as talk:
        await ask(talk)
        first = await talk.transport.wait(wire.OutputTranscriptDelta)
        await talk.transport.wait(wire.OutputAudioStarted)
        assert "response.done" not in talk.transport.types
        chat.go_on.set()
        done = await talk.transport.wait(wire.ResponseDone)
    assert first.delta.startswith("Well, to be honest,")
    assert (
        done.response.output[0].content[0].transcript.replace(".", "")
        == "Well, to be honest, I like it It is warm"
    )


async def test_a_person_who_speaks_up_ends_the_request_to_the_model() -> None:
    async with (
        modelling(pieces=["One thing. And ", HOLD, "another."]) as (chat, thinker),
        talking(thinker=thinker) as talk,
    ):
        await ask(talk)
        await talk.transport.wait(wire.OutputAudioStarted)
        talk.conversation.push_audio(voice_ms(1_200))
        done = await talk.transport.wait(wire.ResponseDone)
        async with asyncio.timeout(5):
            await chat.left.wait()
    assert done.response.status == "cancelled"


async def test_the_model_hears_the_whole_talk_the_rules_and_its_key() -> None:
    async with modelling() as (chat, thinker):
        asked = question(
            said("user", "Hi"), said("assistant", "Hello"), said("user", "And you?"), max_tokens=50
        )
        thoughts = [thought async for thought in thinker.think(asked)]
    assert (
        "".join(thought.text for thought in thoughts if isinstance(thought, Said)) == "Hello. I am a model."
    )
    assert thoughts[-1] == Finished("stop")
    (request,) = chat.asked
    assert [(m["role"], m["content"]) for m in request["messages"][1:]] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "And you?"),
    ]
    assert request["messages"][0]["content"].endswith("Be kind.")
    assert (request["model"], request["max_tokens"], request["stream"]) == ("small", 50, True)
    assert chat.keys == ["Bearer k-1"]


async def test_tools_are_passed_on_and_their_results_come_back() -> None:
    call = {
        "index": 0,
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"in":'},
    }
    rest = {"index": 0, "function": {"arguments": '"Oslo"}'}}
    async with (
        modelling(pieces=[{"tool_calls": [call]}, {"tool_calls": [rest]}]) as (chat, thinker),
        talking(thinker=thinker, tools=[WEATHER], tool_choice="auto") as talk,
    ):
        await ask(talk)
        done = await talk.transport.wait(wire.ResponseDone)
        arguments = await talk.transport.wait(wire.FunctionArgumentsDone)
        chat.pieces = ["It rains."]
        result = Item(type="function_call_output", call_id="c1", output="rain")
        talk.do(wire.ItemCreate(item=result))
        talk.do(wire.ResponseCreate())
        answered = await talk.transport.wait(wire.ResponseDone, count=2)
    (item,) = done.response.output
    assert (item.type, item.name, item.call_id, item.arguments) == (
        "function_call",
        "weather",
        "c1",
        '{"in":"Oslo"}',
    )
    assert arguments.arguments == item.arguments
    assert answered.response.output[0].content[0].transcript == "It rains."
    assert chat.asked[0]["tools"][0]["function"]["name"] == "weather"
    assert [m["role"] for m in chat.asked[1]["messages"]] == ["system", "user", "assistant", "tool"]
    told = chat.asked[1]["messages"]
    assert told[2]["tool_calls"][0]["id"] == told[3]["tool_call_id"]
    assert (told[2]["tool_calls"][0]["function"]["arguments"], told[3]["content"]) == (
        '{"in":"Oslo"}',
        "rain",
    )


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (401, "mind_key", "does not accept its key"),
        (404, "mind_model", "There is no model called small"),
        (429, "mind_busy", "too much to do"),
        (400, "mind_refused", "refused the question"),
        (503, "mind_loading", "not ready yet"),
        (500, "mind_broken", "a fault of its own"),
    ],
)
async def test_what_is_wrong_with_the_model_is_said_and_told_and_the_small_mind_answers(
    status: int, code: str, words: str
) -> None:
    async with modelling(status=status) as (chat, thinker), talking(thinker=thinker) as talk:
        await ask(talk)
        done = await talk.transport.wait(wire.ResponseDone)
        error = await talk.transport.wait(wire.ErrorOccurred)
    spoken = done.response.output[0].content[0].transcript
    assert words in spoken
    assert "You said Hi." in spoken
    assert (error.error.code, "secret" in str(talk.transport.events)) == (code, False)


async def test_a_server_that_is_not_there_is_named_without_its_secrets() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"http://user:pass@127.0.0.1:{port}/v1?token=abc"
        async with thinking_with(base_url=url, model="small") as thinker:
            first = await anext(aiter(thinker.think(question())))
    assert isinstance(first, Trouble)
    assert (first.code, f"at 127.0.0.1:{port}." in first.message) == ("mind_unreachable", True)


async def test_a_slow_model_is_excused_and_one_that_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat_module, "SLOW_S", 0.1)
    monkeypatch.setattr(chat_module, "FIRST_WORD_S", 0.4)
    async with modelling(pieces=[HOLD]) as (chat, thinker):
        thoughts = [thought async for thought in thinker.think(question())]
    assert isinstance(thoughts[0], Said)
    assert "still thinking" in thoughts[0].text
    assert isinstance(thoughts[1], Trouble)
    assert thoughts[1].code == "mind_slow"


async def test_a_model_that_stops_in_the_middle_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_module, "STALL_S", 0.3)
    async with modelling(pieces=["Let me see. ", HOLD]) as (chat, thinker):
        thoughts = [thought async for thought in thinker.think(question())]
    assert [type(thought) for thought in thoughts] == [Said, Trouble]
    assert "in the middle" in str(thoughts[1])


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (["<thi", "nk>Hm, a ques", "tion.</think>\n\nYes", "."], "Yes."),
        (["<", "3"], "<3"),
        (["<"], "<"),
    ],
)
async def test_what_a_model_thinks_aloud_is_not_said(pieces: list[str], answer: str) -> None:
    async with modelling(pieces=pieces) as (chat, thinker):
        thoughts = [thought async for thought in thinker.think(question())]
    assert "".join(thought.text for thought in thoughts if isinstance(thought, Said)) == answer


@pytest.mark.parametrize("pieces", [[], ["<think>Only thoughts.</think>"], ["  "]])
async def test_an_answer_without_words_is_told(pieces: list[str]) -> None:
    async with modelling(pieces=pieces) as (chat, thinker):
        thoughts = [thought async for thought in thinker.think(question())]
    assert [t.code for t in thoughts if isinstance(t, Trouble)] == ["mind_empty"]


# -- the private route -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def app_of(run_key: str | None = "run") -> AsyncIterator[httpx.AsyncClient]:
    app = Engine(SpeechDouble().as_kit(), run_key=run_key).application()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1") as client,
    ):
        yield client


async def test_only_the_key_of_the_run_may_give_a_mind() -> None:
    body = {"base_url": "http://127.0.0.1:1/v1", "model": "small", "api_key": "k"}
    async with app_of() as client:
        run = {"authorization": "Bearer run"}
        secret = (await client.post("/v1/realtime/client_secrets", headers=run, json={})).json()["value"]
        statuses = [
            (
                await client.put("/kai/minds/mine", json=body, headers={"authorization": f"Bearer {key}"})
            ).status_code
            for key in ("wrong", secret, "run")
        ]
        removed = [(await client.delete("/kai/minds/mine", headers=run)).status_code for _ in range(2)]
    assert (statuses, removed) == ([401, 401, 204], [204, 404])


@pytest.mark.parametrize(
    ("voice", "status"),
    [("emil", 200), ("emil:+2:-1", 200), ("emil:+9:-1", 400), ("nobody", 404), ("george", 409)],
)
async def test_a_voice_is_heard_as_it_was_asked_for_or_the_answer_says_why_not(
    voice: str, status: int
) -> None:
    async with app_of() as client:
        heard = await client.get(f"/kai/voices/{voice}/preview", headers={"authorization": "Bearer run"})
    assert heard.status_code == status
    assert (heard.headers["content-type"] == "audio/wav") == (status == 200)


async def test_the_engine_tells_the_app_how_full_it_is_and_what_is_missing() -> None:
    async with app_of() as client:
        refused = await client.get("/kai/status", headers={"authorization": "Bearer wrong"})
        told = await client.get("/kai/status", headers={"authorization": "Bearer run"})
    assert refused.status_code == 401
    status = told.json()
    assert (status["problems"], status["parts"]) == ([], [])
    assert (status["conversations"], status["max_conversations"]) == (0, 8)
    assert {voice["id"]: voice["is_installed"] for voice in status["voices"]} == {
        "kai": True,
        "mara": True,
        "ade": True,
        "ines": True,
        "emil": True,
        "vera": True,
        "jun": True,
        "bella": False,
        "michael": False,
        "emma": False,
        "george": False,
    }


@pytest.mark.parametrize(
    ("mind_id", "body", "param"),
    [
        ("local", {}, "id"),
        ("Mine", {}, "id"),
        ("mine", {"base_url": "ftp://x", "model": "m"}, "base_url"),
        ("mine", {"base_url": "http://x"}, "model"),
        ("mine", {"base_url": 7, "model": "m"}, "base_url"),
        ("mine", {"temperature": 1}, "temperature"),
    ],
)
async def test_a_mind_that_cannot_be_is_refused(mind_id: str, body: dict[str, Any], param: str) -> None:
    async with app_of(None) as client:
        answer = await client.put(f"/kai/minds/{mind_id}", json=body, headers={"authorization": "Bearer any"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_call_that_asks_for_a_mind_nobody_gave_is_refused() -> None:
    app = Engine(SpeechDouble().as_kit()).application()
    async with app.router.lifespan_context(app):
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
        client = openai.AsyncOpenAI(
            api_key="any", base_url="http://127.0.0.1/v1", max_retries=0, http_client=http
        )
        with pytest.raises(openai.BadRequestError) as caught:
            await client.realtime.calls.create(sdp="v=0", session={"type": "realtime", "model": "kai-mine"})
        await client.close()
    assert caught.value.code == "model_not_found"


async def test_a_mind_without_an_endpoint_is_the_small_one_and_the_oldest_of_many_makes_room() -> None:
    workers = Workers()
    minds = Minds(SpeechDouble().as_kit().mind, workers)
    try:
        for number in range(65):
            await minds.put(f"m{number}", {})
        with pytest.raises(ClientMistake):
            minds.thinker_of("kai-m0")
        assert isinstance(minds.thinker_of("kai-m64"), ChosenOrOwn)
        assert isinstance(minds.thinker_of("gpt-realtime"), ChosenOrOwn)
    finally:
        await minds.aclose()
        workers.close()


# -- the app's side ----------------------------------------------------------------------------------------------------


async def test_the_app_gives_its_mind_to_the_engine_and_calls_it_by_name() -> None:
    async with engine_address() as address:
        model = await give_mind(address, EngineMind(time_zone="Asia/Tokyo"))
        client = openai.AsyncOpenAI(api_key="run", base_url=address.realtime_url, max_retries=0)
        async with client.realtime.connect(model=model) as connection:
            await connection.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
            )
            await connection.response.create(response={"output_modalities": ["text"]})
            async with asyncio.timeout(10):
                async for event in connection:
                    if event.type == "response.output_text.done":
                        break
        await client.close()
    assert model.startswith("kai-mind-")
    assert event.text


async def test_an_engine_that_is_gone_is_told_in_words() -> None:
    with pytest.raises(BrainError, match="does not answer"):
        await give_mind(EngineAddress("http://127.0.0.1:1/v1", "run"), EngineMind())


def test_an_address_without_a_model_is_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAI_MIND_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(ConfigError, match="belong together"):
        Settings.load()
    monkeypatch.setenv("KAI_MIND_MODEL", "small")
    assert Settings.load().mind_model == "small"


# -- what the small mind does besides speaking ------------------------------------------------------------------------


class DoingMind:
    """Answers with `effects`."""

    def __init__(self, *effects: Effect) -> None:
        self._effects = effects

    def reply(
        self,
        turns: Sequence[MindTurn],
        instructions: str,
        now: datetime,
        timers: Sequence[RunningTimer] = (),
        name: str = "",
    ) -> Reply:
        del turns, instructions, now, timers, name
        return Reply("All right.", "done", 1.0, self._effects)


async def test_a_timer_speaks_up_by_itself_once_nobody_else_speaks() -> None:
    speech = SpeechDouble()
    speech.mind = DoingMind(SetTimer(0, "buy milk"))  # type: ignore[assignment]
    async with talking(speech) as talk:
        await ask(talk)
        talk.conversation.push_audio(voice_ms(300))
        await asyncio.sleep(0.1)
        assert talk.transport.types.count("response.created") == 1
        talk.say(speech_ms=0, then_silence_ms=700)
        done = await talk.transport.wait(wire.ResponseDone, count=3)
    texts = [e.transcript for e in talk.transport.events if isinstance(e, wire.OutputTranscriptDone)]
    assert any("buy milk" in text for text in texts)
    assert done.response.status == "completed"


async def test_a_cancelled_timer_is_silent() -> None:
    speech = SpeechDouble()
    speech.mind = DoingMind(SetTimer(60), CancelTimers())  # type: ignore[assignment]
    async with talking(speech) as talk:
        await ask(talk)
        await talk.transport.wait(wire.ResponseDone)
        await asyncio.sleep(0.05)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("timer")]


async def test_louder_is_louder_and_does_not_crackle() -> None:
    async with talking(SpeechDouble()) as talk:
        # As a call does that takes a talk over: what was asked for in it still holds.
        for role, kind, text in (
            ("user", "input_text", "Louder!"),
            ("assistant", "output_text", "All right."),
        ):
            content = (wire.ContentPart(type=kind, text=text),)
            talk.conversation.handle(
                wire.ItemCreate(item=wire.Item(type="message", role=role, content=content))
            )
        await ask(talk)
        await talk.transport.wait(wire.ResponseDone)
        peaks = [int(np.abs(talk.transport.playout.pull()).max()) for _ in range(20)]
    assert 14_000 < max(peaks) < 16_500
