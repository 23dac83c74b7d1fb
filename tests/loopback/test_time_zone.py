"""The engine tells the time of the person, wherever it runs itself."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from kai.adapters.engine_client import EngineAddress
from kai.adapters.engine_minds import EngineMind, give_mind
from kai.engine.minds import Minds
from kai.engine.workers import Workers
from kai.errors import BrainError
from kai.wire.realtime import ClientMistake
from tests.support.chat_server import serving_chat
from tests.support.chosen_mind import choosing
from tests.support.clock import is_now_in
from tests.support.engine import RunningEngine, engine
from tests.support.speech_double import SpeechDouble

__all__ = ["engine"]

ZONES = ["Asia/Tokyo", "America/St_Johns", "Pacific/Kiritimati", "UTC"]


async def answer(engine: RunningEngine, model: str, text: str) -> str:
    """What the engine writes to a typed line."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    async with engine.client() as client, client.realtime.connect(model=model) as connection:
        await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
        await connection.response.create(response={"output_modalities": ["text"]})
        async for event in connection:
            if event.type == "response.done":
                return json.dumps(event.response.to_dict())
    raise AssertionError


def address(engine: RunningEngine) -> EngineAddress:
    return EngineAddress(engine.url, engine.key)


@pytest.mark.parametrize("zone", ZONES)
async def test_the_small_mind_tells_the_persons_time(engine: RunningEngine, zone: str) -> None:
    model = await give_mind(address(engine), EngineMind(time_zone=zone))
    said = await answer(engine, model, "What time is it?")
    assert is_now_in(said, zone), said


async def test_people_in_two_zones_talk_at_once_with_their_own_time(engine: RunningEngine) -> None:
    models = [await give_mind(address(engine), EngineMind(time_zone=zone)) for zone in ZONES[:2]]
    assert len(set(models)) == 2
    for model, zone in zip(models, ZONES[:2], strict=True):
        said = await answer(engine, model, "What time is it?")
        assert is_now_in(said, zone), said


async def test_a_language_model_is_told_the_persons_time(engine: RunningEngine) -> None:
    async with serving_chat(pieces=["Late."]) as chat, choosing(address(engine), chat.base_url):
        model = await give_mind(address(engine), EngineMind(time_zone="Pacific/Kiritimati"))
        assert "Late." in await answer(engine, model, "Would you call it late?")
        told = json.dumps(chat.asked[-1]["messages"])
    now = datetime.now(ZoneInfo("Pacific/Kiritimati"))
    assert any(f"{now - timedelta(minutes=m):%A, %d %B %Y, %H:%M}" in told for m in range(3)), told


@pytest.mark.parametrize(
    "zone", ["Moon/Base", "../../etc/passwd", "/etc/localtime", "Asia/Tokyo\x00", "x" * 3000]
)
async def test_a_zone_that_is_none_is_refused(engine: RunningEngine, zone: str) -> None:
    with pytest.raises(BrainError):
        await give_mind(address(engine), EngineMind(time_zone=zone))


async def test_without_a_zone_it_is_the_computers_own_time() -> None:
    workers = Workers()
    minds = Minds(SpeechDouble().as_kit().mind, workers)
    try:
        await minds.put("here", {"documents": []})
        await minds.put("there", {"time_zone": "Asia/Kathmandu"})
        own = datetime.now().astimezone().utcoffset()
        for model in ("kai-local", "kai-here", "gpt-realtime"):
            assert minds.clock_of(model)().utcoffset() == own
        assert minds.clock_of("kai-there")().utcoffset() == timedelta(hours=5, minutes=45)
        with pytest.raises(ClientMistake, match="time_zone"):
            await minds.put("wrong", {"time_zone": "Europe/Nowhere"})
    finally:
        await minds.aclose()
        workers.close()
